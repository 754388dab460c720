"""Proxies between clients and Redis: named as the holders, with who is behind them, past which the blame goes.

    web ── middle (haproxy, nutcracker) ── server       clients here and there, one connection to Redis for each, or few
    web ── dockerhost (relay) ── inner                  a published port, carried by a process

What a proxy's own clients are is named, and no verdict is concluded from it.
"""

import shutil

import pytest

from lab import PYTHON, eventually, silence
from relays import DockerProxy, Haproxy, Nutcracker, Proxy, Stunnel
from report import connleak, scan
from services import Client, PhpFpm, Redis
from sickness import ghost_host_up, orphan


PROGRAMS = ["haproxy", "nutcracker", "socat", "stunnel4", "openssl"]
pytestmark = [pytest.mark.skipif(not shutil.which(program), reason=f"no {program}") for program in PROGRAMS]


def set_and_get(client, endpoints):
    """Traffic that nutcracker passes on: it answers PING by itself."""
    assert set(client.say("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n", endpoints)) == {"+OK\r\n"}


def behind(proxy):
    """{name or address: connections}"""
    return {each["name"] or each["address"]: each["connections"] for each in proxy["behind"]}


def client_of(row):
    client = row["proxied_client"]
    return client and (client["address"], client["port"])


@pytest.fixture
def three(lab):
    server, middle, web = lab.hosts("server", "middle", "web")
    lab.lan(server, middle, web)
    return server, middle, web


@pytest.mark.sanitize("proxies")
def test_haproxy(three):
    server, middle, web = three
    redis = Redis(server)
    haproxy = Haproxy(middle, redis.target)
    client, near = Client(web), Client(middle)
    live = client.open(haproxy, 3)
    live += near.open(haproxy, 2)
    # A moment for each, and as many bytes: which is whose can be told.
    for n, (who, endpoint) in enumerate(zip([client] * 3 + [near] * 2, live), 1):
        who.say("PING\r\n" * n, [endpoint])
    for words in [[], [redis.target]]:
        report = scan(*words)
        rows = [row for row in report.rows(service=redis) if row.owners("client") == {haproxy.pid}]
        assert len(rows) == 5
        assert {row.verdict for row in rows} == {"healthy"}
        assert {client_of(row) for row in rows} == {tuple(endpoint) for endpoint in live}
        assert {row["proxied_client"]["group"] for row in rows} == {"python3"}
        group = report.group(redis, "haproxy")
        assert (group["connections"], group["workers"]) == (5, 1)
        proxy = group["proxy"]
        assert (proxy["known_by"], proxy["clients"], behind(proxy)) == ("traffic", 5, {"python3": 5})
        assert proxy["listening"] == [{"address": middle.ip, "port": 16379, "netns": middle.inode}]
        assert proxy["behind"][0]["workers"] == 2
        [process] = report.processes(redis, haproxy.pid)
        assert process["proxy"] == proxy
    # From the proxy's host alone the clients elsewhere have an address and no process.
    report = scan("--netns", "self", host=middle)
    [group] = [group for group in report["groups"] if group["proxy"]]
    assert behind(group["proxy"]) == {web.ip: 3, "python3": 2}
    assert sorted(client.alive() + near.alive()) == sorted(live)


def test_the_table_tells_who_is_behind(three):
    server, middle, web = three
    redis = Redis(server)
    haproxy = Haproxy(middle, redis.target)
    fpm = PhpFpm(web, children=3)
    fpm.run_in_every_worker(f"$r = new Redis(); $r->pconnect('{middle.ip}', 16379); $r->ping()")
    text = connleak(redis.target, "--connections", env={"COLUMNS": "200"}).stdout.decode()
    lines = text.splitlines()
    [at] = [n for n, line in enumerate(lines) if line.startswith("haproxy ")]
    assert lines[at].split()[:3] == ["haproxy", "1", "3"]
    assert lines[at + 1].startswith("  behind it: php-fpm: pool shop ")
    assert lines[at + 1].split()[4:8] == ["shop", "3", "3", "1"]
    assert "php-fpm: pool shop, through haproxy" in text  # whose connections have no keepalive
    assert f"connleak scan tcp://{middle.ip}:16379" in text
    assert "haproxy for php-fpm: pool shop" in text
    # And what that command tells: each connection to the proxy, with its verdict.
    report = scan(f"tcp://{middle.ip}:16379")
    assert report.counts(haproxy) == {"healthy": 3}
    assert report.group(haproxy, "php-fpm: pool shop")["connections"] == 3


