#!/usr/bin/python3
"""A client process for the tests: holds any number of logged-in MySQL connections and does with them what it is told.

It reads one JSON object a line on stdin, {"do": NAME, ...}, and answers each with one on stdout. It ends at the
end of stdin, so that it never outlives the test. `mariadb.MySqlClient` is the other end. A connection is named by
its local port, or by its inode where it is a Unix socket.
"""

import collections
import os
import socket
import struct
import threading
import time

import pymysql

from orders import introduce, obey

TIMEOUT = 20
LINGER_NONE = struct.pack("ii", 1, 0)  # close() sends a reset


def connected(host, port, mapped, source, source_port):
    family = socket.AF_INET6 if mapped or ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(TIMEOUT)
    if source or source_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((("::ffff:" if mapped and source else "") + (source or ""), source_port))
    sock.connect(socket.getaddrinfo(f"::ffff:{host}" if mapped else host, port, family)[0][4])
    return sock


def connected_unix(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(TIMEOUT)
    sock.connect(path)
    return sock


class Client:
    def __init__(self):
        self.held = {}  # name -> (socket, connection, how the tests know it)

    def chosen(self, names):
        return self.held if names is None else {name: self.held[name] for name in names}

    def login(self, host=None, port=None, path=None, user=None, password="", db=None, mapped=False, source=None,
              source_port=0):
        sock = connected_unix(path) if path else connected(host, port, mapped, source, source_port)
        connection = pymysql.connect(user=user, password=password, database=db, defer_connect=True,
                                     unix_socket=path, host=host, read_timeout=TIMEOUT, autocommit=None)
        connection.connect(sock)
        return sock, connection

    def open(self, n=1, **how):
        opened = []
        for _ in range(n):
            sock, connection = self.login(**how)
            if sock.family == socket.AF_UNIX:
                name = end = os.fstat(sock.fileno()).st_ino
            else:
                address, name = sock.getsockname()[:2]
                end = [address.removeprefix("::ffff:"), name]
            self.held[name] = sock, connection, end
            opened.append([end, self.value(connection, "SELECT CONNECTION_ID()")[0][0]])
        return {"opened": [[end, int(number)] for end, number in opened]}

    def value(self, connection, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return [[None if field is None else str(field) for field in row] for row in cursor.fetchall()]

    def ask(self, sql, names=None):
        answers = []
        for _, connection, end in self.chosen(names).values():
            try:
                answers.append([end, self.value(connection, sql)])
            except (pymysql.Error, OSError) as error:
                answers.append([end, f"{type(error).__name__}: {error}"])
        return {"answers": answers}

    def send(self, sql, names=None):
        for sock, _, _ in self.chosen(names).values():
            packet = b"\3" + sql.encode()  # COM_QUERY
            sock.sendall(len(packet).to_bytes(3, "little") + b"\0" + packet)
        return {}

    def close(self, names=None):
        """By the socket alone: without a farewell, as a process that is killed."""
        for name in list(self.chosen(names)):
            sock, connection, _ = self.held.pop(name)
            connection._force_close()
            sock.close()
        return {}

    def churn(self, hold=5, **how):
        """Begins to log in over and over, and to close each connection after `hold` more, one way or the other."""
        self.stopping, self.count, self.errors = False, 0, []

        def run():
            held = collections.deque()
            while not self.stopping:
                try:
                    held.append(self.login(**how))
                except (pymysql.Error, OSError) as error:
                    self.errors = [*self.errors[:9], str(error)]
                if len(held) > hold:
                    sock, connection = held.popleft()
                    if self.count % 3 == 0:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
                    connection._force_close()
                    sock.close()
                self.count += 1
                time.sleep(0.005)
            for sock, connection in held:
                connection._force_close()
                sock.close()

        self.churner = threading.Thread(target=run, daemon=True)
        self.churner.start()
        return {}

    def churned(self, stop=False):
        if stop:
            self.stopping = True
            self.churner.join()
        return {"count": self.count, "errors": self.errors}

    def refusal(self, **how):
        try:
            sock, connection = self.login(**how)
        except pymysql.Error as error:
            return {"refusal": error.args[0]}
        connection._force_close()
        sock.close()
        raise RuntimeError("the login was taken")


introduce()
obey(Client())
