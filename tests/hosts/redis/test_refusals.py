"""When the server refuses, hangs, lies or is not there, the report is made from what is left.

    server ── switch ── web          two ghosts and two live connections on web, wherever there is a server
"""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import eventually, run, silence
from report import command, connleak, scan
from services import REDIS_VERSION, Client, Redis, TcpServer
from sickness import ghost_host_up, in_state

SECRET = "open-sesame-2718281828"


def sick(redis, web, login=None, user=None):
    """Two ghosts, two live ones."""
    client = Client(web)
    how = {"ping": not login}
    dead, live = client.open(redis, 2, **how), client.open(redis, 2, **how)
    if login:
        client.say(f"AUTH {user + ' ' if user else ''}{login}\r\n", dead + live)
    ghost_host_up(web, dead, redis.port)
    return SimpleNamespace(client=client, dead=dead, live=live)


def kernel_side_is_right(report, redis, made):
    report.expect(made.dead, "ghost", "peer-socket-absent")
    report.expect(made.live, "healthy", "peer-socket-present")
    assert report.counts(redis) == {"ghost": 2, "healthy": 2}


def no_secret(done_or_report):
    out = done_or_report.raw if hasattr(done_or_report, "raw") else done_or_report.stdout
    assert SECRET.encode() not in out + done_or_report.stderr


# ---------------------------------------------------------------- at the limit

@pytest.mark.sanitize("a server at its limit")
def test_locked_out_at_maxclients(pair):
    server, web = pair
    redis, client = Redis(server, maxclients=20), Client(web)
    dead, live = client.open(redis, 10), client.open(redis, 10)
    ghost_host_up(web, dead)
    assert "max number of clients" in client.say("", client.open(redis, ping=False))[0]
    client.close([endpoint for endpoint in client.alive() if endpoint not in live])
    silence(2)
    report = scan(redis.target, "--recent", "1s")
    report.expect(dead, "ghost", "peer-socket-absent")
    report.expect(live, "healthy", "peer-socket-present")
    finding = report.finding(redis, "server-refuses-clients")
    assert finding["severity"] == "critical"
    assert report.finding(redis, "ghost-connections")["count"] == 10
    for endpoint in dead:
        row = report.row(endpoint)
        assert row.owners("server") == {redis.pid}
        assert row["last_heard_ms"] >= 2000
    for endpoint in live:
        assert report.row(endpoint).owners("client") == {client.pid}
    assert [row["connections"] for row in report.processes(redis, client.pid)] == [10]
    assert report.gaps("redis")
    assert report["complete"] is False
    scan(redis.target, "--exit-code", check=1)
    assert connleak(redis.target, "--exit-code").returncode == 1


def test_exit_code_of_a_healthy_server(pair):
    server, web = pair
    redis, client = Redis(server, tcp_keepalive=300), Client(web)
    client.open(redis, 2)
    report = scan(redis.target)
    severities = {finding["severity"] for finding in report["findings"]}
    scan(redis.target, "--exit-code", check=1 if severities & {"warning", "critical"} else 0)
    assert not report.findings(redis, "ghost-connections")


def test_near_the_limit_and_rejections(pair):
    server, web = pair
    redis, client = Redis(server, maxclients=20), Client(web)
    client.open(redis, 20)
    assert "max number" in client.say("", client.open(redis, ping=False))[0]
    client.close()
    eventually(lambda: len(redis.client_list()) == 0)
    client.open(redis, 18)
    report = scan(redis.target)
    entry = report.server(redis)
    assert entry["maxclients"] == 20
    assert entry["rejected_connections"] >= 1
    assert {"clients-near-limit", "connections-rejected"} <= report.codes(redis)


def test_the_descriptor_limit_is_the_real_limit(pair):
    server, _ = pair
    redis = Redis(server)
    run(["prlimit", "--pid", redis.pid, "--nofile=100:100"])
    report = scan(redis.target)
    assert report.server(redis)["fd_limit"] == 100
    assert "fd-limit-below-maxclients" in report.codes(redis)


# ---------------------------------------------------------------- passwords and rights

@pytest.mark.sanitize("logins refused")
@pytest.mark.parametrize("env", [{}, {"REDISCLI_AUTH": "wrong-" + SECRET}], ids=["no-password", "wrong-password"])
def test_login_refused(pair, env):
    server, web = pair
    redis = Redis(server, requirepass=SECRET)
    made = sick(redis, web, SECRET)
    report = scan(redis.target, env=env)
    kernel_side_is_right(report, redis, made)
    assert report.gaps("redis")
    assert report["complete"] is False
    assert report.server(redis)["version"] is None
    no_secret(report)
    no_secret(connleak(redis.target, "--connections", env=env))


@pytest.mark.sanitize("logins, password files")
def test_login(pair):
    server, web = pair
    redis = Redis(server, requirepass=SECRET)
    made = sick(redis, web, SECRET)
    file = server.lab.directory / "password"
    file.write_text(SECRET + "\n")
    for words, env in [([], {"REDISCLI_AUTH": SECRET}), (["--pass-file", file], {})]:
        report = scan(redis.target, *words, env=env)
        kernel_side_is_right(report, redis, made)
        assert not report.gaps("redis")
        assert report.server(redis)["version"] == REDIS_VERSION
        assert report.row(made.live[0])["listed"]["command"] == "auth"
        no_secret(report)
        no_secret(connleak(redis.target, "--connections", *words, env=env))


def test_a_missing_password_file(pair):
    server, _ = pair
    redis = Redis(server)
    done = connleak(redis.target, "--pass-file", server.lab.directory / "nothing-here")
    assert done.returncode in (2, 3)
    assert done.stderr.strip()