def test_two_connections_per_worker_behind_a_proxy(three):
    """The same mistake as without a proxy, and the same finding."""
    server, middle, web = three
    redis = Redis(server)
    Haproxy(middle, redis.target)
    fpm = PhpFpm(web, children=2)
    fpm.run_in_every_worker(f"$r = new Redis(); $r->pconnect('{middle.ip}', 16379); $r->ping();"
                            f"$s = new Redis(); $s->pconnect('{middle.ip}', 16379, 2.5); $s->ping()")
    silence()
    report = scan(redis.target, "--persistent-after", "1s")
    finding = report.finding(redis, "duplicate-persistent-connections")
    assert "php-fpm: pool shop (through haproxy) holds 2" in finding["summary"]
    assert finding["count"] == 2


def test_a_ghost_in_front_of_the_proxy(three):
    """The client's host forgets the connection to the proxy; the one behind it lives, and has no reason to end."""
    server, middle, web = three
    redis = Redis(server)
    haproxy = Haproxy(middle, redis.target)
    client = Client(web)
    dead, live = client.open(haproxy, 1), client.open(haproxy, 1)
    client.say("PING\r\nPING\r\n", dead)
    ghost_host_up(web, dead, 16379)
    silence(2)
    client.alive(live)
    report = scan(redis.target, "--recent", "1s")
    rows = {client_of(row): row for row in report.rows(service=redis) if row["proxied_client"]}
    assert set(rows) == {tuple(dead[0]), tuple(live[0])}
    # To Redis both are alive: the proxy has their sockets. Only the kernel's signs are told of the front.
    assert {row.verdict for row in rows.values()} == {"healthy"}
    lost = rows[tuple(dead[0])]["proxied_client"]
    assert (lost["netns"], lost["group"]) == (None, None)
    assert lost["last_heard_ms"] > 2000
    proxy = report.group(redis, "haproxy")["proxy"]
    assert proxy["clients"] == 2
    assert behind(proxy) == {"python3": 1, web.ip: 1}
    assert [each["silent_max_s"] >= 2 for each in proxy["behind"] if each["address"]] == [True]
    # Verdicts on the front are those of a scan of its port.
    report = scan(f"tcp://{middle.ip}:16379", "--recent", "1s")
    report.expect(dead, "ghost", "peer-socket-absent")
    report.expect(live, "healthy", "peer-socket-present")


def test_a_ghost_behind_the_proxy(three):
    """The proxy's host forgets a connection to Redis: a ghost as without a proxy, and its twin in front is no holder."""
    server, middle, web = three
    redis = Redis(server)
    haproxy = Haproxy(middle, redis.target)
    client = Client(web)
    dead, live = client.open(haproxy, 1), client.open(haproxy, 2)
    client.say("PING\r\nPING\r\nPING\r\n", dead)
    [row] = [row for row in scan(redis.target).rows(service=redis) if client_of(row) == tuple(dead[0])]
    port = row["client"]["port"]
    ghost_host_up(middle, [type(dead[0])(middle.ip, port)])
    report = scan(redis.target)
    assert report.counts(redis) == {"ghost": 1, "healthy": 2}
    [ghost] = [row for row in report.rows(service=redis) if row["client"]["port"] == port]
    assert (ghost.verdict, ghost["proxied_client"]) == ("ghost", None)
    assert sorted(client.alive(live)) == sorted(live)


