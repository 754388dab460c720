"""The self-contained build: one file, in roots of other distributions and in one where there is nothing at all."""

import json
import subprocess
import tarfile
from contextlib import nullcontext

import pytest

from report import connleak
from roots import built, root, run
from services import Client, Redis

pytestmark = pytest.mark.network

# A C library that listened to this file would look for modules of these names.
FOREIGN = "passwd: foreign\ngroup: foreign\nhosts: foreign\nservices: foreign\n"
NAME_SERVER = """
import socket, sys
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    asked, who = end.recvfrom(512)
    kind = asked[-4:-2]
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\5\\0\\4" + socket.inet_aton(sys.argv[1]) if kind == b"\\0\\1" else b""
    end.sendto(asked[:2] + b"\\x81\\x80\\0\\1\\0" + bytes([bool(answer)]) + b"\\0\\0\\0\\0" + asked[12:] + answer, who)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    with tarfile.open(built("dist/connleak-*.tar.gz", "dist")) as archive:
        archive.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(folder)
    inside, = folder.iterdir()
    for name in ["connleak.1", "connleak-json.5", "LICENSE", "licences/libc6", "licences/libhiredis-dev"]:
        assert (inside / name).is_file(), name
    return inside / "connleak"


def test_nothing_is_needed(program):
    shown = run("file", program)
    assert "static-pie linked" in shown or "statically linked" in shown
    assert "NEEDED" not in run("objdump", "-p", program)


@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie", None])
def test_it_runs_there(suite, program, lab, tmp_path):
    """A real Redis, owners with their users, a server by its name in /etc/hosts and by DNS. None: an empty root."""
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    web.ip_("link", "set", "lo", "up")
    names = web.start("/usr/bin/python3", "-c", NAME_SERVER, server.ip, stdout=subprocess.PIPE)
    assert names.stdout.readline().strip() in (b"ready", "ready")
    with root(suite) if suite else nullcontext(tmp_path / "empty") as folder:
        for name in ("etc", "proc", "run/netns"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "etc/nsswitch.conf").write_text(FOREIGN)
        (folder / "etc/passwd").write_text("somebody:x:0:0::/:/bin/sh\n")
        (folder / "etc/hosts").write_text(f"{server.ip} server-by-file\n")
        (folder / "etc/resolv.conf").unlink(missing_ok=True)
        (folder / "etc/resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:2\n")
        (folder / "connleak").write_bytes(program.read_bytes())
        (folder / "connleak").chmod(0o755)
        script = 'mount -t proc proc "$0/proc"; mount --rbind /run/netns "$0/run/netns"; exec chroot "$0" /connleak "$@"'

        def scan(target):
            done = subprocess.run([*web.enter(), "unshare", "--mount", "sh", "-c", script, folder, target, "--json"],
                                  capture_output=True, timeout=60)
            assert done.returncode == 0, done
            return json.loads(done.stdout)

        for target in (f"redis://server-by-file:{redis.port}", f"redis://server.by.dns:{redis.port}", redis.target):
            report = scan(target)
            asked, = [row for row in report["servers"] if row["address"] == server.ip]
            assert asked["reachable"] and asked["connected_clients"] >= 2, report["gaps"]
            rows = {row["client"]["port"]: row for row in report["connections"]}
            for endpoint in live:
                assert rows[endpoint.port]["verdict"] == "healthy"
                assert rows[endpoint.port]["client_socket"]["owners"][0]["pid"] == client.pid
        assert {row["user"] for row in report["processes"] if row["pid"] == client.pid} == {"somebody"}


def test_it_sees_what_the_other_build_sees(program, lab):
    """Filters, too: what is put into a message for the kernel is put there by other functions."""
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    client.open(redis, 5)
    for filters in ([], ["dport = :6379"], ["dst", server.ip, "and", "not", "sport = :1"], ["state", "listening"]):
        words = ["sockets", "--json", "-N", web.netns, *filters]
        ours = subprocess.run([*web.enter(), program, *words], capture_output=True, check=True).stdout
        theirs = connleak(*words, host=web).stdout

        def keys(text):
            return sorted((row["cookie"], row["state"]) for row in json.loads(text)["sockets"])

        assert keys(ours) == keys(theirs)
