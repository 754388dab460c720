"""Other hosts by their snapshots: `connleak snapshot` on one host, `connleak scan --peer-snapshot` on another. Each
program sees its own namespace alone (--netns self), as on machines of their own."""

import json
import os

import pytest

import sickness
from lab import Subnet, eventually, run, silence
from report import command, connleak, scan
from schemas import validator
from services import Client, Redis

RECENT = ["--recent", "1s"]


def snapshot(host, *words, file=None, **where):
    """The document, valid by its schema, and in a file where one is named."""
    done = connleak("snapshot", "--netns", "self", *words, host=host, **where)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    validator("snapshot").validate({name: value[:50] if isinstance(value, list) else value
                                    for name, value in document.items()})
    if file:
        file.write_bytes(done.stdout)
    return document


def scan_with(host, *snapshots, words=(), **options):
    named = [word for file in snapshots for word in ("--peer-snapshot", file)]
    return scan(*words, "--netns", "self", *RECENT, *named, host=host, **options)


@pytest.fixture
def routed(lab):
    server, web = lab.hosts("server", "web")
    lab.router("router", [server], [web])
    return server, web


@pytest.fixture(params=["pair", "routed"])
def joined(request):
    return request.getfixturevalue(request.param)


@pytest.mark.sanitize("snapshot and --peer-snapshot")
def test_ghosts_are_found_and_the_living_seen(joined, tmp_path):
    server, web = joined
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 3), client.open(redis, 2)
    sickness.ghost_host_up(web, dead)
    document = snapshot(web, file=tmp_path / "web.json")
    assert document["kind"] == "snapshot" and document["ports"] is None and document["complete"] is True
    assert document["netns"][0]["addresses"].count(web.ip) == 1
    report = scan_with(server, tmp_path / "web.json")
    report.expect(dead, "ghost", "peer-socket-absent")
    report.expect(live, "healthy", "peer-socket-present")
    for endpoint in live:
        row = report.row(endpoint)
        assert row["client"]["netns"] == web.inode and row["client"]["peer_host"] == document["host"]["name"]
        assert row.owners("client") == {client.pid} and row["group"]
    assert report.processes(redis, client.pid)[0]["connections"] == 3
    assert report.processes(redis, client.pid)[0]["peer_host"] == document["host"]["name"]
    # Without the snapshot the host is out of sight.
    scan_with(server).expect(dead, ("unverified", "healthy"))


def test_whoever_came_later_or_spoke_since_is_no_ghost(joined, tmp_path):
    server, web = joined
    redis, client = Redis(server), Client(web)
    spoke = client.open(redis, 2)
    snapshot(web, file=tmp_path / "web.json")
    later = client.open(redis, 3)
    assert sorted(client.alive(spoke)) == sorted(spoke)
    silence()
    report = scan_with(server, tmp_path / "web.json")
    report.expect(later, "unverified", "snapshot-too-old")
    report.expect(spoke, "healthy", "peer-socket-present")


def test_a_port_that_is_used_again(joined, tmp_path):
    server, web = joined
    redis, client = Redis(server), Client(web)
    dead = client.open(redis, 1)
    sickness.ghost_host_up(web, dead)
    snapshot(web, file=tmp_path / "web.json")
    scan_with(server, tmp_path / "web.json").expect(dead, "ghost")
    redis.cli("CLIENT", "KILL", "ADDR", str(dead[0]))
    eventually(lambda: not redis.client_list())
    again = client.open(redis, 1, source_port=dead[0].port)
    assert again == dead
    silence()
    scan_with(server, tmp_path / "web.json").expect(again, "unverified", "snapshot-too-old")


