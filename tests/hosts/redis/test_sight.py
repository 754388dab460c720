"""What is in sight decides what may be said.

    server ── switch ── web          sight is limited by --netns, or by a container that has some namespaces only
                  └──── other
"""

import json
from types import SimpleNamespace

import pytest

from lab import Subnet, silence
from report import scan
from services import Client, Redis
from sickness import ghost_host_up, orphan


@pytest.fixture
def lan(lab):
    server, web, other = lab.hosts("server", "web", "other")
    lab.lan(server, web, other)
    return SimpleNamespace(lab=lab, server=server, web=web, other=other, redis=Redis(server), client=Client(web),
                           stranger=Client(other))


# ---------------------------------------------------------------- the server's host alone

def test_the_servers_host_alone(lan):
    dead, live = lan.client.open(lan.redis, 2), lan.client.open(lan.redis, 2)
    ghost_host_up(lan.web, dead)
    for where in [{"words": ["--netns", lan.server.netns]}, {"words": ["--netns", str(lan.redis.pid)]},
                  {"words": ["--netns", "self"], "host": lan.server}]:
        words = [lan.redis.target, *where.pop("words")]
        report = scan(*words, "--recent", "1h", **where)
        report.expect(dead + live, "healthy", "recent-traffic", without=["peer-socket-present", "peer-socket-absent"])
    silence()
    report = scan(lan.redis.target, "--netns", lan.server.netns, "--recent", "1s")
    report.expect(dead + live, "unverified", "peer-out-of-sight", without=["peer-socket-absent"])
    assert report.counts(lan.redis) == {"unverified": 4}
    assert report.server(lan.redis)["reachable"] is True


def test_an_answered_keepalive_probe_is_hearing_from_the_peer(lab):
    """`healthy`: the peer was heard (data or ACK). The client never speaks, its kernel does."""
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server, tcp_keepalive=1), Client(web)
    live = client.open(redis, 2)
    silence(2, heard=["lastrcv"])  # by then it has been probed
    report = scan(redis.target, "--netns", server.netns, "--recent", "2s")
    report.expect(live, "healthy", keepalive="on")


# ---------------------------------------------------------------- the client's host alone

@pytest.mark.sanitize("the client's side alone")
def test_the_clients_host_alone(lan):
    live, lost, dead = lan.client.open(lan.redis, 3), lan.client.open(lan.redis, 2), lan.client.open(lan.redis, 2)
    strangers = lan.stranger.open(lan.redis, 2)
    orphan(lan.server, lost)
    ghost_host_up(lan.web, dead)
    silence(2)  # of strangers the server's list tells alone, in whole seconds
    report = scan(f"redis://{lan.redis.target}", "--netns", "self", "--recent", "1s", host=lan.web)
    report.expect(live, "healthy", "server-listing")
    report.expect(lost, "orphan", "server-not-listing")
    report.expect(dead, "ghost")
    report.expect(strangers, "unverified", "peer-out-of-sight")
    for endpoint in live + lost:
        assert report.row(endpoint).owners("client") == {lan.client.pid}
        assert report.row(endpoint)["server_socket"] is None
    assert report.server(lan.redis)["reachable"] is True
    report = scan(f"redis://{lan.redis.target}", "--netns", "self", "--recent", "1h", host=lan.web)
    report.expect(strangers, "healthy", "recent-traffic")
    assert sorted(lan.client.alive(live)) == sorted(live)


def test_the_clients_host_alone_and_nobody_is_asked(lan):
    """A remote server is only asked when it is named as a TARGET."""
    live = lan.client.open(lan.redis, 3)
    asked_before = int(lan.redis.cli("INFO", "stats").split("total_connections_received:")[1].split()[0])
    report = scan("--netns", "self", "--recent", "1h", host=lan.web)
    report.expect(live, "healthy", "recent-traffic")
    assert report.server(lan.redis)["reachable"] is None
    silence()
    report = scan("--netns", "self", "--recent", "1s", host=lan.web)
    report.expect(live, ["unverified"], "peer-out-of-sight")
    asked = int(lan.redis.cli("INFO", "stats").split("total_connections_received:")[1].split()[0])
    assert asked == asked_before + 1  # this very question


def test_remote_servers_on_other_ports(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server, port=7777), Client(web)
    live = client.open(redis, 2)
    assert not scan("--netns", "self", host=web).connections
    report = scan("--netns", "self", "--port", "7777", host=web)
    report.expect(live, "healthy")
    report = scan(redis.target, "--netns", "self", host=web)
    report.expect(live, "healthy", "server-listing")


