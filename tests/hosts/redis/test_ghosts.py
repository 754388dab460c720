"""Ghosts whose host is up, and those whose host is gone, beside connections that live.

    bridge    server ── switch ── web                 all in sight, the tool outside all of them
    router    server ── switch ── router ── switch ── web
    cable     server ── web
    container server [ bridge ] ── web                web is a container on the server's host
    contained server ── [ bridge ] web                and the other way about
"""

import pytest

from lab import eventually, run, silence
from report import ROOT_NAMESPACE, scan
from services import KIND, REDIS_VERSION, Client, Endpoint, Redis
from sickness import cut_off, ghost_host_gone, ghost_host_up, in_state

TOPOLOGIES = {
    "bridge": lambda lab, server, web: lab.lan(server, web),
    "router": lambda lab, server, web: lab.router("router", [server], [web]),
    "cable": lambda lab, server, web: lab.cable(server, web),
    "container": lambda lab, server, web: lab.docker(server, web),
    "contained": lambda lab, server, web: lab.docker(web, server),
}


@pytest.mark.parametrize("topology, family", [
    ("bridge", "ipv4"), ("bridge", "ipv6"), ("bridge", "mapped"), ("router", "ipv4"), ("router", "ipv6"),
    ("router", "mapped"), ("cable", "ipv4"), ("cable", "ipv6"), ("container", "ipv4"), ("container", "ipv6"),
    ("contained", "ipv4"), ("contained", "mapped")])
def test_ghosts_and_live_idle_connections(lab, topology, family):
    server, web = lab.hosts("server", "web")
    TOPOLOGIES[topology](lab, server, web)
    redis, client = Redis(server), Client(web)
    how = {"host": server.ip6} if family == "ipv6" else {"mapped": family == "mapped"}
    dead = client.open(redis, 3, **how)
    plain = client.open(redis, 2, **how)
    probing = client.open(redis, 2, keepidle=1, **how)
    ghost_host_up(web, dead)
    silence()
    target = f"[{server.ip6}]:6379" if family == "ipv6" else redis.target
    for words in [[target], []]:
        report = scan(*words, "--recent", "1s")
        report.expect(dead, "ghost", "peer-socket-absent", without=["peer-socket-present"], keepalive="off")
        report.expect(plain + probing, "healthy", "peer-socket-present", without=["peer-socket-absent"])
        assert report.counts(redis) == {"ghost": 3, "healthy": 4}
        if words:  # without a TARGET the entry can be 0.0.0.0:6379, and another lab may have that too
            assert report.finding(redis, "ghost-connections")["count"] == 3
    assert sorted(client.alive(plain + probing)) == sorted(plain + probing)


