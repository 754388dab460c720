"""MariaDB as it is run elsewhere: without a network, in a container, as a replica, full of comings and goings.

    server (mariadbd) ── switch ── web, other
"""

import json

import pytest

from actions import act, what_if
from lab import eventually
from mariadb import (ACCESS_DENIED, SECRET, TOO_MANY, MariaDb, MySqlClient, lacking, mysql_of, password_file,
                     with_hosts_file)
from report import scan
from services import Client
from sickness import ghost_host_up
from unix_redis import by_client, of

CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"no {', '.join(lacking())}")


@pytest.mark.lab
def test_the_servers_and_clients_of_these_tests(three):
    server, web, _ = three
    db, client = MariaDb(server, max_connections=10), MySqlClient(web)
    ends = client.open(db, 3) + client.open(db, 1, host=server.ip6) + client.open(db, 1, mapped=True)
    assert db.accepted(ends)
    assert {number: row["host"] for number, row in db.processes().items()} == {
        number: f"{end.address}:{end.port}" for end, number in client.ids.items()}
    assert len(client.open_unix(db, 2)) == 2
    assert len(client.alive()) == 7
    assert client.refusal(db, password="wrong") == ACCESS_DENIED
    assert len(db.sql("SHOW PROCESSLIST", user="monitor")) == 8
    assert len(db.sql("SHOW PROCESSLIST", user="small")) == 1
    client.open(db, 3)
    assert client.refusal(db) == TOO_MANY
    client.close()
    eventually(lambda: not db.processes())


@pytest.mark.long
@pytest.mark.parametrize("names", [False, True], ids=["addresses", "names"])
def test_churn(three, names):
    """Logins come and go all the time: not one false verdict, not one row of another's, and no plan but for ghosts."""
    server, web, other = three
    prefix = with_hosts_file(server.lab, "".join(f"{each.ip} web.example\n" for each in (web, other))) if names else ()
    db = MariaDb(server, prefix=prefix, skip_name_resolve=not names, max_connections=500)
    client, churners = MySqlClient(web), [MySqlClient(other), MySqlClient(other)]  # a ghost's port is free on its host
    live, dead = client.open(db, 20), client.open(db, 5)
    ghost_host_up(web, dead, db.port)
    for churner in churners:
        churner.churn(db)
    eventually(lambda: sum(churner.churned()["count"] for churner in churners) > 100)
    words = [db.url(), "--pass-file", password_file(db)]
    for _ in range(8):
        report = scan(*words, host=server)
        false = [row for row in report.rows(service=db) if row.verdict in ("ghost", "orphan")
                 and (row["client"]["address"], row["client"]["port"]) not in dead]
        assert not false, json.dumps(false[:3], indent=1)
        report.expect(dead, "ghost", "peer-socket-absent", service=db)
        report.expect(live, "healthy", "peer-socket-present", service=db)
        for endpoint in dead + live:
            told = report.row(endpoint, service=db)["listed"]
            assert told["id"] == client.ids[endpoint] if told or not names else True
    assert act("reap", *words, "--yes", host=server).done == sorted(dead)
    stopped = [churner.churned(stop=True) for churner in churners]
    assert not [error for churner in stopped for error in churner["errors"]]
    assert sorted(client.alive(live)) == sorted(live)


def test_a_server_without_a_network(lab):
    """skip-networking: nothing but the Unix socket is there to be found by."""
    host = lab.host("server")
    db, client = MariaDb(host, skip_networking=1), MySqlClient(host)
    held = client.open_unix(db, 3)
    for words in [[], [f"unix:{db.socket}"]]:
        server, rows = of(scan(*words, host=host), db)
        assert (server["kind"], server["port"], server["path"]) == ("mariadb", None, str(db.socket))
        assert (server["reachable"], server["counts"]["healthy"]) == (True, 3)
        assert {inode: row["listed"]["id"] for inode, row in by_client(rows).items()} == client.ids
    assert client.alive(held) == held


def test_unix_sockets_of_a_server_in_a_container(lab):
    """Its threads have numbers of their own there."""
    host = lab.host("server")
    db, client = MariaDb(host, prefix=CONTAINER), MySqlClient(host)
    client.open_unix(db, 3)
    db.asleep(client.ids.values())
    report = scan(f"unix:{db.socket}", host=host)
    [server] = [server for server in report["servers"] if server["path"] == str(db.socket)]
    rows = [row for row in report.connections if "path" in row["client"]]
    assert server["counts"]["healthy"] == 3
    for inode, row in by_client(rows).items():
        assert row["listed"] is None or row["listed"]["id"] == client.ids[inode]
        assert row.owners("server") == {db.servers_pid()}


