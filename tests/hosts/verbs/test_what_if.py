"""`connleak what-if` against what a real server then does when the value is set."""

import time

import pytest

from actions import what_if
from lab import eventually
from report import connleak
from services import Client, Redis
from sickness import ghost_host_up



def idle(redis, endpoints):
    ports = {e.port for e in endpoints}
    return [int(row["idle"]) for row in redis.client_list() if int(row["addr"].rsplit(":", 1)[1]) in ports]


def test_the_server_closes_whom_it_was_said_to(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    dead, pausing = client.open(redis, 3), client.open(redis, 2)
    spared = client.open(redis, 2)  # a monitor would be, too, but every command is a word to it
    for endpoint, words in zip(spared, ["SUBSCRIBE feed", "BLPOP list 0"]):
        client.send(words + "\r\n", [endpoint])
    ghost_host_up(web, dead)
    eventually(lambda: min(idle(redis, dead + pausing + spared)) >= 6, 20)
    busy = client.open(redis, 4)
    asked_at = time.monotonic()
    answer = what_if(redis.target, "--timeout", "4,1d", "--recent", "1s")
    client.alive(busy)

    four, day = answer["candidates"]
    assert (four["timeout_s"], four["closes"], four["ghost"], four["healthy"], four["exempt"]) == (4, 5, 3, 2, 2)
    assert {why: count for why, count in four["exempt_reasons"].items() if count} \
        == {"subscriber": 1, "blocked": 1}
    assert [(each["group"] is None, each["address"], each["closes"], each["ghost"]) for each in four["groups"]] \
        == [(True, web.ip, 3, 3), (False, web.ip, 2, 0)]
    assert (day["timeout_s"], day["closes"], day["exempt"]) == (86400, 0, 0)
    least = answer["smallest_harmless_timeout_s"]
    assert 7 <= least <= time.monotonic() - asked_at + max(idle(redis, pausing)) + 2

    # The truth: everybody that it named goes, everybody else stays.
    redis.cli("CONFIG", "SET", "timeout", "4")
    eventually(lambda: client.alive(busy) and not idle(redis, dead + pausing), 20, interval=0.2)
    assert len(idle(redis, spared)) == 2
    assert sorted(client.alive(busy)) == sorted(busy)


def test_the_value_that_harms_nobody_harms_nobody(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    dead = client.open(redis, 2)
    ghost_host_up(web, dead)
    eventually(lambda: min(idle(redis, dead)) >= 7, 20)
    alive = client.open(redis, 3)
    least = what_if(redis.target)["smallest_harmless_timeout_s"]
    assert least <= 6
    redis.cli("CONFIG", "SET", "timeout", str(max(least, 4)))  # the living speak often enough for four seconds
    eventually(lambda: client.alive(alive) and not idle(redis, dead), 20, interval=0.2)
    assert sorted(client.alive(alive)) == sorted(alive)


@pytest.mark.sanitize("what-if")
def test_several_servers_and_the_table(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    first, second, client = Redis(server), Redis(server, 6380, timeout=7200), Client(server)
    client.open(first, 1)
    client.open(second, 2)
    answer = what_if(f":{first.port}", f":{second.port}", "--timeout", "1h")
    assert len(answer["servers"]) == len(answer["candidates"]) == 2
    assert {each["server"]["port"]: (each["clients"], each["timeout_s"]) for each in answer["servers"]} \
        == {first.port: (1, 0), second.port: (2, 7200)}
    text = connleak("what-if", f":{second.port}").stdout.decode()
    assert "2 clients, timeout 2h" in text and "CONFIG SET timeout" in text and "1d" in text


def test_a_server_that_tells_nothing(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis = Redis(server, requirepass="secret")
    done = connleak("what-if", redis.target)
    assert done.returncode == 3
    assert b"no server told its clients" in done.stderr and b"NOAUTH" in done.stdout
    assert what_if(redis.target, check=3)["smallest_harmless_timeout_s"] is None


@pytest.mark.sanitize("its options")
@pytest.mark.parametrize("words", [["--timeout", "0"], ["--timeout", "1d,x"], ["--timeout", ""], ["--timeout"]])
def test_bad_values(words):
    done = connleak("what-if", *words)
    assert done.returncode == 2 and done.stdout == b""
    assert done.stderr.decode().count("\n") == 1 and b"--timeout" in done.stderr
