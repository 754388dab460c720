"""connleak check, as monitoring and cron run it.

    server ── switch ── web
"""

import json
import os
import shutil
import subprocess
import threading

import pytest

from checked import METRICS, Checked, check
from lab import eventually, run
from report import BINARY, command, connleak
from services import Client, Redis, TcpServer
from sickness import ghost_host_up

NEGATE = next((path for path in ["/usr/lib/nagios/plugins/negate"] if os.access(path, os.X_OK)), None)


@pytest.fixture
def healthy(pair):
    server, web = pair
    redis, client = Redis(server, tcp_keepalive=300), Client(web)
    client.open(redis, 3)
    return redis, client


# ---------------------------------------------------------------- what it concludes

def test_a_healthy_server(healthy):
    redis, client = healthy
    made = check(redis.target, "-v")
    assert made.stderr == ""
    assert [made.values[name] for name in METRICS[:5]] == [0] * 5
    assert made.values["per_process_max"] == 3
    assert made.values["group_growth"] is None
    assert made.values["clients_used_percent"] == 0
    assert made.limits["clients_used_percent"][:2] == ["80", "95"]
    assert any(f"pid {client.pid}" in line for line in made.lines if line.startswith("per_process_max")), made.text
    host, port = redis.host.ip, redis.port
    for words in [["-H", host], ["-H", host, "-p", port], ["-H", host, "--port", port], ["-p", port]]:
        assert check(*words).values["per_process_max"] == 3
    assert connleak("check", redis.target, "--quiet").stdout == b""


def test_a_host_without_any_server(pair):
    made = check("--netns", "self", host=pair[1])
    assert "no Redis" in made.head
    assert check("--netns", "self", "-c", "clients_used_percent=95", host=pair[1]).values["clients_used_percent"] is None


@pytest.mark.sanitize("check, thresholds")
def test_ghosts_and_their_thresholds(pair):
    server, web = pair
    redis, client = Redis(server, tcp_keepalive=300), Client(web)
    dead, live = client.open(redis, 4), client.open(redis, 2)
    ghost_host_up(web, dead)
    made = check(redis.target, status=1)
    assert made.head.startswith(f"CONNLEAK WARNING: 4 ghosts at {redis.target}")
    assert made.values["ghosts"] == 4
    assert any(web.ip in line and "4" in line for line in made.lines[1:])
    for words, status in [(["-w", "ghosts=3"], 1), (["-w", "ghosts=4"], 0), (["-c", "ghosts=3", "-w", "ghosts=0"], 2),
                          (["-w", "ghosts=@4:4"], 1), (["-w", "ghosts=5:"], 1), (["--critical=ghosts=~:3.5"], 2),
                          (["-w", "orphans=0"], 0), (["-w", "per_process_max=1"], 1), (["-c", "suspects=0"], 0)]:
        made = check(redis.target, *words, status=status)
        assert made.values["ghosts"] == 4
        named = {word.split("=")[0] for word in words if "=" in word and not word.startswith("--")} or {"ghosts"}
        assert {name for name, limits in made.limits.items() if any(limits[:2])} == named
    assert connleak("check", redis.target, "--quiet").stdout.startswith(b"CONNLEAK WARNING")
    assert sorted(client.alive(live)) == sorted(live)


def test_a_server_that_refuses_clients_is_critical(pair):
    server, web = pair
    redis, client = Redis(server, maxclients=5, tcp_keepalive=300), Client(web)
    client.open(redis, 5)
    for words in [[], ["-w", "ghosts=100"], ["--strict"]]:
        made = check(redis.target, *words, status=2)
        assert made.head.startswith(f"CONNLEAK CRITICAL: {redis.target} refuses clients"), made.head
        assert made.values["clients_used_percent"] is None
        assert made.unseen("clients_used_percent")


