"""MariaDB: found, asked, and its process list joined with both kernels' tables.

    server (mariadbd) ── switch ── web, other
"""

import pytest

from lab import eventually, silence
from mariadb import (ACCESS_DENIED, MARIADB_VERSION, SECRET, TOO_MANY, MariaDb, MySqlClient, lacking, mysql_of,
                     password_file)
from report import ROOT_NAMESPACE, scan
from services import Client, Redis
from sickness import ghost_host_gone, ghost_host_up, in_state, orphan

pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"no {', '.join(lacking())}")


def listed(report, clients, **which):
    """Every connection's row has the server's own row for it, told apart by CONNECTION_ID()."""
    for client in clients:
        for endpoint, number in client.ids.items():
            row = report.row(endpoint, **which)
            assert mysql_of(row) == (number, "app", None, "Sleep"), row
            assert row["listed"]["kind"] in ("mysql", "mariadb")
            assert row["listed"]["native"].keys() >= {"Host"}


# ---------------------------------------------------------------- found and asked

@pytest.mark.sanitize("MySQL, found")
def test_a_local_server_is_found_and_asked(pair):
    """Nobody names it and nobody gives a password: root is let in by the Unix socket, as on Debian."""
    server, web = pair
    db, client = MariaDb(server, max_connections=123, wait_timeout=600, interactive_timeout=700), MySqlClient(web)
    assert client.refusal(db, password="wrong") == ACCESS_DENIED
    live = client.open(db, 3)
    silence()
    for where in [{}, {"host": server}, {"host": ROOT_NAMESPACE}]:
        report = scan("--recent", "1s", **where)
        report.expect(live, "healthy", service=db, keepalive="on")
        listed(report, [client], service=db)
        entry = report.server(db)
        assert (entry["kind"], entry["pid"], entry["reachable"], entry["error"]) == ("mariadb", db.pid, True, None)
        assert MARIADB_VERSION.startswith(entry["version"]) and entry["version"].count(".") >= 2
        assert (entry["maxclients"], entry["timeout_s"], entry["interactive_timeout_s"]) == (123, 600, 700)
        assert entry["tcp_keepalive_s"] is None
        assert (entry["aborted_connects"], entry["aborted_clients"], entry["rejected_connections"]) == (1, 0, 0)
        assert entry["max_used_connections"] >= 3
        assert 3 <= entry["connected_clients"] <= 5  # what the server says: with ourselves
        assert entry["total_connections_received"] <= db.status("Connections")
        assert report.counts(db) in ({"healthy": 3}, {"healthy": 3, "transient": 1})
        assert entry["path"] == str(db.socket)
    assert sorted(client.alive()) == sorted(live)


def test_the_counters_of_what_went_wrong(pair):
    server, web = pair
    db, client = MariaDb(server, max_connections=10), MySqlClient(web)
    client.open(db, 10)
    assert client.refusal(db) == TOO_MANY  # after the login: counted as aborted alone
    client.open(db, 1, user="monitor", password=SECRET)  # the reserved place
    assert client.refusal(db) == TOO_MANY  # in place of the greeting
    client.close()
    eventually(lambda: not db.processes() and not db.processes("monitor"))
    client.open(db, 9)
    entry = (report := scan(db.url(None), host=server)).server(db)
    assert (entry["rejected_connections"], entry["maxclients"]) == (1, 10)
    assert entry["aborted_connects"] == db.status("Aborted_connects") >= 1
    assert entry["aborted_clients"] == db.status("Aborted_clients") == 11
    assert entry["max_used_connections"] == db.status("Max_used_connections")
    assert {"clients-near-limit", "connections-rejected"} <= report.codes(db)


@pytest.mark.sanitize("MySQL, named")
@pytest.mark.parametrize("target", ["mysql://monitor@{}:3306", "mysql://monitor@{}"])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_named_with_a_password_file(pair, target, family):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    address = f"[{server.ip6}]" if family == "ipv6" else server.ip
    live = client.open(db, 2, host=server.ip6 if family == "ipv6" else server.ip)
    for where in [{}, {"host": web}, {"host": server}]:
        report = scan(target.format(address), "--pass-file", password_file(db), **(where or {"host": server}))
        report.expect(live, "healthy", "peer-socket-present", service=db)
        listed(report, [client], service=db)
        assert report.server(db)["kind"] == "mariadb"
        assert not report.gaps("mysql")
        assert SECRET.encode() not in report.raw + report.stderr


def test_a_user_given_beside_the_target(pair):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    live = client.open(db, 2)
    report = scan(f"mysql://{db.target}", "--user", "monitor", "--pass-file", password_file(db), host=web)
    report.expect(live, "healthy")
    assert not report.gaps("mysql")


