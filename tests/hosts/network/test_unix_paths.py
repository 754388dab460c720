"""What a Unix socket's name may be: bytes, length, links, volumes, the same in two containers, deleted."""

import os
import subprocess

import pytest

from lab import eventually, run
from report import connleak, scan, scan_lines
from unix_lab import UnixClient
from unix_redis import UnixRedis, by_client, of


@pytest.fixture
def host(lab):
    return lab.host("server")


NAMES = [b"with blanks  b=c.sock", b"new\nline.sock", b"\x1b[31mred.sock", b"\xff\xfe.sock", b'quo"te\\.sock']


@pytest.mark.sanitize("hostile paths")
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_hostile_paths(host, name):
    redis, client = UnixRedis(host, name), UnixClient(host)
    inodes = client.open(redis.raw, 2)
    shown = redis.raw.decode(errors="replace")
    report = scan()
    server, rows = of(report, redis)
    assert server["path"] == shown
    rows = by_client(rows)
    assert rows.keys() == set(inodes)
    assert {row.verdict for row in rows.values()} == {"healthy"}
    assert len({row["listed"]["id"] for row in rows.values()}) == 2
    assert of(scan(f"unix:{redis.socket}"), redis)[0]["path"] == shown
    for line in scan_lines():
        assert line["type"] != "connection" or line["verdict"] in ("healthy", "transient")
    for words in [[], ["--connections"], ["check"], ["what-if", "--timeout", "1h"]]:
        done = connleak(*words)
        assert done.returncode in (0, 1, 2, 3) and b"\x1b[31m" not in done.stdout
    lines = [line for line in connleak("--format", "prometheus").stdout.split(b"\n") if line.startswith(b"connleak_up")]
    assert len(lines) == len(report["servers"])


def test_the_longest_path(host):
    folder = os.fsencode(host.lab.directory / f"unix-{host.name}")
    redis = UnixRedis(host, b"x" * (107 - len(folder) - 1))
    assert len(redis.raw) == 107
    inodes = UnixClient(host).open(redis.raw, 2)
    server, rows = of(scan(), redis)
    assert server["path"] == redis.socket
    assert by_client(rows).keys() == set(inodes)
    assert None not in [row["listed"] for row in rows]


def test_a_relative_path(host):
    """It is of the working directory of the server, and told in full."""
    redis = UnixRedis(host, "long.sock")
    host.lab.end(redis.process)
    (redis.directory / "redis.conf").write_text(f"port 0\nsave \"\"\ndir {redis.directory}\nunixsocket short.sock\n")
    redis.process = host.start("redis-server", redis.directory / "redis.conf", stdout=subprocess.DEVNULL)
    redis.socket = str(redis.directory / "short.sock")
    eventually(lambda: redis.cli("PING", check=False) == "PONG")
    [inode] = UnixClient(host).open(redis.socket)
    for words in [[], [f"unix:{redis.socket}"]]:
        server, rows = of(scan(*words), redis)
        assert (server["path"], server["reachable"]) == (redis.socket, True)
        assert by_client(rows)[inode].verdict == "healthy"


@pytest.mark.sanitize("paths in other mount namespaces")
def test_a_link_and_a_volume(host):
    """Another path to the same socket, as a link or as the volume of a container, means the same server."""
    redis, client = UnixRedis(host), UnixClient(host)
    inodes = client.open(redis.raw, 2)
    link, volume = host.lab.directory / "link.sock", host.lab.directory / "volume"
    link.symlink_to(redis.socket)
    volume.mkdir()
    run(["mount", "--bind", redis.directory, volume])
    try:
        for path in (link, volume / "redis.sock"):
            server, rows = of(scan(f"unix:{path}"), redis)
            assert server["path"] == str(path)
            assert by_client(rows).keys() == set(inodes)
            assert None not in [row["listed"] for row in rows]
    finally:
        run(["umount", volume])