def test_an_orphan_behind_the_proxy(three):
    """Redis forgets a connection of the proxy's: who will fail at the next request is the client behind it."""
    server, middle, web = three
    redis = Redis(server)
    haproxy = Haproxy(middle, redis.target)
    client = Client(web)
    dead, live = client.open(haproxy, 1), client.open(haproxy, 2)
    client.say("PING\r\nPING\r\nPING\r\n", dead)
    [row] = [row for row in scan(redis.target).rows(service=redis) if client_of(row) == tuple(dead[0])]
    orphan(server, [type(dead[0])(middle.ip, row["client"]["port"])])
    report = scan(redis.target)
    assert report.counts(redis) == {"orphan": 1, "healthy": 2}
    [lost] = [row for row in report.rows(service=redis) if row.verdict == "orphan"]
    assert client_of(lost) == tuple(dead[0])
    text = connleak(redis.target).stdout.decode()
    assert "python3, through haproxy" in text


@pytest.mark.sanitize("a proxy that multiplexes")
def test_nutcracker(three):
    server, middle, web = three
    redis = Redis(server)
    nutcracker = Nutcracker(middle, redis.target)
    client = Client(web)
    live = client.open(nutcracker, 4, ping=False)
    set_and_get(client, live[:3])
    gone = client.open(nutcracker, 2, ping=False)
    set_and_get(client, gone)
    client.close(gone)  # with its part of the sums
    eventually(lambda: len(middle.ss("state", "established", "sport", "=", ":22121")) == 4)
    for words in [[], [redis.target]]:
        report = scan(*words)
        rows = [row for row in report.rows(service=redis) if row.owners("client") == {nutcracker.pid}]
        assert [row.verdict for row in rows] == ["healthy"]
        assert rows[0]["proxied_client"] is None  # it is everybody's
        proxy = report.group(redis, "nutcracker")["proxy"]
        assert (proxy["known_by"], proxy["clients"], behind(proxy)) == ("program", 4, {"python3": 4})
        assert [each["port"] for each in proxy["listening"]] == [22121]
    client.close(live[3:])
    ghost_host_up(web, live[:1], 22121)
    report = scan(redis.target)
    assert behind(report.group(redis, "nutcracker")["proxy"]) == {"python3": 2, web.ip: 1}
    assert report.counts(redis) == {"healthy": 1}
    set_and_get(client, live[1:3])


@pytest.mark.sanitize("docker-proxy")
def test_docker_proxy(lab):
    """A published port, carried by a process: the container's Redis and the host's port 6379 are one server."""
    dockerhost, inner, web = lab.hosts("dockerhost", "inner", "web")
    lab.docker(dockerhost, inner)
    lab.lan(dockerhost, web)
    outside = dockerhost.addresses[1][0]
    redis = Redis(inner)
    proxy = DockerProxy(dockerhost, redis.target)
    client, near = Client(web), Client(dockerhost)
    dead = client.open(proxy, 1, host=outside)
    live = client.open(proxy, 1, host=outside) + near.open(proxy, 1, host="127.0.0.1")
    for n, (who, endpoint) in enumerate(zip([client, client, near], dead + live), 1):
        who.say("PING\r\n" * n, [endpoint])

    def check(report, dead=()):
        servers = [(entry["netns"], entry["port"]) for entry in report["servers"]]
        assert servers == [(inner.inode, 6379)], servers  # the published port is no server of its own
        assert report.counts(redis) == {"healthy": 3}
        rows = [row for row in report.rows(service=redis) if row["proxied_client"]]
        assert {client_of(row) for row in rows} == {tuple(e) for e in live} | {tuple(e) for e in [*live, *dead]}
        told = report.group(redis, "docker-proxy")["proxy"]
        assert (told["known_by"], told["clients"]) == ("traffic", 3)
        return told

    assert behind(check(scan(), dead)) == {"python3": 3}
    ghost_host_up(web, dead, 6379)
    assert behind(check(scan(), dead)) == {"python3": 2, web.ip: 1}
    # From the host alone, the container out of sight: its address is the server, and the port still none.
    report = scan("--netns", "self", host=dockerhost)
    assert [(entry["address"], entry["port"]) for entry in report["servers"]] == [(inner.ip, 6379)]
    [group] = [group for group in report["groups"] if group["proxy"]]
    assert behind(group["proxy"]) == {"python3": 1, web.ip: 2}
    report = scan(f"tcp://{outside}:6379")
    report.expect(dead, "ghost", "peer-socket-absent")
    report.expect(live, "healthy")


