#!/usr/bin/python3
"""A client process for the tests: holds any number of TCP connections and does with them what it is told.

It reads one JSON object a line on stdin, {"do": NAME, ...}, and answers each with one on stdout. It ends at the
end of stdin, so that it never outlives the test. `services.Client` is the other end.
"""

import collections
import ctypes
import os
import socket
import ssl
import struct
import threading
import time

from orders import introduce, obey

TIMEOUT = 10
LINGER_NONE = struct.pack("ii", 1, 0)  # close() sends a reset


def secured(sock, authority):
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False
    return context.wrap_socket(sock)


def endpoint(sock):
    address, port = sock.getsockname()[:2]
    return [address.removeprefix("::ffff:"), port]


class Client:
    def __init__(self):
        self.sockets = {}  # local port -> socket
        self.children = []  # write ends of the pipes that keep forked children alive
        self.churners = []

    def chosen(self, ports):
        return self.sockets if ports is None else {port: self.sockets[port] for port in ports}

    def open(self, host, port, n=1, mapped=False, keepidle=None, source=None, source_port=0, ping=True, tls=None):
        """Opens n connections. mapped: from an AF_INET6 socket to ::ffff:host, as Java, Go and Node do. tls: by TLS,
        the file of the authority that has signed the server's certificate."""
        opened = []
        for _ in range(n):
            family = socket.AF_INET6 if mapped or ":" in host else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.settimeout(TIMEOUT)
            if keepidle is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepidle)
            if source or source_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((("::ffff:" if mapped and source else "") + (source or ""), source_port))
            sock.connect(socket.getaddrinfo(f"::ffff:{host}" if mapped else host, port, family)[0][4])
            if tls:
                sock = secured(sock, tls)
            self.sockets[endpoint(sock)[1]] = sock
            opened.append(endpoint(sock))
        if ping:
            alive = self.ping([port for _, port in opened])["alive"]
            if len(alive) != n:
                raise RuntimeError(f"only {len(alive)} of {n} new connections answered")
        return {"opened": opened}

    def say(self, text, ports=None):
        """Sends `text` on each and reads one reply."""
        replies = []
        for sock in self.chosen(ports).values():
            sock.sendall(text.encode("latin-1"))
            replies.append(sock.recv(65536).decode("latin-1"))
        return {"replies": replies}

    def send(self, text, ports=None):
        for sock in self.chosen(ports).values():
            sock.sendall(text.encode("latin-1"))
        return {}

    def ping(self, ports=None):
        alive = []
        for sock in self.chosen(ports).values():
            try:
                sock.sendall(b"PING\r\n")
                if sock.recv(64).startswith(b"+PONG"):
                    alive.append(endpoint(sock))
            except OSError:
                pass
        return {"alive": alive}

    def close(self, ports=None):
        for port in list(self.chosen(ports)):
            self.sockets.pop(port).close()
        return {}

    def fork(self):
        """A child that shares every socket and sleeps until this process ends."""
        theirs, ours = os.pipe()
        pid = os.fork()
        if pid == 0:
            for end in [ours, *self.children]:
                os.close(end)
            os.read(theirs, 1)
            os._exit(0)
        os.close(theirs)
        self.children.append(ours)
        return {"pid": pid}

    def leave(self, namespace):
        """Moves this process to another network namespace; the open sockets stay in, and keep alive, the old."""
        descriptor = os.open(namespace, os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(descriptor)
        return {}

    def churn(self, host, port, rate, hold=10):
        """Begins to open `rate` connections a second, each with a PING, and to close each after `hold` more."""
        churner = Churner(host, port, rate, hold)
        self.churners.append(churner)
        churner.start()
        return {}

    def churned(self, stop=False):
        for churner in self.churners:
            churner.stopping |= stop
        for churner in self.churners if stop else []:
            churner.join()
        return {"count": sum(c.count for c in self.churners), "errors": [e for c in self.churners for e in c.errors]}


class Churner(threading.Thread):
    def __init__(self, host, port, rate, hold):
        super().__init__(daemon=True)
        self.target, self.rate, self.hold = (host, port), rate, hold
        self.count, self.errors, self.stopping = 0, [], False

    def run(self):
        held = collections.deque()
        begun = time.monotonic()
        while not self.stopping:
            ahead = self.count / self.rate - (time.monotonic() - begun)
            if ahead > 0:
                time.sleep(ahead)
            try:
                sock = socket.create_connection(self.target, TIMEOUT)
                sock.sendall(b"PING\r\n")
                sock.recv(64)
                held.append(sock)
            except OSError as error:
                self.errors = [*self.errors[:9], str(error)]
            if len(held) > self.hold:
                oldest = held.popleft()
                if self.count % 3 == 0:
                    oldest.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                oldest.close()
            self.count += 1
        for sock in held:
            sock.close()


introduce()
obey(Client())
