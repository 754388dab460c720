"""A Redis that listens on a Unix socket alone, and what a report says of it."""

import os
import subprocess

from lab import eventually, run
from services import Redis


class UnixRedis(Redis):
    """One that listens on nothing else. `name`: of its socket, bytes or text."""

    def __init__(self, host, name="redis.sock", prefix=(), folder="unix", **config):
        self.host, self.port, self.password = host, 0, config.get("requirepass")
        self.directory = host.lab.directory / f"{folder}-{host.name}"
        self.directory.mkdir(exist_ok=True)
        self.raw = os.fsencode(self.directory) + b"/" + os.fsencode(name)
        self.socket = os.fsdecode(self.raw)
        quoted = "".join(f"\\x{byte:02x}" for byte in self.raw)
        lines = {"port": 0, "save": '""', "unixsocketperm": 777, "dir": self.directory} | {
            key.replace("_", "-"): value for key, value in config.items()}
        text = "".join(f"{key} {value}\n" for key, value in lines.items()) + f'unixsocket "{quoted}"\n'
        (self.directory / "redis.conf").write_text(text)
        self.process = host.start(*prefix, "redis-server", self.directory / "redis.conf", stdout=subprocess.DEVNULL)
        eventually(lambda: self.cli("PING", check=False) == "PONG", what="redis-server answers")

    def cli(self, *words, check=True):
        return run(["redis-cli", "-s", self.socket, *words], check=check, errors="replace").stdout.strip()


def of(report, redis):
    """The one entry of `servers` that is this process, and the rows of its Unix connections by the client's inode."""
    [server] = [server for server in report["servers"] if server["pid"] == redis.pid]
    rows = [row for row in report.connections if "path" in row["client"] and row["client"]["path"] == server["path"]
            and row["server"].get("path") == server["path"]]
    return server, rows


def by_client(rows):
    inodes = [(row["client_socket"] or {}).get("inode") for row in rows]
    assert len(set(inodes)) == len(inodes), inodes
    return dict(zip(inodes, rows))


def never_dead(report):
    assert not [row for row in report.connections if "path" in row["client"] and row.verdict in ("ghost", "orphan")]
