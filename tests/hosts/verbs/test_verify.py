"""connleak verify: proof of life for peers that no table shows. The program sees the server's namespace alone, so
that everything is unverified that was quiet for a second. Counted on the clients' side: nobody who lives is closed."""

import os
import signal
import subprocess

import pytest

import borrow
from lab import HERE, PYTHON, eventually, nothing_happens_for, silence
from report import Report, command, connleak, scan
from services import Client, Redis, TcpServer
from sickness import cut_off, dropping, ghost_host_gone, ghost_host_up, in_state, settle

QUICK = ("--wait", "5s")


def verify(service, *words, host=None, target=None, check=0, **options):
    return scan("verify", target or service.target, "--netns", "self", "--recent", "1s", *words,
                host=host or service.host, check=check, **options)


def probes(report, **expected):
    """sent, answered, reset, unanswered; everything that was sent was also put back."""
    assert report["probes"] == {"sent": 0, "answered": 0, "reset": 0, "unanswered": 0,
                                "restored": expected.get("sent", 0)} | expected, report.get("gaps")


def routed(lab):
    server, web = lab.hosts("server", "web")
    return server, web, lab.router("router", [server], [web])


@pytest.mark.sanitize("verify: answered, reset, unanswered")
@pytest.mark.parametrize("keepalive", [0, 300])
def test_the_living_and_both_kinds_of_ghosts(lab, keepalive):
    server, web, gone = lab.hosts("server", "web", "gone")
    lab.lan(server, web, gone)
    redis = Redis(server, tcp_keepalive=keepalive)
    client, stopped, vanished = Client(web), Client(web), Client(gone)
    live = client.open(redis, 3) + client.open(redis, 2, host=server.ip6)
    paused = stopped.open(redis, 2)
    dead = client.open(redis, 2) + client.open(redis, 1, host=server.ip6)
    silent = vanished.open(redis, 2) + vanished.open(redis, 1, host=server.ip6)
    os.kill(stopped.pid, signal.SIGSTOP)
    ghost_host_up(web, dead)
    ghost_host_gone(gone)
    silence()
    before = borrow.options(redis.pid)
    report = verify(redis, *QUICK, target=":6379")
    after = borrow.options(redis.pid)
    os.kill(stopped.pid, signal.SIGCONT)
    report.expect(live + paused, "healthy", "probe-answered")
    report.expect(dead, "ghost", "probe-reset")
    report.expect(silent, "ghost", "probe-unanswered")
    probes(report, sent=13, answered=7, reset=3, unanswered=3)
    assert report["complete"]
    assert report.counts(redis) == {"healthy": 7, "ghost": 6}
    assert report.finding(redis, "ghost-connections")["count"] == 6
    assert after == {peer: before[peer] for peer in after} and len(after) == len(before) - 3
    assert sorted(client.alive(live)) == sorted(live) and sorted(stopped.alive()) == sorted(paused)


def test_a_dual_stack_server_that_is_not_redis(lab):
    server, web, gone = lab.hosts("server", "web", "gone")
    lab.lan(server, web, gone)
    service = TcpServer(server, "silent", port=9092, address="::")
    client, vanished = Client(web), Client(gone)
    live = client.open(service, 2, ping=False) + client.open(service, 1, mapped=True, ping=False)
    dead, silent = client.open(service, 2, ping=False), vanished.open(service, 2, ping=False)
    eventually(lambda: service.accepted(live + dead + silent))
    ghost_host_up(web, dead, 9092)
    ghost_host_gone(gone)
    silence()
    report = verify(service, *QUICK, target="tcp://:9092")
    report.expect(live, "healthy", "probe-answered")
    report.expect(dead, "ghost", "probe-reset")
    report.expect(silent, "ghost", "probe-unanswered")
    assert in_state(web, "ESTAB", 9092, live) and in_state(server, "ESTAB", 9092, live)


def test_a_server_that_refuses_logins(pair):
    server, web = pair
    redis, client = Redis(server, maxclients=8), Client(web)
    live, dead = client.open(redis, 3), client.open(redis, 5)
    ghost_host_up(web, dead)
    silence()
    report = verify(redis)
    report.expect(live, "healthy", "probe-answered")
    report.expect(dead, "ghost", "probe-reset")
    assert client.open(redis, 5)  # the resets have made room
    assert len(client.alive(live)) == 3


def test_half_of_the_packets_are_lost(lab):
    server, web, router = routed(lab)
    redis, client = Redis(server, tcp_keepalive=300), Client(web)
    live = client.open(redis, 10) + client.open(redis, 2, host=server.ip6)
    settle(lab, live, 6379)
    silence()
    with dropping(router, "forward", "meta l4proto tcp numgen random mod 100 < 50"):
        report = verify(redis)
    report.expect(live, "healthy", "probe-answered")
    probes(report, sent=12, answered=12)
    assert len(client.alive(live)) == 12