def test_two_hosts_with_one_address(lab, pair, tmp_path):
    server, web = pair
    redis, client = Redis(server), Client(web)
    dead = client.open(redis, 2)
    sickness.ghost_host_up(web, dead)
    other = lab.host("other")
    _, a, b, number = map(int, web.ip.split("."))
    lab.lan(other, subnet=Subnet(a, b), number=number)  # on a switch of its own
    assert other.ip == web.ip
    snapshot(web, file=tmp_path / "web.json")
    snapshot(other, file=tmp_path / "other.json")
    silence()
    scan_with(server, tmp_path).expect(dead, "unverified", "peer-out-of-sight")
    # That other host alone is not the one that the packets go to.
    scan_with(server, tmp_path / "other.json").expect(dead, "unverified", "peer-out-of-sight")
    scan_with(server, tmp_path / "web.json").expect(dead, "ghost")


@pytest.mark.sanitize("translations in a snapshot")
def test_a_host_that_masquerades_its_containers(lab, pair, tmp_path):
    server, web = pair
    inner = lab.host("inner")
    lab.docker(web, inner)
    inner.default_route([web.addresses[-1][0]])
    web.sysctl("net.ipv4.ip_forward", 1)
    web.nft('table ip clk_nat { chain post { type nat hook postrouting priority 100; oifname "eth0" masquerade; }; }')
    redis, client = Redis(server), Client(inner)
    live = client.open(redis, 3)
    assert {row["addr"].rsplit(":", 1)[0] for row in redis.client_list()} == {web.ip}
    silence()
    document = snapshot(web, file=tmp_path / "web.json")
    assert document["netns"][0]["translation"] == "tracked"
    assert len(document["translations"]) == 3
    assert {(entry["original"]["source"]["address"], entry["reply"]["destination"]["address"])
            for entry in document["translations"]} == {(inner.ip, web.ip)}
    snapshot(inner, file=tmp_path / "inner.json")
    for files in ([tmp_path / "web.json"], [tmp_path]):
        report = scan_with(server, *files)
        assert len(report.connections) == 3
        for row in report.connections:
            assert row.verdict == "unverified" and "nat-suspected" in row.evidence, row
            assert row["client"]["address"] == inner.ip and row["client"]["seen_as"]["address"] == web.ip
    # One document with both namespaces, as a run with all rights makes it.
    whole = connleak("snapshot", host=web, sight=[web, inner])
    (tmp_path / "whole.json").write_bytes(whole.stdout)
    report = scan_with(server, tmp_path / "whole.json")
    report.expect(live, "healthy", "nat-translated", "peer-socket-present")
    assert {row["client"]["peer_host"] for row in report.connections} == {json.loads(whole.stdout)["host"]["name"]}
    assert sorted(client.alive(live)) == sorted(live)


def test_a_snapshot_of_some_ports_proves_no_absence(pair, tmp_path):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 1), client.open(redis, 1)
    sickness.ghost_host_up(web, dead)
    document = snapshot(web, "--port", "6379", file=tmp_path / "web.json")
    assert document["ports"] == [6379]
    silence()
    report = scan_with(server, tmp_path / "web.json")
    report.expect(dead, "unverified", "nat-suspected")
    report.expect(live, "healthy", "peer-socket-present")


@pytest.mark.sanitize("a snapshot from stdin")
def test_through_a_pipe(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 2), client.open(redis, 2)
    sickness.ghost_host_up(web, dead)
    script = f"{' '.join(command('snapshot', '--netns', 'self', host=web))} | " \
             f"{' '.join(command('scan', '--netns', 'self', '--peer-snapshot', '-', '--json', host=server))}"
    report = json.loads(run(["sh", "-c", script]).stdout)
    verdicts = {row["client"]["port"]: row["verdict"] for row in report["connections"]}
    assert verdicts == {e.port: "healthy" for e in live} | {e.port: "ghost" for e in dead}