def test_a_unix_socket_named(pair):
    server, _ = pair
    db, client = MariaDb(server), MySqlClient(server)
    client.open_unix(db, 2)
    report = scan(f"unix:{db.socket}", host=server)
    [entry] = [entry for entry in report["servers"] if entry["path"] == str(db.socket)]
    assert (entry["kind"], entry["reachable"], entry["pid"]) == ("mariadb", True, db.pid)
    assert entry["counts"]["healthy"] == 2


def test_a_remote_server_is_asked_only_when_it_is_named(pair):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    live = client.open(db, 2)
    before = db.status("Connections")
    for words in [[], ["--port", "3306"]]:
        report = scan("--netns", "self", "--recent", "1h", *words, host=web)
        report.expect(live, "healthy", "recent-traffic")
        assert report.server(db)["reachable"] is None
    assert db.status("Connections") == before + 1  # this very question


def test_redis_and_mariadb_in_one_report(pair):
    server, web = pair
    db, redis, one, other = MariaDb(server), Redis(server), MySqlClient(web), Client(web)
    dead, live = one.open(db, 2), one.open(db, 2)
    gone, well = other.open(redis, 1), other.open(redis, 3)
    ghost_host_up(web, dead, db.port)
    ghost_host_up(web, gone, redis.port)
    report = scan()
    assert (report.counts(db), report.counts(redis)) == ({"ghost": 2, "healthy": 2}, {"ghost": 1, "healthy": 3})
    assert {report.server(db)["kind"], report.server(redis)["kind"]} > {"mariadb"}
    report.expect(dead, "ghost", service=db)
    for endpoint in gone + well:
        row = report.row(endpoint, service=redis)
        assert row["listed"]["kind"] == "redis" and row["listed"]["id"] > 0
    for endpoint in dead + live:
        assert report.row(endpoint, service=db)["listed"]["id"] == one.ids[endpoint]


def test_two_servers_on_one_host(pair):
    server, web = pair
    first, second = MariaDb(server), MariaDb(server, 3307)
    one, two = MySqlClient(web), MySqlClient(web)
    dead, live = one.open(first, 2), two.open(second, 3)
    ghost_host_up(web, dead, first.port)
    report = scan()
    assert (report.counts(first), report.counts(second)) == ({"ghost": 2}, {"healthy": 3})
    listed(report, [one], service=first)
    listed(report, [two], service=second)


# ---------------------------------------------------------------- the dead and the living

@pytest.mark.parametrize("family", ["ipv4", "ipv6", "mapped"])
def test_ghosts_and_the_living(pair, family):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    how = {"host": server.ip6} if family == "ipv6" else {"mapped": family == "mapped"}
    dead, live = client.open(db, 3, **how), client.open(db, 4, **how)
    ghost_host_up(web, dead, db.port)
    db.asleep(client.ids.values(), 2)
    target = db.url(host=server.ip6 if family == "ipv6" else None)
    for words in [[], [target, "--pass-file", password_file(db)]]:
        report = scan(*words, "--recent", "1s", host=server if words else None)
        report.expect(dead, "ghost", "peer-socket-absent", without=["peer-socket-present"], service=db)
        report.expect(live, "healthy", "peer-socket-present", without=["peer-socket-absent"], service=db)
        assert report.counts(db) == {"ghost": 3, "healthy": 4}
        assert report.finding(db, "ghost-connections")["count"] == 3
        listed(report, [client], service=db)
        for endpoint in dead + live:
            row = report.row(endpoint, service=db)
            assert row.owners("server") == {db.pid}
            assert row["listed"]["idle_s"] >= 2
    assert sorted(client.alive(live)) == sorted(live)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_orphans(pair, family):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    how = {"host": server.ip6} if family == "ipv6" else {}
    lost, live = client.open(db, 2, **how), client.open(db, 2, **how)
    orphan(server, lost, db.port)
    eventually(lambda: len(db.processes()) == 2)
    report = scan()
    report.expect(lost, "orphan", service=db)
    report.expect(live, "healthy", "peer-socket-present", service=db)
    assert report.counts(db) == {"orphan": 2, "healthy": 2}
    assert report.row(lost[0], service=db)["listed"] is None
    assert report.row(lost[0], service=db).owners("client") == {client.pid}
    assert report.finding(db, "orphan-connections")["count"] == 2


@pytest.mark.sanitize("its process list as the witness")
def test_the_clients_host_alone(three):
    """The server's kernel is out of sight: its process list says who is there."""
    server, web, other = three
    db, client, stranger = MariaDb(server), MySqlClient(web), MySqlClient(other)
    live, lost, dead = client.open(db, 3), client.open(db, 2), client.open(db, 2)
    strangers = stranger.open(db, 2)
    orphan(server, lost, db.port)
    eventually(lambda: len(db.processes()) == 7)
    ghost_host_up(web, dead, db.port)
    db.asleep([client.ids[each] for each in live + dead] + list(stranger.ids.values()), 2)
    words = [db.url(), "--pass-file", password_file(db), "--netns", "self"]
    report = scan(*words, "--recent", "1s", host=web)
    report.expect(live, "healthy", "server-listing")
    # The list does not tell the server's own address, so that one of several servers behind it is not excluded.
    report.expect(lost, ["orphan", "unverified"])
    report.expect(dead, "ghost")
    report.expect(strangers, "unverified", "peer-out-of-sight")
    assert sorted(client.alive(live)) == sorted(live)


