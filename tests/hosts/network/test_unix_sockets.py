"""Connections by Unix socket: both ends by the kernel, counts per process, what is left behind on either side.

    server (redis, port 0 or not, unixsocket) ── its clients in the same host, or another: a path is of no network
"""

import json
import os

import pytest

from lab import eventually, silence
from report import connleak, scan
from services import PhpFpm, Redis
from unix_lab import UnixClient
from unix_redis import UnixRedis, by_client, never_dead, of


@pytest.fixture
def host(lab):
    return lab.host("server")


@pytest.mark.sanitize("Unix sockets")
@pytest.mark.parametrize("words", ["found", "named"])
def test_both_ends_of_a_server_that_has_only_a_unix_socket(host, words):
    redis, one, other = UnixRedis(host), UnixClient(host), UnixClient(host)
    held = {one.pid: one.open(redis.raw, 3), other.pid: other.open(redis.raw, 2)}
    eventually(lambda: min(int(row["age"]) for row in client_rows(redis)) >= 2)
    report = scan(*([f"unix:{redis.socket}"] if words == "named" else []), "--persistent-after", "1s")
    server, rows = of(report, redis)
    assert (server["address"], server["port"], server["path"]) == (None, None, redis.socket)
    assert (server["reachable"], server["kind"], server["netns"]) == (True, "redis", host.inode)
    assert {key: count for key, count in server["counts"].items() if count} == {"healthy": 5}
    assert sum(server["keepalive"].values()) == 0
    rows = by_client(rows)
    assert rows.keys() == {inode for inodes in held.values() for inode in inodes}
    listed = {row["id"] for row in client_rows(redis)}
    for pid, inodes in held.items():
        for inode in inodes:
            row = rows[inode]
            assert (row.verdict, row.evidence) == ("healthy", ["peer-socket-present"])
            assert row.owners("client") == {pid}
            assert row.owners("server") == {redis.pid}
            assert row["server_socket"]["state"] == row["client_socket"]["state"] == "established"
            assert row["server_socket"]["timer"] is None and row["server_socket"]["rtt_us"] is None
            assert row["listed"]["native"]["fd"] == str(row["server_socket"]["owners"][0]["fd"])
            assert row["age_s"] >= 2
            listed.remove(str(row["listed"]["id"]))
        [process] = [each for each in report["processes"] if each["pid"] == pid]
        assert (process["connections"], process["persistent"], process["close_wait"]) == (len(inodes), len(inodes), 0)
        assert process["server"]["path"] == redis.socket
    # Which end is whose, as the kernel's own table says it.
    ends = {int(line.split()[5]): int(line.split()[7]) for line in host.run("ss", "-Hxa").stdout.splitlines()}
    for inode, row in rows.items():
        assert ends[inode] == row["server_socket"]["inode"]
    assert not listed  # the program's own connection is in no list of ours, and was in this one


def client_rows(redis):
    rows = [dict(field.split("=", 1) for field in line.split() if "=" in field)
            for line in redis.cli("CLIENT", "LIST").split("\n")]
    return [row for row in rows if "U" in row["flags"] and not row["cmd"].startswith("client")]


def test_one_server_with_a_port_and_a_path(lab, host):
    """It is one server, named by its port, and its Unix connections count among the others."""
    web = lab.host("web")
    lab.lan(host, web)
    redis, client = Redis(host), UnixClient(host)
    [inode] = client.open(redis.socket)
    report = scan()
    server, rows = of(report, redis)
    assert (server["port"], server["path"]) == (6379, str(redis.socket))
    row = by_client(rows)[inode]
    assert (row["server"]["port"], row["server"]["path"]) == (6379, str(redis.socket))
    assert row["listed"] is not None and row.owners("client") == {client.pid}
    assert server["counts"]["healthy"] == 1
    [process] = report.processes(redis, client.pid)
    assert process["connections"] == 1


def test_tcp_is_refused_and_the_path_answers(host):
    redis, client = Redis(host, bind="127.0.0.2", protected_mode="yes", port=6379), UnixClient(host)
    client.open(redis.socket)
    host.nft("table inet lost { chain in { type filter hook input priority 0; tcp dport 6379 reject; }; }")
    server, rows = of(scan("--connect-timeout", "2s"), redis)
    assert (server["reachable"], len(rows)) == (True, 1)