def test_a_server_that_cannot_be_reached_is_critical(pair):
    server, web = pair
    for where in [{"host": web}, {"host": server}]:
        made = check(f"{server.ip}:6390", "-w", "ghosts=100", status=2, **where)
        assert f"{server.ip}:6390 cannot be reached" in made.head
    made = check("-H", server.ip, "-p", "6390", status=2)
    assert "cannot be reached" in made.head
    check(f"tcp://{server.ip}:6390", status=2, host=server)
    nobody = server.ip.rsplit(".", 1)[0] + ".200"
    made = check(nobody + ":6379", "-t", "2", "--netns", "self", status=2, host=web)
    assert made.seconds < 5


def test_a_server_that_hangs_is_critical_in_time(pair):
    server, web = pair
    redis = Redis(server)
    Client(web).open(redis, 1)
    redis.stop()
    made = check(redis.target, "-t", "2", status=2)
    assert made.seconds < 10
    assert "cannot be reached" in made.head


@pytest.mark.sanitize("its time limit")
def test_a_run_that_takes_too_long_ends_itself(pair):
    """A hundred servers that answer nothing: even asking them takes longer than the whole run may."""
    server, web = pair
    TcpServer(server, "silent", 6379)
    prefix = server.ip.rsplit(".", 1)[0]
    addresses = [f"{prefix}.{number}" for number in range(100, 200)]
    server.run("ip", "-batch", "-", stdin=None,
               input="".join(f"addr add {address}/24 dev eth0\n" for address in addresses))
    made = check(*[f"{address}:6379" for address in addresses], "-t", "1", "--netns", "self", status=2, host=web)
    assert made.head == "CONNLEAK CRITICAL: not done within 1 s (--timeout)"
    assert made.seconds < 10


# ---------------------------------------------------------------- what it could not see

def test_a_login_that_is_refused_is_an_incomplete_picture(pair):
    server, web = pair
    redis = Redis(server, requirepass="open-sesame", tcp_keepalive=300)
    Client(web).open(redis, 2, ping=False)
    made = check(redis.target)
    assert made.head.endswith("(incomplete)")
    assert made.values["clients_used_percent"] is None
    assert any("NOAUTH" in line for line in made.unseen("clients_used_percent"))
    made = check(redis.target, "--strict", status=3)
    assert "clients_used_percent" in made.text
    check(redis.target, "-c", "clients_used_percent=95", status=3)
    check(redis.target, "-w", "close_wait=5", "--strict")
    check(redis.target, "-c", "per_process_max=0", "--strict", status=2)
    made = check(redis.target, env={"REDISCLI_AUTH": "open-sesame"})
    assert made.values["clients_used_percent"] is not None
    assert not made.head.endswith("(incomplete)")


def test_without_root(healthy):
    redis, _ = healthy
    made = check(redis.target, host=redis.host, user="nobody")
    assert made.head.endswith("(incomplete)")
    assert made.unseen("ghosts") and made.unseen("per_process_max")
    assert check(redis.target, "--strict", host=redis.host, user="nobody", status=3).unseen("ghosts")
    assert check(redis.target, "--strict", "-w", "ghosts=0", host=redis.host, user="nobody", status=3)


def test_a_server_that_was_not_asked(healthy):
    redis, _ = healthy
    web = redis.host.lab.host("web")
    made = check("--netns", "self", host=web)
    assert any("name it as a TARGET" in line for line in made.unseen("clients_used_percent"))
    check("--netns", "self", "--strict", status=3, host=web)


# ---------------------------------------------------------------- growth