@pytest.mark.sanitize("a proxy that encrypts")
def test_stunnel(three):
    """Where bytes say nothing, and the program is known, it is the moments at which a pair was used."""
    server, middle, web = three
    redis = Redis(server)
    stunnel = Stunnel(middle, redis.target, 16380)
    other = Stunnel(web, f"{middle.ip}:16380", 16381, "127.0.0.1", client=True)
    client = Client(web)
    live = client.open(other, 2, host="127.0.0.1")

    def one_after_the_other():
        for endpoint in live:
            silence(0.3)
            client.say("PING\r\n", [endpoint])
        report = scan(redis.target)
        proxy = report.group(redis, "stunnel4")["proxy"]
        assert (proxy["known_by"], proxy["clients"], behind(proxy)) == ("traffic", 2, {"stunnel4": 2})
        rows = [row for row in report.rows(service=redis) if row.owners("client") == {stunnel.pid}]
        assert {row.verdict for row in rows} == {"healthy"}
        # Only where the machine let both happen at once is it told which is which.
        return all(row["proxied_client"] for row in rows) and {row["proxied_client"]["group"] for row in rows}

    assert eventually(one_after_the_other, 30) == {"stunnel4"}


def test_a_relay_that_forks(three):
    """socat listens in one process and carries in others."""
    server, middle, web = three
    redis = Redis(server)
    socat = Proxy(middle, 16382, ["socat", f"TCP-LISTEN:16382,bind={middle.ip},fork,reuseaddr", f"TCP:{redis.target}"])
    client = Client(web)
    live = client.open(socat, 3)
    report = scan(redis.target)
    group = report.group(redis, "socat")
    assert (group["workers"], group["connections"]) == (3, 3)
    assert (group["proxy"]["clients"], behind(group["proxy"])) == (3, {"python3": 3})
    rows = [row for row in report.rows(service=redis) if row["group"] == "socat"]
    assert {client_of(row) for row in rows} == {tuple(endpoint) for endpoint in live}
    assert [process["proxy"]["clients"] for process in report["processes"]] == [1, 1, 1]


@pytest.mark.parametrize("named", [False, True], ids=["found", "named"])
def test_a_proxy_on_redis_own_port(three, named):
    """haproxy on 127.0.0.2:6379, Redis on another address of the same host. `named`: by --port and as a TARGET."""
    server, middle, web = three
    redis = Redis(server, bind=server.ip)
    haproxy = Haproxy(server, redis.target, 6379, "127.0.0.2")
    client, direct = Client(server), Client(web)
    live = client.open(haproxy, 2, host="127.0.0.2")
    client.say("PING\r\nPING\r\n", live[:1])
    other = direct.open(redis, 2)
    report = scan(*(["--port", "6379"] if named else []), "--netns", "self", host=server)
    assert report.server(redis)["pid"] == redis.pid
    assert {row["server"]["address"] for row in report.connections} == {server.ip}
    report.expect(other, "healthy", service=redis)
    assert report.counts(redis) == {"healthy": 4}  # without what the proxy opened for our own question
    assert behind(report.group(redis, "haproxy")["proxy"]) == {"python3": 2}
    if not named:
        return
    # Asked by its own name, it is told as what it is: another process answers, whose limits are not its own.
    report = scan("127.0.0.2:6379", host=server)
    [entry] = report["servers"]
    assert (entry["pid"], entry["through"], entry["reachable"]) == (haproxy.pid, "haproxy", True)
    assert entry["fd_limit"] is None
    report.expect(live, "healthy", without=["server-not-listing"])
    assert {row["client"]["address"] for row in report.connections} == {"127.0.0.1"}
    assert [gap["error"] for gap in report.gaps("redis")] == ["through haproxy"]  # whose list is not its own
    report = scan("127.0.0.2:6379", redis.target, host=server)
    assert [entry["through"] for entry in report["servers"]] == ["haproxy", None]
    assert report.group(redis, "haproxy")["proxy"]["clients"] == 2


