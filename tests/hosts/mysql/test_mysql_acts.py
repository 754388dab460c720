"""What the other verbs do with MariaDB: reap by KILL, what-if for wait_timeout, verify, protect, check, every format.

    server (mariadbd) ── switch ── web
"""

import os
from types import SimpleNamespace

import pytest

from actions import act, held, ports, what_if
from checked import check
from lab import eventually
from mariadb import SECRET, TOO_MANY, MariaDb, MySqlClient, lacking, password_file, with_hosts_file
from report import BINARY, VERDICTS, connleak, scan, scan_lines
from services import Redis
from sickness import ghost_host_up

pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"no {', '.join(lacking())}")


def sick(db, web, dead=3, live=3, **how):
    client = MySqlClient(web)
    made = SimpleNamespace(client=client, dead=sorted(client.open(db, dead, **how)),
                           live=sorted(client.open(db, live, **how)))
    ghost_host_up(web, made.dead, db.port)
    return made


def only_the_living_are_left(db, made, host):
    assert held(host, db.port) == ports(made.live)
    eventually(lambda: set(db.processes()) == {made.client.ids[end] for end in made.live})
    assert sorted(made.client.alive(made.live)) == made.live


# ---------------------------------------------------------------- reap

@pytest.mark.sanitize("reap by KILL")
@pytest.mark.parametrize("method", ["auto", "kill", "destroy"])
@pytest.mark.parametrize("family", ["ipv4", "ipv6", "mapped", "names"])
def test_exactly_the_ghosts_go(pair, method, family):
    server, web = pair
    names = with_hosts_file(server.lab, f"{web.ip} web1.example\n") if family == "names" else ()
    db = MariaDb(server, prefix=names, skip_name_resolve=not names)
    made = sick(db, web, **({"host": server.ip6} if family == "ipv6" else {"mapped": family == "mapped"}))
    words = [db.url(host=server.ip6 if family == "ipv6" else None), "--pass-file", password_file(db)]
    words += ["--method", method] if method != "auto" else []
    plan = act("reap", *words, host=server)
    assert plan.planned == made.dead
    assert held(server, db.port) == ports(made.dead + made.live), "a plan changes nothing"
    reaped = act("reap", *words, "--yes", host=server)
    assert reaped.done == made.dead
    assert reaped.methods == plan.methods == {"destroy" if method == "destroy" else "kill"}
    only_the_living_are_left(db, made, server)
    assert act("reap", *words, "--yes", host=server)["actions"] == []


def test_the_kill_goes_by_the_process_lists_id(pair):
    """Each of many, among many: those that live keep their numbers."""
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    ends = client.open(db, 30)
    made = SimpleNamespace(client=client, dead=sorted(ends[::3]), live=sorted(set(ends) - set(ends[::3])))
    ghost_host_up(web, made.dead, db.port)
    reaped = act("reap", "--port", "3306", "--yes")
    assert (reaped.done, reaped.methods) == (made.dead, {"kill"})
    only_the_living_are_left(db, made, server)


def test_a_server_full_of_ghosts_takes_logins_again(pair):
    """Nobody gets in, so the kernel does it."""
    server, web = pair
    db = MariaDb(server, max_connections=10)
    made = sick(db, web, 6, 4)
    newcomer, admin = MySqlClient(web), MySqlClient(web)
    assert newcomer.refusal(db) == TOO_MANY
    made.live = sorted(made.live + admin.open(db, 1, user="monitor", password=SECRET))  # the reserved place
    reaped = act("reap", db.url(), "--pass-file", password_file(db), "--yes", host=server)
    assert (reaped.done, reaped.methods) == (made.dead, {"destroy"})
    eventually(lambda: len(db.processes(None)) - 1 == 5)  # with this very question
    assert len(newcomer.open(db, 5)) == 5
    assert sorted(made.client.alive() + admin.alive()) == made.live


def test_a_user_who_may_not_kill(pair):
    server, web = pair
    db = MariaDb(server)
    db.sql("REVOKE CONNECTION ADMIN ON *.* FROM monitor@'%'")
    made = sick(db, web)
    words = [db.url(), "--pass-file", password_file(db), "--yes", "--method", "kill"]
    done = connleak("reap", *words, "--json", host=server)
    assert done.returncode in (1, 3) and held(server, db.port) == ports(made.dead + made.live)
    assert b"1095" in done.stdout or b"not owner" in done.stdout
    assert sorted(made.client.alive(made.live)) == made.live


@pytest.mark.parametrize("login", ["found", "pass-file", "defaults-file"])
def test_the_command_that_the_report_gives_does_it(pair, login):
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    options = db.host.lab.directory / "my own.cnf"
    options.write_text(f"[client]\nuser=monitor\npassword={SECRET}\n")
    words = {"found": [], "pass-file": [db.url(), "--pass-file", password_file(db)],
             "defaults-file": [f"mysql://{db.target}", "--defaults-file", options]}[login]
    command_told = scan(*words, host=server).finding(db, "ghost-connections")["command"]
    assert SECRET not in command_told and (login in command_told) == (login != "found")
    server.run("sh", "-c", command_told, env=os.environ | {"PATH": f"{BINARY.parent}:{os.environ['PATH']}"})
    only_the_living_are_left(db, made, server)