@pytest.mark.sanitize("its state")
def test_growth_of_a_group(healthy, tmp_path):
    redis, client = healthy
    state = tmp_path / "state"
    words = [redis.target, "--state", state, "-w", "group_growth=5", "-c", "group_growth=15"]
    made = check(*words)
    assert made.values["group_growth"] is None
    assert state.stat().st_mode & 0o777 == 0o600
    assert check(*words).values["group_growth"] == 0
    client.open(redis, 3)
    assert check(*words).values["group_growth"] == 3
    client.open(redis, 4)
    made = check(*words, status=1)  # a leak goes on: 3 and then 4
    assert made.values["group_growth"] == 7
    assert "7 connections gained by " in made.head
    assert any(line.startswith("per-process-growth: ") and redis.target in line for line in made.lines)
    assert check(*words).values["group_growth"] == 0  # stands still
    client.open(redis, 20)
    assert check(*words, status=2).values["group_growth"] == 20
    client.close()
    eventually(lambda: not redis.client_list())
    assert check(*words).values["group_growth"] == 0
    client.open(redis, 30)
    assert check(*words).values["group_growth"] == 0  # it is back at what it was
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_growth_by_host_where_the_clients_are_elsewhere(healthy, tmp_path):
    redis, client = healthy
    words = [redis.target, "--netns", redis.host.netns, "--state", tmp_path / "state", "-w", "group_growth=5"]
    check(*words)
    client.open(redis, 10)
    assert f"host {client.host.ip}" in check(*words, status=1).head


def test_growth_with_defaults_and_without_a_state(healthy, tmp_path):
    redis, client = healthy
    check(redis.target, "--state", tmp_path / "state")
    client.open(redis, 110)
    check(redis.target, "--state", tmp_path / "state", status=1)
    made = Checked(connleak("check", redis.target, "-w", "group_growth=5"))
    assert made.status == 3 and "--state" in made.stderr


