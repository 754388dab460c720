"""The options of another process's TCP sockets, read through borrowed descriptors (pidfd_getfd), as the program
does it. SO_ERROR is not among them: reading it changes it."""

import contextlib
import ctypes
import os
import socket
import struct

_libc = ctypes.CDLL(None, use_errno=True)
PIDFD_OPEN, PIDFD_GETFD = 434, 438  # the same on every architecture

SOCKET = ["SO_KEEPALIVE", "SO_REUSEADDR", "SO_REUSEPORT", "SO_LINGER", "SO_RCVTIMEO", "SO_SNDTIMEO", "SO_RCVBUF",
          "SO_SNDBUF", "SO_OOBINLINE", "SO_PRIORITY", "SO_MARK", "SO_DONTROUTE", "SO_BROADCAST", "SO_RCVLOWAT"]
TCP = ["TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT", "TCP_NODELAY", "TCP_CORK", "TCP_LINGER2",
       "TCP_SYNCNT", "TCP_DEFER_ACCEPT", "TCP_NOTSENT_LOWAT", "TCP_THIN_LINEAR_TIMEOUTS", "TCP_CONGESTION"]
TCP_REPAIR = 19


def _call(number, *arguments):
    result = _libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@contextlib.contextmanager
def sockets(pid):
    """Every connected TCP socket of the process, borrowed."""
    process = _call(PIDFD_OPEN, pid, 0)
    found = []
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if not os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith("socket:"):
                    continue
                borrowed = socket.socket(fileno=_call(PIDFD_GETFD, process, int(descriptor), 0))
                found.append(borrowed)
                if borrowed.family in (socket.AF_INET, socket.AF_INET6):
                    borrowed.getpeername()
                else:
                    found.pop().close()
        yield found
    finally:
        os.close(process)
        for borrowed in found:
            borrowed.close()


def _option(sock, level, number):
    try:
        return sock.getsockopt(level, number, 16)
    except OSError as error:
        return error.errno


def options(pid):
    """{the peer's (address, port): {option: its bytes}}"""
    wanted = [(name, socket.SOL_SOCKET, getattr(socket, name)) for name in SOCKET if hasattr(socket, name)]
    wanted += [(name, socket.IPPROTO_TCP, getattr(socket, name)) for name in TCP if hasattr(socket, name)]
    wanted.append(("TCP_REPAIR", socket.IPPROTO_TCP, TCP_REPAIR))
    told = {}
    with sockets(pid) as borrowed:
        for sock in borrowed:
            try:
                peer = sock.getpeername()[:2]
            except OSError:
                continue  # not connected
            told[peer] = {name: _option(sock, level, number) for name, level, number in wanted}
    return told


def number(value):
    return struct.unpack("i", value[:4])[0]


def set_options(pid, **values):
    """Sets TCP options (and SO_KEEPALIVE) on every connected socket of the process, as it could have done itself."""
    with sockets(pid) as borrowed:
        for sock in borrowed:
            with contextlib.suppress(OSError):
                sock.getpeername()
                for name, value in values.items():
                    level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
                    sock.setsockopt(level, getattr(socket, name), value)
