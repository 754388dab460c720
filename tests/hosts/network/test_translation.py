"""Translation on the way must never mislead: both kernels hold different tuples of one living connection.

    masquerade   web ── router (nat) ── server             the server sees the router's address
    published    web ── dockerhost (dnat :16379) ── inner  the client sees the docker host's address
    proxy        web ── proxy ── server                    two connections, both whole
"""

import pytest

from lab import silence
from report import ROOT_NAMESPACE, scan
from services import Client, Redis, TcpServer

MASQUERADE = """
    table ip clk_nat {{
        chain post {{ type nat hook postrouting priority 100; oifname "eth0" meta l4proto tcp masquerade {}; }}
    }}"""


def assert_nobody_is_dead(report, *hosts):
    """Everything of these hosts lives: no row that names one of their addresses is a ghost or an orphan."""
    addresses = set().union(*(host.every_address for host in hosts))
    for row in report.connections:
        if {row["server"]["address"], row["client"].get("address")} & addresses:
            assert row.verdict not in ("ghost", "orphan"), row


def assert_listed(report, redis, live):
    """That nobody is called dead is worth little where nobody is listed: each is there, by one side or the other."""
    rows = [row for row in report.connections if row["client"].get("address") == live[0].address
            or report.concerns(row, redis)]
    assert len(rows) >= len(live)


@pytest.fixture
def routed(lab):
    """server (eth0) router (eth1) web"""
    server, web = lab.hosts("server", "web")
    router = lab.router("router", [server], [web])
    return server, router, web


def everywhere(redis, server, router, web):
    """The report as it looks from each place, with each amount of sight."""
    switches = [host for name, host in server.lab._hosts.items() if name.startswith("switch")]
    recent = ["--recent", "1s"]
    yield scan(*recent)
    yield scan(*recent, host=ROOT_NAMESPACE)
    yield scan(redis.target, *recent)
    yield scan(redis.target, *recent, "--netns", "self", host=server)
    yield scan(*recent, "--netns", "self", host=server)
    yield scan(redis.target, *recent, "--netns", "self", host=web)
    yield scan(*recent, "--netns", "self", host=web)
    for sight in [[server, router], [server, router, *switches], [server, web], [server, web, *switches],
                  [web, router]]:
        yield scan(redis.target, *recent, sight=sight)
        yield scan(redis.target, *recent, host=sight[0], sight=sight)


@pytest.mark.parametrize("ports", ["", "to :30000-40000"], ids=["same-ports", "other-ports"])
def test_masquerade(routed, ports):
    server, router, web = routed
    router.nft(MASQUERADE.format(ports))
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 3)
    assert {row["addr"].split(":")[0] for row in redis.client_list()} == {router.ip}
    silence()
    for report in everywhere(redis, *routed):
        assert_nobody_is_dead(report, *routed)
        assert_listed(report, redis, live)
    assert sorted(client.alive(live)) == sorted(live)


def test_rewriting_without_a_nat_chain(routed):
    """Stateless rewriting in a filter chain: no conntrack, no chain of type nat, and an address on the router that
    has no sockets."""
    server, router, web = routed
    alias = ".".join(router.ip.split(".")[:3]) + ".99"
    router.ip_("addr", "add", f"{alias}/24", "dev", "eth0")
    router.nft(f"""
        table ip clk_rewrite {{
            chain there {{
                type filter hook postrouting priority 0;
                oifname "eth0" ip saddr {web.ip} ip saddr set {alias}
            }}
            chain back {{
                type filter hook prerouting priority -300;
                iifname "eth0" ip daddr {alias} ip daddr set {web.ip}
            }}
        }}""")
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    assert {row["addr"].split(":")[0] for row in redis.client_list()} == {alias}
    silence()
    for report in everywhere(redis, *routed):
        assert_nobody_is_dead(report, *routed)
        assert_listed(report, redis, live)
        for row in report.connections:
            if row["client"].get("address") == alias:
                assert row.verdict not in ("ghost", "orphan"), row
    assert sorted(client.alive(live)) == sorted(live)


@pytest.mark.parametrize("masqueraded", [False, True], ids=["dnat", "dnat-and-masquerade"])
def test_a_published_port(lab, masqueraded):
    inner, web = lab.hosts("inner", "web")
    dockerhost = lab.router("dockerhost", [inner], [web])
    outside = dockerhost.addresses[1][0]
    dockerhost.nft(f"""
        table ip clk_dnat {{
            chain pre {{
                type nat hook prerouting priority -100;
                ip daddr {outside} tcp dport 16379 dnat to {inner.ip}:6379
            }}
        }}""")
    if masqueraded:
        dockerhost.nft(MASQUERADE.format(""))
    redis, client = Redis(inner), Client(web)
    live = client.open(redis, 3, host=outside, port=16379)
    silence()
    for where in [{}, {"host": web}, {"host": dockerhost}, {"host": inner}, {"sight": [inner, dockerhost]},
                  {"sight": [web, dockerhost], "host": web}]:
        for words in [[f"{outside}:16379"], ["--port", "16379"], [redis.target]]:
            report = scan(*words, "--recent", "1s", **where)
            assert_nobody_is_dead(report, inner, dockerhost, web)
    report = scan(f"{outside}:16379", "--recent", "1s", "--netns", "self", host=web)
    assert_nobody_is_dead(report, inner, dockerhost, web)
    assert len([row for row in report.connections if row["client_socket"]]) == 3
    assert sorted(client.alive(live)) == sorted(live)


@pytest.mark.sanitize("a proxy in sight")
def test_a_proxy(lab):
    server, middle, web = lab.hosts("server", "middle", "web")
    lab.lan(server, middle, web)
    redis, proxy, client = Redis(server), TcpServer(middle, "proxy", 16379, [server.ip, 6379]), Client(web)
    live = client.open(proxy, 3)
    silence()
    report = scan("--recent", "1s", "--port", "16379")
    rows = [row for row in report.connections if row["client"].get("address") in (middle.ip, web.ip)]
    assert len(rows) >= 3
    assert {row.verdict for row in rows} == {"healthy"}
    assert {frozenset(row.owners("client")) for row in report.rows(service=redis)} == {frozenset([proxy.pid])}
    report = scan(proxy.target, "--recent", "1s", "--netns", "self", host=web)
    assert_nobody_is_dead(report, server, middle, web)
    assert sorted(client.alive(live)) == sorted(live)
