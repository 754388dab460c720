"""Translation that connection tracking knows: a living connection is seen and a ghost is found, behind NAT as without.

    masquerade   web ── router (masquerade) ── server           the server sees the router's address
    published    web ── dockerhost (dnat :16379) ── inner       the client sees the docker host's address
    in a row     web ── inner router ── outer router ── server  each translates what the one before it has made
"""

from pathlib import Path

import pytest

from lab import Subnet, eventually, silence
from report import scan
from services import Client, Redis
from sickness import cut_off, ghost_host_gone, ghost_host_up, kill_sockets, orphan, settle

RECENT = ["--recent", "1s"]
ABSENT = ("nat-translated", "peer-socket-absent")
PRESENT = ("nat-translated", "peer-socket-present")


def masquerade(router, device="eth0", how=""):
    router.nft(f"""
        table inet clk_nat {{
            chain post {{ type nat hook postrouting priority 100; oifname "{device}" meta l4proto tcp masquerade {how}; }}
        }}""")


def publish(host, to, outside, port=16379, hook="prerouting"):
    """What a container engine's -p does."""
    family = "ip6" if ":" in to else "ip"
    place = f"[{to}]" if ":" in to else to
    host.nft(f"""
        table inet clk_publish_{hook} {{
            chain pre {{
                type nat hook {hook} priority -100;
                {family} daddr {outside} tcp dport {port} dnat {family} to {place}:6379
            }}
        }}""")


@pytest.fixture
def routed(lab):
    """server (eth0) router (eth1) web"""
    server, web = lab.hosts("server", "web")
    router = lab.router("router", [server], [web])
    return server, router, web


def forget(host):
    """Connection tracking loses all that it has."""
    host.run("conntrack", "-F")
    eventually(lambda: host.run("conntrack", "-C").stdout.strip() == "0")


@pytest.mark.sanitize("conntrack, masquerade")
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("ports", ["", "to :30000-40000"], ids=["same-ports", "other-ports"])
def test_masquerade_in_both_directions(routed, ports, ipv6):
    server, router, web = routed
    masquerade(router, how=ports)
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 3, host=server.ip6 if ipv6 else None)
    dead = client.open(redis, 2, host=server.ip6 if ipv6 else None)
    ghost_host_up(web, dead)
    silence()
    report = scan(*RECENT)
    report.expect(live, "healthy", *PRESENT, service=redis, client_host=web)
    report.expect(dead, "ghost", *ABSENT, service=redis)
    assert report.counts(redis) == {"healthy": 3, "ghost": 2}
    for endpoint in live + dead:
        row = report.row(endpoint)
        assert row["client"]["seen_as"]["address"] == (router.ip6 if ipv6 else router.ip)
        assert ports == "" or 30000 <= row["client"]["seen_as"]["port"] <= 40000
        assert row["server"]["dialled"] is None
        assert row["listed"] is not None
    assert all(report.row(endpoint).owners("client") == {client.pid} for endpoint in live)
    assert report.processes(redis, client.pid)[0]["connections"] == 3
    # The finding names the host that lost them, not the one between.
    done = scan(redis.target, *RECENT)
    assert done.finding(redis, "ghost-connections")["count"] == 2
    assert sorted(client.alive(live)) == sorted(live)


def test_an_orphan_behind_a_translator(routed):
    server, router, web = routed
    masquerade(router)
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 2), client.open(redis, 2)
    orphan(server, dead)
    silence()
    for report in [scan(*RECENT), scan(redis.target, *RECENT, host=web)]:
        report.expect(live, "healthy", *PRESENT, service=redis)
        report.expect(dead, "orphan", *ABSENT, service=redis)
        assert all(report.row(endpoint).owners("client") == {client.pid} for endpoint in live + dead)
    assert sorted(client.alive(live)) == sorted(live)


@pytest.mark.sanitize("conntrack, published ports")
@pytest.mark.parametrize("masqueraded", [False, True], ids=["dnat", "dnat-and-masquerade"])
@pytest.mark.parametrize("port", [16379, 6379])
def test_a_published_port(lab, masqueraded, port):
    """Two addresses for one server: what the clients dial is no server of its own."""
    inner, web = lab.hosts("inner", "web")
    dockerhost = lab.router("dockerhost", [inner], [web])
    outside = dockerhost.addresses[1][0]
    publish(dockerhost, inner.ip, outside, port)
    if masqueraded:
        masquerade(dockerhost)
    redis, client = Redis(inner), Client(web)
    live, dead = [client.open(redis, 2, host=outside, port=port) for _ in range(2)]
    lost = client.open(redis, 1, host=outside, port=port)
    settle(lab, live + dead + lost, port)
    with cut_off(web, port):
        kill_sockets(web, [f"sport = :{e.port} and dport = :{port}" for e in dead])
    seen = {row["addr"] for row in redis.client_list()}
    if not masqueraded:
        assert seen == {str(e) for e in live + dead + lost}
        orphan(inner, lost)
    silence()
    for words, where in [([], {}), ([redis.target], {}), ([f"{outside}:{port}"], {}),
                         ([f"{outside}:{port}"], {"host": web})]:
        report = scan(*words, *RECENT, **where)
        report.expect(live, "healthy", *PRESENT, client_host=web)
        report.expect(dead, "ghost", *ABSENT)
        if not masqueraded:
            report.expect(lost, "orphan", *ABSENT, client_host=web)
        assert len(report["servers"]) == 1
        assert report["servers"][0]["pid"] == redis.pid
        for endpoint in live + dead:
            assert report.row(endpoint)["server"]["dialled"] == {"address": outside, "port": port}
    assert sorted(client.alive(live)) == sorted(live)


