"""`connleak sockets` beside ss and netstat, on hosts where nothing happens meanwhile: the same rows, states, queues,
timers and owners.

    server ── switch ── web
"""

import json
import os
import re
import subprocess

import pytest

from lab import PYTHON, eventually
from report import command, connleak
from schemas import documents
from sockets_lab import (MEMORY, STATES, TIMERS, by_netstat, by_ss, end, key, sockets, steady, table, validator,
                         world)

# ---------------------------------------------------------------- the same rows

@pytest.mark.sanitize("sockets")
@pytest.mark.parametrize("name", ["server", "web"])
@pytest.mark.parametrize("words", [[], ["-a"], ["-l"], ["-4"], ["-6"], ["-a", "-4"], ["-l", "-6"], ["-al"], ["-la"]])
def test_the_same_rows_as_ss(world, name, words):
    host = {"server": world[0], "web": world[1]}[name]
    theirs, ours, after = steady(lambda: by_ss(host, "-o", *words),
                                 lambda: sockets("-N", host.netns, *words)["sockets"])
    mine = {key(row): row for row in ours}
    assert len(mine) == len(ours)
    assert set(mine) == set(theirs)
    assert mine or words == ["-6"] or "-6" in words
    for which, row in mine.items():
        their = theirs[which]
        assert row["state"] == their["state"], which
        assert (row["rx_queue_bytes"], row["tx_queue_bytes"]) == their["queues"], which
        assert row["timer"]["kind"] == their["timer"][0], which
        slack = 60_999 if their["timer"][1] >= 600_000 else 1_000
        assert after[which]["timer"][1] - slack <= row["timer"]["expires_ms"] <= their["timer"][1] + slack, which
        assert row["timer"]["retransmits"] == their["timer"][2], which
        assert {(owner["pid"], owner["fd"]) for owner in row["owners"]} == their["owners"], which
        assert row["netns"] == host.inode


@pytest.mark.sanitize("its timers")
@pytest.mark.parametrize("name", ["server", "web"])
def test_the_same_timers_as_netstat(world, name):
    host = {"server": world[0], "web": world[1]}[name]
    columns = "proto,state,recv-q,send-q,local,remote,timer"
    theirs, ours, after = steady(lambda: by_netstat(host),
                                 lambda: table("-N", host.netns, "-a", "-H", "-o", columns))
    assert len(ours) == len(theirs)
    for proto, state, received, sent, local, remote, timer, numbers in ours:
        which = end(local), end(remote)
        their = theirs[which]
        seconds, retransmits, probes = re.fullmatch(r"\((\d+\.\d\d)/(\d+)/(\d+)\)", numbers).groups()
        if state == "LISTEN":
            sent = 0  # its backlog, which ss shows and netstat does not
        assert (proto, STATES[state], (int(received), int(sent))) == (their["proto"], their["state"], their["queues"])
        assert (TIMERS[timer], int(retransmits), int(probes)) == (their["timer"][0], *their["timer"][2:]), which
        assert after[which]["timer"][1] - 1000 <= float(seconds) * 1000 <= their["timer"][1] + 1000, which


def test_timers_in_the_words_of_ss(world):
    """Where ss shows whole seconds both meet in the same one at once or at the next try; below that, never."""
    def same(host):
        theirs = {which: row["text"] for which, row in by_ss(host, "-o", "-a").items()}
        ours = {}
        for local, remote, *timer in table("-N", host.netns, "-aH", "--timer", "ss", "-o", "local,remote,timer"):
            ours[end(local), end(remote)] = timer[0] if timer else ""
        steady = {which for which, text in theirs.items() if not re.search("ms,|,0?sec", text)}
        return len(steady) > 5 and all(ours[which] == theirs[which] for which in steady)

    for host in world[:2]:
        eventually(lambda: same(host), 20)


