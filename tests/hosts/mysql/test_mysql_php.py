"""PHP's persistent connections to MariaDB by a real php-fpm, by PDO and mysqli; proxies in front of it.

    server (mariadbd, redis) ── switch ── middle (haproxy) ── web (php-fpm, pool shop)
"""

import shutil
import subprocess

import pytest

import fastcgi
from lab import eventually
from mariadb import APP, MariaDb, MySqlClient, lacking, password_file
from relays import Haproxy
from report import connleak, scan
from services import PHP_FPM, PhpFpm, Redis
from sickness import ghost_host_up

GROUP = "php-fpm: pool shop"
MODULES = subprocess.run([PHP_FPM, "-m"], capture_output=True, text=True).stdout if shutil.which(PHP_FPM) else ""

pytestmark = [pytest.mark.skipif(bool(lacking()), reason=f"no {', '.join(lacking())}"),
              pytest.mark.skipif("pdo_mysql" not in MODULES or "mysqli" not in MODULES, reason="no php-mysql")]


def pdo(server, more="", persistent="true", port=3306):
    """One connection of the script, used once."""
    dsn = f"mysql:host={server.ip};port={port}{more}"
    return (f"$r[] = $c = new PDO('{dsn}', '{APP['user']}', '{APP['password']}',"
            f" [PDO::ATTR_PERSISTENT => {persistent}]); $c->query('SELECT 1')->fetchAll();")


def mysqli(server, prefix="p:", base=""):
    return (f"$r[] = $c = new mysqli('{prefix}{server.ip}', '{APP['user']}', '{APP['password']}', '{base}');"
            f" $c->query('SELECT 1')->fetch_all();")


def pooled(db, n, seconds=2):
    """Waits until n connections are left that have been asleep for so long."""
    eventually(lambda: len(db.processes()) == n, what=f"{n} connections are left")
    db.asleep(db.processes(), seconds)


@pytest.mark.sanitize("pools of php-fpm")
@pytest.mark.parametrize("how", ["pdo", "mysqli"])
def test_two_persistent_connections_per_worker(pair, how):
    server, web = pair
    db, fpm = MariaDb(server), PhpFpm(web)
    fpm.run_in_every_worker(pdo(server) + pdo(server, ";dbname=shop") + pdo(server, persistent="false") if how == "pdo"
                            else mysqli(server) + mysqli(server, base="shop") + mysqli(server, prefix=""))
    pooled(db, 8)
    report = scan("--persistent-after", "1s", "--recent", "1s")
    group = report.group(db, GROUP)
    assert group["kind"] == "php-fpm-pool"
    assert (group["workers"], group["connections"], group["persistent"]) == (4, 8, 8)
    assert (group["per_worker_max"], group["max_workers"], group["projected_connections"]) == (2, 4, 8)
    codes = report.codes(db)
    assert "duplicate-persistent-connections" in codes and "persistent-exceeds-capacity" not in codes
    for pid in fpm.workers():
        [row] = report.processes(db, pid)
        assert (row["connections"], row["persistent"], row["user"]) == (2, 2, "www-data")
        assert row["group"] == GROUP
    rows = [row for row in report.rows(service=db) if row.verdict != "transient"]
    assert [(row.verdict, row["group"]) for row in rows] == [("healthy", GROUP)] * 8
    assert {row["listed"]["id"] for row in rows} == set(db.processes())
    text = " ".join(finding["remedy"] or "" for finding in report.findings(db, "duplicate-persistent-connections"))
    assert "pconnect" not in text, "that is Redis's word"


@pytest.mark.parametrize("how", ["pdo", "mysqli"])
def test_one_persistent_connection_is_as_it_should_be(pair, how):
    server, web = pair
    db, fpm = MariaDb(server), PhpFpm(web)
    fpm.run_in_every_worker(pdo(server) + pdo(server, persistent="false") if how == "pdo"
                            else mysqli(server) + mysqli(server, prefix=""))
    pooled(db, 4)
    report = scan("--persistent-after", "1s")
    group = report.group(db, GROUP)
    assert (group["workers"], group["connections"], group["persistent"], group["per_worker_max"]) == (4, 4, 4, 1)
    assert "duplicate-persistent-connections" not in report.codes(db)


def test_persistent_means_old_enough(pair):
    server, web = pair
    db, fpm = MariaDb(server), PhpFpm(web)
    fpm.run_in_every_worker(pdo(server) + pdo(server, ";dbname=shop"))
    pooled(db, 8, 0)
    report = scan("--persistent-after", "1h")
    assert (report.group(db, GROUP)["connections"], report.group(db, GROUP)["persistent"]) == (8, 0)
    assert "duplicate-persistent-connections" not in report.codes(db)


def test_a_full_pool_would_exceed_max_connections(pair):
    server, web = pair
    db, fpm = MariaDb(server, max_connections=15), PhpFpm(web, children=10, mode="ondemand")
    fpm.write(pdo(server) + pdo(server, ";dbname=shop"))
    fastcgi.requests(fpm.socket, fpm.script, 2)
    db.asleep(db.processes(), 2)
    report = scan("--persistent-after", "1s")
    group = report.group(db, GROUP)
    assert (group["per_worker_max"], group["max_workers"], group["projected_connections"]) == (2, 10, 20)
    assert group["workers"] < 10
    told = report.finding(db, "persistent-exceeds-capacity")
    assert "max_connections" in told["summary"] + (told["remedy"] or "")
    assert "maxclients" not in told["summary"] + (told["remedy"] or "")


