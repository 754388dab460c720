"""What a person without root sees, and what each capability adds: the table in connleak(1), CAPABILITIES."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from lab import silence
from report import BINARY, outside
from services import Client, Redis
from sickness import ghost_host_up

ALL = ["dac_read_search", "sys_ptrace", "sys_admin", "net_admin"]


@pytest.fixture(scope="module")
def scene(module_lab):
    server, web = module_lab.hosts("server", "web")
    module_lab.lan(server, web)
    server.nft("add table ip some")
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 2), client.open(redis, 2)
    ghost_host_up(web, dead)
    silence()
    return SimpleNamespace(redis=redis, client=client, live=live, dead=dead)


def scan_with(scene, capabilities):
    sets = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    done = subprocess.run(
        [*outside().enter(), "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--inh-caps", sets,
         "--ambient-caps", sets, "--bounding-set", sets, "--", BINARY, scene.redis.target, "--recent", "1s", "--json"],
        capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    return report, {row["client"]["port"]: row for row in report["connections"]}


def test_the_four_together_are_enough(scene):
    report, rows = scan_with(scene, ALL)
    assert report["complete"], report["gaps"]
    for endpoint in scene.live:
        assert rows[endpoint.port]["verdict"] == "healthy"
        assert rows[endpoint.port]["client_socket"]["owners"][0]["pid"] == scene.client.pid
    assert {rows[endpoint.port]["verdict"] for endpoint in scene.dead} == {"ghost"}


@pytest.mark.parametrize("lacking", ALL)
def test_each_of_the_four_is_needed(scene, lacking):
    """Without it something is missing, the report says so, and nothing alive is called dead."""
    report, rows = scan_with(scene, [name for name in ALL if name != lacking])
    if lacking == "net_admin":  # said at each connection that it concerns
        for endpoint in scene.dead:
            assert rows[endpoint.port]["verdict"] == "unverified"
            assert "nat-suspected" in rows[endpoint.port]["evidence"]
    else:
        assert not report["complete"] and report["gaps"]
    for endpoint in scene.live:
        assert endpoint.port not in rows or rows[endpoint.port]["verdict"] not in ("ghost", "orphan")