def test_from_the_docker_host_itself(lab):
    """The host's own processes reach a published port on loopback: rewritten on the way out, both ends of it."""
    host, inner = lab.hosts("dockerhost", "inner")
    lab.docker(host, inner)
    host.sysctl("net.ipv4.conf.all.route_localnet", 1)
    publish(host, inner.ip, "127.0.0.1", hook="output")
    masquerade(host, "docker0")
    redis, client = Redis(inner), Client(host)
    live, dead = [client.open(redis, 2, host="127.0.0.1", port=16379) for _ in range(2)]
    settle(lab, live + dead, 16379)
    with cut_off(inner, 6379):
        kill_sockets(host, [f"sport = :{e.port} and dport = :16379" for e in dead])
    silence()
    for report in [scan(*RECENT), scan(redis.target, *RECENT)]:
        report.expect(live, "healthy", *PRESENT, client_host=host)
        report.expect(dead, "ghost", *ABSENT)
        assert {row["client"]["seen_as"]["address"] for row in report.connections} == {host.ip}
    assert sorted(client.alive(live)) == sorted(live)


def test_two_translators_in_a_row(lab):
    server, web, inner, other = lab.hosts("server", "web", "inner", "other")
    outer = lab.router("outer", [server], [inner, other])
    lab.router("inner", [web])
    masquerade(outer)
    masquerade(inner, how="to :20000-30000")
    redis, client, neighbour = Redis(server), Client(web), Client(other)
    live, dead, near = client.open(redis, 2), client.open(redis, 2), neighbour.open(redis, 1)
    assert {row["addr"].split(":")[0] for row in redis.client_list()} == {outer.ip}
    ghost_host_up(web, dead)
    silence()
    report = scan(*RECENT)
    report.expect(live + near, "healthy", *PRESENT, service=redis)
    report.expect(dead, "ghost", *ABSENT, service=redis)
    assert report.counts(redis) == {"healthy": 3, "ghost": 2}
    # With one of the two out of sight nothing is known of those behind it.
    switches = [host for name, host in lab._hosts.items() if name.startswith("switch")]
    report = scan(redis.target, *RECENT, sight=[server, outer, web, other, *switches])
    assert not {row.verdict for row in report.connections if row["client"]["address"] != other.ip} & {"ghost", "orphan"}
    report.expect(near, "healthy", *PRESENT, service=redis)
    assert sorted(client.alive(live)) == sorted(live)


def test_two_clients_behind_one_address(routed, lab):
    """The same port on both: only the translator tells them apart."""
    server, router, web = routed
    twin = lab.host("twin")
    subnet = Subnet()
    lab.lan(router, twin, subnet=subnet)
    twin.default_route([subnet.ipv4(1)])
    masquerade(router)
    redis, one, two = Redis(server), Client(web), Client(twin)
    alive = two.open(redis, 1, source_port=41234)
    dead = one.open(redis, 1, source_port=41234)
    kept = one.open(redis, 1, source_port=41235)
    assert len({row["addr"] for row in redis.client_list()}) == 3
    ghost_host_up(web, dead)
    silence()
    report = scan(*RECENT)
    report.expect(alive + kept, "healthy", *PRESENT, service=redis)
    report.expect(dead, "ghost", *ABSENT, service=redis)
    assert report.row(alive[0]).owners("client") == {two.pid}
    assert two.alive(alive) and one.alive(kept)


def test_an_entry_that_expired(routed):
    """Nothing is known of them any more: neither the living nor the dead are called dead, nor by their rule's name."""
    server, router, web = routed
    masquerade(router, how="to :30000-40000")
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 2), client.open(redis, 2)
    ghost_host_up(web, dead)
    forget(router)
    silence()
    for report in [scan(*RECENT), scan(redis.target, *RECENT, host=web)]:
        rows = report.rows(service=redis)
        assert len(rows) >= 4
        for row in rows:
            assert row.verdict in ("unverified", "suspect") and "nat-suspected" in row.evidence, row
    # A rule that is gone leaves what it has made.
    again = client.open(redis, 1)
    router.nft("delete table inet clk_nat")
    report = scan(*RECENT)
    report.expect(again, "healthy", *PRESENT, service=redis)


