#!/usr/bin/python3
"""Servers that are not Redis, one per mode: `peer.py MODE ADDRESS PORT [...]`. Prints "ready" and serves until killed.

  silent     accepts, never reads, never speaks, never closes (a descriptor leak once the client has closed)
  probing    the same, with keepalive probes from the first second of silence, every 5 s
  http       answers anything with an HTTP error and stays
  breakoff   begins a long RESP reply and closes in the middle of it
  drip       begins a RESP reply and sends one more byte of it each 0.2 s
  flood      announces a RESP reply of 512 MiB and sends without end
  proxy      carries bytes to and from TARGET-ADDRESS TARGET-PORT, as docker-proxy does
"""

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


def serve(behaviour, connection):
    try:
        behaviour(connection)
    except OSError:
        pass
    connection.close()


def main():
    behaviour = {f.__name__: f for f in (silent, probing, http, breakoff, drip, flood, proxy)}[sys.argv[1]]
    server = listen(sys.argv[2], int(sys.argv[3]))
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(behaviour, connection), daemon=True).start()


main()