def test_a_user_without_rights(pair):
    server, web = pair
    redis = Redis(server, requirepass=SECRET)
    redis.cli("ACL", "SETUSER", "limited", "on", ">" + SECRET, "+info", "+ping", "+auth")
    made = sick(redis, web, SECRET, "limited")
    for target, words in [(redis.target, ["--user", "limited"]), (f"redis://limited@{redis.target}", [])]:
        report = scan(target, *words, env={"REDISCLI_AUTH": SECRET})
        kernel_side_is_right(report, redis, made)
        entry = report.server(redis)
        assert entry["version"] == REDIS_VERSION
        assert entry["tcp_keepalive_s"] is None
        assert report.gaps("redis")
        assert report["complete"] is False
        no_secret(report)


@pytest.mark.sanitize("answers that are errors")
def test_commands_that_are_renamed(pair):
    server, web = pair
    redis = Redis(server, rename_command='CLIENT ""\nrename-command CONFIG ""')
    made = sick(redis, web)
    report = scan(redis.target)
    kernel_side_is_right(report, redis, made)
    assert report.server(redis)["version"] == REDIS_VERSION
    assert report.gaps("redis")


def test_protected_mode(pair):
    server, web = pair
    redis = Redis(server, protected_mode="no")
    made = sick(redis, web)
    redis.cli("CONFIG", "SET", "protected-mode", "yes")
    report = scan(redis.target)
    report.expect(made.dead, "ghost", "peer-socket-absent")
    report.expect(made.live, "healthy", "peer-socket-present")


# ---------------------------------------------------------------- servers that are not what they should be

@pytest.mark.sanitize("hostile answers to the Redis decoder")
@pytest.mark.parametrize("mode", ["http", "breakoff", "silent", "drip", "flood"])
def test_a_server_that_does_not_speak_redis(pair, mode):
    server, web = pair
    service, client = TcpServer(server, mode, 6379), Client(web)
    dead, live = client.open(service, 2, ping=False), client.open(service, 2, ping=False)
    eventually(lambda: in_state(server, "ESTAB", 6379, dead + live))
    ghost_host_up(web, dead, settled=mode != "drip")
    done = connleak(service.target, "--connect-timeout", "1s")
    assert done.seconds < 5
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout
    report = scan(service.target, "--connect-timeout", "1s")
    assert report.seconds < 5
    if mode != "drip":  # there the server's writes to the ghosts bring them to an end
        report.expect(dead, "ghost", "peer-socket-absent")
    report.expect(live, "healthy", "peer-socket-present")
    assert report.gaps("redis")
    assert report["complete"] is False
    assert report.server(service)["connected_clients"] is None


def test_no_namespace_is_held_while_a_server_is_waited_for(pair):
    """A descriptor of a namespace, or a socket in it, would keep its addresses from a container that is restarted."""
    server, _ = pair
    service = TcpServer(server, "silent", 6379)
    running = subprocess.Popen(command(service.target, "--connect-timeout", "8s"), stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: any(row[0] == "ESTAB" for row in server.ss("sport", "=", ":6379")), what="it is asked")
        links = [os.readlink(link) for link in Path(f"/proc/{running.pid}/fd").iterdir()]
        assert not [link for link in links if "net:[" in link or "netns" in link], links
        assert len([link for link in links if link.startswith("socket:")]) == 1, links  # the one to the server
    finally:
        running.kill()
        running.wait()


def test_nothing_listens_there(pair):
    server, web = pair
    service = SimpleNamespace(host=server, port=6390, target=f"{server.ip}:6390")
    for where in [{}, {"host": web}, {"host": web, "words": ["--netns", "self"]}]:
        report = scan(service.target, *where.pop("words", []), check=(0, 3), **where)
        assert "server-unreachable" in {finding["code"] for finding in report["findings"]}


def test_the_host_is_not_there(pair):
    server, web = pair
    nobody = server.ip.rsplit(".", 1)[0] + ".200"
    report = scan(f"{nobody}:6379", "--connect-timeout", "1s", "--netns", "self", host=web, check=(0, 3))
    assert report.seconds < 5
    assert "server-unreachable" in {finding["code"] for finding in report["findings"]}


@pytest.mark.sanitize("parsing of TARGET")
@pytest.mark.parametrize("target", ["10.0.0.1:abc", "10.0.0.1:70000", ":", ":0x", "http://10.0.0.1:6379", "tcp://",
                                    "redis://:6379:6379", "[::1:6379", "unix:", ""])
def test_a_wrong_target_is_one_clear_line(target):
    done = connleak(target)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.endswith(b"\n")
    assert len(done.stderr.splitlines()) == 1, done.stderr.decode()


def test_a_unix_socket(pair):
    server, _ = pair
    redis = Redis(server)
    report = scan(f"unix:{redis.socket}")
    [entry] = [entry for entry in report["servers"] if entry["path"] == str(redis.socket)]
    assert (entry["reachable"], entry["version"]) == (True, REDIS_VERSION)


# ---------------------------------------------------------------- without root

@pytest.mark.sanitize("missing rights")
def test_not_root(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live, local = client.open(redis, 3), Client(server).open(redis, 2)
    silence()
    for host in (server, web):
        for words in [[redis.target], []]:
            report = scan(*words, "--recent", "1s", host=host, user="nobody")
            report.never_dead(live + local)
            assert report.rows(live[0])
            assert report["complete"] is False
            assert report.gaps()
    assert sorted(client.alive(live)) == sorted(live)
