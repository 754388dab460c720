"""Servers that hang, trickle, lie or ask for what is not theirs. The run ends, the kernel's side answers.

    server ── switch ── web          two ghosts and two live connections on web
"""

import resource
import subprocess

import pytest

from lab import HERE, PYTHON, eventually
from mariadb import SECRET, MariaDb, MySqlClient, lacking, password_file
from report import connleak, scan
from services import Client, Redis, Service
from sickness import ghost_host_up, in_state

QUICK = ("--connect-timeout", "1s")
BOUND = 4 * 1 + 4  # of a run with QUICK, with room for a slow machine
MODES = ["mute", "greets", "drip", "huge", "garbage", "ancient", "breakoff", "refuses", "silent", "endless", "wide"]

pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"no {', '.join(lacking())}")


class MySqlPeer(Service):
    """See mysql_peer.py for its modes."""

    def __init__(self, host, mode, text="", port=3306):
        self.host, self.port = host, port
        self.log = host.lab.directory / f"heard-{host.name}-{port}"
        self.process = host.start(PYTHON, HERE / "peers/mysql_peer.py", mode, "0.0.0.0", port, self.log, text,
                                  stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        self.url = f"mysql://monitor@{self.target}"

    def heard(self):
        return self.log.read_bytes()


# ---------------------------------------------------------------- the real one, stopped

def test_a_server_that_hangs(pair):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    dead, live = client.open(db, 2), client.open(db, 2)
    ghost_host_up(web, dead, db.port)
    file = password_file(db)
    db.stop()
    for words in [[], [db.url(), "--pass-file", file]]:
        report = scan(*words, *QUICK)
        assert report.seconds < BOUND
        report.expect(dead, "ghost", "peer-socket-absent", service=db)
        report.expect(live, "healthy", "peer-socket-present", service=db)
        assert [gap["source"] for gap in report["gaps"]] == ["mysql"]
        entry = report.server(db)
        assert entry["reachable"] is False and entry["error"]
        assert "server-unreachable" in report.codes(db)
        assert report["complete"] is False
    db.cont()
    assert sorted(client.alive(live)) == sorted(live)
    assert scan(db.url(), "--pass-file", file).server(db)["reachable"] is True


# ---------------------------------------------------------------- those that only look like one

@pytest.mark.sanitize("hostile answers to the MySQL decoder")
@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_is_not_what_it_should_be(pair, mode):
    server, web = pair
    service, client = MySqlPeer(server, mode), Client(web)
    dead, live = client.open(service, 2, ping=False), client.open(service, 2, ping=False)
    closing = mode in ("breakoff", "refuses")
    if not closing:
        eventually(lambda: in_state(server, "ESTAB", 3306, dead + live))
        ghost_host_up(web, dead, 3306, settled=mode not in ("drip", "huge"))
    done = connleak(service.url, "--pass-file", password_file(service), *QUICK)
    assert done.seconds < BOUND
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout + done.stderr and b"\x07" not in done.stdout + done.stderr
    report = scan(service.url, "--pass-file", password_file(service), *QUICK)
    assert report.seconds < BOUND
    if not closing:
        report.never_dead(live)
        report.expect(live, "healthy", "peer-socket-present")
        if mode not in ("drip", "huge"):  # there the server's writes to the ghosts bring them to an end
            report.expect(dead, "ghost", "peer-socket-absent")
    assert report.gaps("mysql")
    assert report["complete"] is False
    assert report.server(service)["connected_clients"] is None
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 800_000, "KiB, of the largest child"
    assert SECRET.encode() not in report.raw + report.stderr + done.stdout + done.stderr


@pytest.mark.sanitize("LOAD DATA LOCAL")
def test_a_server_that_asks_for_a_file(pair, tmp_path):
    """The protocol lets a server answer any question by "send me your file": LOAD DATA LOCAL without being asked."""
    server, web = pair
    treasure = tmp_path / "treasure"
    treasure.write_text("the family silver 1123581321")
    service = MySqlPeer(server, "infile", str(treasure))
    for host in (server, web):
        report = scan(service.url, "--pass-file", password_file(service), *QUICK, host=host)
        assert report.gaps("mysql")
    assert b"monitor" in service.heard()
    assert b"family silver" not in service.heard()


@pytest.mark.parametrize("mode", ["clear", "dialog"])
def test_a_server_that_asks_for_the_password_in_clear(pair, mode):
    """Any server can ask so, and who listens on the way reads along."""
    server, web = pair
    service = MySqlPeer(server, mode)
    for host in (server, web):
        report = scan(service.url, "--pass-file", password_file(service), *QUICK, host=host)
        assert report.seconds < BOUND
        assert report.gaps("mysql")
        done = connleak(service.url, *QUICK, env={"MYSQL_PWD": SECRET}, host=host)
        assert done.returncode == 0
    assert b"monitor" in service.heard()
    assert SECRET.encode() not in service.heard()


def test_redis_asked_as_mariadb_and_the_other_way_about(pair):
    """From afar, where no process tells which it is. Either waits for the other to speak, or hears what it does not
    understand; a bad greeting counts as one of the errors after which a database shuts a host out."""
    server, web = pair
    db, redis, client, other = MariaDb(server), Redis(server), MySqlClient(web), Client(web)
    live, well = client.open(db, 2), other.open(redis, 2)
    for target, service, ends in [(f"redis://{db.target}", db, live), (f"mysql://{redis.target}", redis, well)]:
        report = scan(target, *QUICK, "--netns", "self", "--recent", "1h", host=web)
        assert report.seconds < BOUND
        report.expect(ends, "healthy")
        assert report["complete"] is False and report.gaps()
        assert report.server(service)["error"]
    assert sorted(client.alive(live) + other.alive(well)) == sorted(live + well)


def test_a_target_without_a_scheme_is_asked_as_what_listens_there(pair):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    live = client.open(db, 2)
    for target in [db.target, f":{db.port}"]:
        report = scan(target, "--user", "monitor", "--pass-file", password_file(db), host=server)
        report.expect(live, "healthy", "peer-socket-present", service=db)
        assert report.server(db)["kind"] == "mariadb" and not report.gaps("mysql")


@pytest.mark.sanitize("hostile names")
def test_names_made_to_harm(pair):
    """A user's name and a database's can hold anything that a terminal or a parser would fall for."""
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    name, base = 'e\x1b[31m\nvil|"{}', "s\x1b]0;x\x07\t`h"
    quoted = base.replace("`", "``")
    db.sql(f"CREATE USER '{name}'@'%' IDENTIFIED BY 'x'; CREATE DATABASE `{quoted}`; GRANT ALL ON *.* TO '{name}'@'%'")
    [end] = client.open(db, 1, user=name, password="x", db=base)
    report = scan()
    told = report.row(end, service=db)["listed"]
    assert (told["id"], told["user"], told["database"]) == (client.ids[end], name, base)
    for words in [[], ["--connections"], ["--format", "prometheus"], ["--format", "ndjson"]]:
        done = connleak(*words)
        assert done.returncode == 0
        assert b"\x1b" not in done.stdout and b"\x07" not in done.stdout