def test_redis_and_mariadb_of_one_pool(pair):
    server, web = pair
    db, redis, fpm = MariaDb(server), Redis(server), PhpFpm(web)
    fpm.run_in_every_worker(pdo(server) + mysqli(server)
                            + f"$c = new Redis(); $c->pconnect('{server.ip}', 6379); $c->ping();")
    pooled(db, 8)
    report = scan("--persistent-after", "1s")
    of_db, of_redis = report.group(db, GROUP), report.group(redis, GROUP)
    assert (of_db["workers"], of_db["connections"], of_db["per_worker_max"]) == (4, 8, 2)
    assert (of_redis["workers"], of_redis["connections"], of_redis["per_worker_max"]) == (4, 4, 1)
    assert "duplicate-persistent-connections" in report.codes(db)
    assert "duplicate-persistent-connections" not in report.codes(redis)
    for pid in fpm.workers():
        assert [row["connections"] for row in report.processes(db, pid)] == [2]
        assert [row["connections"] for row in report.processes(redis, pid)] == [1]
    text = connleak("--persistent-after", "1s").stdout.decode()
    assert "mariadb 1" in text and f"{redis.port}" in text


def test_a_pool_by_the_unix_socket(pair):
    """localhost in PHP means the Unix socket."""
    server, _ = pair
    db, fpm = MariaDb(server), PhpFpm(server)
    fpm.run_in_every_worker(f"$c = new PDO('mysql:unix_socket={db.socket}', '{APP['user']}', '{APP['password']}',"
                            " [PDO::ATTR_PERSISTENT => true]); $c->query('SELECT 1')->fetchAll();")
    pooled(db, 4)
    report = scan("--persistent-after", "1s")
    group = report.group(db, GROUP)
    assert (group["workers"], group["connections"], group["per_worker_max"]) == (4, 4, 1)
    assert report.counts(db) == {"healthy": 4}


def test_workers_that_were_killed_leave_no_ghosts(pair):
    server, web = pair
    db, fpm = MariaDb(server), PhpFpm(web)
    fpm.run_in_every_worker(pdo(server))
    fpm.end()
    eventually(lambda: not db.processes())
    assert set(scan().counts(db)) <= {"transient"}


def test_workers_whose_host_forgot_them(pair):
    """The old story: sleeping connections that nobody owns any more, beside a pool that works."""
    server, web = pair
    db, fpm, lost = MariaDb(server), PhpFpm(web), MySqlClient(web)
    fpm.run_in_every_worker(pdo(server))
    dead = lost.open(db, 3)
    ghost_host_up(web, dead, db.port)
    pooled(db, 7)
    report = scan("--recent", "1s", "--persistent-after", "1s")
    report.expect(dead, "ghost", "peer-socket-absent", service=db)
    assert report.counts(db) == {"ghost": 3, "healthy": 4}
    assert report.group(db, GROUP)["connections"] == 4


# ---------------------------------------------------------------- proxies

@pytest.mark.skipif(not shutil.which("haproxy"), reason="no haproxy")
def test_haproxy_is_named_and_who_is_behind_it(lab):
    server, middle, web = lab.hosts("server", "middle", "web")
    lab.lan(server, middle, web)
    db = MariaDb(server)
    haproxy, client = Haproxy(middle, db.target, port=13306), MySqlClient(web)
    live = client.open(haproxy, 3)
    for words in [[], [db.url(), "--pass-file", password_file(db)]]:
        report = scan(*words, **({"host": server} if words else {}))
        rows = [row for row in report.rows(service=db) if row.owners("client") == {haproxy.pid}]
        assert len(rows) == 3 and {row.verdict for row in rows} == {"healthy"}
        assert {row["listed"]["id"] for row in rows} == set(client.ids.values())
        group = report.group(db, "haproxy")
        assert (group["connections"], group["workers"]) == (3, 1)
        assert {each["name"]: each["connections"] for each in group["proxy"]["behind"]} == {"python3": 3}
    assert sorted(client.alive(live)) == sorted(live)


@pytest.mark.skipif(not shutil.which("haproxy"), reason="no haproxy")
def test_asked_by_way_of_the_proxy(lab):
    """The list is the database's: its rows have the proxy's ends, and nobody of them is a client of this address."""
    server, middle, web = lab.hosts("server", "middle", "web")
    lab.lan(server, middle, web)
    db = MariaDb(server)
    haproxy, client, direct = Haproxy(middle, db.target, port=13306), MySqlClient(web), MySqlClient(web)
    live, beside = client.open(haproxy, 3), direct.open(db, 2)
    for host in (middle, web):
        report = scan(f"mysql://monitor@{haproxy.target}", "--pass-file", password_file(db), "--netns", "self",
                      host=host)
        report.never_dead(live + beside)
        assert not report.findings(code="ghost-connections") and not report.findings(code="orphan-connections")
    report = scan(f"mysql://monitor@{haproxy.target}", "--pass-file", password_file(db), host=web)
    report.never_dead(live + beside)
    assert sorted(client.alive(live) + direct.alive(beside)) == sorted(live + beside)