def test_both_kinds_of_servers_at_once(pair):
    from services import Client
    server, web = pair
    db, redis, other = MariaDb(server), Redis(server), Client(web)
    made = sick(db, web)
    gone, well = sorted(other.open(redis, 2)), other.open(redis, 2)
    ghost_host_up(web, gone, redis.port)
    reaped = act("reap", "--yes")
    assert (reaped.done, reaped.methods) == (sorted(made.dead + gone), {"kill"})
    only_the_living_are_left(db, made, server)
    assert sorted(other.alive(well)) == sorted(well)


# ---------------------------------------------------------------- what-if

@pytest.mark.sanitize("what-if")
def test_whom_a_wait_timeout_would_close(pair):
    """By the time asleep; what runs a statement is not asleep, however long it runs."""
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    dead, pausing, busy = client.open(db, 3), client.open(db, 2), client.open(db, 2)
    client.send("SELECT SLEEP(3600)", busy)
    ghost_host_up(web, dead, db.port)
    eventually(lambda: min(int(db.processes()[client.ids[end]]["time"]) for end in busy) >= 6, 30)
    db.asleep([client.ids[end] for end in dead + pausing], 6)
    for words in [[], [db.url(), "--pass-file", password_file(db)]]:
        answer = what_if(*words, "--timeout", "4,1d")
        [entry] = answer["servers"]
        assert entry["timeout_s"] == 28800
        four, day = answer["candidates"]
        assert (four["timeout_s"], four["closes"], four["ghost"], four["healthy"]) == (4, 5, 3, 2)
        assert (day["timeout_s"], day["closes"]) == (86400, 0)
        assert answer["smallest_harmless_timeout_s"] >= 7
    text = connleak("what-if", db.url(), "--pass-file", password_file(db)).stdout.decode()
    assert "wait_timeout" in text and "CONFIG SET" not in text


def test_a_server_whose_list_is_not_all_has_no_what_if(pair):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    client.open(db, 3)
    done = connleak("what-if", db.url("small"), "--pass-file", password_file(db), host=server)
    assert done.returncode in (0, 3)
    assert b"PROCESS" in done.stdout + done.stderr


# ---------------------------------------------------------------- verify, protect

@pytest.mark.sanitize("verify")
def test_verify(pair):
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    db.asleep(made.client.ids.values(), 2)
    report = scan("verify", db.url(), "--pass-file", password_file(db), "--netns", "self", "--recent", "1s",
                  "--wait", "5s", host=server)
    report.expect(made.dead, "ghost", "probe-reset")
    report.expect(made.live, "healthy", "probe-answered")
    assert (report["probes"]["sent"], report["probes"]["restored"]) == (6, 6)
    assert sorted(made.client.alive(made.live)) == made.live


def test_protect_changes_nothing_that_has_keepalive(pair):
    """mariadbd itself turns keepalive on, with the kernel's two hours."""
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    done = act("protect", db.url(), "--pass-file", password_file(db), "--yes", host=server)
    assert not done.failed
    assert [(each["connections"], each["keepalive_on"]) for each in done["coverage"]] == [(6, 6)]
    assert held(server, db.port) == ports(made.dead + made.live)
    assert sorted(made.client.alive(made.live)) == made.live


# ---------------------------------------------------------------- check and the formats

@pytest.mark.sanitize("check")
def test_check(pair):
    server, web = pair
    db, client = MariaDb(server), MySqlClient(web)
    client.open(db, 5)
    words = [db.url(), "--pass-file", password_file(db)]
    made = check(*words, "-v")
    assert made.values["ghosts"] == 0 and 5 <= made.values["clients_used_percent"] <= 8
    assert check(*words, "-w", "clients_used_percent=2", status=1)
    dead = client.open(db, 2)
    ghost_host_up(web, dead, db.port)
    assert check(*words, "-c", "ghosts=1", status=2).values["ghosts"] == 2
    assert check("-c", "ghosts=1", status=2).values["ghosts"] == 2


@pytest.mark.sanitize("every format")
def test_every_format(pair):
    server, web = pair
    db = MariaDb(server)
    made = sick(db, web)
    lines = scan_lines()
    assert [line["kind"] for line in lines if line["type"] == "server"] == ["mariadb"]
    told = {line["listed"]["id"] for line in lines if line["type"] == "connection"}
    assert told == set(made.client.ids.values())
    done = connleak("--format", "prometheus")
    text = done.stdout.decode()
    assert done.returncode == 0
    [limit] = [line for line in text.splitlines() if line.startswith("connleak_clients_limit{")]
    assert limit.endswith(" 100")
    counts = {verdict: value for verdict in VERDICTS for line in text.splitlines()
              if line.startswith("connleak_connections{") and f'verdict="{verdict}"' in line
              for value in [int(line.rsplit(" ", 1)[1])]}
    assert counts == dict.fromkeys(VERDICTS, 0) | {"ghost": 3, "healthy": 3}
    for more in [[], ["--connections"]]:
        done = connleak(*more)
        text = done.stdout.decode()
        assert done.returncode == 0
        assert "mariadb 1" in text and str(db.port) in text and "of 100" in text
        assert "3 ghosts" in text and "connleak reap" in text
        assert "redis" not in text.lower() and "maxclients" not in text and "CONFIG SET" not in text
