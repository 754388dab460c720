"""Servers that speak TLS: the kernel's side needs none of it, the conversation does.

    server ── switch ── web          a Redis whose one port is for TLS, two ghosts and two live connections on web

Where the build has no TLS (hiredis before 1.0) the tests of the conversation are not collected, and those of what is
said instead are.
"""

from types import SimpleNamespace

import pytest

from actions import act
from certificates import Authority
from lab import eventually, run
from report import connleak, has_tls, scan
from services import REDIS_VERSION, Client, Redis, TcpServer
from sickness import ghost_host_up

SECRET = "open-sesame-3141592653"
tls_build = pytest.mark.tls_build
plain_build = pytest.mark.plain_build


@pytest.fixture(scope="module")
def papers(module_lab):
    authority = Authority(module_lab.directory / "papers")
    authority.sign("server", "DNS:redis.test,DNS:*.cache.test")
    return authority


def sick(redis, web, papers, **how):
    client = Client(web)
    dead = client.open(redis, 2, tls=str(papers.certificate), **how)
    live = client.open(redis, 2, tls=str(papers.certificate), **how)
    ghost_host_up(web, dead, redis.port)
    return SimpleNamespace(client=client, dead=dead, live=live)


def kernel_side_is_right(report, redis, made):
    report.expect(made.dead, "ghost", "peer-socket-absent")
    report.expect(made.live, "healthy", "peer-socket-present")
    assert report.counts(redis) == {"ghost": 2, "healthy": 2}


def received(redis):
    [line] = [line for line in redis.cli("INFO", "stats").split() if line.startswith("total_connections_received:")]
    return int(line.split(":")[1])


# ---------------------------------------------------------------- the kernel's side

def test_the_kernels_side_needs_no_tls(pair, papers):
    server, web = pair
    redis = Redis(server, **papers.settings())
    made = sick(redis, web, papers)
    report = scan(f"tcp://{redis.target}")
    kernel_side_is_right(report, redis, made)
    assert not report.gaps("redis")


@pytest.mark.sanitize("TLS is told from Redis")
@pytest.mark.parametrize("where", ["target", "found"])
def test_a_server_that_turns_out_to_speak_tls(pair, papers, where):
    server, web = pair
    redis = Redis(server, **papers.settings())
    made = sick(redis, web, papers)
    report = scan(*([redis.target] if where == "target" else []))
    assert report.server(redis)["reachable"]  # by its Unix socket, where there is one
    redis.hide_socket()
    report = scan(*([redis.target] if where == "target" else []))
    kernel_side_is_right(report, redis, made)
    entry = report.server(redis)
    assert (entry["reachable"], entry["tls"]) == (False, True)
    assert "speaks TLS" in entry["error"]
    assert report.gaps("redis") and report["complete"] is False
    finding = report.finding(redis, "server-unreachable")
    assert "speaks TLS" in finding["summary"]
    if has_tls():
        assert "--tls" in entry["error"]
        assert finding["command"].startswith("connleak scan rediss://")
        assert "--cacert" in finding["remedy"]
    else:
        assert "hiredis" in entry["error"]
        assert finding["command"] is None
    done = act("reap", redis.target, "--yes")
    assert done["totals"] == {"planned": 2, "done": 2, "skipped": 0, "failed": 0}
    assert {action["method"] for action in done["actions"]} == {"destroy"}
    assert sorted(made.client.alive(made.live)) == sorted(made.live)


@pytest.mark.parametrize("words", [["--cacert", "x"], ["--insecure"], ["--tls", "--cert", "x"], ["--tls", "--key", "x"]],
                         ids=" ".join)
def test_options_that_make_no_sense_are_one_clear_line(words):
    done = connleak(":6379", *words)
    assert done.returncode == 2
    assert done.stdout == b""
    assert len(done.stderr.splitlines()) == 1
    assert b"--" in done.stderr


# ---------------------------------------------------------------- a build without TLS

