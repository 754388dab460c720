"""`connleak reap` on real ghosts, beside connections that live: counted at the end on the clients' side.

    server ── switch ── web, other
"""

import os
import signal
import subprocess
from types import SimpleNamespace

import pytest

from actions import Actions, act, held, ports
from lab import PYTHON, eventually, silence
from report import BINARY, command, connleak, scan
from services import Client, Redis, TcpServer
from sickness import cut_off, ghost_host_up, in_state, kill_sockets

SECRET = "open-sesame-1618033988"


def sick(redis, web, dead=3, live=3, **how):
    client = Client(web)
    made = SimpleNamespace(client=client, dead=sorted(client.open(redis, dead, **how)),
                           live=sorted(client.open(redis, live, **how)))
    ghost_host_up(web, made.dead, redis.port)
    return made


@pytest.mark.sanitize("reap by CLIENT KILL")
@pytest.mark.parametrize("method", ["auto", "kill", "destroy"])
@pytest.mark.parametrize("family", ["ipv4", "ipv6", "mapped"])
def test_exactly_the_ghosts_go(pair, method, family):
    server, web = pair
    redis = Redis(server)
    made = sick(redis, web, **({"host": server.ip6} if family == "ipv6" else {"mapped": family == "mapped"}))
    target = f"[{server.ip6}]:6379" if family == "ipv6" else redis.target
    words = ["--method", method] if method != "auto" else []
    plan = act("reap", target, *words)
    assert plan.planned == made.dead
    assert held(server) == ports(made.dead + made.live), "a plan changes nothing"
    reaped = act("reap", target, *words, "--yes")
    assert reaped.done == made.dead
    assert reaped.methods == plan.methods == {"destroy" if method == "destroy" else "kill"}
    assert held(server) == ports(made.live)
    eventually(lambda: len(redis.client_list()) == len(made.live))
    assert sorted(made.client.alive(made.live)) == made.live
    again = act("reap", target, *words, "--yes")
    assert again["actions"] == []


@pytest.mark.sanitize("the table of reap")
def test_what_a_person_sees(pair):
    server, web = pair
    redis = Redis(server)
    made = sick(redis, web)
    text = connleak("reap", redis.target).stdout.decode()
    assert "3 ghosts" in text and web.ip in text and "Nothing was changed. --yes removes them" in text
    text = connleak("reap", redis.target, "--yes").stdout.decode()
    assert "3 of 3 ghosts removed" in text and "Nothing was changed" not in text
    done = connleak("reap", redis.target)
    assert done.returncode == 0 and "no ghosts, nothing to do" in done.stdout.decode()
    assert sorted(made.client.alive(made.live)) == made.live


@pytest.mark.parametrize("maxclients, login", [(100, False), (6, False), (100, True)])
def test_the_command_that_the_report_gives_does_it(pair, maxclients, login):
    server, web = pair
    redis = Redis(server, maxclients=maxclients)
    made = sick(redis, web)
    words = []
    if login:
        redis.cli("ACL", "SETUSER", "keeper", "on", ">" + SECRET, "+@all")
        file = server.lab.directory / "pass word"
        file.write_text(SECRET + "\n")
        words = ["--user", "keeper", "--pass-file", file]
    command_told = scan(redis.target, *words).finding(redis, "ghost-connections")["command"]
    assert SECRET not in command_told and ("--pass-file" in command_told) == login
    path = f"{BINARY.parent}:{os.environ['PATH']}"
    server.run("sh", "-c", command_told, env=os.environ | {"PATH": path})
    assert held(server) == ports(made.live)
    assert sorted(made.client.alive(made.live)) == made.live


def test_a_server_full_of_ghosts_takes_logins_again(pair):
    server, web = pair
    redis = Redis(server, maxclients=20)
    made = sick(redis, web, 15, 5)
    newcomer = Client(web)
    assert "max number of clients" in newcomer.say("", newcomer.open(redis, ping=False))[0]
    newcomer.close()
    reaped = act("reap", redis.target, "--yes")
    assert reaped.done == made.dead
    assert reaped.methods == {"destroy"}
    eventually(lambda: len(redis.client_list()) == 5)
    assert len(newcomer.alive(newcomer.open(redis, 10))) == 10
    assert sorted(made.client.alive(made.live)) == made.live


