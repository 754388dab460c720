"""What reaches the terminal, the file and the pipe; options; and that the program leaves no trace of its own.

    server ── switch ── web
"""

import json
import os
import re
import subprocess

import pytest

from lab import PYTHON, silence
from report import LINE_TYPES, command, connleak, scan, scan_lines
from services import REDIS_VERSION, Client, Redis
from sickness import ghost_host_up

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
SPITEFUL = b"\x1b[31mred\nGHOST\xff\x9b"  # as a file name 15 bytes at most reach comm


@pytest.fixture(scope="module")
def world(module_lab):
    server, web = module_lab.hosts("server", "web")
    module_lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    dead, live = client.open(redis, 2), client.open(redis, 4)
    ghost_host_up(web, dead)
    silence()
    return redis, dead, live


# ---------------------------------------------------------------- hostile names

def resp(*words):
    return f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)


@pytest.mark.sanitize("hostile names in every format")
def test_hostile_names(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis = Redis(server)
    program = os.fsencode(lab.directory) + b"/" + SPITEFUL
    os.symlink(os.path.realpath(PYTHON), program)
    client = Client(web, [program], [b"--title=\x1b]0;owned\x07\r\nCRITICAL \xc3\x28\xff", b"\x85\xe2\x80\xae"])
    assert SPITEFUL[:10] in open(f"/proc/{client.pid}/comm", "rb").read()
    user = "\x1b[31m|x=y\x07"
    redis.cli("ACL", "SETUSER", user, "on", "nopass", "~*", "+@all")
    dead, live = client.open(redis, 2), client.open(redis, 2)
    client.say(resp("AUTH", user, "x"), dead + live)
    client.say(resp("CLIENT", "SETNAME", "id=7|addr=1.2.3.4:5=age=9"), dead + live)
    ghost_host_up(web, dead)
    report = scan(redis.target)
    report.expect(dead, "ghost", "peer-socket-absent")
    report.expect(live, "healthy", "peer-socket-present")
    row = report.row(live[0])
    assert row["listed"]["name"] == "id=7|addr=1.2.3.4:5=age=9"
    assert row["listed"]["user"] == user
    assert row.owners("client") == {client.pid}
    assert [row["connections"] for row in report.processes(redis, client.pid)] == [2]
    lines = scan_lines(redis.target)
    assert [line["listed"]["user"] for line in lines if line["type"] == "connection"] == [user] * 4
    for words in [["--connections"], []]:
        done = connleak(redis.target, "--color", "never", *words)
        text = done.stdout.decode("utf-8", errors="strict")
        assert done.returncode == 0
        assert not CONTROL.findall(text), repr(text)
        assert not [line for line in text.splitlines() if line.startswith(("GHOST", "CRITICAL \xc3", "CRITICAL ("))]
        done = connleak(redis.target, "--color", "always", *words)
        plain = re.sub("\x1b\\[[0-9;]*m", "", done.stdout.decode("utf-8", errors="strict"))
        assert "]0;owned\x07" not in done.stdout.decode()
        assert not CONTROL.findall(plain), repr(plain)


# ---------------------------------------------------------------- the table

@pytest.mark.sanitize("--connections")
def test_connections_lists_each(world):
    redis, dead, live = world
    table = connleak(redis.target, "--connections").stdout.decode()
    for endpoint in dead + live:
        assert str(endpoint) in table, table
    table = connleak(redis.target).stdout.decode()
    for endpoint in live:
        assert str(endpoint) not in table


@pytest.mark.sanitize("the table")
def test_the_answer_comes_first(world):
    redis, _, _ = world
    table = connleak(redis.target).stdout.decode()
    assert REDIS_VERSION in table
    assert redis.target in table
    assert re.search(r"\b2\b[^\n]*ghost", table), table


def test_colour_only_where_it_is_wanted(world):
    redis, _, _ = world
    assert b"\x1b" not in connleak(redis.target).stdout
    assert b"\x1b" not in connleak(redis.target, "--color", "never").stdout
    assert b"\x1b" not in connleak(redis.target, "--color", "auto", env={"NO_COLOR": "1"}).stdout
    assert b"\x1b" in connleak(redis.target, "--color", "always").stdout
    for words in [["--json"], ["--format", "ndjson"], ["--format", "prometheus"]]:
        assert b"\x1b" not in connleak(redis.target, *words, "--color", "always").stdout


def test_json_by_either_name_and_with_the_verb(world):
    redis, dead, _ = world
    for words in [["--json"], ["--format", "json"], ["--format=json"]]:
        for verb in [[], ["scan"]]:
            done = connleak(*verb, redis.target, *words)
            assert done.returncode == 0
            assert len(json.loads(done.stdout)["connections"]) == 6


# ---------------------------------------------------------------- NDJSON

@pytest.mark.sanitize("ndjson")
def test_lines_are_the_report(world):
    """Not to the millisecond: the two runs are not one. The same rows with the same members."""
    redis, dead, live = world
    report, lines = scan(redis.target), scan_lines(redis.target)
    for name, kind in LINE_TYPES.items():
        of_kind = [line for line in lines if line["type"] == kind]
        assert [sorted({*row, "type", "host", "generated_at"}) for row in report[name]] == \
            [sorted(line) for line in of_kind], kind
    assert lines[-1]["host"] == report["host"]
    verdicts = {(line["client"]["address"], line["client"]["port"]): line["verdict"]
                for line in lines if line["type"] == "connection"}
    assert verdicts == {**{e: "ghost" for e in dead}, **{e: "healthy" for e in live}}


@pytest.mark.sanitize("ndjson of gaps")
def test_lines_of_an_incomplete_picture(world):
    """Another user does not see whose sockets they are; the lines say so."""
    redis, _, _ = world
    lines = scan_lines(redis.target, user="nobody", host=redis.host)
    assert lines[-1]["complete"] is False
    assert [line for line in lines if line["type"] == "gap"]


# ---------------------------------------------------------------- files and pipes

@pytest.mark.sanitize("--output")
def test_output_is_written_beside_and_renamed(world, tmp_path):
    redis, dead, _ = world
    file = tmp_path / "report.json"
    file.write_text("old")
    with file.open() as old:
        done = connleak(redis.target, "--json", "--output", file)
        assert (done.returncode, done.stdout) == (0, b"")
        assert old.read() == "old"
    assert json.loads(file.read_text())["schema_version"] == 2
    assert os.listdir(tmp_path) == ["report.json"]


def test_output_that_cannot_be_written(world, tmp_path):
    redis, _, _ = world
    done = connleak(redis.target, "--json", "--output", tmp_path / "nowhere" / "report.json")
    assert done.returncode in (2, 3)
    assert done.stderr.strip()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("words", [["--json"], ["--connections"], ["--format", "ndjson"], ["--format", "prometheus"]])
def test_a_closed_pipe_ends_quietly(world, words):
    redis, _, _ = world
    process = subprocess.Popen(command(redis.target, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(20)
    assert errors == b""


def test_head(world):
    redis, _, _ = world
    line = " ".join(command(redis.target, "--connections"))
    done = subprocess.run(["sh", "-c", f"{line} | head -1"], capture_output=True, timeout=20)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == b""


# ---------------------------------------------------------------- options

@pytest.mark.sanitize("options of scan")
@pytest.mark.parametrize("words", [
    ["--no-such-option"], ["no-such-verb-nor-target"], ["--format", "xml"], ["--format"], ["--recent", "soon"],
    ["--recent", "-1"], ["--recent", "5x"], ["--recent", ""], ["--persistent-after", "1.2.3"], ["--color", "pink"],
    ["--port", "0"], ["--port", "65536"], ["--port", "http"], ["--connect-timeout", "x"]])
def test_bad_usage(words):
    done = connleak(*words)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.strip()


@pytest.mark.parametrize("duration", ["30", "30s", "5m", "2h", "1d"])
def test_durations(world, duration):
    redis, _, live = world
    report = scan(redis.target, "--recent", duration, "--persistent-after", duration, "--connect-timeout", "3s")
    report.expect(live, "healthy")


@pytest.mark.sanitize("--help of every verb")
@pytest.mark.parametrize("words", [["--help"], ["-h"], ["scan", "--help"]])
def test_help(words):
    done = connleak(*words)
    assert done.returncode == 0
    assert b"connleak" in done.stdout
    assert done.stderr == b""


# ---------------------------------------------------------------- no trace of its own

def test_its_own_connections_are_never_seen(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 3)
    for words in [[redis.target], [], [redis.target, "--netns", "self"]] * 7:
        report = scan(*words, host=web if "self" in words else None)
        rows = report.rows(service=redis)
        assert sorted((row["client"]["address"], row["client"]["port"]) for row in rows) == sorted(live)
        assert report.counts(redis) == {"healthy": 3}
        assert report.server(redis)["connected_clients"] in (3, 4)  # what the server says, we are one of them
    assert len(redis.client_list()) == 3
    for host in (server, web):
        assert host.ss("state", "time-wait") == []


def test_head_of_the_report(world):
    redis, _, _ = world
    report = scan(redis.target)
    assert report["generator"]["name"] == "connleak"
    assert report["host"]["name"] == os.uname().nodename
    assert report["host"]["kernel"] == os.uname().release
    assert report["host"]["boot_id"] == open("/proc/sys/kernel/random/boot_id").read().strip()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", report["generated_at"])
    assert report["cost"]["wall_ms"] > 0
    assert report["complete"] is True, report["gaps"]