def test_the_same_path_in_two_mount_namespaces(lab, host):
    """Two containers with the host's network and a /run of their own: neither sees the other's clients."""
    private = ["unshare", "--mount", "--propagation", "private", "--"]
    folder = host.lab.directory / "run"
    folder.mkdir()
    script = 'mount -t tmpfs none "$0"; exec "$@"'
    configuration = host.lab.directory / "same.conf"
    configuration.write_text(f'port 0\nsave ""\nunixsocket {folder}/redis.sock\n')
    servers = [host.start(*private, "sh", "-c", script, folder, "redis-server", configuration,
                          stdout=subprocess.DEVNULL) for _ in range(2)]
    clients = []
    for server in servers:
        inside = ["nsenter", "-t", str(server.pid), "-m", "--"]
        eventually(lambda: run([*inside, "test", "-S", folder / "redis.sock"], check=False).returncode == 0)
        clients.append(UnixClient(host, prefix=inside))
    held = [client.open(folder / "redis.sock", n) for client, n in zip(clients, (2, 3))]
    for words in [[], [f"unix:{folder}/redis.sock"]]:
        report = scan(*words)
        for server, client, inodes in zip(servers, clients, held):
            [entry] = [each for each in report["servers"] if each["pid"] == server.pid]
            assert (entry["path"], entry["reachable"]) == (f"{folder}/redis.sock", True)
            assert entry["counts"]["healthy"] == entry["connected_clients"] - 1 == len(inodes)
            rows = [row for row in report.connections if row.owners("server") == {server.pid}]
            assert by_client(rows).keys() == set(inodes)
            assert {tuple(row.owners("client")) for row in rows} == {(client.pid,)}
    lines = connleak("--format", "prometheus").stdout.decode().splitlines()
    series = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))


def test_a_container_s_links_do_not_lead_out(host):
    """An absolute link inside a container's root is followed there, not here."""
    folder = host.lab.directory / "root"
    (folder / "real").mkdir(parents=True)
    here = host.lab.directory / "elsewhere"
    here.mkdir()
    script = ('mount -t tmpfs none "$0/real"; mkdir "$0/real/run"; ln -s "$0/real/run" "$0/real/link"; exec "$@"')
    configuration = host.lab.directory / "linked.conf"
    configuration.write_text(f'port 0\nsave ""\nunixsocket {folder}/real/link/redis.sock\n')
    server = host.start("unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, folder,
                        "redis-server", configuration, stdout=subprocess.DEVNULL)
    inside = ["nsenter", "-t", str(server.pid), "-m", "--"]
    eventually(lambda: run([*inside, "test", "-S", folder / "real/run/redis.sock"], check=False).returncode == 0)
    [entry] = [each for each in scan()["servers"] if each["pid"] == server.pid]
    assert (entry["path"], entry["reachable"]) == (f"{folder}/real/link/redis.sock", True)


def test_a_deleted_path(host):
    """Nobody can come in any more, and those who are in are seen."""
    redis, client = UnixRedis(host), UnixClient(host)
    inodes = client.open(redis.raw, 2)
    os.unlink(redis.raw)
    report = scan(check=(0, 3))
    server, rows = of(report, redis)
    assert (server["reachable"], "ENOENT" in server["error"]) == (False, True)
    assert [gap for gap in report.gaps("redis") if gap["error"] == "ENOENT" and gap["scope"] == redis.socket]
    assert by_client(rows).keys() == set(inodes)
    assert {row.verdict for row in rows} == {"healthy"}
    # Another one takes the path: it is not asked in the first one's place.
    other = UnixRedis(host)
    report = scan()
    server, rows = of(report, redis)
    assert (server["reachable"], server["connected_clients"]) == (False, None)
    assert {row["client_socket"]["inode"] for row in rows if row.owners("server") == {redis.pid}} == set(inodes)
    assert of(report, other)[0]["reachable"] is True
