"""Logging in to MariaDB, and what is left when the server does not let us in, or not far.

    server (mariadbd) ── switch ── web          two ghosts and two live connections on web
"""

import os
import subprocess
from types import SimpleNamespace

import pytest

from lab import eventually, silence
from mariadb import MARIADB_VERSION, SECRET, TOO_MANY, MariaDb, MySqlClient, lacking, mysql_of, password_file
from report import command, connleak, scan
from sickness import ghost_host_up

pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"no {', '.join(lacking())}")


@pytest.fixture
def home(lab):
    """A home without option files, so that nobody's own are read."""
    (lab.directory / "home").mkdir()
    return lab.directory / "home"


def sick(db, web):
    client = MySqlClient(web)
    made = SimpleNamespace(client=client, dead=client.open(db, 2), live=client.open(db, 2))
    ghost_host_up(web, made.dead, db.port)
    return made


def kernel_side_is_right(report, db, made):
    report.expect(made.dead, "ghost", "peer-socket-absent", service=db)
    report.expect(made.live, "healthy", "peer-socket-present", without=["server-not-listing"], service=db)
    assert report.counts(db) == {"ghost": 2, "healthy": 2}
    assert report.finding(db, "ghost-connections")["count"] == 2


def all_is_told(report, db, made):
    kernel_side_is_right(report, db, made)
    assert not report.gaps("mysql") and report.server(db)["maxclients"] == 100
    for endpoint in made.dead + made.live:
        assert mysql_of(report.row(endpoint, service=db)) == (made.client.ids[endpoint], "app", None, "Sleep")
    no_secret(report)


def no_secret(done_or_report):
    out = done_or_report.raw if hasattr(done_or_report, "raw") else done_or_report.stdout
    assert SECRET.encode() not in out + done_or_report.stderr


def refused(report, db, made, error):
    """One clear gap; the kernel's side answers all the same."""
    kernel_side_is_right(report, db, made)
    [gap] = report.gaps("mysql")
    assert error in gap["error"] and gap["effect"]
    assert report["complete"] is False
    entry = report.server(db)
    assert (entry["kind"], entry["maxclients"], entry["connected_clients"]) in (
        ("mariadb", None, None), ("mysql", None, None))
    assert error in entry["error"]
    assert [report.row(endpoint, service=db)["listed"] for endpoint in made.dead + made.live] == [None] * 4
    no_secret(report)


