"""A server that shows names instead of addresses (skip-name-resolve off), and connections by its Unix socket, which
have neither: the join holds, and where it cannot be sure it says less.

    server (mariadbd, with an /etc/hosts of its own) ── switch ── web, other
"""

import pytest

from lab import eventually
from mariadb import MariaDb, MySqlClient, lacking, mysql_of, password_file, with_hosts_file
from report import scan
from sickness import ghost_host_up, orphan
from unix_redis import by_client, of

pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"no {', '.join(lacking())}")


def named(server, names, **config):
    """A server to which each host is known by a name: {name: [hosts]}."""
    text = "".join(f"{address} {name}\n" for name, hosts in names.items() for host in hosts
                   for address in (host.ip, host.ip6))
    return MariaDb(server, prefix=with_hosts_file(server.lab, text), skip_name_resolve=False, **config)


def ids(report, endpoints, db):
    rows = [report.row(endpoint, service=db) for endpoint in endpoints]
    return [row["listed"] and row["listed"]["id"] for row in rows]


@pytest.mark.parametrize("family", ["ipv4", "ipv6", "mapped"])
def test_a_name_does_not_break_the_join(three, family):
    server, web, _ = three
    db, client = named(server, {"web1.example": [web]}), MySqlClient(web)
    how = {"host": server.ip6} if family == "ipv6" else {"mapped": family == "mapped"}
    dead, live, lost = client.open(db, 2, **how), client.open(db, 3, **how), client.open(db, 1, **how)
    assert {row["host"].rsplit(":", 1)[0] for row in db.processes().values()} == {"web1.example"}
    ghost_host_up(web, dead, db.port)
    orphan(server, lost, db.port)
    eventually(lambda: len(db.processes()) == 5)
    report = scan()
    report.expect(dead, "ghost", "peer-socket-absent", service=db)
    report.expect(live, "healthy", "peer-socket-present", without=["server-not-listing"], service=db)
    report.expect(lost, "orphan", service=db)
    assert report.counts(db) == {"ghost": 2, "healthy": 3, "orphan": 1}
    for endpoint in dead + live:
        row = report.row(endpoint, service=db)
        assert mysql_of(row) == (client.ids[endpoint], "app", None, "Sleep")
        assert row["listed"]["native"]["Host"] == f"web1.example:{endpoint.port}"
        assert (row["client"]["address"], row["client"]["port"]) == tuple(endpoint)
    assert sorted(client.alive(live)) == sorted(live)


def test_two_hosts_of_one_name_and_one_port(three):
    """Which row is whose cannot be told, unless the thread's descriptor tells it: never the wrong one, and nobody is
    dead who lives."""
    server, web, other = three
    db, one, two = named(server, {"web.example": [web, other]}), MySqlClient(web), MySqlClient(other)
    both = [client.open(db, 1, source_port=20001)[0] for client in (one, two)]
    alone = one.open(db, 1, source_port=20002) + two.open(db, 1, source_port=20003)
    assert [row["host"] for row in db.processes().values()].count("web.example:20001") == 2
    known = one.ids | two.ids
    report = scan()
    report.expect(both + alone, "healthy", "peer-socket-present", without=["server-not-listing"], service=db)
    assert ids(report, alone, db) == [known[endpoint] for endpoint in alone]
    for endpoint, told in zip(both, ids(report, both, db)):
        assert told in (None, known[endpoint])
    assert report.counts(db) == {"healthy": 4}
    ghost_host_up(web, both[:1], db.port)
    report = scan()
    assert db.accepted(both + alone), "the server holds all of them"
    report.expect(both[:1], "ghost", "peer-socket-absent", service=db)
    report.expect(both[1:] + alone, "healthy", "peer-socket-present", service=db)
    assert report.counts(db) == {"ghost": 1, "healthy": 3}


def test_one_port_at_each_of_the_servers_addresses(three):
    """One host, one port, two connections: to IPv4 and to IPv6. Both have the same name and port in the list."""
    server, web, _ = three
    db, client = named(server, {"web.example": [web]}), MySqlClient(web)
    four = MySqlClient(web).open(db, 1, source_port=20001)
    six = client.open(db, 1, host=server.ip6, source_port=20001)
    report = scan()
    report.expect(four + six, "healthy", "peer-socket-present", service=db)
    assert ids(report, six, db)[0] in (None, client.ids[six[0]])


def test_names_seen_from_the_clients_host_alone(three):
    """There nothing but the list speaks for the server, and it has no address: what it cannot tell is not told."""
    server, web, other = three
    db, client = named(server, {"web1.example": [web], "other.example": [other]}), MySqlClient(web)
    stranger = MySqlClient(other)
    live, lost = client.open(db, 3), client.open(db, 1)
    strangers = stranger.open(db, 2)
    orphan(server, lost, db.port)
    eventually(lambda: len(db.processes()) == 5)
    report = scan(db.url(), "--pass-file", password_file(db), "--netns", "self", host=web)
    report.never_dead(live + strangers)
    report.expect(live, ["healthy", "unverified"])
    # Its port is in no row, whatever the name: the list lacks it for certain.
    report.expect(lost, ["orphan", "suspect", "unverified", "healthy"])
    assert sorted(client.alive(live)) == sorted(live)