def test_a_path_with_800_ms_of_delay(lab):
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("no /dev/net/tun")
    server, web = lab.hosts("server", "web")
    cable = lab.start([PYTHON, HERE / "peers/delay.py", server.path, web.path, "slow", 800], stdout=subprocess.PIPE)
    assert cable.stdout.readline() == b"ready\n"
    for number, host in enumerate((server, web), 1):
        host.ip_("addr", "add", f"10.15.15.{number}/24", "dev", "slow")
        host.ip_("link", "set", "slow", "up")
        host.addresses.append((f"10.15.15.{number}", None))
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 2), client.open(redis, 1)
    ghost_host_up(web, dead)
    silence()
    report = verify(redis, *QUICK)
    report.expect(live, "healthy", "probe-answered")
    report.expect(dead, "ghost", "probe-reset")
    assert len(client.alive(live)) == 2


@pytest.mark.parametrize("how", ["off", "on", "due", "near its end", "tight"])
def test_a_peer_that_is_cut_off_meanwhile_survives(lab, how):
    """Called a ghost, it comes back and finds its connection: nothing was closed, and nothing will be."""
    server, web, router = routed(lab)
    service, client = TcpServer(server, "silent", port=9092), Client(web)
    live = client.open(service, 3, ping=False)
    eventually(lambda: len(borrow.options(service.pid)) == 3, what="the process has accepted them")
    if how != "off":
        # due: its own probes go unanswered by then. The last two: one more, and the kernel would give up
        # before it asks again.
        settings = {"on": (300, 100, 3), "due": (2, 60, 9), "near its end": (2, 5, 3), "tight": (300, 100, 1)}[how]
        names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        borrow.set_options(service.pid, **dict(zip(names, settings)), SO_KEEPALIVE=1)
    silence()
    before = borrow.options(service.pid)
    with dropping(router, "forward", "meta l4proto tcp"):
        if how in ("due", "near its end"):
            eventually(lambda: len(probed(service)) == 3, what="its own probes go unanswered")
        silence()
        report = verify(service, *QUICK, target="tcp://:9092", check=(0, 1, 3))
    assert borrow.options(service.pid) == before
    refused = how in ("near its end", "tight")
    if refused:
        probes(report)
        report.never_dead(live)
        assert any("keepalive" in gap["effect"] for gap in report["gaps"])
    else:
        report.expect(live, "ghost", "probe-unanswered")
    nothing_happens_for(3)  # what the kernel still had in mind would happen now
    assert in_state(server, "ESTAB", 9092, live) and in_state(web, "ESTAB", 9092, live)
    again = verify(service, *QUICK, target="tcp://:9092", check=(0, 3))
    again.never_dead(live)
    assert refused or all(again.row(each).verdict == "healthy" for each in live)
    assert in_state(server, "ESTAB", 9092, live) and in_state(web, "ESTAB", 9092, live)