def option_file(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


# ---------------------------------------------------------------- ways in

@pytest.mark.sanitize("option files")
def test_option_files(pair, home):
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    text = f"# of the shop\n[mysqld]\nport = 1\n[client]\nuser = monitor\npassword = \"{SECRET}\"\n"
    file = option_file(home / "any.cnf", text)
    for host in (server, web):
        all_is_told(scan(f"mysql://{db.target}", "--defaults-file", file, host=host, env={"HOME": str(home)}), db, made)
    option_file(home / ".my.cnf", text)
    all_is_told(scan(f"mysql://{db.target}", host=web, env={"HOME": str(home)}), db, made)
    all_is_told(scan(f"mysql://monitor@{db.target}", host=web, env={"HOME": str(home)}), db, made)


def test_an_option_files_own_user_for_a_server_that_was_found(pair, home):
    """Without a TARGET the option file counts as well."""
    server, web = pair
    db = MariaDb(server)
    db.sql("ALTER USER root@localhost IDENTIFIED BY 'nobody-knows-2236067977'")
    made = sick(db, web)
    option_file(home / ".my.cnf", f"[client]\nuser=monitor\npassword={SECRET}\n")
    all_is_told(scan(env={"HOME": str(home)}), db, made)


def test_the_options_outrank_the_file(pair, home):
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    option_file(home / ".my.cnf", "[client]\nuser = nobody\npassword = wrong-2645751311\n")
    for words in [[f"mysql://monitor@{db.target}"], [f"mysql://{db.target}", "--user", "monitor"]]:
        all_is_told(scan(*words, "--pass-file", password_file(db), env={"HOME": str(home)}), db, made)


@pytest.mark.parametrize("password", [SECRET, "wrong-" + SECRET])
def test_the_environments_password(pair, home, password):
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    report = scan(db.url(), env={"MYSQL_PWD": password, "HOME": str(home)}, host=web)
    if password == SECRET:
        all_is_told(report, db, made)
    else:
        refused(report, db, made, "Access denied")


@pytest.mark.parametrize("words", [["--json"], [], ["--format", "ndjson"], ["--format", "prometheus"]])
def test_a_wrong_password_is_told_nowhere(pair, home, words):
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    file = password_file(db, "wrong-" + SECRET)
    done = connleak(db.url(), "--pass-file", file, *words, env={"HOME": str(home)})
    assert done.returncode == 0
    no_secret(done)
    refused(scan(db.url(), "--pass-file", file, env={"HOME": str(home)}), db, made, "Access denied")


def test_a_password_is_in_no_command_line(pair, home):
    """As long as the program runs: here it waits for a server that is stopped."""
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    file = password_file(db)
    db.stop()
    words = command(db.url(), "--pass-file", file, "--connect-timeout", "3s", "--json", host=web)
    process = web.lab.start(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=os.environ | {"HOME": str(home), "MYSQL_PWD": SECRET})
    seen = []

    def ended():
        try:
            seen.append(open(f"/proc/{process.pid}/cmdline", "rb").read())
        except OSError:
            pass
        return process.poll() is not None

    eventually(ended, 30)
    db.cont()
    assert any(b"mysql://" in line for line in seen) and not any(SECRET.encode() in line for line in seen)
    out, errors = process.communicate()
    assert SECRET.encode() not in out + errors
    assert sorted(made.client.alive(made.live)) == sorted(made.live)


def test_no_password_for_a_user_who_has_one(pair, home):
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    refused(scan(db.url(), env={"HOME": str(home)}), db, made, "Access denied")


def test_a_local_server_that_lets_root_in_by_password_alone(pair, home):
    """Found without being named: one gap, and no password is guessed."""
    server, web = pair
    db = MariaDb(server)
    db.sql("ALTER USER root@localhost IDENTIFIED BY 'nobody-knows-2236067977'")
    made = sick(db, web)
    refused(scan(env={"HOME": str(home)}), db, made, "Access denied")


def test_a_defaults_file_that_is_not_there(pair, home):
    server, _ = pair
    db = MariaDb(server)
    done = connleak(f"mysql://{db.target}", "--defaults-file", home / "nothing-here", env={"HOME": str(home)})
    assert done.returncode in (2, 3)
    assert done.stdout == b"" and len(done.stderr.splitlines()) == 1 and b"nothing-here" in done.stderr


@pytest.mark.parametrize("target", ["mysql://", "mysql://:3306:3306", "mysql://[::1:3306", "mysql://h:70000",
                                    "mysql://u:secret-2718281828@h:3306"])
def test_a_wrong_target_is_one_clear_line(target):
    done = connleak(target)
    assert done.returncode == 2
    assert done.stdout == b"" and done.stderr.endswith(b"\n")
    assert len(done.stderr.splitlines()) == 1, done.stderr.decode()
    assert b"secret-2718281828" not in done.stderr


# ---------------------------------------------------------------- at the limit

@pytest.mark.sanitize("a server at its limit")
def test_locked_out_at_max_connections(pair, home):
    """`monitor` has no reserved place (that takes CONNECTION ADMIN at login, which he lacks here)."""
    server, web = pair
    db, client = MariaDb(server, max_connections=10), MySqlClient(web)
    db.sql("REVOKE CONNECTION ADMIN ON *.* FROM monitor@'%'")
    dead, live = client.open(db, 4), client.open(db, 6)
    ghost_host_up(web, dead, db.port)
    assert client.refusal(db) == TOO_MANY
    silence()
    report = scan(db.url(), "--pass-file", password_file(db), "--recent", "1s", env={"HOME": str(home)})
    locked_out(report, db, client, dead, live)
    assert db.status("Max_used_connections") <= 11


def locked_out(report, db, client, dead, live):
    report.expect(dead, "ghost", "peer-socket-absent", service=db)
    report.expect(live, "healthy", "peer-socket-present", service=db)
    assert report.finding(db, "server-refuses-clients")["severity"] == "critical"
    assert report.finding(db, "ghost-connections")["count"] == len(dead)
    [gap] = report.gaps("mysql")
    assert "Too many connections" in gap["error"]
    assert report["complete"] is False
    assert "Too many connections" in report.server(db)["error"]
    assert "server-unreachable" not in report.codes(db), "it is there, and full"
    for endpoint in dead:
        assert report.row(endpoint, service=db).owners("server") == {db.pid}
    for endpoint in live:
        assert report.row(endpoint, service=db).owners("client") == {client.pid}
    no_secret(report)


def test_locked_out_where_the_reserved_place_is_taken(pair, home):
    """Then the refusal comes instead of a greeting, and without an SQLSTATE; nobody gets in, root neither."""
    server, web = pair
    db, client, admin = MariaDb(server, max_connections=10), MySqlClient(web), MySqlClient(web)
    dead, live = client.open(db, 4), client.open(db, 6)
    ghost_host_up(web, dead, db.port)
    taken = admin.open(db, 1, user="monitor", password=SECRET)
    live += taken
    for words in [[], [db.url(), "--pass-file", password_file(db)]]:
        report = scan(*words, env={"HOME": str(home)})
        report.expect(taken, "healthy", service=db)
        locked_out(report, db, client, dead, live[:-1])


def test_the_reserved_place_lets_root_in(pair, home):
    server, web = pair
    db, client = MariaDb(server, max_connections=10), MySqlClient(web)
    dead, live = client.open(db, 4), client.open(db, 6)
    ghost_host_up(web, dead, db.port)
    for words in [[], [db.url(), "--pass-file", password_file(db)]]:
        report = scan(*words, env={"HOME": str(home)})
        report.expect(dead, "ghost", service=db)
        report.expect(live, "healthy", service=db)
        assert not report.gaps("mysql")
        assert {"ghost-connections", "clients-near-limit"} <= report.codes(db)
        assert report.row(dead[0], service=db)["listed"]["id"] == client.ids[dead[0]]


def test_the_extra_port_lets_in(pair, home):
    server, web = pair
    db, client, admin = MariaDb(server, max_connections=10, extra_port=3399), MySqlClient(web), MySqlClient(web)
    dead, live = client.open(db, 4), client.open(db, 6)
    ghost_host_up(web, dead, db.port)
    admin.open(db, 1, user="monitor", password=SECRET)
    report = scan(f"mysql://monitor@{server.ip}:3399", "--pass-file", password_file(db), env={"HOME": str(home)})
    assert not report.gaps("mysql")
    [entry] = [entry for entry in report["servers"] if entry["port"] == 3399]
    assert (entry["reachable"], entry["maxclients"]) == (True, 10)
    report.never_dead(live)


# ---------------------------------------------------------------- rights

@pytest.mark.sanitize("a list that is not all")
def test_a_user_who_sees_only_itself(pair, home):
    """Without PROCESS the list has one's own connections alone: it says nothing of the others."""
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    file = password_file(db)
    for where in [{}, {"host": server}]:
        report = scan(db.url("small"), "--pass-file", file, env={"HOME": str(home)}, **where)
        kernel_side_is_right(report, db, made)
        entry = report.server(db)
        assert (entry["maxclients"], entry["timeout_s"]) == (100, 28800)
        assert MARIADB_VERSION.startswith(entry["version"])
        assert entry["connected_clients"] >= 4
        [gap] = report.gaps("mysql")
        assert "PROCESS" in gap["error"] + gap["effect"]
        assert report["complete"] is False
        assert "suspect-connections" not in report.codes(db)


def test_a_user_who_sees_only_itself_from_the_clients_host(pair, home):
    """The server's kernel is out of sight, and a list of one row is no witness against anybody."""
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    live = client.open(db, 4)
    silence()
    report = scan(db.url("small"), "--pass-file", password_file(db), "--netns", "self", "--recent", "1s", host=web,
                  env={"HOME": str(home)})
    report.expect(live, "unverified", without=["server-not-listing", "server-listing"])
    assert report.gaps("mysql")
    assert sorted(client.alive(live)) == sorted(live)


def test_a_user_who_is_app_itself_and_has_no_right(pair, home):
    """Then the list has the user's own connections, and nobody else's."""
    server, web = pair
    db, client, other = MariaDb(server), MySqlClient(web), MySqlClient(web)
    own = client.open(db, 2, user="small", password=SECRET)
    others = other.open(db, 3)
    silence()
    report = scan(db.url("small"), "--pass-file", password_file(db), "--netns", "self", "--recent", "1s", host=web,
                  env={"HOME": str(home)})
    report.never_dead(own + others)
    report.expect(others, "unverified", without=["server-not-listing"])
    assert report.gaps("mysql")
    assert mysql_of(report.row(own[0])) == (client.ids[own[0]], "small", None, "Sleep")


def test_not_root(pair, home):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    live = client.open(db, 3)
    for words in [[], [f"mysql://{db.target}"], [db.url("small")]]:
        report = scan(*words, host=server, user="nobody", env={"HOME": str(home)})
        report.never_dead(live)
        assert report["complete"] is False and report.gaps()
    assert sorted(client.alive(live)) == sorted(live)
