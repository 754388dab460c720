#!/usr/bin/python3
"""Servers that are not Redis, one per mode: `peer.py MODE ADDRESS PORT [...]`. Prints "ready" and serves until killed.

  silent     accepts, never reads, never speaks, never closes (a descriptor leak once the client has closed)
  probing    the same, with keepalive probes from the first second of silence, every 5 s
  http       answers anything with an HTTP error and stays
  breakoff   begins a long RESP reply and closes in the middle of it
  drip       begins a RESP reply and sends one more byte of it each 0.2 s
  flood      announces a RESP reply of 512 MiB and sends without end
  proxy      carries bytes to and from TARGET-ADDRESS TARGET-PORT, as docker-proxy does
  gate       speaks as much Redis as connleak asks for; at CLIENT LIST ID it writes FILE.asked and waits for FILE
"""

import itertools
import pathlib
import selectors
import socket
import sys
import threading
import time


def listen(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(512)
    return server


def silent(connection):
    time.sleep(3600)


def probing(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    time.sleep(3600)


def http(connection):
    while connection.recv(65536):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nServer: \x1b[31mnot redis\r\nContent-Length: 0\r\n\r\n")


def breakoff(connection):
    connection.recv(65536)
    connection.sendall(b"$100000\r\n# Server\r\nredis_version:7.0.15\r\nredis_mode:stand")


def drip(connection):
    connection.sendall(b"$100000\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.2)


def flood(connection):
    connection.recv(65536)
    connection.sendall(b"$536870912\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def proxy(connection):
    target = socket.create_connection((sys.argv[4], int(sys.argv[5])))
    with selectors.DefaultSelector() as ready:
        ready.register(connection, selectors.EVENT_READ, target)
        ready.register(target, selectors.EVENT_READ, connection)
        while True:
            for key, _ in ready.select():
                data = key.fileobj.recv(65536)
                if not data:
                    target.close()
                    return
                key.data.sendall(data)


clients = {}  # of the gate: id -> connection
ids = itertools.count(3)


def gate(connection):
    own = next(ids)
    clients[own] = connection
    stream = connection.makefile("rb")

    def bulk(text):
        return b"$%d\r\n%s\r\n" % (len(text), text.encode())

    def rows(wanted):
        def row(number):
            address, local = ("%s:%d" % end for end in (clients[number].getpeername(), clients[number].getsockname()))
            return f"id={number} addr={address} laddr={local} fd={clients[number].fileno()} age=9 idle=9 flags=N cmd=get\n"
        return bulk("".join(row(number) for number in wanted if number in clients))

    while line := stream.readline():
        if line.startswith(b"*"):
            words = [stream.read(int(stream.readline()[1:]) + 2).decode().rstrip() for _ in range(int(line[1:]))]
        else:
            words = line.decode().split()
        if words[0] == "PING":
            answer = b"+PONG\r\n"
        elif words[0] == "INFO":
            answer = bulk(f"redis_version:7.0.15\r\nrun_id:{'ab' * 20}\r\nconnected_clients:{len(clients)}\r\n")
        elif words[:2] == ["CLIENT", "ID"]:
            answer = b":%d\r\n" % own
        elif words[:3] == ["CLIENT", "LIST", "ID"]:
            file = pathlib.Path(sys.argv[4])
            file.with_suffix(".asked").touch()
            while not file.exists():
                time.sleep(0.01)
            answer = rows([int(number) for number in words[3:]])
        elif words[:2] == ["CLIENT", "LIST"]:
            answer = rows(list(clients))
        elif words[:3] == ["CLIENT", "KILL", "ID"]:
            gone = clients.pop(int(words[3]), None)
            if gone:
                gone.shutdown(socket.SHUT_RDWR)
            answer = b":%d\r\n" % bool(gone)
        else:
            answer = b"-ERR unknown command\r\n"
        connection.sendall(answer)
    clients.pop(own, None)


def serve(behaviour, connection):
    try:
        behaviour(connection)
    except OSError:
        pass
    connection.close()


def main():
    behaviour = {f.__name__: f for f in (silent, probing, http, breakoff, drip, flood, proxy, gate)}[sys.argv[1]]
    server = listen(sys.argv[2], int(sys.argv[3]))
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(behaviour, connection), daemon=True).start()


main()