# ---------------------------------------------------------------- addresses that exist more than once

@pytest.mark.sanitize("addresses that exist twice")
def test_two_pairs_with_the_same_addresses_and_ports(lab):
    """serverA ── switch ── webA     and, with the same addresses, serverB ── switch ── webB"""
    server_a, web_a, server_b, web_b = lab.hosts("serverA", "webA", "serverB", "webB")
    subnet = lab.lan(server_a, web_a)
    lab.lan(server_b, web_b, subnet=subnet)
    redis_a, redis_b, client_a, client_b = Redis(server_a), Redis(server_b), Client(web_a), Client(web_b)
    both = [client_a.open(redis_a, source_port=port)[0] for port in (20001, 20002)]
    for port in (20001, 20002):
        client_b.open(redis_b, source_port=port)
    only_a = client_a.open(redis_a, source_port=20003)
    only_b = client_b.open(redis_b, source_port=20004)
    ghost_host_up(web_b, both[1:])  # and the same tuple lives in pair A
    silence()
    for words in [[], [redis_a.target]]:
        report = scan(*words, "--recent", "1s")
        report.never_dead(both + only_a, service=redis_a)
        report.never_dead(both[:1] + only_b, service=redis_b)
        for endpoint in both[1:]:
            for row in report.rows(endpoint, service=redis_b):
                assert row.verdict in ("ghost", "suspect", "unverified"), json.dumps(row, indent=1)
        for address_twice in (web_a, web_b):
            report.never_dead([e for e in both[:1] + only_a + only_b], client_host=address_twice)
    report = scan(redis_a.target, "--recent", "1s", host=server_a)
    report.never_dead(both + only_a, service=redis_a)
    for redis, client, endpoints in [(redis_a, client_a, both + only_a), (redis_b, client_b, both[:1] + only_b)]:
        assert sorted(client.alive(endpoints)) == sorted(endpoints)


def test_the_living_peer_is_hidden_and_another_host_has_its_address(lan):
    """web's namespace has no process and no name any more, its socket keeps it alive; elsewhere, on a network of
    its own, a decoy in full sight owns web's address and has no such socket."""
    live = lan.client.open(lan.redis, 2)
    decoy, neighbour = lan.lab.hosts("decoy", "neighbour")
    lan.lab.lan(neighbour, decoy)
    decoy.ip_("addr", "add", f"{lan.web.ip}/24", "dev", "eth0")
    lan.client.leave()
    lan.web.forget_name()
    silence()
    report = scan(lan.redis.target, "--recent", "1s")
    assert len(report.rows(live[0])) == 1
    report.never_dead(live)
    assert lan.client.alive(live) == live


@pytest.mark.parametrize("decoy_joins", [False, True], ids=["elsewhere", "same-switch"])
def test_only_the_server_and_a_decoy_are_in_sight(lan, decoy_joins):
    """As seen from a container that has the server's namespace and a decoy's (a standby that keeps web's address
    on its loopback device), and not web's."""
    live = lan.client.open(lan.redis, 2)
    decoy = lan.lab.host("decoy")
    switch = next(host for name, host in lan.lab._hosts.items() if name.startswith("switch"))
    if decoy_joins:
        decoy.join(Subnet(), 9, switch, "decoy")
        switch.ip_("link", "set", "decoy", "master", "bridge", "up")
    decoy.ip_("addr", "add", f"{lan.web.ip}/32", "dev", "lo")
    silence()
    for sight in [[lan.server, decoy], [lan.server, decoy, switch]]:
        for inside in [None, lan.server]:
            report = scan(lan.redis.target, "--recent", "1s", host=inside, sight=sight)
            assert len(report.rows(live[0])) == 1
            report.never_dead(live)
    assert lan.client.alive(live) == live


def test_the_living_server_is_hidden_and_another_host_has_its_address(lan):
    """The same from the client's side: never an orphan."""
    live = lan.client.open(lan.redis, 2)
    decoy = lan.lab.host("decoy")
    decoy.ip_("addr", "add", f"{lan.server.ip}/32", "dev", "lo")
    impostor = Redis(decoy)
    silence()
    for words in [[], [lan.redis.target]]:
        report = scan(*words, "--recent", "1s", host=lan.web, sight=[lan.web, decoy])
        report.never_dead(live)
        report = scan(*words, "--recent", "1s", sight=[lan.web, decoy])
        report.never_dead(live)
    assert impostor.cli("PING") == "PONG"