def test_no_more_than_max_and_the_longest_silent_first(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    old = sorted(client.open(redis, 2))
    silence()
    young, live = sorted(client.open(redis, 3)), client.open(redis, 2)
    ghost_host_up(web, old + young)
    plan = act("reap", redis.target, "--max", "2")
    assert (plan.planned, plan["beyond_max"]) == (old, 3)
    assert act("reap", redis.target, "--max", "2", "--yes").done == old
    assert act("reap", redis.target, "--max", "7", "--yes").done == young
    assert sorted(client.alive(live)) == sorted(live)


@pytest.mark.sanitize("reap by destroying the socket")
def test_any_tcp_service(pair):
    server, web = pair
    service, client = TcpServer(server, "silent", 9092), Client(web)
    dead, live = sorted(client.open(service, 3, ping=False)), client.open(service, 2, ping=False)
    eventually(lambda: service.accepted(dead + live))
    ghost_host_up(web, dead, 9092)
    reaped = act("reap", "tcp://:9092", "--yes", "--netns", server.netns)
    assert reaped["actions"] == [], "its clients' host is not in sight"
    reaped = act("reap", f"tcp://{service.target}", "--yes")
    assert (reaped.done, reaped.methods) == (dead, {"destroy"})
    assert held(server, 9092) == ports(live)
    assert in_state(web, "ESTAB", 9092, live)
    done = connleak("reap", f"tcp://{service.target}", "--method", "kill")
    assert done.returncode == 0


# ---------------------------------------------------------------- what changes between plan and act

@pytest.fixture
def gated(pair):
    """A run that has its plan and waits: the first server does not answer the second look until it is told to.
    Behind it in the plan is a real one."""
    server, web = pair
    file = server.lab.directory / "gate"
    gate, redis = TcpServer(server, "gate", 6379, [file]), Redis(server, 6380)
    first, made = sick(gate, web, 1, 1), sick(redis, web, 6, 3)
    process = subprocess.Popen(command("reap", gate.target, redis.target, "--yes", "--json", "--connect-timeout", "1m"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(file.with_suffix(".asked").exists, 20)

    def end(check=0):
        file.touch()
        out, err = process.communicate(timeout=40)
        assert process.returncode == check, err
        return Actions(out)

    yield SimpleNamespace(server=server, web=web, redis=redis, first=first, made=made, process=process, end=end)
    process.kill()
    process.communicate()


CONNECT = """
import socket
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("{}", {}))
print("bound", flush=True)
sock.connect(("{}", {}))
sock.sendall(b"PING\\r\\n")
print(sock.recv(64).decode(), flush=True)
sock.recv(64)
"""


@pytest.mark.sanitize("the recheck before an act")
def test_what_has_changed_is_left_alone(gated):
    server, web, redis, made = gated.server, gated.web, gated.redis, gated.made
    killed, destroyed, reused, returning, *rest = made.dead
    redis.cli("CLIENT", "KILL", "ADDR", str(killed))
    kill_sockets(server, [f"sport = :6380 and dport = :{destroyed.port}"])
    # The client's host uses the port again, for the same server: the ghost is reset, and another connection is there.
    assert made.client.open(redis, source=web.ip, source_port=reused.port) == [reused]
    with cut_off(web, 6380):
        # And one that is just about to do so.
        newcomer = web.start(PYTHON, "-c", CONNECT.format(web.ip, returning.port, server.ip, 6380),
                             stdout=subprocess.PIPE)
        assert newcomer.stdout.readline() == b"bound\n"
        eventually(lambda: in_state(web, "SYN-SENT", 6380, [returning]))
        reaped = gated.end()
    assert reaped.done == sorted(gated.first.dead + rest)
    assert reaped.skipped == sorted([killed, destroyed, reused, returning])
    told = {each["client"]["port"]: each["reason"] for each in reaped["actions"]}
    assert told[killed.port] == told[destroyed.port] == "gone already"
    assert told[reused.port] in ("gone already", "another connection has this address now")  # by id, by socket
    assert told[returning.port] == "the client came back"
    assert newcomer.stdout.readline() == b"+PONG\r\n"
    assert sorted(made.client.alive(made.live + [reused])) == sorted(made.live + [reused])
    assert gated.first.client.alive(gated.first.live) == gated.first.live


@pytest.mark.sanitize("reap interrupted")
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_reports_and_leaves_the_rest(gated, which):
    gated.process.send_signal(which)
    reaped = gated.end(check=1)
    assert reaped.skipped == sorted(gated.first.dead + gated.made.dead)
    assert reaped.reasons == {"interrupted"}
    assert held(gated.server, 6380) == ports(gated.made.dead + gated.made.live)


# ---------------------------------------------------------------- rights

def test_a_user_who_may_not_kill(pair):
    server, web = pair
    redis = Redis(server)
    redis.cli("ACL", "SETUSER", "viewer", "on", ">" + SECRET, "+info", "+ping", "+config|get", "+client|list",
              "+client|id")
    made = sick(redis, web)
    words = [redis.target, "--user", "viewer"]
    env = {"REDISCLI_AUTH": SECRET}
    reaped = act("reap", *words, "--method", "kill", "--yes", env=env, check=3)
    assert reaped.failed == made.dead
    assert all(reason.startswith("NOPERM") for reason in reaped.reasons)
    assert held(server) == ports(made.dead + made.live)
    reaped = act("reap", *words, "--yes", env=env)  # the kernel asks for no login
    assert (reaped.done, reaped.methods) == (made.dead, {"destroy"})
    assert sorted(made.client.alive(made.live)) == made.live


def test_without_the_right_to_see_translation_nothing_is_a_ghost(pair):
    server, web = pair
    redis = Redis(server)
    made = sick(redis, web)
    without = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--"]
    assert act("reap", redis.target, "--yes", prefix=without)["actions"] == []
    assert held(server) == ports(made.dead + made.live)
    silence()
    text = connleak("reap", redis.target, "--recent", "1s", prefix=without).stdout.decode()
    assert "no ghosts" in text and "connleak verify" in text


def test_a_password_is_nowhere(pair):
    server, web = pair
    redis = Redis(server, requirepass=SECRET)
    client = Client(web)
    dead = sorted(client.open(redis, 2, ping=False))
    client.say(f"AUTH {SECRET}\r\n")
    ghost_host_up(web, dead)
    for words in [[], ["--yes"]]:
        done = connleak("reap", redis.target, *words, env={"REDISCLI_AUTH": SECRET})
        assert SECRET.encode() not in done.stdout + done.stderr
        assert done.returncode == 0
    assert not held(server)


# ---------------------------------------------------------------- many

@pytest.mark.long
def test_thousands(pair):
    server, web = pair
    redis, client, worker = Redis(server), Client(web), Client(web)
    dead, live = client.open(redis, 2500), sorted(worker.open(redis, 2500))
    ghost_host_up(web, dead)
    reaped = act("reap", redis.target, "--yes")
    assert reaped.done == sorted(dead)
    assert sorted(worker.alive()) == live
    assert held(server) == ports(live)


# ---------------------------------------------------------------- usage

def test_nothing_in_sight():
    done = connleak("reap", "--yes", "--netns", "self")
    assert done.returncode == 3 and b"name one as a TARGET" in done.stderr


@pytest.mark.sanitize("options of reap")
@pytest.mark.parametrize("words", [["--method", "gently"], ["--max", "0"], ["--max", "-1"], ["--max", "x"], ["--yes=no"],
                                   ["--format", "csv"], ["10.0.0.1:x"]])
def test_bad_usage(words):
    done = connleak("reap", *words)
    assert done.returncode == 2 and done.stdout == b""
    assert done.stderr.decode().count("\n") == 1
