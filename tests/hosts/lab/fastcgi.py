"""As much of a FastCGI client as running a PHP script takes (FastCGI specification 1.0, the responder role)."""

import socket
import struct

BEGIN, END, PARAMS, STDIN, STDOUT, STDERR = 1, 3, 4, 5, 6, 7


def record(kind, content):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def pair(name, value):
    return struct.pack(">II", len(name) | 1 << 31, len(value) | 1 << 31) + name + value


def begin(path, script):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(path))
    params = {"SCRIPT_FILENAME": str(script), "REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1"}
    encoded = b"".join(pair(name.encode(), value.encode()) for name, value in params.items())
    connection.sendall(record(BEGIN, struct.pack(">HB5x", 1, 0)) + record(PARAMS, encoded) + record(PARAMS, b"")
                       + record(STDIN, b""))
    return connection


def finish(connection):
    out = errors = b""
    with connection, connection.makefile("rb") as stream:
        while True:
            _, kind, _, length, padding = struct.unpack(">BBHHBx", stream.read(8))
            content = stream.read(length + padding)[:length]
            out += content if kind == STDOUT else b""
            errors += content if kind == STDERR else b""
            if kind == END:
                break
    if errors:
        raise RuntimeError(f"PHP: {errors.decode(errors='replace')}")
    return out.partition(b"\r\n\r\n")[2].decode()


def requests(path, script, n):
    """n requests at the same time; their bodies."""
    return [finish(connection) for connection in [begin(path, script) for _ in range(n)]]
