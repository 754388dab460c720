"""connleak-json(5): every name of the schemas is in it, and what it gives to copy runs."""

import json
import re
import subprocess
import sys

import pytest

from lab import silence
from report import BINARY, ROOT, connleak
from services import Client, Redis
from sickness import ghost_host_up

PAGE = ROOT / "man/connleak-json.5"


def names(schema):
    """Every property that a schema has, at any depth."""
    if isinstance(schema, list):
        return set().union(*map(names, schema))
    if not isinstance(schema, dict):
        return set()
    here = schema.get("properties")
    return (set(here) if isinstance(here, dict) else set()).union(*map(names, schema.values()))


@pytest.mark.parametrize("schema", sorted((ROOT / "man").glob("*.schema.json")), ids=lambda path: path.name.split(".")[0])
def test_every_property_is_in_the_page(schema):
    macros = " ".join(re.findall(r"^(?:\.(?:It )?(?:Cm|Ss) .*|\.Cm .*)$", PAGE.read_text(), re.M))
    described = set(re.findall(r"[\w-]+", macros.replace("\\&", "")))
    assert names(json.loads(schema.read_text())) - described == set()


def test_a_validator_finds_the_schemas_in_their_folder(tmp_path):
    """As the page says it, with every document's schema."""
    for verb, name in [("scan", "report"), ("sockets", "sockets"), ("snapshot", "snapshot"), ("reap", "actions"),
                       ("what-if", "what-if")]:
        document = tmp_path / name
        document.write_bytes(connleak(verb, *([] if verb == "snapshot" else ["--json"])).stdout)
        validate = [sys.executable, "-W", "ignore", "-m", "jsonschema", "--base-uri", f"file://{ROOT}/man/", "-i"]
        done = subprocess.run([*validate, document, ROOT / f"man/connleak-{name}.schema.json"], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()


def recipe(heading, nth=0):
    """A block of code below a heading, as a reader of the page sees it."""
    shown = subprocess.run(["mandoc", "-Tascii", "-Owidth=200", PAGE], capture_output=True, text=True).stdout
    section = re.search(rf"^   {re.escape(heading)}\n(.*?)(?=^   \S|^\S|\Z)", re.sub(".\b", "", shown), re.M | re.S)[1]
    blocks = re.findall(r"(?:^           .*\n|^\n(?=           ))+", section, re.M)
    return re.sub(r"^           ", "", blocks[nth], flags=re.M).strip("\n")


def ndjson(host):
    """What a host would send: a report of its own side alone."""
    done = connleak("--netns", "self", "--port", "6379", "--recent", "1s", "--format", "ndjson", host=host)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_two_hosts_views_are_joined_in_sqlite(lab, tmp_path):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 3), client.open(redis, 2)
    ghost_host_up(web, dead)
    silence()
    for host in (server, web):
        (tmp_path / f"{host.name}.ndjson").write_text(ndjson(host))

    def run(*command):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return {tuple(line.split("|")) for line in done.stdout.splitlines()}

    run("sh", "-ec", recipe("A fleet, in SQLite"))
    joined = run("sqlite3", "fleet.db", recipe("Two hosts' views together", 0))
    assert {row[:4] for row in joined} == {("server", "web", e.address, str(e.port)) for e in live}
    assert all(row[6] for row in joined), "the holder is told"
    alone = run("sqlite3", "fleet.db", recipe("Two hosts' views together", 1))
    assert {row[:3] for row in alone} == {("server", e.address, str(e.port)) for e in dead}


def test_the_jq_example(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    client.open(redis, 2)
    dead = client.open(redis, 2)
    ghost_host_up(web, dead)
    silence()
    done = subprocess.run([*server.enter(), "sh", "-ec", recipe("jq")], capture_output=True, text=True,
                          env={"PATH": f"{BINARY.parent}:/usr/bin:/bin:/usr/sbin:/sbin"})
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    found = {(row[0], int(row[1])) for row in rows}
    assert {(e.address, e.port) for e in dead} <= found, done.stderr
