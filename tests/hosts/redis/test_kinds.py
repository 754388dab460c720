"""Servers that hold together: replicas, clusters, Sentinels. Their links are named as such and are nobody's leak.

    first ── switch ── one ── two ── web        a replica (a node, a Sentinel) on each; clients on web

With CONNLEAK_SERVER=valkey-server the same with Valkey.
"""

from types import SimpleNamespace

import pytest

from actions import act
from families import cluster, info, replica_of, sentinels
from lab import eventually, silence
from report import scan
from services import KIND, Client, Endpoint, Redis
from sickness import cut_off, ghost_host_up, kill_sockets

SECRET = "open-sesame-1618033988"


@pytest.fixture
def hosts(lab):
    hosts = lab.hosts("first", "one", "two", "web")
    lab.lan(*hosts)
    return hosts


def clients(redis, web, **how):
    client = Client(web)
    made = SimpleNamespace(client=client, dead=client.open(redis, 2, **how), live=client.open(redis, 3, **how))
    ghost_host_up(web, made.dead, redis.port)
    return made


def links(report, redis, purpose):
    return [row for row in report.rows(service=redis) if row["purpose"] == purpose]


def clients_are_right(report, redis, made):
    report.expect(made.dead, "ghost", "peer-socket-absent", service=redis)
    report.expect(made.live, "healthy", "peer-socket-present", service=redis)
    assert {row["purpose"] for row in map(report.row, made.dead + made.live)} == {"client"}
    assert sum(row.verdict == "ghost" for row in report.rows(service=redis)) == 2
    assert report.finding(redis, "ghost-connections")["count"] == 2
    assert report.finding(redis, "keepalive-off")["count"] == 5, "links look after themselves"
    assert not report.findings(redis, "duplicate-persistent-connections")
    assert not report.gaps("redis"), report.gaps("redis")
    entry = report.server(redis)
    assert entry["listed_clients"] == entry["connected_clients"]


def nothing_persistent(report, redis, pids):
    for pid in pids:
        assert [row["persistent"] for row in report.processes(redis, pid)] == [0]


# ---------------------------------------------------------------- replicas

@pytest.fixture
def family(hosts):
    master, one, two, web = hosts
    redis = Redis(master)
    return SimpleNamespace(redis=redis, replicas=[replica_of(redis, host) for host in (one, two)], web=web)


@pytest.mark.sanitize("links of replicas")
def test_links_of_replicas(family):
    redis, replicas = family.redis, family.replicas
    made = clients(redis, family.web)
    on_replica = Client(family.web).open(replicas[0], 2)
    silence()
    report = scan(redis.target, replicas[0].target, "--persistent-after", "1s")
    clients_are_right(report, redis, made)
    entry = report.server(redis)
    assert (entry["mode"], entry["role"], entry["master"]) == ("standalone", "master", None)
    assert entry["connected_replicas"] == 2
    rows = links(report, redis, "replication")
    assert sorted(row["group"] for row in rows) == sorted(f"{KIND} replica {each.target}" for each in replicas)
    assert {row.verdict for row in rows} == {"healthy"}
    assert {flag for row in rows for flag in row["listed"]["native"]["flags"]} == {"S"}
    nothing_persistent(report, redis, [each.pid for each in replicas])
    assert [row["persistent"] for row in report.processes(redis, made.client.pid)] == [3]  # not the ghosts
    # The replica's own side: its master is no client of it.
    entry = report.server(replicas[0])
    assert (entry["role"], entry["master"]) == ("replica", {"address": redis.host.ip, "port": redis.port})
    assert entry["listed_clients"] == entry["connected_clients"]
    report.expect(on_replica, "healthy", service=replicas[0])
    assert len(report.rows(service=replicas[0])) == 2


def test_links_of_replicas_where_no_login_is_known(hosts):
    master, one, _, web = hosts
    redis = Redis(master, requirepass=SECRET)
    replica = replica_of(redis, one, masterauth=SECRET)
    client = Client(web)
    live = client.open(redis, 2, ping=False)
    eventually(lambda: redis.accepted(live))
    report = scan(redis.target)
    assert report.gaps("redis")
    [link] = links(report, redis, "replication")
    assert link.owners("client") == {replica.pid}
    assert report.finding(redis, "keepalive-off")["count"] == 2


def test_replicas_take_slots_of_maxclients(hosts):
    master, one, two, web = hosts
    redis = Redis(master, maxclients=12)
    for host in (one, two):
        replica_of(redis, host)
    client = Client(web)
    client.open(redis, 9)
    report = scan(redis.target)
    finding = report.finding(redis, "clients-near-limit")
    assert finding["count"] == 12, "nine clients, two replicas, and who asks"
    assert "12 of 12 clients (100 %), with 2 replicas" in finding["summary"]
    assert report.server(redis)["connected_clients"] == 10
    client.open(redis)
    assert "max number of clients" in client.say("", client.open(redis, ping=False))[0]