def test_the_servers_host_alone(pair):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    live = client.open(db, 3)
    db.asleep(client.ids.values(), 2)
    report = scan("--netns", "self", "--recent", "1s", host=server)
    report.expect(live, "unverified", "peer-out-of-sight")
    listed(report, [client])
    report = scan("--netns", "self", "--recent", "1h", host=server)
    report.expect(live, "healthy")


def test_the_host_is_gone_and_nothing_probes(three):
    server, web, other = three
    db = MariaDb(server)
    dead, live = MySqlClient(web).open(db, 2), MySqlClient(other).open(db, 2)
    ghost_host_gone(web)
    silence()
    report = scan("--recent", "1s")
    report.expect(dead, "unverified", "peer-out-of-sight", without=["peer-socket-absent"], service=db)
    report.expect(live, "healthy", "peer-socket-present", service=db)


def test_close_wait_at_the_client(pair):
    """The server ends connections (KILL, wait_timeout); a client that never reads does not notice."""
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    leaked, live = client.open(db, 2), client.open(db, 2)
    for endpoint in leaked:
        db.sql(f"KILL {client.ids[endpoint]}")
    eventually(lambda: in_state(web, "CLOSE-WAIT", db.port, leaked))
    report = scan()
    report.expect(leaked, "close-wait", "peer-closed", service=db)
    report.expect(live, "healthy", service=db)
    assert report.finding(db, "close-wait-leak")["count"] == 2


def test_whoever_has_not_logged_in_is_listed_too(pair):
    """The process list has a row for it from the greeting on: "unauthenticated user", command Connect."""
    server, web = pair
    db, client = MariaDb(server, connect_timeout=3600), Client(web)
    waiting = client.open(db, 2, ping=False)
    eventually(lambda: len(db.processes("unauthenticated user")) == 2)
    report = scan()
    report.expect(waiting, "healthy", "peer-socket-present", without=["server-not-listing"], service=db)
    for endpoint in waiting:
        row = report.row(endpoint, service=db)
        assert (row["listed"]["user"], row["listed"]["command"]) == ("unauthenticated user", "Connect")
        assert row["listed"]["id"] in db.processes("unauthenticated user")


def test_what_a_busy_connections_row_tells(pair):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    busy, idle = client.open(db, 1, db="shop"), client.open(db, 1, db="shop")
    client.send("SELECT SLEEP(3600)", busy)
    eventually(lambda: db.processes()[client.ids[busy[0]]]["command"] == "Query")
    report = scan()
    row = report.row(busy[0], service=db)
    assert mysql_of(row) == (client.ids[busy[0]], "app", "shop", "Query")
    assert row["listed"]["state"] == "User sleep"
    assert row["listed"]["native"]["Host"].rpartition(":")[0] == web.ip
    assert mysql_of(report.row(idle[0], service=db)) == (client.ids[idle[0]], "app", "shop", "Sleep")
    assert "SLEEP(3600)" not in report.raw.decode(), "what is asked is nobody's business"


@pytest.mark.parametrize("handling", ["one-thread-per-connection", "pool-of-threads"])
def test_connections_within_one_host(pair, handling):
    server, _ = pair
    db, client = MariaDb(server, thread_handling=handling), MySqlClient(server)
    live = client.open(db, 2) + client.open(db, 1, host="127.0.0.1") + client.open(db, 1, host="::1")
    db.asleep(client.ids.values(), 2)
    for words in [[], ["--netns", "self"]]:
        report = scan(*words, "--recent", "1s", host=server)
        report.expect(live, "healthy", "peer-socket-present", service=db)
        listed(report, [client], service=db)
        for endpoint in live:
            row = report.row(endpoint, service=db)
            assert (row.owners("server"), row.owners("client")) == ({db.pid}, {client.pid})


def test_a_server_in_a_container(pair):
    server, web = pair
    db = MariaDb(server, prefix=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    client = MySqlClient(web)
    dead, live = client.open(db, 2), client.open(db, 2)
    ghost_host_up(web, dead, db.port)
    report = scan(db.url(), "--pass-file", password_file(db), host=server)
    report.expect(dead, "ghost", "peer-socket-absent")
    report.expect(live, "healthy", "peer-socket-present")
    listed(report, [client])
    assert report.server(db)["pid"] == db.servers_pid()
    for endpoint in dead + live:
        assert report.row(endpoint).owners("server") == {db.servers_pid()}