def test_close_wait_at_the_client(host):
    """The server has closed, and the client, which never reads, has not. The kernel no longer tells whose client it
    was; its own descriptor does."""
    redis, client = UnixRedis(host), UnixClient(host)
    leaked, live = client.open(redis.raw, 3), client.open(redis.raw, 2)
    by_fd = {row["id"]: row for row in client_rows(redis)}
    inodes = by_client(of(scan(), redis)[1])
    for inode in leaked:
        redis.cli("CLIENT", "KILL", "ID", str(inodes[inode]["listed"]["id"]))
    assert len(by_fd) == 5
    for words in [[], [f"unix:{redis.socket}"]]:
        report = scan(*words)
        server, rows = of(report, redis)
        rows = by_client(rows)
        assert rows.keys() == set(leaked + live)
        for inode in leaked:
            assert (rows[inode].verdict, rows[inode].evidence) == ("close-wait", ["peer-closed"])
            assert (rows[inode]["server_socket"], rows[inode]["listed"]) == (None, None)
            assert rows[inode].owners("client") == {client.pid}
        assert {rows[inode].verdict for inode in live} == {"healthy"}
        assert (server["counts"]["close-wait"], server["counts"]["healthy"]) == (3, 2)
        [process] = [each for each in report["processes"] if each["pid"] == client.pid]
        assert (process["connections"], process["close_wait"]) == (5, 3)
        assert "close-wait-leak" in {finding["code"] for finding in report["findings"]}
    assert client.alive(live) == live


def test_close_wait_at_the_server(host):
    """A server that is stopped does not see that its clients are gone."""
    redis, client = UnixRedis(host), UnixClient(host)
    left, live = client.open(redis.raw, 3), client.open(redis.raw, 2)
    redis.stop()
    client.close(left)
    report = scan("--connect-timeout", "1s", check=(0, 3))
    server, rows = of(report, redis)
    assert server["reachable"] is False
    closed = [row for row in rows if row.verdict == "close-wait"]
    assert len(closed) == 3
    for row in closed:
        assert (row.evidence, row["client_socket"]) == (["peer-closed"], None)
        assert row.owners("server") == {redis.pid}
    assert {row["client_socket"]["inode"] for row in rows if row.verdict == "healthy"} == set(live)
    redis.cont()
    assert client.alive(live) == live


@pytest.mark.sanitize("Unix clients that wait")
def test_nobody_accepts(host):
    redis, client = UnixRedis(host), UnixClient(host)
    live = client.open(redis.raw, 2)
    redis.stop()
    waiting, gone = client.open(redis.raw, 3, ping=False), client.open(redis.raw, 2, ping=False)
    client.close(gone)
    report = scan("--connect-timeout", "1s", check=(0, 3))
    _, rows = of(report, redis)
    rows = by_client(rows)
    assert rows.keys() == set(live + waiting)
    for inode in waiting:
        assert (rows[inode].verdict, rows[inode].evidence) == ("unaccepted", ["accept-queue"])
        assert rows[inode].owners("client") == {client.pid}
    assert "unaccepted-connections" in {finding["code"] for finding in report["findings"]}
    redis.cont()
    assert client.alive(waiting) == waiting
    report = scan()
    assert {row.verdict for row in of(report, redis)[1]} == {"healthy"}


@pytest.mark.sanitize("Unix sockets half closed")
def test_half_closed(host):
    """Both ends are there and one will send no more: nothing is proven, and nobody is dead."""
    one, other = UnixClient(host), UnixClient(host)
    path = host.lab.directory / "plain.sock"
    one.listen(path)
    inodes = other.open(path, 3, ping=False)
    one.accept(3)
    other.shut(inodes[:1])
    report = scan(f"unix:{path}", "--connect-timeout", "1s", check=(0, 3))
    rows = {row["client_socket"]["inode"]: row for row in report.connections}
    assert {inode: row.verdict for inode, row in rows.items()} == {
        inodes[0]: "suspect", inodes[1]: "healthy", inodes[2]: "healthy"}
    assert rows[inodes[0]].evidence == ["peer-closing"]


@pytest.mark.sanitize("abstract names")
def test_an_abstract_name(host):
    """redis-server offers none; another program's is diagnosed by the kernel alone."""
    one, other = UnixClient(host), UnixClient(host)
    name = f"@clk {os.getpid()}"
    one.listen(name)
    inodes = other.open(name, 2, ping=False)
    accepted = one.accept(2)
    report = scan(f"unix:{name}", "--connect-timeout", "1s", host=host, check=(0, 3))
    [server] = report["servers"]
    assert (server["path"], server["reachable"], server["pid"]) == (name, False, one.pid)
    rows = by_client(report.connections)
    assert rows.keys() == set(inodes)
    assert {row["server_socket"]["inode"] for row in rows.values()} == set(accepted)
    assert {row.verdict for row in rows.values()} == {"healthy"}