@pytest.mark.sanitize("verify from the client's side")
def test_on_the_clients_host(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    silence()
    before = borrow.options(client.pid)
    report = verify(redis, "--port", "6379", host=web, target=f"tcp://{redis.target}")
    report.expect(live, "healthy", "probe-answered")
    probes(report, sent=2, answered=2)
    assert borrow.options(client.pid) == before
    assert len(client.alive(live)) == 2


def test_all_asks_those_too_whom_the_tables_show(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 2), client.open(redis, 2)
    ghost_host_up(web, dead)
    silence()
    report = scan("verify", redis.target)  # every namespace is in sight: nothing is left to be proven
    probes(report)
    report = scan("verify", redis.target, "--all")
    report.expect(live, "healthy", "peer-socket-present", "probe-answered")
    report.expect(dead, "ghost", "peer-socket-absent", "probe-reset")
    assert len(client.alive(live)) == 2


def test_a_busy_client_is_alive_without_a_probe_and_one_that_leaves_is_no_ghost(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    client.churn(redis, 40)
    report = verify(redis, "--all", *QUICK, check=(0, 1))
    report.never_dead(live)
    assert not [row for row in report.connections if row.verdict == "ghost"]
    assert client.churned(stop=True)["errors"] == []
    assert len(client.alive(live)) == 2


@pytest.mark.sanitize("verify waits for keepalive")
def test_where_no_probe_is_allowed_the_answer_to_its_own_keepalive_counts(pair):
    server, web = pair
    service, client = TcpServer(server, "silent", port=9092), Client(web)
    live = client.open(service, 2, ping=False)
    eventually(lambda: service.accepted(live))
    borrow.set_options(service.pid, TCP_KEEPIDLE=5, TCP_KEEPINTVL=1, TCP_KEEPCNT=3, SO_KEEPALIVE=1)
    silence()
    before = borrow.options(service.pid)
    report = verify(service, "--wait", "30s", target="tcp://:9092")
    report.expect(live, "healthy", "recent-traffic")
    probes(report)
    assert borrow.options(service.pid) == before


@pytest.mark.sanitize("verify interrupted")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted(pair, how):
    server, web = pair
    redis = Redis(server)
    client = Client(web, command=("prlimit", "--nofile=4096:", PYTHON))
    live = client.open(redis, 1500, ping=False)
    silence()
    before = borrow.options(redis.pid)
    assert len(before) == 1500
    # Nobody answers, so that all of it is under way when the signal comes.
    with cut_off(web, 6379):
        words = command("verify", redis.target, "--netns", "self", "--recent", "1s", "--rate", "500", "--json",
                        host=server)
        running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # The first sockets have been probed: the kernel counts a probe without an answer.
        eventually(lambda: len(probed(redis)) > 200)
        running.send_signal(how)
        out, _ = running.communicate(timeout=30)
    after = borrow.options(redis.pid)
    if how == signal.SIGKILL:
        changed = {peer: now for peer, now in after.items() if now != before[peer]}
        for now in changed.values():  # none of them can close for weeks
            assert borrow.number(now["TCP_KEEPCNT"]) == 127 and borrow.number(now["TCP_KEEPINTVL"]) == 32767
            assert borrow.number(now["TCP_USER_TIMEOUT"]) == 0
    else:
        assert running.returncode == 1
        assert after == before
        report = Report(type("Done", (), {"seconds": 0, "stdout": out, "stderr": b""}), "")
        assert 0 < report["probes"]["sent"] == report["probes"]["restored"] < 1500
        assert any("interrupted" in gap["effect"] for gap in report["gaps"])
        report.never_dead(live)
    assert len(client.alive(live)) == 1500


def probed(redis):
    """The sockets with a probe that was not answered (tcpi_probes)."""
    with borrow.sockets(redis.pid) as borrowed:
        return [sock for sock in borrowed if sock.getsockopt(6, 11, 8)[3] > 0]


@pytest.mark.alone
def test_five_thousand_connections(lab):
    server, web, gone = lab.hosts("server", "web", "gone")
    lab.lan(server, web, gone)
    redis = Redis(server)
    many = ("prlimit", "--nofile=8192:", PYTHON)
    client, vanished = Client(web, command=many), Client(gone, command=many)
    live, silent = client.open(redis, 4000, ping=False), vanished.open(redis, 800, ping=False)
    dead = client.open(redis, 200, ping=False)
    eventually(lambda: redis.accepted(live + silent + dead))
    ghost_host_up(web, dead)
    ghost_host_gone(gone)
    silence()
    before = borrow.options(redis.pid)
    report = verify(redis, timeout=120)
    probes(report, sent=5000, answered=4000, reset=200, unanswered=800)
    assert report.counts(redis) == {"healthy": 4000, "ghost": 1000}
    after = borrow.options(redis.pid)
    assert after == {peer: before[peer] for peer in after} and len(after) == 4800
    assert len(client.alive(live)) == 4000


def test_without_the_right_to_repeat_probes_silence_is_not_death(pair):
    """The server's own user may borrow its sockets, and nothing else."""
    server, web = pair
    nobody = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")
    process = server.start(*nobody, PYTHON, HERE / "peers/peer.py", "silent", "0.0.0.0", 9092, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    service, client = TcpServer.__new__(TcpServer), Client(web)
    service.host, service.port, service.process = server, 9092, process
    live, dead, silent = (client.open(service, 2, ping=False) for _ in range(3))
    eventually(lambda: service.accepted(live + dead + silent))
    ghost_host_up(web, dead, 9092)
    silence()
    with dropping(web, "input", f"tcp dport {{ {', '.join(str(each.port) for each in silent)} }}"):
        report = verify(service, *QUICK, target="tcp://:9092", user="nobody", check=1)
    report.expect(live, "healthy", "probe-answered")
    report.expect(dead, "ghost", "probe-reset")
    report.expect(silent, "unverified", without=["probe-unanswered"])
    assert any("CAP_NET_RAW" in gap["effect"] for gap in report["gaps"])
    assert in_state(server, "ESTAB", 9092, live + silent)


@pytest.mark.sanitize("verify without rights")
def test_without_any_right(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    silence()
    report = verify(redis, user="nobody", check=3)
    report.never_dead(live)
    probes(report)
    assert not report["complete"]
    assert any("borrowed" in gap["effect"] or "CAP_SYS_PTRACE" in gap["effect"] for gap in report["gaps"])
    assert len(client.alive(live)) == 2


@pytest.mark.sanitize("the table of verify")
def test_the_table(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 2), client.open(redis, 1)
    ghost_host_up(web, dead)
    silence()
    done = connleak("verify", redis.target, "--netns", "self", "--recent", "1s", host=server)
    assert done.returncode == 0 and done.stderr == b""
    assert "probed 3: 2 answered, 1 reset, 0 unanswered" in done.stdout.decode()
    assert len(client.alive(live)) == 2