@pytest.mark.sanitize("rules of nftables")
def test_rules_that_leave_a_connection_alone(lab):
    """A docker host translates for the world, and not between its own containers: connection tracking says so."""
    host, inner, web = lab.hosts("dockerhost", "inner", "web")
    lab.docker(host, inner, web)
    world = lab.host("world")
    lab.cable(host, world)
    for place in (inner, web):
        place.default_route([host.ip])
    host.sysctl("net.ipv4.ip_forward", 1)
    masquerade(host, "eth0")
    redis, client, local = Redis(inner), Client(web), Client(host)
    live, dead = client.open(redis, 2), client.open(redis, 2)
    near, gone = local.open(redis, 1), local.open(redis, 1)
    ghost_host_up(web, dead)
    ghost_host_up(host, gone)
    silence()
    report = scan(*RECENT)
    report.expect(live + near, "healthy", "peer-socket-present", without=["nat-translated"], service=redis)
    report.expect(dead + gone, "ghost", "peer-socket-absent", without=["nat-translated"], service=redis)


@pytest.mark.parametrize("rewritten", [False, True], ids=["left-alone", "rewritten"])
def test_bridged_packets_that_pass_the_rules(lab, rewritten):
    """br_netfilter hands what a bridge carries to its host's rules; what they did is known there."""
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        pytest.skip("the kernel has no br_netfilter")
    host, inner, web = lab.hosts("dockerhost", "inner", "web")
    lab.docker(host, inner, web)
    host.sysctl("net.ipv4.ip_forward", 1)
    host.sysctl("net.bridge.bridge-nf-call-iptables", 1)
    masquerade(host, "docker0" if rewritten else "eth0", how="to :30000-40000")
    redis, client = Redis(inner), Client(web)
    live, dead = client.open(redis, 2), client.open(redis, 2)
    assert {row["addr"].split(":")[0] for row in redis.client_list()} == {host.ip if rewritten else web.ip}
    ghost_host_up(web, dead)
    silence()
    report = scan(*RECENT)
    evidence = PRESENT if rewritten else ("peer-socket-present",)
    report.expect(live, "healthy", *evidence, service=redis, client_host=web)
    report.expect(dead, "ghost", "peer-socket-absent", service=redis)
    assert report.counts(redis) == {"healthy": 2, "ghost": 2}
    assert sorted(client.alive(live)) == sorted(live)


def test_a_server_out_of_sight_behind_our_own_translator(routed):
    """Its list speaks for all that leave sight as the program's own connection does."""
    server, router, web = routed
    masquerade(router)
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 2), client.open(redis, 2)
    orphan(server, dead)
    silence()
    switches = [host for name, host in server.lab._hosts.items() if name.startswith("switch")]
    report = scan(redis.target, *RECENT, sight=[router, web, *switches], host=router)
    report.expect(live, "healthy", "nat-translated", "server-listing", client_host=web)
    report.expect(dead, "orphan", "nat-translated", "server-not-listing", client_host=web)
    assert len(report["servers"]) == 1
    assert sorted(client.alive(live)) == sorted(live)


def test_a_client_beyond_sight_is_named(routed):
    """The translator is in sight and its client is not: whose address it is is known, and nothing more."""
    server, router, web = routed
    masquerade(router)
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    silence()
    switches = [host for name, host in server.lab._hosts.items() if name.startswith("switch")]
    report = scan(redis.target, *RECENT, sight=[server, router, *switches])
    report.expect(live, "unverified", "nat-translated", "peer-out-of-sight", service=redis)
    assert report.row(live[0])["client"]["address"] == web.ip


def test_a_host_that_is_gone_behind_a_translator(routed):
    """Its network is gone with it: what the server holds is nobody's, and nothing in sight proves it."""
    server, router, web = routed
    masquerade(router)
    redis, client = Redis(server), Client(web)
    client.open(redis, 2)
    ghost_host_gone(web)
    silence()
    report = scan(*RECENT)
    assert {row.verdict for row in report.rows(service=redis)} <= {"unverified", "suspect"}
    assert len(report.rows(service=redis)) == 2


def test_packets_that_evade_connection_tracking(routed):
    """An entry of the same addresses may be another's: nothing is concluded from it."""
    server, router, web = routed
    redis, client = Redis(server), Client(web)
    masquerade(router)
    live, dead = client.open(redis, 1), client.open(redis, 1)
    ghost_host_up(web, dead)
    router.nft("""
        table inet clk_raw {
            chain pre { type filter hook prerouting priority -300; tcp dport 1 notrack; }
        }""")
    silence()
    report = scan(*RECENT)
    report.expect(live, "healthy", *PRESENT, service=redis)
    report.expect(dead, ("unverified", "suspect"), "nat-translated", "nat-suspected", service=redis)


@pytest.mark.sanitize("conntrack without rights")
def test_without_the_right_to_look(routed):
    """Neither rules nor entries can be read: that is told, and nobody is called dead."""
    server, router, web = routed
    masquerade(router)
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    silence()
    drop = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--"]
    report = scan(*RECENT, prefix=drop)
    for row in report.rows(service=redis):
        assert row.verdict in ("unverified", "suspect", "healthy") and "nat-suspected" in row.evidence, row
    gaps = report.gaps("conntrack")
    assert {gap["error"] for gap in gaps} == {"EPERM"}
    assert any(router.netns in gap["scope"] for gap in gaps)
    assert not report["complete"]
    assert sorted(client.alive(live)) == sorted(live)