@pytest.mark.sanitize("its facts")
@pytest.mark.parametrize("name", ["server", "web"])
def test_the_same_memory_as_ss(world, name):
    host = {"server": world[0], "web": world[1]}[name]
    columns = "local,remote,rmem,rcvbuf,wmem,sndbuf,fwd,queued,optmem,backlog,drops"

    def theirs():
        return {which: row["memory"] for which, row in by_ss(host, "-a", "-m", "-O").items()}

    def same():
        before, rows = theirs(), sockets("-N", host.netns, "-a")["sockets"]
        lines = table("-N", host.netns, "-aH", "-o", columns)
        texts = {(end(local), end(remote)): None if numbers[0] == "-" else dict(zip(MEMORY, map(int, numbers)))
                 for local, remote, *numbers in lines}
        ours = {key(row): row["memory"] for row in rows}
        return before if before == ours == texts == theirs() else None

    memory = eventually(same, 20, what="a moment without packets")
    told = [each for each in memory.values() if each]
    assert len(told) > 5 and all(each["rcvbuf_bytes"] > 0 for each in told)
    # What the closed window keeps back, here or there.
    assert max(each["wmem_queued_bytes"] if name == "server" else each["rmem_alloc_bytes"] for each in told) > 10_000
    heading, *_ = table("-N", host.netns, "-m")
    assert heading[-9:] == [column.upper() for column in columns.split(",")[2:]]


def test_every_state_and_timer_was_there(world):
    rows = [row for host in world[:2] for row in sockets("-N", host.netns, "-a")["sockets"]]
    assert {row["state"] for row in rows} >= {"established", "listen", "close_wait", "time_wait", "syn_sent"}
    assert {row["timer"]["kind"] for row in rows} >= {"off", "keepalive", "timewait", "retransmit"}
    assert {row["keepalive"] for row in rows} == {"on", "off", "masked", "unknown"}
    assert {row["family"] for row in rows} == {"ipv4", "ipv6"}
    assert any(len(row["owners"]) > 1 for row in rows)
    # Data that hide an unanswered probe: their first retransmission can be half a second away.
    eventually(lambda: any(re.fullmatch(r"\(\d+\.\d\d/[1-9]\d*/1\)", line[-1]) for line in
                           table("-N", world[0].netns, "-H", "-o", "timer", "timer = on")), what="a hidden probe")


# ---------------------------------------------------------------- choosing and ordering

@pytest.mark.sanitize("its columns")
def test_columns(world):
    server = world[0]
    here = ["-N", server.netns]
    assert table(*here)[0] == "PROTO STATE RECV-Q SEND-Q LOCAL REMOTE TIMER PROCESS".split()
    assert table(*here, "-o", "pid,LOCAL,Comm")[0] == ["PID", "LOCAL", "COMM"]
    assert table(*here, "-o", "+rtt", "--columns", "+pid")[0][-3:] == ["PROCESS", "RTT", "PID"]
    assert table(*here, "-ei")[0][-9:] == "RTT RETRANS BACKOFF UNACKED HEARD UID INODE COOKIE CGROUP".split()
    assert table(*here, "-tanop") == table(*here, "-a") or table(*here, "-tanop")[0] == table(*here, "-a")[0]
    assert not [line for line in table(*here, "-H") if line[0] == "PROTO"]
    names = re.findall(r"^  ([A-Z-]+) +\S", connleak("sockets", "--help").stdout.decode(), re.MULTILINE)
    assert len(names) > 25
    lines = table(*here, "-a", "-o", ",".join(names))
    assert lines[0] == names and len(lines) > 10


def test_the_namespace_is_told_when_there_are_several(world):
    assert "NETNS" not in table("-N", world[0].netns)[0]
    lines = table()
    assert "NETNS" in lines[0]
    place = lines[0].index("NETNS")
    assert {world[0].netns, world[1].netns} <= {word for line in lines[1:] for word in line[place:]}
    assert "NETNS" not in table("-o", "proto,local")[0]


@pytest.mark.sanitize("its order")
def test_order(world):
    rows = [int(line[0]) for line in table("-N", world[0].netns, "-H", "-o", "inode", "--sort", "inode") if line[0] != "-"]
    assert rows == sorted(rows) and len(rows) > 5
    rows = [int(line[0]) for line in table("-N", world[0].netns, "-H", "-o", "send-q", "--sort", "-send-q")]
    assert rows == sorted(rows, reverse=True) and rows[0] > 0
    lines = table("-N", world[0].netns, "-aH", "-o", "state,remote", "--sort", "state,-remote")
    assert [line[0] for line in lines] == sorted(line[0] for line in lines)


@pytest.mark.parametrize("words", [
    ["state", "connected", "-H"], ["-H", "state", "connected"], ["sport", "=", ":6379", "-a", "-H"],
    ["-H", "--", "sport", "=", ":6379"], ["-a", "exclude", "listening", "-H"], ["-H", "dport", "=", ":9000"]])
