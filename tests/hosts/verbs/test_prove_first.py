"""`reap --verify` and `what-if --verify`: what no table shows is proven in the same run.

    server ── switch ── web, gone        connleak lives in the server's namespace: nobody else is in sight
"""

import json

import pytest

from actions import act
from lab import eventually
from report import connleak
from services import Client, Redis
from sickness import ghost_host_gone, ghost_host_up


def made(lab):
    """Living clients on a host that is up; ghosts on it, and on one that is gone."""
    server, web, gone = lab.hosts("server", "web", "gone")
    lab.lan(server, web, gone)
    redis, client = Redis(server), Client(web)
    live, reset = sorted(client.open(redis, 3)), client.open(redis, 2)
    silent = sorted(Client(gone).open(redis, 2))
    ghost_host_up(web, reset)
    ghost_host_gone(gone)
    eventually(lambda: min(int(row["idle"]) for row in redis.client_list()) >= 3, 15)
    return server, redis, client, live, reset, silent


@pytest.mark.sanitize("reap --verify")
def test_reap_proves_first(lab):
    server, redis, client, live, reset, silent = made(lab)
    here = {"host": server}
    plain = act("reap", redis.target, "--recent", "1s", "--netns", "self", "--yes", **here)
    assert plain["actions"] == [] and "probes" not in plain, "no table shows them"
    words = ["--recent", "1s", "--netns", "self", "--verify", "--wait", "4s", "--yes"]
    proven = act("reap", redis.target, *words, **here)
    assert proven.done == silent
    assert proven["probes"] == {"sent": 7, "answered": 3, "reset": 2, "unanswered": 2, "restored": 7}
    eventually(lambda: len(redis.client_list()) == len(live))
    assert sorted(client.alive(live)) == live


@pytest.mark.sanitize("what-if after verify")
def test_what_if_counts_proven_life(lab):
    server, redis, client, live, reset, silent = made(lab)
    words = ["what-if", redis.target, "--netns", "self", "--recent", "1s", "--timeout", "2", "--json"]
    before, after = (json.loads(connleak(*words, *more, host=server).stdout)["candidates"][0]
                     for more in ([], ["--verify", "--wait", "4s"]))
    assert (before["closes"], before["unverified"]) == (7, 7)
    assert (after["healthy"], after["unverified"]) == (3, 0)
    assert after["ghost"] in (2, 4), "a reset has closed its connection"
    assert sorted(client.alive(live)) == live