@pytest.mark.sanitize("the build without TLS")
@plain_build
@pytest.mark.parametrize("how", ["rediss", "--tls"])
def test_without_tls_the_report_is_made_and_says_what_is_missing(pair, papers, how):
    server, web = pair
    redis = Redis(server, **papers.settings())
    made = sick(redis, web, papers)
    before = received(redis)
    words = [f"rediss://{redis.target}"] if how == "rediss" else [redis.target, "--tls"]
    report = scan(*words, "--cacert", papers.certificate, env={"REDISCLI_AUTH": SECRET})
    kernel_side_is_right(report, redis, made)
    entry = report.server(redis)
    assert entry["reachable"] is None
    [gap] = report.gaps("redis")
    assert "TLS is not in this build" in gap["error"] and "hiredis" in gap["error"]
    assert "server-unreachable" not in report.codes(redis)
    assert received(redis) == before + 1, "a server that is to be asked by TLS is not asked in plain text"
    shown = connleak(*words)
    assert shown.returncode == 0
    assert b"TLS is not in this build" in shown.stdout
    checked = connleak("check", *words)
    assert checked.returncode == 1 and checked.stdout.startswith(b"CONNLEAK WARNING: 2 ghosts")
    asked = connleak("check", *words, "-c", "clients_used_percent=95")
    assert asked.returncode == 3, asked.stdout
    done = act("reap", *words, "--yes")
    assert done["totals"]["done"] == 2
    assert sorted(made.client.alive(made.live)) == sorted(made.live)


@plain_build
def test_the_help_says_that_tls_is_missing_and_why():
    for verb in (["--help"], ["check", "--help"], ["reap", "--help"]):
        assert b"not in this build: hiredis" in connleak(*verb).stdout


# ---------------------------------------------------------------- the conversation

@pytest.mark.sanitize("TLS")
@tls_build
@pytest.mark.parametrize("how", ["rediss", "--tls", "found"])
def test_a_conversation(pair, papers, how):
    server, web = pair
    redis = Redis(server, requirepass=SECRET, **papers.settings())
    client = Client(web)
    dead, live = (client.open(redis, 2, tls=str(papers.certificate), ping=False) for _ in range(2))
    client.say(f"AUTH {SECRET}\r\n", dead + live)
    ghost_host_up(web, dead)
    made = SimpleNamespace(dead=dead, live=live)
    words = {"rediss": [f"rediss://{redis.target}"], "--tls": [redis.target, "--tls"], "found": ["--tls"]}[how]
    report = scan(*words, "--cacert", papers.certificate, env={"REDISCLI_AUTH": SECRET})
    kernel_side_is_right(report, redis, made)
    assert not [gap for gap in report.gaps("redis") if server.ip in gap["scope"]]
    entry = report.server(redis)
    assert (entry["reachable"], entry["tls"], entry["error"]) == (True, True, None)
    assert entry["version"] == REDIS_VERSION
    assert entry["tcp_keepalive_s"] == 0
    for endpoint in dead + live:
        assert report.row(endpoint)["listed"]["command"] == "auth"
    commands = [finding["command"] for finding in report.findings(redis) if finding["command"]]
    assert any(f"--tls --cacert {papers.certificate}" in command for command in commands), commands
    assert any("rediss://" in command for command in commands), commands
    assert SECRET.encode() not in report.raw + report.stderr


@tls_build
def test_commands_that_a_report_tells_work(pair, papers):
    server, web = pair
    redis = Redis(server, **papers.settings())
    sick(redis, web, papers)
    report = scan(f"rediss://{redis.target}", "--cacert", papers.certificate)
    finding = report.finding(redis, "keepalive-off")
    [line] = [line for line in finding["command"].split("\n") if "CONFIG SET" in line]
    assert run(["sh", "-c", line]).stdout.strip() == "OK"
    assert redis.cli("CONFIG", "GET", "tcp-keepalive").split()[-1] == "300"


@tls_build
def test_ghosts_are_reaped_by_their_ids(pair, papers):
    server, web = pair
    redis = Redis(server, **papers.settings())
    made = sick(redis, web, papers)
    done = act("reap", f"rediss://{redis.target}", "--cacert", papers.certificate, "--yes")
    assert done["totals"] == {"planned": 2, "done": 2, "skipped": 0, "failed": 0}
    assert {action["method"] for action in done["actions"]} == {"kill"}
    assert sorted(made.client.alive(made.live)) == sorted(made.live)


