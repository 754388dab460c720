"""Orphans, close-wait on either side, connections that nobody accepts, sockets that a fork shares.

    server ── switch ── web          all in sight
"""

import pytest

from lab import eventually, silence
from report import connleak, scan
from services import Client, Redis, TcpServer
from sickness import close_wait_at_client, ghost_host_up, in_state, orphan


@pytest.mark.parametrize("family", ["ipv4", "ipv6", "mapped"])
def test_orphans(pair, family):
    server, web = pair
    redis, client = Redis(server), Client(web)
    how = {"host": server.ip6} if family == "ipv6" else {"mapped": family == "mapped"}
    lost, live = client.open(redis, 2, **how), client.open(redis, 2, **how)
    orphan(server, lost)
    for words in [[], [redis.target]]:
        report = scan(*words)
        report.expect(lost, "orphan", service=redis)
        report.expect(live, "healthy", "peer-socket-present", service=redis)
        assert report.counts(redis) == {"orphan": 2, "healthy": 2}
        if words:
            assert report.finding(redis, "orphan-connections")["count"] == 2
        row = report.row(lost[0])
        assert row["server_socket"] is None
        assert row.owners("client") == {client.pid}


@pytest.mark.sanitize("orphans")
def test_orphans_of_a_server_that_started_anew(pair):
    """The server is gone, and another listens on its port: the old clients are orphans, the new one's are not."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    lost = client.open(redis, 2)
    orphan(server, lost)
    server.lab.end(redis.process)
    (redis.directory).rename(redis.directory.with_suffix(".old"))
    anew = Redis(server)
    live = client.open(anew, 2)
    report = scan(anew.target)
    report.expect(lost, "orphan")
    report.expect(live, "healthy", "peer-socket-present")


@pytest.mark.sanitize("close-wait")
def test_close_wait_at_the_client(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    leaked, live = client.open(redis, 3), client.open(redis, 2)
    close_wait_at_client(redis, leaked)
    eventually(lambda: in_state(web, "CLOSE-WAIT", 6379, leaked))
    for words in [[], [redis.target]]:
        report = scan(*words)
        report.expect(leaked, "close-wait", "peer-closed")
        report.expect(live, "healthy")
        assert report.counts(redis) == {"close-wait": 3, "healthy": 2}
    assert report.finding(redis, "close-wait-leak")["count"] == 3
    assert report.row(leaked[0])["client_socket"]["state"] == "close_wait"
    assert report.row(leaked[0]).owners("client") == {client.pid}
    [row] = report.processes(redis, client.pid)
    assert (row["close_wait"], row["netns"]) == (3, web.inode)
    report = scan(redis.target, "--netns", "self", host=web)
    report.expect(leaked, "close-wait")
    report.expect(live, "healthy", "server-listing")


def test_close_wait_at_the_server(pair):
    server, web = pair
    service, client = TcpServer(server, "silent"), Client(web)
    leaked, live = client.open(service, 2, ping=False), client.open(service, 2, ping=False)
    eventually(lambda: in_state(server, "ESTAB", 9000, leaked + live))
    client.close(leaked)
    eventually(lambda: in_state(server, "CLOSE-WAIT", 9000, leaked))
    report = scan(f"tcp://{service.target}")
    report.expect(leaked, "close-wait", "peer-closed")
    report.expect(live, "healthy", "peer-socket-present")
    assert report.row(leaked[0]).owners("server") == {service.pid}
    assert report.finding(service, "close-wait-leak")["count"] == 2


@pytest.mark.sanitize("the accept queue, a server that hangs")
def test_nobody_accepts(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    redis.stop()
    waiting = client.open(redis, 2, ping=False)
    eventually(lambda: in_state(server, "ESTAB", 6379, waiting))
    report = scan(redis.target, "--connect-timeout", "1s")
    assert report.seconds < 5  # the whole run against one server never exceeds 4 times it
    report.expect(waiting, "unaccepted", "accept-queue")
    report.expect(live, "healthy", "peer-socket-present")
    assert report.counts(redis) == {"unaccepted": 2, "healthy": 2}
    entry = report.server(redis)
    assert entry["reachable"] is False
    assert entry["error"]
    assert report.finding(redis, "unaccepted-connections")["count"] == 2
    assert "server-unreachable" in report.codes(redis)
    assert report.gaps("redis")
    assert report["complete"] is False
    redis.cont()
    assert sorted(client.alive(waiting)) == sorted(waiting)


def test_a_server_that_hangs_in_the_middle(pair):
    """Its kernel accepts, its process sleeps; without a TARGET the same server is found and the run is bounded too."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    redis.stop()
    done = connleak("--connect-timeout", "1s", "--netns", server.netns)
    assert done.returncode == 0
    assert done.seconds < 5
    redis.cont()
    assert sorted(client.alive(live)) == sorted(live)


