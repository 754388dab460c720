#!/usr/bin/python3
"""A slow cable: `delay.py NETNS-FILE NETNS-FILE DEVICE MILLISECONDS` makes a tap device of that name in both
namespaces and carries the frames from one to the other, each so much later. Prints "ready"; ends with its process."""

import collections
import ctypes
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF, TAP, NO_PI = 0x400454CA, 0x0002, 0x1000


def tap(namespace, device):
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(namespace, os.O_RDONLY)
    if libc.setns(descriptor, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(descriptor)
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", device.encode(), TAP | NO_PI))
    return end


def main():
    ends = [tap(namespace, sys.argv[3]) for namespace in sys.argv[1:3]]
    delay = int(sys.argv[4]) / 1000
    print("ready", flush=True)
    frames = collections.deque()  # (when, to, frame)
    while True:
        wait = max(0, frames[0][0] - time.monotonic()) if frames else None
        for end in select.select(ends, [], [], wait)[0]:
            frames.append((time.monotonic() + delay, ends[1 - ends.index(end)], os.read(end, 65536)))
        while frames and frames[0][0] <= time.monotonic():
            _, end, frame = frames.popleft()
            try:
                os.write(end, frame)
            except OSError:
                pass  # the device is down


main()
