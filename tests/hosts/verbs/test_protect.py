"""`connleak protect` on connections that predate the server's setting: afterwards the kernel removes the dead, and
only the dead. The living are counted at the end on the clients' side.

    server ── switch ── web, other
"""

import signal
import subprocess
from pathlib import Path

import pytest

from actions import Actions, act
from lab import eventually, nothing_happens_for
from report import command, connleak, scan
from services import Client, Endpoint, Redis, TcpServer, peer
from sickness import cut_off, ghost_host_gone, ghost_host_up, in_state

SECRET = "open-sesame-1414213562"


def keepalive(host, port=6379, column=4):
    """The far ends of the host's established connections, by whether the kernel shows a keepalive timer."""
    shown = {True: set(), False: set()}
    for row in host.ss("state", "established", f"( sport = :{port} or dport = :{port} )"):
        # Without a state's column here: queues, local, remote, timer.
        shown["timer:(keepalive," in row[-1]].add(Endpoint(*peer(row[column - 1])))
    return shown


def coverage(document):
    return [(each["connections"], each["keepalive_on"]) for each in document["coverage"]]


@pytest.mark.parametrize("family", ["ipv4", "ipv6", "mapped"])
def test_a_host_vanishes_and_the_kernel_removes_exactly_its_connections(lab, family):
    server, web, other = lab.hosts("server", "web", "other")
    lab.lan(server, web, other)
    redis, lost, client = Redis(server), Client(web), Client(other)
    how = {"host": server.ip6} if family == "ipv6" else {"mapped": family == "mapped"}
    dead, live = sorted(lost.open(redis, 4, **how)), sorted(client.open(redis, 4, **how))
    redis.cli("CONFIG", "SET", "tcp-keepalive", "1")
    assert keepalive(server)[True] == set(), "they predate the setting"
    target = f"[{server.ip6}]:6379" if family == "ipv6" else redis.target
    plan = act("protect", target)
    assert plan.planned == sorted(dead + live)
    assert (coverage(plan), plan["settings"]) == ([(8, 0)], [])
    assert keepalive(server)[True] == set(), "a plan changes nothing"
    done = act("protect", target, "--yes")
    assert (done.done, done.methods, coverage(done)) == (sorted(dead + live), {"keepalive"}, [(8, 8)])
    assert keepalive(server)[True] == set(dead + live)
    assert act("protect", target, "--yes")["actions"] == []
    ghost_host_gone(web)
    eventually(lambda: set().union(*keepalive(server).values()) == set(live), 30)
    eventually(lambda: len(redis.client_list()) == 4)
    assert sorted(client.alive()) == live


