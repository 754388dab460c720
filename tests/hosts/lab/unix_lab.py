"""Clients of Unix sockets. As a program it is such a client: it reads one JSON object a line on stdin, {"do": NAME,
...}, answers each with one on stdout, and ends at the end of stdin. `UnixClient` is the other end of that."""

import json
import os
import select
import socket
import subprocess

from orders import obey


def raw(text):
    """A path as bytes, from what JSON can carry; "@name" is abstract."""
    name = text.encode("latin-1")
    return b"\0" + name[1:] if name.startswith(b"@") else name


class UnixClient:
    def __init__(self, host, prefix=(), **options):
        self.process = host.start(*prefix, "/usr/bin/python3", __file__, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, **options)
        self.pid = self.tell("pid")["pid"]

    def tell(self, do, **arguments):
        self.process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], 60)[0]:
            raise TimeoutError("the client does not answer")
        answer = json.loads(self.process.stdout.readline() or '{"error": "ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def open(self, path, n=1, ping=True):
        """The inodes of the new connections."""
        name = path if isinstance(path, bytes) else os.fsencode(path)
        return self.tell("open", path=name.decode("latin-1"), n=n, ping=ping)["inodes"]

    def close(self, inodes):
        self.tell("close", inodes=inodes)

    def shut(self, inodes):
        """Will send no more, and holds on."""
        self.tell("shut", inodes=inodes)

    def alive(self, inodes):
        return self.tell("ping", inodes=inodes)["alive"]

    def listen(self, path):
        """Listens and accepts nothing but by accept()."""
        self.tell("listen", path=os.fsencode(path).decode("latin-1"))

    def accept(self, n):
        return self.tell("accept", n=n)["inodes"]


class Program:
    def __init__(self):
        self.held, self.listener = {}, None

    def keep(self, sock):
        inode = os.fstat(sock.fileno()).st_ino
        self.held[inode] = sock
        return inode

    def pid(self):
        return {"pid": os.getpid()}

    def open(self, path, n, ping):
        inodes = []
        for _ in range(n):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(20)
            sock.connect(raw(path))
            inodes.append(self.keep(sock))
        if ping and self.ping(inodes)["alive"] != inodes:
            raise RuntimeError("a new connection does not answer")
        return {"inodes": inodes}

    def ping(self, inodes):
        alive = []
        for inode in inodes:
            try:
                self.held[inode].sendall(b"PING\r\n")
                if self.held[inode].recv(64).startswith(b"+PONG"):
                    alive.append(inode)
            except OSError:
                pass
        return {"alive": alive}

    def close(self, inodes):
        for inode in inodes:
            self.held.pop(inode).close()
        return {}

    def shut(self, inodes):
        for inode in inodes:
            self.held[inode].shutdown(socket.SHUT_WR)
        return {}

    def listen(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(raw(path))
        self.listener.listen(64)
        return {}

    def accept(self, n):
        return {"inodes": [self.keep(self.listener.accept()[0]) for _ in range(n)]}


if __name__ == "__main__":
    obey(Program())