@pytest.mark.parametrize("port", [6390, 16379], ids=["other", "as a cluster's bus"])
def test_both_ports_of_one_server(pair, papers, port):
    server, web = pair
    redis, client = Redis(server, **papers.settings() | {"tls_port": port}), Client(web)
    plain, secret = client.open(redis), client.open(redis, port=port, tls=str(papers.certificate))
    report = scan(redis.target)
    [entry] = report["servers"]
    assert (entry["tls"], entry["reachable"], entry["cluster_bus"]) == (False, True, None)
    report.expect(plain + secret, "healthy", "peer-socket-present")
    assert report.counts(redis) == {"healthy": 2}
    by_tls = scan(f"rediss://{server.ip}:{port}", "--cacert", papers.certificate)
    [entry] = by_tls["servers"]
    assert entry["port"] == port
    assert (entry["tls"], entry["reachable"]) == ((True, True) if has_tls() else (None, None))
    by_tls.expect(plain + secret if has_tls() else secret, "healthy", "peer-socket-present")


def error_of(report):
    [entry] = report["servers"]
    assert entry["reachable"] is False
    assert report.gaps("redis") and report["complete"] is False
    return entry["error"]


@pytest.mark.sanitize("TLS refused")
@tls_build
def test_certificates_that_are_not_trusted(pair, papers):
    server, _ = pair
    papers.sign("old", end="20210203000000Z")
    papers.sign("early", begin="20480203000000Z")
    papers.self_signed("selfmade")
    other = papers.self_signed("other")
    expected = {"old": "expired on 2021-02-03", "early": "not valid before 2048-02-03",
                "selfmade": "self-signed", "server": None}
    for port, (name, text) in enumerate(expected.items(), 7000):
        redis = Redis(server, port, **papers.settings(name, port=port))
        target = f"rediss://{redis.target}"
        if text:
            error = error_of(scan(target, "--cacert", papers.certificate))
            assert text in error and "certificate" in error, error
        assert "--cacert" in error_of(scan(target, "--cacert", other))
        assert "certificate" in error_of(scan(target)), "the system does not know this authority"
        assert scan(target, "--insecure")["servers"][0]["reachable"] is True
    assert scan(f"rediss://{server.ip}:7002", "--cacert", papers.folder / "selfmade.crt")["servers"][0]["reachable"]


@tls_build
def test_whom_a_certificate_is_for(pair, papers):
    server, web = pair
    redis = Redis(server, **papers.settings())
    target = [f"rediss://{redis.target}", "--cacert", papers.certificate]
    ask = lambda *words, **where: scan(*target, *words, **where)
    # In sight: the kernel says who listens there.
    assert ask()["servers"][0]["reachable"] is True
    for name in ("redis.test", "a.cache.test"):
        assert ask("--sni", name)["servers"][0]["reachable"] is True
    error = error_of(ask("--sni", "redis.wrong"))
    assert "for redis.test, *.cache.test, not for redis.wrong" in error
    # From another host anybody could answer at the address.
    away = {"host": web, "sight": [web]}
    error = error_of(ask(**away))
    assert f"not for {server.ip}" in error and "--sni" in error
    assert ask("--sni", "redis.test", **away)["servers"][0]["reachable"] is True
    assert ask("--insecure", **away)["servers"][0]["reachable"] is True
    papers.sign("numbered", f"IP:{server.ip}")
    other = Redis(server, 6390, **papers.settings("numbered", port=6390))
    report = scan(f"rediss://{other.target}", "--cacert", papers.certificate, **away)
    assert report["servers"][0]["reachable"] is True