def test_the_times_are_redis_own(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    client.open(redis, 2)
    redis.cli("CONFIG", "SET", "tcp-keepalive", "300")
    reference = client.open(redis)
    act("protect", redis.target, "--yes")
    assert len(set(settings_of(redis))) == 1, "as those that Redis has set itself"
    assert settings_of(redis)[0] == (300, 100, 3)
    assert client.alive(reference) == reference


SETTINGS = """
import ctypes, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
pidfd = os.pidfd_open(pid)
for number in os.listdir(f"/proc/{pid}/fd"):
    if not os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
        continue
    sock = socket.socket(fileno=libc.syscall(438, pidfd, int(number), 0))
    if sock.family == socket.AF_UNIX or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        continue
    get = lambda name: sock.getsockopt(socket.IPPROTO_TCP, name)
    print(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), get(socket.TCP_KEEPIDLE), get(socket.TCP_KEEPINTVL),
          get(socket.TCP_KEEPCNT), get(socket.TCP_USER_TIMEOUT))
"""


def settings_of(redis, on=True):
    """KEEPIDLE, KEEPINTVL and KEEPCNT of the connections whose keepalive is on."""
    text = redis.host.run("/usr/bin/python3", "-c", SETTINGS, redis.pid).stdout
    rows = [tuple(map(int, line.split())) for line in text.splitlines()]
    return [row[1:4] for row in rows if bool(row[0]) == on]


@pytest.mark.sanitize("protect")
def test_the_servers_setting(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = sorted(client.open(redis, 2))
    text = connleak("protect", redis.target).stdout.decode()
    assert "CONFIG SET tcp-keepalive 300" in text and "Nothing was changed" in text
    done = act("protect", redis.target, "--yes")
    assert [(each["planned"], each["outcome"]) for each in done["settings"]] == [(False, None)]
    assert redis.cli("CONFIG", "GET", "tcp-keepalive").split() == ["tcp-keepalive", "0"]
    assert settings_of(redis) == [(300, 100, 3)] * 2
    done = connleak("protect", redis.target, "--server", "--keepalive", "2m", "--yes")
    assert done.returncode == 0 and "CONFIG REWRITE" in done.stdout.decode()
    assert redis.cli("CONFIG", "GET", "tcp-keepalive").split() == ["tcp-keepalive", "120"]
    new = client.open(redis)
    assert act("protect", redis.target)["actions"] == []
    assert sorted(client.alive()) == sorted(live + new)


def test_a_server_that_may_not_be_set(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    client.open(redis, 2)
    redis.cli("ACL", "SETUSER", "viewer", "on", ">" + SECRET, "+info", "+ping", "+config|get", "+client|list")
    done = act("protect", redis.target, "--user", "viewer", "--server", "--yes", env={"REDISCLI_AUTH": SECRET}, check=1)
    assert len(done.done) == 2
    [setting] = done["settings"]
    assert setting["outcome"] == "failed" and setting["reason"].startswith("NOPERM")


@pytest.mark.sanitize("protect from the client's side")
def test_from_the_clients_host(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    live = sorted(client.open(redis, 3))
    probing = client.open(redis, keepidle=100)
    done = act("protect", redis.target, "--keepalive", "1s", "--yes", "--netns", "self", host=web)
    assert (done.done, coverage(done)) == (live, [(4, 4)])
    assert len(keepalive(web)[True]) == 1 and keepalive(server)[True] == set()
    server.vanish()
    eventually(lambda: not in_state(web, "ESTAB", 6379, live[:1]), 30)
    eventually(lambda: not any(in_state(web, "ESTAB", 6379, [each]) for each in live))
    assert in_state(web, "ESTAB", 6379, probing), "its own times are its owner's"


def test_any_tcp_service(pair):
    server, web = pair
    service, client = TcpServer(server, "silent", 9092), Client(web)
    live = sorted(client.open(service, 3, ping=False))
    eventually(lambda: service.accepted(live))
    done = act("protect", f"tcp://{service.target}", "--keepalive", "1s", "--yes")
    assert (done.done, done["settings"]) == (live, [])
    nothing_happens_for(2.3)  # the first probe is answered
    assert service.accepted(live)
    ghost_host_up(web, live[:1], 9092)
    eventually(lambda: not service.accepted(live[:1]), 20)
    assert service.accepted(live[1:])
    assert in_state(web, "ESTAB", 9092, live[1:])


@pytest.mark.sanitize("borrowed sockets")
def test_what_another_timer_hides_is_looked_into(pair):
    """Data in flight hides whether keepalive is on: the socket itself tells."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    old = client.open(redis)
    redis.cli("CONFIG", "SET", "tcp-keepalive", "100")
    new = client.open(redis)
    client.say("SUBSCRIBE news\r\n", old + new)
    with cut_off(web, 6379):
        redis.cli("PUBLISH", "news", "nobody hears this")
        eventually(lambda: keepalive(server)[True] == set())
        plan = act("protect", redis.target)
        assert plan.planned == old
        assert coverage(plan) == [(2, 1)]
        done = act("protect", redis.target, "--yes")
        assert (done.done, coverage(done)) == (old, [(2, 2)])
    eventually(lambda: keepalive(server)[True] == set(old + new), 30)


LEAVE_PROBES = """
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
pid, port = int(sys.argv[1]), int(sys.argv[2])
pidfd = os.pidfd_open(pid)
for number in os.listdir(f"/proc/{pid}/fd"):
    if not os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
        continue
    sock = socket.socket(fileno=libc.syscall(438, pidfd, int(number), 0))
    if sock.family == socket.AF_UNIX or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        continue
    if sock.getpeername()[1] != port:
        continue
    for name, value in [(socket.TCP_KEEPCNT, 100), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPIDLE, 1)]:
        sock.setsockopt(socket.IPPROTO_TCP, name, value)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    while sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[3] < 4:
        time.sleep(0.05)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
    print("left")
"""


def test_probes_that_went_unanswered_before_close_no_living_connection(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = client.open(redis)
    with cut_off(web, 6379):
        done = server.run("/usr/bin/python3", "-c", LEAVE_PROBES, redis.pid, live[0].port)
        assert done.stdout == "left\n"
    assert keepalive(server)[False] == set(live)
    done = act("protect", redis.target, "--keepalive", "1s", "--yes")
    assert done.done == live
    [(_, _, count)] = settings_of(redis)
    assert count >= 3 + 4
    nothing_happens_for(3.3)  # the first probe and two intervals
    assert client.alive() == live


@pytest.mark.sanitize("protect without rights")
def test_no_rights(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = sorted(client.open(redis, 2))
    done = act("protect", redis.target, "--yes", host=server, user="nobody", check=3)
    assert done.failed == live
    assert all("CAP_SYS_PTRACE" in reason for reason in done.reasons)
    assert coverage(done) == [(2, 0)]
    done = act("protect", redis.target, "--yes", host=server, check=3,
               prefix=["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace", "--"])
    assert done.failed == live
    assert keepalive(server)[True] == set()
    assert sorted(client.alive()) == live


def test_own_processes_need_no_right(pair):
    server, web = pair
    ours = TcpServer(server, "silent", 9092, prefix=["setpriv", "--reuid", "nobody", "--regid", "nogroup",
                                                     "--clear-groups", "--"])
    client = Client(web)
    live = client.open(ours, 2, ping=False)
    eventually(lambda: ours.accepted(live))
    yama = Path("/proc/sys/kernel/yama/ptrace_scope")
    allowed = not yama.exists() or yama.read_text().strip() == "0"
    done = act("protect", f"tcp://{ours.target}", "--yes", host=server, user="nobody", check=0 if allowed else 3)
    assert (done.done if allowed else done.failed) == sorted(live)
    assert allowed or all("ptrace_scope" in reason for reason in done.reasons)


@pytest.mark.long
def test_thousands_and_a_host_that_vanishes(lab):
    server, web, other = lab.hosts("server", "web", "other")
    lab.lan(server, web, other)
    redis, lost, client = Redis(server), Client(web), Client(other)
    dead, live = lost.open(redis, 2500), sorted(client.open(redis, 2500))
    done = act("protect", redis.target, "--keepalive", "3s", "--rate", "5000", "--yes")
    assert len(done.done) == 5000 and coverage(done) == [(5000, 5000)]
    ghost_host_gone(web)
    eventually(lambda: not {e.port for e in dead} & {int(row[4].rsplit(":", 1)[1]) for row in server.ss("sport = :6379")
                                                     if row[4].startswith(dead[0].address)}, 60, interval=0.5)
    eventually(lambda: len(redis.client_list()) == 2500, 20, interval=0.2)
    assert sorted(client.alive()) == live


@pytest.mark.sanitize("protect interrupted")
def test_stopped_in_the_middle(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = sorted(client.open(redis, 300))
    process = subprocess.Popen(command("protect", redis.target, "--rate", "10", "--yes", "--json"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: keepalive(server)[True], 20)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    done = Actions(out)
    assert 0 < len(done.done) < 300 and len(done.done) + len(done.skipped) == 300
    assert keepalive(server)[True] == set(done.done)
    assert sorted(client.alive()) == live


@pytest.mark.sanitize("the table of protect")
def test_what_a_person_sees(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    client.open(redis, 3)
    redis.cli("CONFIG", "SET", "tcp-keepalive", "300")
    text = connleak("protect", redis.target).stdout.decode()
    assert "3 connections without keepalive, to get 5m" in text and "Nothing was changed. --yes" in text
    text = connleak("protect", redis.target, "--yes").stdout.decode()
    assert "3 of 3 connections have keepalive now" in text
    assert "every connection has keepalive, nothing to do" in connleak("protect", redis.target).stdout.decode()
    assert not scan(redis.target).findings(redis, "keepalive-off")


@pytest.mark.parametrize("words", [["--keepalive", "0"], ["--keepalive", "1d"], ["--keepalive", "x"], ["--rate", "0"],
                                   ["--server=no"], ["--yes=no"], ["10.0.0.1:x"]])
def test_bad_usage(words):
    done = connleak("protect", *words)
    assert done.returncode == 2 and done.stdout == b""
    assert done.stderr.decode().count("\n") == 1
