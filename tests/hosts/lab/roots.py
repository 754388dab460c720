"""Bare Debian roots, made by mmdebstrap: to install the package in and boot, and to run the self-contained build in."""

import contextlib
import glob
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from lab import eventually
from report import ROOT

SUITE = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text())[1]


def built(pattern, verb):
    """What ./dev VERB has left in build/."""
    found = sorted(glob.glob(str(ROOT / "build" / pattern)), key=os.path.getmtime)
    if not found:
        pytest.skip(f"no build/{pattern}: ./dev {verb} makes it")
    return Path(found[-1])


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace", **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def root(suite, *packages):
    if not shutil.which("mmdebstrap"):
        pytest.skip("no mmdebstrap")
    folder = Path(tempfile.mkdtemp(prefix="connleak-root-"))
    try:
        run("mmdebstrap", "--quiet", "--variant=minbase", *([f"--include={','.join(packages)}"] if packages else []),
            suite, folder, timeout=300)
        yield folder
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", folder], check=False)


def in_root(folder, *command):
    return run("chroot", folder, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
               *command)


class Machine:
    """A root that systemd has booted, in namespaces of its own, its network joined to nothing."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--link-journal=no",
             # nspawn denies bpf() of its own; a machine does not.
             "--system-call-filter=bpf", "--boot", "--console=pipe", f"--directory={folder}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self.booted, timeout=90, interval=0.3, what="the machine has booted")

    def booted(self):
        assert self.process.poll() is None, "systemd-nspawn has ended"
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if not children:
            return False
        self.init = children[0]
        state = subprocess.run([*self.enter(), "systemctl", "is-system-running"], capture_output=True, text=True).stdout
        return state.strip() in ("running", "degraded")

    def enter(self):
        return ["nsenter", "--target", self.init, "--all"]

    def run(self, *command):
        return run(*self.enter(), *command)

    def status(self, *command):
        return subprocess.run([*self.enter(), *command], capture_output=True).returncode

    def end(self):
        self.process.terminate()  # an orderly shutdown
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