def test_seen_from_the_clients_side(pair, tmp_path):
    """The server's socket is seen by its host's snapshot; that it is not there is never concluded from one."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    live, orphans = client.open(redis, 2), client.open(redis, 1)
    sickness.orphan(server, orphans)
    snapshot(server, file=tmp_path / "server.json")
    silence()
    report = scan_with(web, tmp_path / "server.json")
    report.expect(live, "healthy", "peer-socket-present")
    report.expect(orphans, "unverified")


def test_the_live_namespace_counts(pair, tmp_path):
    """A snapshot of what is read in this run is of no use, however old."""
    server, web = pair
    snapshot(web, file=tmp_path / "web.json")
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    silence()
    report = scan(*RECENT, "--peer-snapshot", tmp_path / "web.json")
    report.expect(live, "healthy", "peer-socket-present", service=redis)
    assert report.row(live[0], service=redis)["client"]["peer_host"] is None


def test_the_newest_snapshot_counts(pair, tmp_path):
    server, web = pair
    redis, client = Redis(server), Client(web)
    dead = client.open(redis, 2)
    snapshot(web, file=tmp_path / "a-old.json")
    sickness.ghost_host_up(web, dead)
    snapshot(web, file=tmp_path / "b-new.json")
    snapshot_again = tmp_path / "c-old.json"
    snapshot_again.write_bytes((tmp_path / "a-old.json").read_bytes())
    scan_with(server, tmp_path).expect(dead, "ghost")


def test_a_snapshot_of_the_first_version_is_read(pair, tmp_path):
    """Nothing but the number has changed since."""
    server, web = pair
    redis, client = Redis(server), Client(web)
    dead = client.open(redis, 2)
    sickness.ghost_host_up(web, dead)
    document = snapshot(web)
    assert document["schema_version"] == 2
    (tmp_path / "web.json").write_text(json.dumps(document | {"schema_version": 1}))
    scan_with(server, tmp_path).expect(dead, "ghost")


# ---------------------------------------------------------------- bad input

def broken(document):
    whole = json.dumps(document).encode()
    yield "cut.json", whole[:len(whole) // 2], "is cut off"
    yield "foreign.json", b'{"hello": [1, 2, 3]}', "is no snapshot"
    yield "list.json", b"[]", "is no snapshot"
    yield "version.json", json.dumps(document | {"schema_version": 3}).encode(), "schema_version 3; this connleak reads 1 and 2"
    yield "report.json", json.dumps(document | {"kind": "report"}).encode(), "is no snapshot"
    yield "text", b"\x1b[31mhello\n", "is no valid JSON"
    yield "empty", b"", "is empty"
    yield "deep", b'{"kind":"snapshot","host":' + b"[" * 100_000, "nested too deep"
    yield "long", b'{"kind":"' + b"x" * 1_000_000, "too long"
    yield "address", json.dumps(document | {"netns": [{"id": 1, "addresses": ["nowhere"]}]}).encode(), "damaged"
    yield "socket", json.dumps(document | {"sockets": [{"protocol": "tcp"}]}).encode(), "damaged"
    yield "instant", json.dumps(document | {"taken_at": "yesterday"}).encode(), "damaged"


@pytest.mark.sanitize("hostile snapshots")
def test_a_bad_file_is_one_line(pair, tmp_path):
    server, web = pair
    document = snapshot(web)
    for name, content, why in broken(document):
        file = tmp_path / name
        file.write_bytes(content)
        done = connleak("--netns", "self", "--json", "--peer-snapshot", file, host=server)
        assert done.returncode == 2 and not done.stdout, name
        assert done.stderr.startswith(f"connleak: --peer-snapshot {file}: ".encode()), done.stderr
        assert why.encode() in done.stderr and done.stderr.count(b"\n") == 1, done.stderr
    for path, why in (("/nowhere", b"No such file"), ("/dev/zero", b"neither a file"), ("/dev/null", b"neither")):
        done = connleak("--netns", "self", "--peer-snapshot", path, host=server)
        assert done.returncode == 2 and why in done.stderr and done.stderr.count(b"\n") == 1
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    done = connleak("--netns", "self", "--peer-snapshot", fifo, host=server)
    assert done.returncode == 2 and b"is empty" in done.stderr


@pytest.mark.sanitize("a folder of them")
def test_a_bad_file_in_a_folder_is_a_gap(pair, tmp_path):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 1), client.open(redis, 1)
    sickness.ghost_host_up(web, dead)
    folder = tmp_path / "all"
    folder.mkdir()
    document = snapshot(web, file=folder / "web.json")
    expected = {}
    for name, content, why in broken(document):
        (folder / name).write_bytes(content)
        expected[str(folder / name)] = why
    (folder / ".web.json.part").write_bytes(b"{")
    (folder / "below").mkdir()
    os.mkfifo(folder / "fifo")
    expected[str(folder / "fifo")] = "is no regular file"
    report = scan_with(server, folder)
    report.expect(dead, "ghost")
    report.expect(live, "healthy")
    gaps = {gap["scope"]: gap["error"] for gap in report.gaps("snapshot")}
    assert gaps.keys() == expected.keys()
    for name, why in expected.items():
        assert why in gaps[name], (name, gaps[name])


def test_a_clock_that_is_ahead(pair, tmp_path):
    server, web = pair
    redis, client = Redis(server), Client(web)
    dead = client.open(redis, 1)
    sickness.ghost_host_up(web, dead)
    document = snapshot(web)
    ahead = document | {"taken_at": "2100-01-01T00:00:00.000Z", "clock": {"synchronized": True},
                        "host": document["host"] | {"boot_id": "of another machine"}}
    (tmp_path / "web.json").write_text(json.dumps(ahead))
    silence()
    report = scan_with(server, tmp_path / "web.json")
    report.expect(dead, "unverified", without=["peer-socket-absent"])
    assert "in the future" in report.gaps("snapshot")[0]["effect"]


def test_ten_thousand_snapshots(pair, tmp_path):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live, dead = client.open(redis, 2), client.open(redis, 2)
    sickness.ghost_host_up(web, dead)
    document = snapshot(web, file=tmp_path / "web.json")
    for number in range(10_000):
        address = f"10.254.{number // 250}.{number % 250 + 1}"
        place = document["netns"][0] | {"id": number + 1, "addresses": ["127.0.0.1", address]}
        other = document | {"netns": [place], "host": document["host"] | {"name": f"h{number}", "boot_id": f"b{number}"}}
        (tmp_path / f"h{number}.json").write_text(json.dumps(other))
    report = scan_with(server, tmp_path)
    report.expect(dead, "ghost")
    report.expect(live, "healthy", "peer-socket-present")
    assert not report.gaps("snapshot")


# ---------------------------------------------------------------- the document

def test_without_rights(pair):
    server, web = pair
    redis, client = Redis(server), Client(web)
    live = client.open(redis, 2)
    document = snapshot(web, user="nobody")
    assert not document["complete"] and document["gaps"]
    ports = {socket["local"]["port"] for socket in document["sockets"]}
    assert {e.port for e in live} <= ports
    assert document["netns"][0]["translation"] in ("unknown", "possible", "none")


def test_a_full_disk(pair, tmp_path):
    _, web = pair
    disk = tmp_path / "disk"
    disk.mkdir()
    words = " ".join(command("snapshot", "--netns", "self", "--output", disk / "web.json"))
    script = f"mount -t tmpfs -o size=4k none {disk} && head -c 4096 /dev/zero > {disk}/full; {words}; " \
             f"echo status $?; ls {disk}"
    done = run(["unshare", "--mount", "sh", "-c", script])
    assert done.stdout.split() == ["status", "3", "full"]
    assert done.stderr.count("\n") == 1 and "No space left" in done.stderr


@pytest.mark.parametrize("words", [["--port", "0"], ["--port", "x"], ["--nonsense"], ["word"]])
def test_bad_words(words):
    done = connleak("snapshot", *words)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1