def test_filters_stand_anywhere(world, words):
    server = world[0]
    selection = [word for word in words if word == "-a"]
    expression = [word for word in words if not word.startswith("-")]
    theirs = {which for which in by_ss(server, *selection, *expression)}
    ours = {(end(line[4]), end(line[5])) for line in table("-N", server.netns, *words)}
    assert ours == theirs and ours


@pytest.mark.sanitize("filters")
def test_predicates_that_ss_lacks(world):
    server, web, redis, client = world
    rows = sockets("-N", server.netns, "-a", f"pid = {redis.pid}")["sockets"]
    assert {row["local"]["port"] for row in rows} == {6379} and len(rows) >= 9
    rows = sockets("-N", web.netns, f"pid = {client.pid} and keepalive = on")["sockets"]
    assert len(rows) == 2
    assert not sockets("-N", web.netns, "idle > 1h")["sockets"]
    # Owners are looked for although no column shows them.
    done = connleak("sockets", "-N", server.netns, "-H", "-o", "local", "comm = redis-server")
    assert {line.rsplit(":", 1)[1] for line in done.stdout.decode().split()} == {"6379"}


@pytest.mark.sanitize("--count-by")
def test_count_by(world):
    server, web, redis, client = world
    port = ["dport = :6379"]
    rows = sockets("-N", web.netns, *port)["sockets"]
    counts = sockets("-N", web.netns, "--count-by", "state,process", *port)["counts"]
    assert sum(count["sockets"] for count in counts) == len(rows)
    assert counts[0]["sockets"] == 9 and counts[0]["state"] == "established"
    assert counts[0]["process"].split("/")[0] == str(client.pid)
    assert all(count["persistent"] == 0 and count["oldest_s"] is not None for count in counts)
    counts = sockets("-N", web.netns, "--count-by", "state", "--persistent-after", "0", *port)["counts"]
    assert {count["state"]: count["persistent"] for count in counts} == {"established": 9, "close_wait": 0}
    # The end that serves has its port, the other has a new one for each connection.
    peers = {count["peer"] for count in sockets("-N", web.netns, "--count-by", "peer", *port)["counts"]}
    assert peers == {f"{server.ip}:6379", f"[{server.ip6}]:6379"}
    counts = sockets("-N", server.netns, "--count-by", "peer,local", "sport = :6379", "state established")
    assert {(count["peer"], count["local"]) for count in counts["counts"]} >= {(web.ip, f"{server.ip}:6379")}
    lines = table("-N", web.netns, "--count-by", "state", "--count-by", "user", *port)
    assert lines[0] == ["STATE", "USER", "SOCKETS", "PERSISTENT", "OLDEST"]
    assert lines[1][:3] == ["ESTAB", "root", "9"]


# ---------------------------------------------------------------- JSON

@pytest.mark.sanitize("its JSON")
@pytest.mark.parametrize("words", [["-a"], ["-l"], ["-ax"], ["-xta"], ["--count-by", "state,peer,group"],
                                   ["--netns", "self"], ["pid = 1"]])
def test_schema(world, validator, words):
    document = sockets(*words)
    validator.validate(document)
    lines = connleak("sockets", *words, "--format", "ndjson").stdout.decode().splitlines()
    rows = [json.loads(line) for line in lines]
    kind = "count" if "--count-by" in words else "socket"
    assert {row["type"] for row in rows} <= {kind, "gap", "summary"}
    assert [row["type"] for row in rows].count("summary") == 1 and rows[-1]["type"] == "summary"
    of_kind = [{name: value for name, value in row.items() if name != "type"} for row in rows if row["type"] == kind]
    assert rows[-1][kind + "s"] == len(of_kind)
    gaps = [{name: value for name, value in row.items() if name != "type"} for row in rows if row["type"] == "gap"]
    validator.validate({"schema_version": 2, "complete": rows[-1]["complete"], "gaps": gaps, kind + "s": of_kind})


def test_every_column_has_its_member(world, validator):
    defined = {name for file in ("common", "sockets")
               for kind in ("socket", "attributed_socket", "tcp_socket", "unix_socket")
               for name in documents()[f"connleak-{file}.schema.json"]["$defs"].get(kind, {}).get("properties", [])}
    rows = sockets("-N", world[0].netns, "-a", "-x", "-t")["sockets"]
    assert {name for row in rows for name in row} == defined