@pytest.mark.sanitize("several owners of a socket")
def test_sockets_that_a_fork_shares(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 3)
    child = client.fork()
    silence()
    report = scan(redis.target, "--recent", "1s")
    report.expect(live, "healthy", "peer-socket-present")
    assert report.counts(redis) == {"healthy": 3}
    for endpoint in live:
        assert report.row(endpoint).owners("client") == {client.pid, child}
    assert [row["connections"] for row in report.processes(redis, client.pid)] == [3]
    assert [row["connections"] for row in report.processes(redis, child)] == [3]
    name = report.row(live[0])["group"]
    assert name
    group = report.group(redis, name)
    assert (group["connections"], group["workers"]) == (3, 2)


def test_redis_forks_too(pair):
    """The child that saves the data holds every client's descriptor: two owners, one connection."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    redis.cli("CONFIG", "SET", "rdb-key-save-delay", "10000")  # 10 ms for each key
    redis.cli("EVAL", "for i = 1, 2000 do redis.call('SET', i, i) end", "0")
    redis.cli("BGSAVE")
    eventually(lambda: "rdb_bgsave_in_progress:1" in redis.cli("INFO", "persistence"))
    report = scan(redis.target)
    report.expect(live, "healthy", "peer-socket-present")
    assert report.counts(redis) == {"healthy": 2}
    assert report.server(redis)["pid"] == redis.pid
    for endpoint in live:
        assert redis.pid in report.row(endpoint).owners("server")


@pytest.mark.sanitize("a server that is only TCP")
def test_a_tcp_service_of_which_nothing_is_known(pair):
    server, web = pair
    service, client = TcpServer(server, "silent", address="::"), Client(web)
    dead, live = client.open(service, 2, ping=False), client.open(service, 2, ping=False)
    six = client.open(service, 1, host=server.ip6, ping=False)
    lost = client.open(service, 1, ping=False)
    eventually(lambda: in_state(server, "ESTAB", 9000, dead + live + six + lost))
    ghost_host_up(web, dead, 9000)
    orphan(server, lost, 9000)
    silence()
    report = scan(f"tcp://{service.target}", "--recent", "1s")
    report.expect(dead, "ghost", "peer-socket-absent")
    report.expect(live, "healthy", "peer-socket-present")
    report.expect(lost, "orphan")
    report.never_dead(six)
    entry = report.server(service)
    assert (entry["kind"], entry["pid"]) == ("tcp", service.pid)
    assert entry["connected_clients"] is None
    assert report.row(dead[0])["listed"] is None
    assert report.finding(service, "ghost-connections")["count"] == 2


@pytest.mark.sanitize("port pressure")
def test_connect_on_every_request_burns_ports(pair):
    """The opposite mistake: hundreds of TIME-WAIT sockets against a small port range."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    web.sysctl("net.ipv4.ip_local_port_range", "'40000 40199'")
    live = client.open(redis, 2)
    burnt = client.open(redis, 185)
    client.close(burnt)
    eventually(lambda: in_state(web, "TIME-WAIT", 6379, burnt))
    for where in [{}, {"host": web}]:
        report = scan(redis.target, **where)
        report.expect(live, "healthy")
        assert "ephemeral-port-pressure" in {finding["code"] for finding in report["findings"]}
        assert not {row.verdict for endpoint in burnt for row in report.rows(endpoint)} - {"transient"}