def test_runs_at_once_lose_nothing(healthy, tmp_path):
    redis, _ = healthy
    state = tmp_path / "state"
    runs = [threading.Thread(target=check, args=(redis.target, "--state", state)) for _ in range(6)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert len(json.loads(state.read_text())["runs"]) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_state_that_another_run_holds(healthy, tmp_path):
    redis, _ = healthy
    state = tmp_path / "state"
    check(redis.target, "--state", state)
    before = state.read_bytes()
    holder = redis.host.lab.start(["flock", state, "sh", "-c", "echo held; exec sleep 60"], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    made = check(redis.target, "--state", state)
    assert made.values["group_growth"] == 0
    assert any("another run holds it" in line for line in made.lines)
    assert state.read_bytes() == before


def test_a_state_behind_a_link_and_of_another_user(healthy, tmp_path):
    """The file is replaced, not the link; in a sticky folder the kernel is strict about others' files."""
    redis, _ = healthy
    folder = tmp_path / "sticky"
    folder.mkdir()
    folder.chmod(0o1777)
    state, link = folder / "state", tmp_path / "link"
    state.write_text("")
    shutil.chown(state, "nobody")
    link.symlink_to(state)
    for runs in (1, 2):
        check(redis.target, "--state", link)
        assert len(json.loads(state.read_text())["runs"]) == runs
    assert link.is_symlink()


@pytest.mark.sanitize("a damaged state")
@pytest.mark.parametrize("damage", [b"{", b"\xff\xfe\x00", b"[" * 100_000, b"not a state\n", b"null",
                                    b'{"kind":"connleak-check-state","schema_version":99}', "cut"], ids=repr)
def test_a_damaged_state_is_begun_anew(healthy, tmp_path, damage):
    redis, client = healthy
    state = tmp_path / "state"
    check(redis.target, "--state", state)
    damage = state.read_bytes()[:-20] if damage == "cut" else damage
    state.write_bytes(damage)
    made = check(redis.target, "--state", state)
    assert made.values["group_growth"] is None
    assert any(str(state) in line and "begun anew" in line for line in made.lines), made.text
    assert (tmp_path / "state.damaged").read_bytes() == damage
    client.open(redis, 8)
    assert check(redis.target, "--state", state, "-w", "group_growth=5", status=1).values["group_growth"] == 8


def test_a_state_that_is_no_file(healthy, tmp_path):
    redis, _ = healthy
    pipe, folder, secret = tmp_path / "pipe", tmp_path / "folder", tmp_path / "secret"
    os.mkfifo(pipe)
    folder.mkdir()
    secret.write_text("")
    secret.chmod(0o600)
    tmp_path.chmod(0o755)
    for state, user in [(pipe, None), (folder, None), (tmp_path / "no" / "state", None), ("/dev/null", None),
                        (secret, "nobody")]:
        made = Checked(connleak("check", redis.target, "--state", state, user=user))
        assert made.status == 3 and len(made.lines) == 1, made.text
        assert len(made.stderr.splitlines()) == 1 and "--state" in made.stderr


def test_a_full_disk_leaves_the_old_state(healthy, lab):
    redis, _ = healthy
    disk = lab.directory / "disk"
    disk.mkdir()
    script = (f'set -e; mount -t tmpfs -o size=64k none {disk}; "$@" --state {disk}/state >/dev/null;'
              f"cp {disk}/state {lab.directory}/before; dd if=/dev/zero of={disk}/fill bs=4k 2>/dev/null || true;"
              f'set +e; "$@" --state {disk}/state; code=$?; cp {disk}/state {lab.directory}/after;'
              f"ls {disk} >{lab.directory}/names; exit $code")
    done = run(["unshare", "--mount", "--", "sh", "-c", script, "sh", *command("check", redis.target)], check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stdout.startswith("CONNLEAK UNKNOWN: --state "), done.stdout
    assert "No space left" in done.stdout.splitlines()[0] + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    before, after = (lab.directory / "before").read_bytes(), (lab.directory / "after").read_bytes()
    assert before == after and json.loads(before)["runs"]
    assert (lab.directory / "names").read_text().split() == ["fill", "state"]


# ---------------------------------------------------------------- as a plugin

@pytest.mark.sanitize("its options")
@pytest.mark.parametrize("words, said", [
    (["-w", "ghost=0"], "unknown metric 'ghost'"), (["-w", "ghosts=20:10"], "20:10"), (["-c", "ghosts=x"], "'x'"),
    (["-w", "0"], "METRIC=RANGE"), (["--bogus"], "unknown option"), (["-t", "0"], "--timeout"),
    (["-H", ""], "-H"), (["10.0.0.1:abc"], "port"), (["-w", "\x1b[2J|=0"], "unknown metric"),
    (["--netns", "no-such-namespace"], "namespace")], ids=repr)
def test_bad_usage_is_unknown(words, said):
    made = Checked(connleak("check", *words))
    assert made.status == 3
    assert len(made.lines) == 1
    assert len(made.stderr.splitlines()) == 1 and said in made.stderr, made.stderr
    assert made.stderr.startswith("connleak: ") and "\x1b" not in made.stderr + made.text


def test_help_and_version_are_no_ok():
    for word in ["-h", "--help", "-V", "--version"]:
        done = connleak("check", word)
        assert done.returncode == 3 and done.stdout and not done.stderr
    assert all(metric.encode() in connleak("check", "-h").stdout for metric in METRICS)


def test_output_that_cannot_be_written():
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command("check", "--netns", "self"), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command("check", "--netns", "self"), stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    for words in [["--bogus"], ["--netns", "self"]]:
        made = Checked(connleak_without_stderr("check", *words))
        assert made.status == (3 if "--bogus" in words else 0)


def connleak_without_stderr(*words):
    done = run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command(*words)], check=False, text=False)
    done.seconds = 0
    return done


@pytest.mark.skipif(NEGATE is None, reason="no negate of monitoring-plugins-basic")
def test_the_monitoring_plugins_own_negate_understands_it(pair):
    """It runs a plugin, takes its status, and puts the new state's name in the place of the old in the first line."""
    server, _ = pair
    redis = Redis(server, tcp_keepalive=300)
    for target, words, status, state in [(redis.target, [], 2, "CRITICAL"),
                                         (f"{server.ip}:6390", ["-c", "WARNING"], 1, "WARNING")]:
        done = run([*command(host=server)[:-1], NEGATE, "-s", *words, str(BINARY), "check", target], check=False)
        assert done.returncode == status, done.stdout
        assert done.stdout.startswith(f"CONNLEAK {state}: "), done.stdout
        assert "| ghosts=0;" in done.stdout