def test_file(world, tmp_path):
    there = tmp_path / "sockets.json"
    done = connleak("sockets", "-N", world[0].netns, "--json", "--output", there)
    assert (done.returncode, done.stdout) == (0, b"")
    assert json.loads(there.read_text())["sockets"]
    assert list(tmp_path.iterdir()) == [there]
    done = connleak("sockets", "--output", tmp_path / "none" / "file")
    assert done.returncode == 3 and b"No such file" in done.stderr


# ---------------------------------------------------------------- names and rights

@pytest.mark.sanitize("hostile names")
def test_hostile_names(lab):
    host = lab.host("host")
    program = bytes(lab.directory) + b"/\x1b[31m\",pid=1\n\xff"
    os.symlink(os.path.realpath(PYTHON), program)
    script = ("import socket, sys; s = socket.create_server(('127.0.0.1', 7777)); print('ready', flush=True);"
              "sys.stdin.read()")
    process = host.start(program, "-c", script, b"\x1b]0;owned\x07\x85", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    row = sockets("-N", host.netns, "-l")["sockets"][0]
    assert [owner["pid"] for owner in row["owners"]] == [process.pid]
    for words in [["-o", "+owners,comm,group,pid,user"], ["--count-by", "process,group"]]:
        done = connleak("sockets", "-N", host.netns, "-l", *words)
        text = done.stdout.decode("utf-8", errors="strict")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), repr(text)
        assert len(text.splitlines()) == 2, text
        assert r"\x1b[31m" in text


def test_without_rights(world):
    """The table is for everyone; who holds the sockets of others is not, and that is said, when it was asked for."""
    server = world[0]
    plain = connleak("sockets", "--netns", "self", "-a", "-o", "proto,state,local,remote,timer",
                     host=server, user="nobody")
    assert (plain.returncode, plain.stderr) == (0, b"")
    assert len(plain.stdout.splitlines()) > 10
    owners = connleak("sockets", "--netns", "self", "-a", host=server, user="nobody")
    assert owners.returncode == 0 and owners.stdout.splitlines()[0].split()[-1] == b"PROCESS"
    assert b"EACCES" in owners.stderr
    document = sockets("--netns", "self", host=server, user="nobody")
    assert document["complete"] is False
    assert "proc" in {gap["source"] for gap in document["gaps"]}


# ---------------------------------------------------------------- usage

@pytest.mark.parametrize("words", [
    ["--bogus"], ["-Q"], ["-o"], ["-o", "nonsense"], ["-o", ""], ["--sort", "nonsense"], ["--count-by", "colour"],
    ["--timer", "ps"], ["--format", "yaml"], ["--json", "--format", "table"], ["--sort", "pid", "--count-by", "state"],
    ["--persistent-after", "x"], ["sport", "="], ["sport", "=", ":99999"], ["(", "sport", "=", ":1"], ["state", "dead"]])
def test_bad_usage(words):
    done = connleak("sockets", *words)
    assert done.returncode == 2, done.stderr
    assert done.stdout == b"" and done.stderr.strip()


@pytest.mark.sanitize("filters that are wrong")
def test_a_wrong_expression_shows_where():
    done = connleak("sockets", "sport", "=", ":6379", "und", "dport", "=", ":1")
    first, expression, carets = done.stderr.decode().splitlines()
    assert first.startswith("connleak: ")
    assert expression == "sport = :6379 und dport = :1"
    assert carets.strip("^ ") == "" and carets.index("^") == expression.index("und")


def test_no_such_namespace():
    done = connleak("sockets", "-N", "nowhere")
    assert done.returncode == 3 and b"nowhere" in done.stderr and done.stdout == b""


def test_closed_pipe(world):
    done = subprocess.run(["bash", "-c", 'set -o pipefail; "$@" | true && echo over', "bash",
                           *command("sockets", "-a")], capture_output=True)
    assert done.stdout == b"over\n" and b"Broken" not in done.stderr


@pytest.mark.parametrize("words", [["sockets", "-h"], ["sockets", "--help"], ["--help"]])
def test_help(words):
    done = connleak(*words)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"sockets" in done.stdout


@pytest.mark.sanitize("addresses by name")
def test_names(world):
    """/etc/hosts is all that is asked in a namespace without a network."""
    server, web, *_ = world
    text = connleak("sockets", "-N", server.netns, "-l", "--resolve", "-H", "-o", "local").stdout.decode()
    assert "0.0.0.0:6379" in text.split() or "0.0.0.0:redis" in text.split()
    assert connleak("sockets", "-N", server.netns, "-lHr", "-o", "local", timeout=20).seconds < 15