@tls_build
def test_a_name_as_the_target_is_checked(pair, papers, tmp_path):
    server, _ = pair
    redis = Redis(server, **papers.settings())
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{server.ip} redis.test redis.wrong\n")
    prefix = ["unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts; exec "$@"', "sh"]
    words = ["--cacert", papers.certificate]
    good = scan(f"rediss://redis.test:{redis.port}", *words, prefix=prefix)
    assert good["servers"][0]["reachable"] is True
    commands = [finding["command"] for finding in good["findings"] if finding["command"]]
    assert all("rediss://redis.test:" in c for c in commands if "rediss" in c)
    assert "not for redis.wrong" in error_of(scan(f"rediss://redis.wrong:{redis.port}", *words, prefix=prefix))


@tls_build
def test_a_server_that_wants_a_certificate_of_its_clients(pair, papers):
    server, _ = pair
    papers.sign("client", "DNS:connleak.test")
    foreign = papers.self_signed("foreign")
    for port, versions in enumerate(("TLSv1.2", "TLSv1.3"), 7000):
        redis = Redis(server, port, tls_protocols=versions, **papers.settings(clients="yes", port=port))
        target = [f"rediss://{redis.target}", "--cacert", papers.certificate]
        error = error_of(scan(*target))
        assert "--cert" in error and "--key" in error, error
        own = ["--cert", papers.folder / "client.crt", "--key", papers.key("client")]
        assert scan(*target, *own)["servers"][0]["reachable"] is True
        error = error_of(scan(*target, "--cert", foreign, "--key", papers.key("foreign")))
        assert "--cert" in error, error


@tls_build
def test_files_that_cannot_be_used_are_one_clear_line(papers):
    papers.sign("client", "DNS:connleak.test")
    locked = papers.folder / "locked.key"
    run(["openssl", "pkey", "-in", papers.key("client"), "-aes256", "-passout", "pass:secret", "-out", locked])
    certificate, key = papers.folder / "client.crt", papers.key("client")
    text = papers.folder / "text"
    text.write_text("no certificate\n")
    for words, told in [
            (["--cacert", "/no/such/file"], "--cacert /no/such/file: No such file"),
            (["--cacert", text], f"--cacert {text}: holds no certificate"),
            (["--cacert", "/dev/zero"], "--cacert /dev/zero: is no file"),
            (["--cacertdir", text], f"--cacertdir {text}: is no folder"),
            (["--cert", text, "--key", key], f"--cert {text}: holds no certificate"),
            (["--cert", certificate, "--key", text], f"--key {text}: holds no private key"),
            (["--cert", certificate, "--key", "/no/such/key"], "--key /no/such/key: No such file"),
            (["--cert", certificate, "--key", papers.key("server")], f"does not belong to --cert {certificate}"),
            (["--cert", certificate, "--key", locked], f"--key {locked}: the key is encrypted")]:
        done = connleak("rediss://127.0.0.1:6379", *words)
        assert done.returncode == 2, words
        assert done.stdout == b""
        [line] = done.stderr.decode().splitlines()
        assert told in line, line
        assert "BEGIN" not in line
    done = connleak("rediss://127.0.0.1:1", "--cert", certificate, "--key", key, user="nobody")
    assert done.returncode == 2 and b"--key" in done.stderr and b"Permission denied" in done.stderr


# ---------------------------------------------------------------- servers that are not what they should be

@tls_build
def test_a_plain_server_does_not_speak_tls(pair, papers):
    server, _ = pair
    redis = Redis(server)
    error = error_of(scan(f"rediss://{redis.target}", "--connect-timeout", "1s", "--cacert", papers.certificate))
    assert "does not speak TLS" in error, error


@pytest.mark.sanitize("hostile answers to TLS")
@tls_build
@pytest.mark.parametrize("mode", ["http", "breakoff", "silent", "drip", "flood"])
def test_a_server_that_stalls_or_talks_nonsense_hangs_nothing(pair, mode):
    server, _ = pair
    service = TcpServer(server, mode, 6379)
    report = scan(f"rediss://{service.target}", "--connect-timeout", "1s")
    assert report.seconds < 6
    assert error_of(report)


@tls_build
def test_no_password_before_the_server_is_known(pair, papers):
    server, web = pair
    selfmade = papers.self_signed("listener")
    heard = server.lab.directory / "heard"
    server.start("sh", "-c", f"exec openssl s_server -quiet -port 6379 -cert {selfmade} -key {papers.key('listener')} "
                 f">{heard} 2>&1 </dev/zero")
    eventually(lambda: server.ss("state", "listening", "sport", "=", ":6379"))
    target = f"rediss://{server.ip}:6379"
    env = {"REDISCLI_AUTH": SECRET}
    report = scan(target, "--cacert", papers.certificate, "--connect-timeout", "1s", env=env)
    assert "self-signed" in error_of(report)
    assert SECRET not in heard.read_text(errors="replace")
    report = scan(target, "--insecure", "--connect-timeout", "1s", env=env)
    eventually(lambda: SECRET in heard.read_text(errors="replace"), what="the listener hears what is sent")
    assert SECRET.encode() not in report.raw


@tls_build
def test_a_server_at_its_limit(pair, papers):
    server, web = pair
    redis, client = Redis(server, maxclients=10, **papers.settings()), Client(web)
    client.open(redis, 10, tls=str(papers.certificate))
    report = scan(f"rediss://{redis.target}", "--cacert", papers.certificate)
    assert "closed the connection in the TLS handshake" in error_of(report)
    assert report.counts(redis)["healthy"] == 10
