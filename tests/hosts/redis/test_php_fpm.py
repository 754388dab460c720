"""PHP's persistent connections live in the worker: a real php-fpm with phpredis.

    server (redis) ── switch ── web (php-fpm, pool shop)
"""

import pytest

import fastcgi
from lab import eventually, silence
from report import scan
from services import PhpFpm, Redis

GROUP = "php-fpm: pool shop"


def call(how, server, more=""):
    """One connection of the script, used once."""
    return f"$r[] = $c = new Redis(); $c->{how}('{server.ip}', 6379{more}); $c->ping();"


@pytest.mark.sanitize("pools of php-fpm")
def test_two_pconnects_make_two_connections_per_worker(pair):
    server, web = pair
    redis, fpm = Redis(server), PhpFpm(web)
    fpm.run_in_every_worker(call("pconnect", server) + call("pconnect", server, ", 2.5") + call("connect", server))
    eventually(lambda: len(redis.client_list()) == 8)
    silence()
    report = scan(redis.target, "--persistent-after", "1s", "--recent", "1s")
    group = report.group(redis, GROUP)
    assert group["kind"] == "php-fpm-pool"
    assert (group["workers"], group["connections"], group["persistent"]) == (4, 8, 8)
    assert (group["per_worker_max"], group["max_workers"], group["projected_connections"]) == (2, 4, 8)
    assert "duplicate-persistent-connections" in report.codes(redis)
    assert "persistent-exceeds-capacity" not in report.codes(redis)
    for pid in fpm.workers():
        [row] = report.processes(redis, pid)
        assert (row["connections"], row["persistent"], row["user"]) == (2, 2, "www-data")
        assert (row["group"], row["command"]) == (GROUP, GROUP)
    rows = [row for row in report.rows(service=redis) if row.verdict != "transient"]
    assert [(row.verdict, row["group"]) for row in rows] == [("healthy", GROUP)] * 8


def test_persistent_means_old_enough(pair):
    server, web = pair
    redis, fpm = Redis(server), PhpFpm(web)
    fpm.run_in_every_worker(call("pconnect", server) + call("pconnect", server, ", 2.5"))
    report = scan(redis.target, "--persistent-after", "1h")
    assert (report.group(redis, GROUP)["connections"], report.group(redis, GROUP)["persistent"]) == (8, 0)
    assert "duplicate-persistent-connections" not in report.codes(redis)


def test_one_pconnect_is_as_it_should_be(pair):
    server, web = pair
    redis, fpm = Redis(server), PhpFpm(web)
    fpm.run_in_every_worker(call("pconnect", server) + call("connect", server))
    eventually(lambda: len(redis.client_list()) == 4)
    silence()
    report = scan(redis.target, "--persistent-after", "1s")
    group = report.group(redis, GROUP)
    assert (group["workers"], group["connections"], group["per_worker_max"]) == (4, 4, 1)
    assert "duplicate-persistent-connections" not in report.codes(redis)


def test_two_pools(lab):
    """Two pools on one host are two groups, and the web host alone suffices to tell."""
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, shop, blog = Redis(server), PhpFpm(web, "shop", 2), PhpFpm(web, "blog", 3)
    shop.run_in_every_worker(call("pconnect", server) + call("pconnect", server, ", 2.5"))
    blog.run_in_every_worker(call("pconnect", server))
    silence()
    report = scan("--persistent-after", "1s", "--netns", "self", host=web)
    shop_group, blog_group = report.group(redis, GROUP), report.group(redis, "php-fpm: pool blog")
    assert (shop_group["workers"], shop_group["connections"], shop_group["max_workers"]) == (2, 4, 2)
    assert (blog_group["workers"], blog_group["connections"], blog_group["max_workers"]) == (3, 3, 3)


@pytest.mark.sanitize("capacity")
def test_a_full_pool_would_exceed_the_servers_limit(pair):
    server, web = pair
    redis = Redis(server, maxclients=15)
    fpm = PhpFpm(web, children=10, mode="ondemand")
    fpm.write(call("pconnect", server) + call("pconnect", server, ", 2.5"))
    fastcgi.requests(fpm.socket, fpm.script, 2)
    silence()
    report = scan(redis.target, "--persistent-after", "1s")
    group = report.group(redis, GROUP)
    assert (group["per_worker_max"], group["max_workers"], group["projected_connections"]) == (2, 10, 20)
    assert group["workers"] < 10
    assert "persistent-exceeds-capacity" in report.codes(redis)


def test_workers_that_were_killed_leave_no_ghosts(pair):
    server, web = pair
    redis, fpm = Redis(server), PhpFpm(web)
    fpm.run_in_every_worker(call("pconnect", server))
    fpm.end()
    eventually(lambda: len(redis.client_list()) == 0)
    report = scan(redis.target)
    assert set(report.counts(redis)) <= {"transient"}
