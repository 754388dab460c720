"""Containers as the engines make them, out of namespaces: net, pid, mount and cgroup ones, the network's kept by a
file below /run/docker/netns, the processes in a cgroup with the engine's name and an id of 64 hex digits.

    host ── docker0 (a bridge in the host itself) ── port N ── eth0 of each container
"""

import os
import random
from pathlib import Path

from lab import eventually, run
from services import Redis

DOCKER = Path("/run/docker/netns")
# Of the unified hierarchy, or where that is not the root, systemd's own of v1.
CGROUPS = next((place for place in map(Path, ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"))
                if (place / "cgroup.procs").exists()), None)


def cgroups_writable():
    if CGROUPS is None:
        return False
    probe = CGROUPS / f"clk-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


class Engine:
    """Makes containers and leaves nothing behind."""

    def __init__(self, lab):
        self.lab, self.files, self.groups = lab, [], []

    def container(self, host, cgroup="docker/{id}", keep="docker"):
        """A host of the lab as a container: `id`, and the words that a process in it is started with."""
        return Container(self, host, cgroup, keep)

    def close(self):
        self.lab.close()  # first its processes
        for file in self.files:
            run(["umount", file], check=False)
            file.unlink(missing_ok=True)
        for folder in (DOCKER, DOCKER.parent):
            try:
                folder.rmdir()
            except OSError:
                pass
        for group in reversed(self.groups):
            try:
                eventually(lambda g=group: not (g / "cgroup.procs").read_text(), timeout=5)
                group.rmdir()
            except (OSError, AssertionError):
                pass


class Container:
    def __init__(self, engine, host, cgroup, keep):
        self.engine, self.host = engine, host
        self.id = f"{random.getrandbits(256):064x}"
        self.group = None
        if CGROUPS is not None and cgroup:
            group = CGROUPS
            for part in cgroup.format(id=self.id).split("/"):
                group = group / part
                if not group.exists():
                    group.mkdir()
                    engine.groups.append(group)
            self.group = group
        if keep == "docker":
            self.keep_as_docker()

    def keep_as_docker(self):
        """The namespace has no name for ip netns any more, only the engine's file."""
        DOCKER.mkdir(parents=True, exist_ok=True)
        file = DOCKER / self.id[:12]
        file.touch()
        run(["mount", "--bind", self.host.path, file])
        self.engine.files.append(file)
        self.host.forget_name()
        self.host.path = file

    def prefix(self):
        """In the cgroup first, which then is the root of its cgroup namespace."""
        enter = f'echo $$ > "{self.group}/cgroup.procs"; ' if self.group else ""
        return ["sh", "-c", enter + 'exec "$@"', "sh", "unshare", "--pid", "--fork", "--kill-child", "--mount",
                "--mount-proc", "--cgroup", "--"]


def only_child(pid):
    """The pid, from here, of what unshare has started in a pid namespace of its own."""
    def found():
        children = run(["pgrep", "-P", str(pid)], check=False).stdout.split()
        return int(children[0]) if children else None
    return eventually(found)


class ContainedRedis(Redis):
    """Its own pid is 1."""

    def __init__(self, container, **options):
        super().__init__(container.host, prefix=container.prefix(), **options)
        self.inside = only_child(self.process.pid)

    @property
    def pid(self):
        return self.inside


def namespace(pid, kind):
    return os.stat(f"/proc/{pid}/ns/{kind}").st_ino