@pytest.mark.sanitize("clients by name")
@pytest.mark.parametrize("name", ["localhost", "10.1.2.3", "a-very-long-name-" + "x" * 40 + ".example"])
def test_names_that_mislead(three, name):
    """A name that looks like an address, like the Unix socket's, or is longer than the list shows."""
    server, web, _ = three
    db, client = named(server, {name: [web]}), MySqlClient(web)
    dead, live = client.open(db, 2), client.open(db, 2)
    ghost_host_up(web, dead, db.port)
    report = scan()
    report.expect(dead, "ghost", "peer-socket-absent", service=db)
    report.expect(live, "healthy", "peer-socket-present", without=["server-not-listing"], service=db)
    for endpoint, told in zip(dead + live, ids(report, dead + live, db)):
        assert told in (None, client.ids[endpoint])


def test_an_address_that_is_another_hosts_name(three):
    """web's name is other's address, and both use one port."""
    server, web, other = three
    db, one, two = named(server, {other.ip: [web]}), MySqlClient(web), MySqlClient(other)
    ends = [client.open(db, 1, source_port=20001)[0] for client in (one, two)]
    report = scan()
    report.expect(ends, "healthy", "peer-socket-present", service=db)
    for client, end, told in zip((one, two), ends, ids(report, ends, db)):
        assert told in (None, client.ids[end])


def test_a_loopback_connection_beside_unix_ones(three):
    """By name both are "localhost"; only TCP has a port."""
    server, _, _ = three
    db, client = named(server, {}), MySqlClient(server)
    tcp = client.open(db, 2, host="127.0.0.1") + client.open(db, 1, host="::1")
    client.open_unix(db, 2)
    hosts = sorted(row["host"] for row in db.processes().values())
    assert hosts == sorted(["localhost"] * 2 + [f"localhost:{end.port}" for end in tcp])
    report = scan()
    report.expect(tcp, "healthy", "peer-socket-present", service=db)
    assert ids(report, tcp, db) == [client.ids[end] for end in tcp]
    assert report.counts(db) == {"healthy": 5}


# ---------------------------------------------------------------- Unix sockets

@pytest.mark.sanitize("Unix sockets")
@pytest.mark.parametrize("handling", ["one-thread-per-connection", "pool-of-threads"])
@pytest.mark.parametrize("words", ["found", "named"])
def test_unix_sockets(lab, handling, words):
    """The list has no more than "localhost" of them. An idle thread waits in poll(), and what it polls is its
    connection's descriptor; a thread pool's idle connections have no thread."""
    host = lab.host("server")
    db = MariaDb(host, thread_handling=handling)
    one, other = MySqlClient(host), MySqlClient(host)
    held = {one.pid: one.open_unix(db, 3), other.pid: other.open_unix(db, 2)}
    db.asleep([*one.ids.values(), *other.ids.values()], 1)
    report = scan(*([f"unix:{db.socket}"] if words == "named" else []), host=host)
    server, rows = of(report, db)
    assert (server["path"], server["reachable"], server["kind"]) == (str(db.socket), True, "mariadb")
    assert server["counts"]["healthy"] == 5
    rows = by_client(rows)
    assert rows.keys() == {inode for inodes in held.values() for inode in inodes}
    for client in (one, other):
        for inode in held[client.pid]:
            row = rows[inode]
            assert (row.verdict, row.owners("client"), row.owners("server")) == ("healthy", {client.pid}, {db.pid})
            if handling == "one-thread-per-connection":
                assert mysql_of(row) == (client.ids[inode], "app", None, "Sleep")
                assert row["listed"]["native"]["Host"] == "localhost"
            else:
                assert row["listed"] is None or row["listed"]["id"] == client.ids[inode]
    assert one.alive(held[one.pid]) == held[one.pid]


def test_unix_sockets_of_a_busy_server(lab):
    """A thread that runs a statement does not poll: its connection is there all the same."""
    host = lab.host("server")
    db, client = MariaDb(host), MySqlClient(host)
    busy, idle = client.open_unix(db, 2), client.open_unix(db, 2)
    client.send("SELECT SLEEP(3600)", busy)
    eventually(lambda: all(db.processes()[client.ids[end]]["command"] == "Query" for end in busy))
    db.asleep([client.ids[end] for end in idle])
    report = scan()
    server, rows = of(report, db)
    rows = by_client(rows)
    assert server["counts"]["healthy"] == 4 and rows.keys() == set(busy + idle)
    for inode, row in rows.items():
        assert row.verdict == "healthy"
        assert row["listed"] is None and inode in busy or row["listed"]["id"] == client.ids[inode]


def test_a_unix_client_that_is_gone_but_for_a_fork(lab):
    """No connection is dead whose other end anybody holds; mariadbd alone keeps none whose other end is closed."""
    host = lab.host("server")
    db, client = MariaDb(host), MySqlClient(host)
    gone, live = client.open_unix(db, 2), client.open_unix(db, 2)
    client.close(gone)
    eventually(lambda: len(db.processes()) == 2)
    _, rows = of(scan(), db)
    assert by_client(rows).keys() == set(live)