def test_from_inside_the_servers_namespace(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    dead, live = client.open(redis, 2), client.open(redis, 2)
    ghost_host_up(web, dead)
    for words in [[":6379"], [f"redis://{redis.target}"], []]:
        report = scan(*words, host=server)
        report.expect(dead, "ghost", "peer-socket-absent", service=redis)
        report.expect(live, "healthy", "peer-socket-present", service=redis)


def test_from_the_root_namespace(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    dead, live = client.open(redis, 2), client.open(redis, 2)
    ghost_host_up(web, dead)
    for words in [[redis.target], []]:
        report = scan(*words, host=ROOT_NAMESPACE)
        report.expect(dead, "ghost", "peer-socket-absent")
        report.expect(live, "healthy", "peer-socket-present")


@pytest.mark.sanitize("scan, a ghost whose host is up")
def test_what_a_ghosts_row_tells(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    dead, live = client.open(redis), client.open(redis)
    ghost_host_up(web, dead)
    silence(2)
    report = scan(redis.target)
    row = report.row(dead[0])
    assert row["client_socket"] is None
    assert row["server_socket"]["state"] == "established"
    assert row["server_socket"]["netns"] == server.inode
    assert row.owners("server") == {redis.pid}
    assert row["last_heard_ms"] >= 2000
    listed = {client["addr"]: client for client in redis.client_list()}[str(dead[0])]
    assert row["listed"]["id"] == int(listed["id"])
    assert row["listed"]["idle_s"] >= 2
    common = {"id", "addr", "laddr", "name", "user", "db", "cmd", "age", "idle", "tot-mem"}
    assert row["listed"]["native"].keys() - {"lib-name", "lib-ver"} == listed.keys() - common - {"lib-name", "lib-ver"}
    assert row["listed"]["native"]["flags"] == listed["flags"]
    row = report.row(live[0])
    assert row.owners("client") == {client.pid}
    assert row["client_socket"]["state"] == "established"
    assert row["client"]["netns"] == web.inode
    entry = report.server(redis)
    assert (entry["kind"], entry["version"], entry["pid"]) == (KIND, REDIS_VERSION, redis.pid)
    assert (entry["reachable"], entry["maxclients"], entry["tcp_keepalive_s"]) == (True, 10000, 0)


def test_absence_outranks_recent_traffic(pair):
    """A ghost may have spoken five seconds ago."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    dead = client.open(redis, 2)
    ghost_host_up(web, dead)
    report = scan(redis.target, "--recent", "1h")
    report.expect(dead, "ghost", "peer-socket-absent")


def test_a_ghosts_port_that_speaks_to_another_server_now(pair):
    server, web = pair
    redis, other, client = Redis(server), Redis(server, port=6380), Client(web)
    dead = client.open(redis)
    ghost_host_up(web, dead)
    assert client.open(other, source=web.ip, source_port=dead[0].port) == dead
    silence()
    report = scan("--port", "6380", "--recent", "1s")
    report.expect(dead, ["ghost", "suspect", "unverified"], service=redis)
    report.expect(dead, "healthy", "peer-socket-present", service=other)


def test_connections_within_one_host(pair):
    server, _ = pair
    redis, client = Redis(server), Client(server)
    live = client.open(redis, 2) + client.open(redis, host="127.0.0.1") + client.open(redis, host="::1")
    silence()
    for words in [[], [redis.target]]:
        report = scan(*words, "--recent", "1s", host=server)
        report.never_dead(live, service=redis)
    report = scan("--recent", "1s")
    report.expect(live, "healthy", "peer-socket-present", service=redis)
    for endpoint in live:
        row = report.row(endpoint, service=redis)
        assert (row.owners("server"), row.owners("client")) == ({redis.pid}, {client.pid})


def test_link_local_addresses(pair):
    """Every host has a network fe80::/64; the device tells them apart. Live connections, never dead."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    local = server.run("ip", "-6", "-o", "addr", "show", "eth0", "scope", "link").stdout.split()[3].split("/")[0]
    eventually(lambda: "tentative" not in server.ip_("addr").stdout + web.ip_("addr").stdout,
               what="duplicate address detection is over")
    live = client.open(redis, 2, host=f"{local}%eth0")
    silence()
    for words in [[], ["--netns", server.netns]]:
        report = scan(*words, "--recent", "1s")
        rows = [row for row in report.rows(service=redis) if row["client"]["port"] in {e.port for e in live}]
        assert len(rows) >= 2
        assert not {row.verdict for row in rows} & {"ghost", "orphan"}, rows


def test_a_server_in_a_container(pair):
    """Redis's process_id is 1 there, and another number here."""
    server, web = pair
    redis, client = Redis(server, prefix=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]), Client(web)
    dead, live = client.open(redis, 2), client.open(redis, 2)
    ghost_host_up(web, dead)
    assert "process_id:1\n" in redis.cli("INFO", "server").replace("\r", "")
    pid = int(run(["pgrep", "-P", str(redis.pid)]).stdout)
    report = scan(redis.target)
    report.expect(dead, "ghost", "peer-socket-absent")
    report.expect(live, "healthy", "peer-socket-present")
    assert report.server(redis)["pid"] == pid
    for endpoint in dead + live:
        assert report.row(endpoint).owners("server") == {pid}
        assert report.row(endpoint)["listed"]["id"] > 0


def test_two_servers_on_one_port_of_one_host(pair):
    server, web = pair
    server.ip_("addr", "add", f"{server.ip.rsplit('.', 1)[0]}.99/24", "dev", "eth0")
    one = Redis(server, name="one", bind=server.ip)
    two = Redis(server, name="two", bind=f"{server.ip.rsplit('.', 1)[0]}.99")
    client = Client(web)
    dead, live = client.open(one, 2), client.open(two, 3, host=f"{server.ip.rsplit('.', 1)[0]}.99")
    ghost_host_up(web, dead)
    report = scan()
    entries = {entry["pid"]: entry for entry in report["servers"] if entry["netns"] == server.inode}
    assert set(entries) == {one.pid, two.pid}
    assert entries[one.pid]["counts"]["ghost"] == 2
    assert sum(entries[one.pid]["counts"].values()) == 2
    assert entries[two.pid]["counts"]["healthy"] == 3
    assert sum(entries[two.pid]["counts"].values()) == 3
    report.expect(dead, "ghost")
    report.expect(live, "healthy", "peer-socket-present")


def test_keepalive_and_what_predates_it(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    old = client.open(redis, 3)
    redis.cli("CONFIG", "SET", "tcp-keepalive", "300")
    new = client.open(redis, 2)
    report = scan(redis.target)
    report.expect(old, "healthy", keepalive="off")
    report.expect(new, "healthy", keepalive="on")
    entry = report.server(redis)
    assert entry["keepalive"] == {"on": 2, "off": 3, "masked": 0, "unknown": 0}
    assert entry["tcp_keepalive_s"] == 300
    assert report.finding(redis, "keepalive-off")["count"] == 3


def test_the_host_is_gone_and_nothing_probes(lab):
    server, web, other = lab.hosts("server", "web", "other")
    lab.lan(server, web, other)
    redis = Redis(server)
    dead, live = Client(web).open(redis, 2), Client(other).open(redis, 2)
    ghost_host_gone(web)
    silence()
    report = scan(redis.target, "--recent", "1s")
    report.expect(dead, "unverified", "peer-out-of-sight", without=["peer-socket-absent"])
    report.expect(live, "healthy", "peer-socket-present")


@pytest.mark.sanitize("a ghost whose host is gone")
def test_the_host_is_gone_and_keepalive_probes_go_unanswered(lab):
    server, web, other = lab.hosts("server", "web", "other")
    lab.lan(server, web, other)
    redis = Redis(server, tcp_keepalive=6)
    dead, live = Client(web).open(redis, 2), Client(other).open(redis, 2)
    ghost_host_gone(web)
    eventually(lambda: probes_unanswered(server) >= set(dead), 15, what="keepalive probes go unanswered")
    report = scan(redis.target)
    report.expect(dead, "suspect", "keepalive-unanswered", keepalive="on")
    report.expect(live, "healthy", keepalive="on")
    assert report.finding(redis, "suspect-connections")["count"] == 2
    for endpoint in dead:
        assert report.row(endpoint)["kernel_gives_up_in_s"] <= 7


def test_a_peer_out_of_sight_that_lost_the_way(pair):
    """The client's host is up and cut off; the server pushes to it and hears no ACK."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    pushed, live = client.open(redis), client.open(redis)
    client.say("SUBSCRIBE news\r\n", pushed)
    with cut_off(web, 6379):
        redis.cli("PUBLISH", "news", "nobody hears this")
        eventually(lambda: retransmissions(server, pushed[0]) >= 3, what="the server retransmits")
        report = scan(redis.target, "--netns", server.netns)
        report.expect(pushed, "suspect", "retransmitting")
        report.expect(live, "healthy", "recent-traffic")
        report = scan(redis.target)
        report.never_dead(pushed + live)


def test_a_client_that_closed_unheard(pair):
    """Its FIN is lost for now: FIN-WAIT-1 there, established here. The contract has two words that fit."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    closing, live = client.open(redis), client.open(redis)
    with cut_off(web, 6379):
        client.close(closing)
        eventually(lambda: in_state(web, "FIN-WAIT-1", 6379, closing))
        report = scan(redis.target)
        report.expect(closing, ["suspect", "transient"])
        report.expect(live, "healthy", "peer-socket-present")


def probes_unanswered(server):
    """Endpoints whose keepalive timer has counted an unanswered probe: timer:(keepalive,1.2sec,1)."""
    rows = [row for row in server.ss("sport", "=", ":6379") if row[-1].startswith("timer:(keepalive,")]
    return {Endpoint(row[4].rsplit(":", 1)[0], int(row[4].rsplit(":", 1)[1])) for row in rows
            if not row[-1].endswith(",0)")}


def retransmissions(server, endpoint):
    """timer:(on,1.2sec,3)"""
    rows = [row for row in server.ss("sport", "=", ":6379", "and", "dport", "=", f":{endpoint.port}")]
    return int(rows[0][-1].rstrip(")").rsplit(",")[-1]) if rows and "timer:(on" in rows[0][-1] else 0