def test_a_right_that_comes_by_a_role(three):
    server, web, _ = three
    db, client = MariaDb(server), MySqlClient(web)
    db.sql("CREATE ROLE watcher; GRANT PROCESS ON *.* TO watcher; GRANT watcher TO small@'%';"
           "SET DEFAULT ROLE watcher FOR small@'%'")
    dead, live = client.open(db, 2), client.open(db, 2)
    ghost_host_up(web, dead, db.port)
    report = scan(db.url("small"), "--pass-file", password_file(db), host=server)
    report.expect(dead, "ghost")
    report.expect(live, "healthy")
    assert not report.gaps("mysql")
    assert {mysql_of(report.row(end))[0] for end in dead + live} == set(client.ids.values())


def test_the_extra_port_is_the_same_server(three):
    """Its connections are told once, by whichever port they came."""
    server, web, _ = three
    db, client = MariaDb(server, extra_port=3399), MySqlClient(web)
    live = client.open(db, 2) + client.open(db, 1, port=3399)
    report = scan()
    for endpoint in live:
        [row] = [row for row in report.rows(endpoint) if row.verdict != "transient"]
        assert row.verdict == "healthy", json.dumps(row, indent=1)
        assert mysql_of(row)[0] == client.ids[endpoint]


@pytest.mark.sanitize("replicas")
def test_a_replica_is_told_as_such(three):
    server, web, other = three
    settings = {"skip_log_bin": None, "log_bin": "binlog"}
    db = MariaDb(server, server_id=1, **settings)
    db.sql(f"CREATE USER replica@'%' IDENTIFIED BY '{SECRET}'; GRANT REPLICATION SLAVE ON *.* TO replica@'%'")
    copy = MariaDb(web, server_id=2, **settings)
    copy.sql(f"CHANGE MASTER TO MASTER_HOST='{server.ip}', MASTER_PORT={db.port}, MASTER_USER='replica',"
             f" MASTER_PASSWORD='{SECRET}'; START SLAVE")
    eventually(lambda: [row for row in db.processes("replica").values() if row["command"].startswith("Binlog Dump")],
               20, what="the replica follows")
    client = MySqlClient(other)
    live = client.open(db, 2)
    report = scan()
    report.expect(live, "healthy", service=db)
    [link] = [row for row in report.rows(service=db) if row.owners("client") == {copy.pid}]
    assert (link.verdict, link["purpose"], link["listed"]["user"]) == ("healthy", "replication", "replica")
    assert {row["purpose"] for end in live for row in report.rows(end, service=db)} == {"client"}
    # A replica's own threads are nobody's connections, and are waited for in vain by none.
    assert report.counts(copy) == {}
    assert not {"suspect-connections", "orphan-connections"} & report.codes(copy)
    db.asleep(client.ids.values(), 3)
    [candidate] = what_if(db.url(), "--pass-file", password_file(db), "--timeout", "1s")["candidates"]
    assert (candidate["closes"], candidate["exempt"]) == (2, 1)


def test_whom_max_connect_errors_has_shut_out(three):
    """Error 1129 in place of the greeting: it is there, and does not talk to this host any more."""
    server, web, _ = three
    names = with_hosts_file(server.lab, f"{web.ip} web.example\n")
    db, client = MariaDb(server, prefix=names, skip_name_resolve=False, max_connect_errors=1), MySqlClient(web)
    live = client.open(db, 2)
    raw = Client(web)

    def shut_out():
        raw.close(raw.open(db, 1, ping=False))
        return db.status("Aborted_connects") >= 3

    eventually(shut_out)
    report = scan(db.url(), "--pass-file", password_file(db), "--netns", "self", "--recent", "1h", host=web)
    report.expect(live, "healthy", "recent-traffic")
    assert "is blocked" in report.server(db)["error"]
    [gap] = report.gaps("mysql")
    assert "1129" in gap["error"] + gap["effect"] or "is blocked" in gap["error"]
    assert not {"orphan-connections", "server-refuses-clients"} & report.codes(db)
    assert sorted(client.alive(live)) == sorted(live)