def test_a_replicas_link_that_is_a_ghost(family):
    redis, (lost, other) = family.redis, family.replicas
    made = clients(redis, family.web)
    [link] = [row for row in links(scan(redis.target), redis, "replication") if row.owners("client") == {lost.pid}]
    with cut_off(lost.host, redis.port):  # it tries to connect anew all the while
        kill_sockets(lost.host, [f"sport = :{link['client']['port']} and dport = :{redis.port}"])
        report = scan(redis.target)
        verdicts = {(row["group"], row.verdict) for row in links(report, redis, "replication")}
        assert {(f"{KIND} replica {lost.target}", "ghost"), (f"{KIND} replica {other.target}", "healthy")} <= verdicts
        assert report.row(Endpoint(lost.host.ip, link["client"]["port"])).verdict == "ghost"
        assert report.finding(redis, "ghost-connections")["count"] == 3
        done = act("reap", redis.target, "--yes")
        assert done["totals"]["done"] == 3 and done.methods == {"kill"}
        assert sorted(made.client.alive(made.live)) == sorted(made.live)
        assert info(redis, "replication")["connected_slaves"] == "1"
    eventually(lambda: info(redis, "replication")["connected_slaves"] == "2", 30, what="the replica is back")


def test_a_replica_whose_host_is_gone(family):
    redis, (lost, other) = family.redis, family.replicas
    made = clients(redis, family.web)
    lost.host.vanish()
    report = scan(redis.target)
    rows = {row["group"]: row for row in links(report, redis, "replication")}
    assert rows[f"{KIND} replica {other.target}"].verdict == "healthy"
    assert rows[f"{KIND} replica {lost.target}"].verdict in ("healthy", "suspect", "unverified")
    clients_are_right(report, redis, made)


def test_a_monitor_is_named(family):
    redis = family.redis
    client = Client(family.web)
    [watching] = client.open(redis)
    client.say("MONITOR\r\n", [watching])
    report = scan(redis.target)
    assert report.row(watching)["purpose"] == "monitor"
    assert report.server(redis)["listed_clients"] == report.server(redis)["connected_clients"]


# ---------------------------------------------------------------- clusters

@pytest.mark.sanitize("the bus of a cluster")
@pytest.mark.parametrize("bus", [None, 7777], ids=["default bus", "cluster-port"])
def test_the_bus_of_a_cluster(hosts, bus):
    *three, web = hosts
    nodes = cluster(*three, **({"cluster_port": bus} if bus else {}))
    made = clients(nodes[0], web)
    port = bus or 16379
    eventually(lambda: all(len(node.host.ss("state", "established", "sport", "=", f":{port}")) == 2 for node in nodes),
               30, what="every node has a link from each other")
    for words in ([], [node.target for node in nodes]):
        report = scan(*words)
        for node in nodes:
            entry = report.server(node)
            assert (entry["mode"], entry["role"], entry["port"]) == ("cluster", "master", 6379)
            assert entry["cluster_bus"] == {"port": port, "links": 2}
            assert entry["cluster_connections"] == 4
            assert entry["listed_clients"] == entry["connected_clients"]
        ours = {node.host.inode for node in nodes}
        assert sum(entry["netns"] in ours for entry in report["servers"]) == 3
        assert not [row for row in report.connections if port in (row["server"]["port"], row["client"].get("port"))]
        for node in nodes[1:]:
            assert report.counts(node) == {}
    for node in nodes[1:]:
        assert not report.findings(node, "keepalive-off")
    clients_are_right(report, nodes[0], made)


# ---------------------------------------------------------------- Sentinels

@pytest.mark.sanitize("links of Sentinels")
def test_links_of_sentinels(hosts):
    master, one, two, web = hosts
    redis = Redis(master)
    replica = replica_of(redis, one)
    watchers = sentinels(redis, master, one, two, replicas=1)
    made = clients(redis, web)
    silence()
    report = scan(*(each.target for each in (redis, replica, *watchers)), "--persistent-after", "1s")
    clients_are_right(report, redis, made)
    pids = {each.pid for each in watchers}
    for watched in (redis, replica):
        rows = links(report, watched, "sentinel")
        assert len(rows) == 6, "each Sentinel asks and listens"
        assert {pid for row in rows for pid in row.owners("client")} == pids
        assert {row.verdict for row in rows} == {"healthy"}
        assert all(row["group"].startswith("sentinel ") for row in rows)
        nothing_persistent(report, watched, pids)
    assert len(links(report, redis, "replication")) == 1
    found = scan()
    for each in watchers:
        assert found.server(each)["mode"] == "sentinel"
        entry = report.server(each)
        assert (entry["kind"], entry["mode"], entry["role"], entry["pid"]) == (KIND, "sentinel", None, each.pid)
        assert entry["reachable"] is True
        asked = [row for row in report.rows(service=each) if row.verdict != "transient"]  # those are the test's own
        assert {row["purpose"] for row in asked} == {"sentinel"} and len(asked) >= 2
        assert not report.findings(each, "keepalive-off")


def test_a_sentinel_whose_host_is_gone(hosts):
    master, one, two, web = hosts
    redis = Redis(master)
    watchers = sentinels(redis, one, two)
    made = clients(redis, web)
    two.vanish()
    report = scan(redis.target)
    clients_are_right(report, redis, made)
    rows = links(report, redis, "sentinel")
    assert {row["client"]["address"] for row in rows} == {one.ip, two.ip}
    for row in rows:
        assert row.verdict == "healthy" or row["client"]["address"] == two.ip
    assert {row.owners("client").pop() for row in rows if row["client"]["address"] == one.ip} == {watchers[0].pid}


def test_a_name_alone_makes_no_sentinel(hosts):
    master, _, _, web = hosts
    redis, client = Redis(master), Client(web)
    [named] = client.open(redis)
    client.say("CLIENT SETNAME sentinel-0123abcd-cmd\r\n", [named])
    assert scan(redis.target).row(named)["purpose"] == "client"
