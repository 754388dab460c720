#!/usr/bin/python3
"""Servers that greet like MariaDB and then misbehave: `mysql_peer.py MODE ADDRESS PORT FILE [TEXT]`. Prints "ready" and
serves until killed; what clients send is appended to FILE.

  mute       never greets
  greets     greets, and says no more
  drip       sends a byte of its greeting each 0.2 s
  huge       announces a greeting of 16 MiB and drips it
  garbage    greets with what no greeting is
  ancient    a greeting of a protocol that nobody speaks any more
  breakoff   closes in the middle of its greeting
  refuses    an error packet instead of a greeting, its text made to harm a terminal
  clear      asks for the password in clear text
  dialog     asks for it by PAM's plugin, which can ask for anything
  silent     lets everybody in and answers no question
  infile     answers each question by asking for the file TEXT
  endless    answers each question with rows without end
  wide       answers each question with the number of columns that fits in eight bytes
"""

import socket
import sys
import threading
import time

CAPABILITIES = 0x000FF7DF & ~0x00000800  # everything of old, LOAD DATA LOCAL among it, and no TLS
GREETING = (b"\x0a5.5.5-10.11.6-MariaDB\0" + (77).to_bytes(4, "little") + b"saltsalt\0"
            + (CAPABILITIES & 0xFFFF).to_bytes(2, "little") + b"\x21\x02\x00"
            + (CAPABILITIES >> 16).to_bytes(2, "little") + b"\x15" + bytes(10) + b"moresaltsalt\0" + b"mysql_native_password\0")
OK = b"\0\0\0\2\0\0\0"
END = b"\xfe\0\0\2\0"
COLUMN = b"\3def\0\0\0\4name\0\x0c\x21\0\0\1\0\0\xfd\0\0\0\0\0"


class Talk:
    def __init__(self, connection, log, text):
        self.connection, self.log, self.text = connection, log, text.encode()
        self.stream = connection.makefile("rb")
        self.sequence = 0

    def read(self):
        head = self.stream.read(4)
        if len(head) < 4:
            raise OSError("closed")
        body = self.stream.read(int.from_bytes(head[:3], "little"))
        self.sequence = head[3] + 1
        self.log.write(body)
        self.log.flush()
        return body

    def packet(self, body):
        framed = len(body).to_bytes(3, "little") + bytes([self.sequence & 255]) + body
        self.sequence += 1
        return framed

    def send(self, *bodies):
        self.connection.sendall(b"".join(self.packet(body) for body in bodies))

    def drip(self, data):
        for byte in data:
            self.connection.sendall(bytes([byte]))
            time.sleep(0.2)

    def listen(self):
        while True:
            data = self.stream.read(1)
            if not data:
                raise OSError("closed")
            self.log.write(data)
            self.log.flush()

    def let_in(self):
        self.send(GREETING)
        self.read()
        self.send(OK)

    # ------------------------------------------------------------ the modes

    def mute(self):
        self.listen()

    def greets(self):
        self.send(GREETING)
        self.listen()

    def drips(self):
        self.drip(self.packet(GREETING))
        self.listen()

    def huge(self):
        self.connection.sendall(b"\xff\xff\xff\0" + GREETING)
        self.drip(b"x" * 10000)

    def garbage(self):
        self.connection.sendall(b"HTTP/1.1 400 Bad Request\r\nServer: \x1b[31mnot a database\r\n\r\n")
        self.listen()

    def ancient(self):
        self.send(b"\x09" + GREETING[1:])
        self.listen()

    def breakoff(self):
        self.connection.sendall(self.packet(GREETING)[:30])

    def refuses(self):
        self.send(b"\xff\x6a\x04Host '\x1b]0;owned\x07\x1b[31m\r\n|\xff' is not allowed to connect")

    def clear(self):
        self.send(GREETING)
        self.read()
        self.send(b"\xfemysql_clear_password\0")
        self.read()
        self.send(OK)
        self.listen()

    def dialog(self):
        self.send(GREETING)
        self.read()
        self.send(b"\xfedialog\0\x04Password: ")
        self.read()
        self.send(OK)
        self.listen()

    def silent(self):
        self.let_in()
        self.listen()

    def infile(self):
        self.let_in()
        while True:
            self.read()
            self.send(b"\xfb" + self.text)

    def endless(self):
        self.let_in()
        self.read()
        self.send(b"\1", COLUMN, END)
        row = b"\xfc\xff\x7f" + b"x" * 0x7FFF
        while True:
            self.send(*[row] * 32)

    def wide(self):
        self.let_in()
        while True:
            self.read()
            self.send(b"\xfe" + b"\xff" * 7 + b"\x7f")


def serve(talk, mode):
    try:
        getattr(talk, "drips" if mode == "drip" else mode)()
    except OSError:
        pass
    talk.connection.close()


def main():
    mode, address, port, file = sys.argv[1:5]
    server = socket.create_server((address, int(port)), backlog=64)
    print("ready", flush=True)
    with open(file, "ab") as log:
        while True:
            talk = Talk(server.accept()[0], log, sys.argv[5] if len(sys.argv) > 5 else "")
            threading.Thread(target=serve, args=(talk, mode), daemon=True).start()


main()