def test_the_server_behind_is_not_in_the_report(three):
    """haproxy on 6379 before a Redis on a port that nobody asked about: it is no Redis of unknown pid."""
    server, middle, web = three
    redis = Redis(server, 7001)
    haproxy = Haproxy(middle, redis.target, 6379)
    client, near = Client(web), Client(middle)
    live = client.open(haproxy, 2) + near.open(haproxy, 1)
    report = scan("--netns", "self", host=middle)
    entry = report.server(haproxy)
    assert (entry["pid"], entry["through"], entry["reachable"]) == (haproxy.pid, "haproxy", None)
    report.never_dead(live)
    text = connleak("--netns", "self", host=middle).stdout.decode()
    assert "through haproxy" in text


def test_two_servers_behind_one_proxy(three):
    server, middle, web = three
    one, two = Redis(server), Redis(server, 6380, name="second")
    haproxy = Haproxy(middle, one.target, also={16380: two.target})
    client = Client(web)
    first, second = client.open(haproxy, 2), client.open(haproxy, 3, port=16380)
    client.say("PING\r\nPING\r\n", first)
    client.say("PING\r\nPING\r\nPING\r\n", second)
    report = scan(one.target, two.target)
    for redis, port, count in [(one, 16379, 2), (two, 16380, 3)]:
        proxy = report.group(redis, "haproxy")["proxy"]
        assert behind(proxy) == {"python3": count}
        assert report.counts(redis) == {"healthy": count}


HTTP = """
import http.server, socket, sys
redis = [socket.create_connection((sys.argv[1], 6379)) for _ in range(4)]
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        with_help = redis[len(self.path) % 4]
        with_help.sendall(b"*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\na\\r\\n")
        body = with_help.recv(65536)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Page).serve_forever()
"""


def test_an_application_is_no_proxy(three):
    """It has HTTP clients and a pool of connections to Redis, and asks Redis whenever it is asked itself."""
    server, middle, web = three
    redis = Redis(server)
    app = Proxy(middle, 8080, [PYTHON, "-c", HTTP, server.ip])
    client = Client(web)
    live = client.open(app, 6, ping=False)
    for n, endpoint in enumerate(live):
        [reply] = client.say(f"GET /{'x' * n} HTTP/1.1\r\nHost: a\r\n\r\n", [endpoint])
        assert reply.startswith("HTTP/1.1 200")
    report = scan(redis.target)
    rows = [row for row in report.rows(service=redis) if row.owners("client") == {app.pid}]
    assert len(rows) == 4
    assert {client_of(row) for row in rows} == {None}
    assert [group["proxy"] for group in report["groups"]] == [None]
    assert [process["proxy"] for process in report["processes"]] == [None]
    assert "behind it" not in connleak(redis.target).stdout.decode()


def test_a_replica_is_no_proxy(three):
    server, middle, web = three
    redis = Redis(server)
    replica = Redis(middle, replicaof=f"{server.ip} 6379")
    eventually(lambda: "master_link_status:up" in replica.cli("INFO", "replication"))
    client = Client(web)
    client.open(replica, 3)
    report = scan(redis.target)
    assert [group["proxy"] for group in report["groups"]] == [None] * len(report["groups"])