def test_locked_out(host):
    """A server that refuses everybody is still seen by the kernel, per process."""
    redis, client = UnixRedis(host, maxclients=3), UnixClient(host)
    inodes = client.open(redis.raw, 3)
    report = scan()
    server, rows = of(report, redis)
    assert "server-refuses-clients" in {finding["code"] for finding in report["findings"]}
    assert by_client(rows).keys() == set(inodes)
    assert {(row.verdict, row["listed"]) for row in rows} == {("healthy", None)}
    [process] = [each for each in report["processes"] if each["pid"] == client.pid]
    assert process["connections"] == 3


def test_a_client_in_another_host(lab, host):
    """A path is of no network: the accepted end belongs to the namespace that the client is in."""
    web = lab.host("web")
    redis, client = UnixRedis(host), UnixClient(web)
    inodes = client.open(redis.raw, 2)
    server, rows = of(scan(), redis)
    assert server["netns"] == host.inode
    rows = by_client(rows)
    assert rows.keys() == set(inodes)
    for row in rows.values():
        assert row.verdict == "healthy" and row["listed"] is not None
        assert row["server"]["netns"] == host.inode
    # What is out of sight is not: the server's own list still tells of them.
    report = scan("--netns", "self", host=host)
    server, rows = of(report, redis)
    assert [row["listed"] is not None and row.verdict == "healthy" for row in rows] == [True, True]


def test_php_fpm(host):
    redis, fpm = UnixRedis(host), PhpFpm(host)
    silence()
    fpm.run_in_every_worker(f"$r[] = $c = new Redis(); $c->pconnect('{redis.socket}'); $c->ping();"
                            f"$r[] = $d = new Redis(); $d->pconnect('{redis.socket}', 0, 2.5); $d->ping();"
                            f"$e = new Redis(); $e->connect('{redis.socket}'); $e->ping(); $e->close()")
    eventually(lambda: len(client_rows(redis)) == 8)
    silence()
    report = scan(f"unix:{redis.socket}", "--persistent-after", "1s")
    [group] = report["groups"]
    assert (group["name"], group["connections"], group["persistent"]) == ("php-fpm: pool shop", 8, 8)
    assert (group["workers"], group["per_worker_max"], group["max_workers"]) == (4, 2, 4)
    assert "duplicate-persistent-connections" in {finding["code"] for finding in report["findings"]}


def test_not_root(host):
    """Without rights each connection still counts once, and none is called dead."""
    redis, client = UnixRedis(host), UnixClient(host)
    client.open(redis.raw, 4)
    report = scan(f"unix:{redis.socket}", host=host, user="nobody")
    never_dead(report)
    assert len([row for row in report.connections if row.verdict == "healthy"]) == 4
    assert len(report.connections) == 4
    assert report["complete"] is False
    report = scan(host=host, user="nobody")
    never_dead(report)
    assert [server["path"] for server in report["servers"]] == [redis.socket]


@pytest.mark.sanitize("every act beside Unix sockets")
def test_verbs_that_act_leave_them_alone(host):
    redis, client = Redis(host), UnixClient(host)
    inodes = client.open(redis.socket, 3)
    silence()
    for words in [["reap", "--yes"], ["verify", "--all"], ["protect"], ["protect", "--yes"]]:
        done = connleak(*words, ":6379", "--json", host=host)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        told = json.loads(done.stdout)
        if words[0] == "verify":
            assert told["probes"]["sent"] == 0
        if words[0] == "protect":
            assert [(action["planned"], action["outcome"]) for action in told["actions"]] == [(False, "skipped")] * 3
            assert {"path": str(redis.socket)} == told["actions"][0]["client"]
            assert "Unix socket" in told["actions"][0]["reason"]
    told = connleak("protect", ":6379", host=host).stdout.decode()
    assert "no connections that take keepalive" in told and "3 skipped: a Unix socket" in told
    assert client.alive(inodes) == inodes


def test_under_churn(host):
    """Connections come and go all the time: none of them is said anything against, and the lasting ones stay."""
    redis, client = UnixRedis(host), UnixClient(host)
    inodes = client.open(redis.raw, 20)
    script = ("import socket, sys\n"
              "while True:\n"
              "    held = []\n"
              "    for _ in range(20):\n"
              "        s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'PING\\r\\n'); s.recv(9)\n"
              "        held.append(s)\n")
    host.start("/usr/bin/python3", "-c", script, redis.socket)
    eventually(lambda: len(client_rows(redis)) > 20)
    for _ in range(5):
        _, rows = of(scan(), redis)
        assert {row.verdict for row in rows} <= {"healthy", "transient", "unaccepted", "close-wait"}
        lasting = {row["client_socket"]["inode"]: row for row in rows
                   if row["client_socket"] and row["client_socket"]["inode"] in inodes}
        assert lasting.keys() == set(inodes)
        assert {row.verdict for row in lasting.values()} == {"healthy"}
        ids = [row["listed"]["id"] for row in rows if row["listed"]]
        assert len(ids) == len(set(ids))
