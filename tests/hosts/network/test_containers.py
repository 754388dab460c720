"""Containers, built of namespaces and cgroups as the engines build them (containers.py)."""

import os
import socket
import subprocess

import pytest

from containers import DOCKER, ContainedRedis, Engine, cgroups_writable, namespace, only_child
from lab import PYTHON, Subnet, silence
from report import connleak, scan
from services import Client, Redis
from sickness import ghost_host_up
from unix_lab import UnixClient

pytestmark = pytest.mark.together("containers")  # the folders of the engines' cgroups


@pytest.fixture
def engine(lab):
    made = Engine(lab)
    yield made
    made.close()


def named(container):
    """What the report calls it, where the cgroup tells."""
    if not cgroups_writable():
        pytest.skip("no cgroup can be made here")
    return container.id


@pytest.mark.sanitize("containers")
def test_a_redis_that_is_process_1_of_its_container(lab, engine):
    host, box, web = lab.hosts("host", "box", "web")
    lab.docker(host, box, web)
    inside, other = engine.container(box), engine.container(web)
    redis = ContainedRedis(inside)
    assert redis.cli("INFO", "server").split("process_id:")[1].split()[0] == "1"
    client, near = Client(web, command=[*other.prefix(), PYTHON]), Client(host)
    endpoints, from_host = client.open(redis, 3), near.open(redis, 2)
    by_path = UnixClient(host).open(redis.socket, 2)
    for words in [[], [redis.target]]:
        report = scan(*words)
        server = report.server(redis)
        assert (server["pid"], server["reachable"], server["netns"]) == (redis.pid, True, box.inode)
        report.expect(endpoints + from_host, "healthy", "peer-socket-present", service=redis)
        rows = [row for row in report.connections if row.verdict != "transient"]
        assert len(rows) == 7
        for row in rows:
            assert row.owners("server") == {redis.pid}
            assert row["listed"]["native"]["fd"] == str(row["server_socket"]["owners"][0]["fd"])
        assert {row["client_socket"]["inode"] for row in rows if "path" in row["client"]} == set(by_path)
        pid = only_child(client.process.pid)
        assert client.pid != pid  # its own pid is of its own namespace
        [row] = report.processes(redis, pid)
        assert (row["connections"], row["netns"]) == (3, web.inode)
        assert (row["container"], row["group"]) == (named(other), other.id[:12])
        assert report.group(redis, other.id[:12])["kind"] == "container"


CGROUPS = ["system.slice/docker-{id}.scope",
           "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5ed8a4f6.slice/cri-containerd-{id}.scope",
           "kubepods.slice/kubepods-pod5ed8a4f6.slice/crio-{id}.scope/container",
           "machine.slice/libpod-{id}.scope/container"]


@pytest.mark.sanitize("cgroups of every engine")
@pytest.mark.parametrize("cgroup", CGROUPS, ids=["docker", "containerd", "cri-o", "podman"])
def test_host_networking(lab, engine, cgroup):
    """A container in the host's own network: its connections are the host's, their holder is the container."""
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, box = Redis(server), engine.container(web, cgroup, keep=None)
    client, plain = Client(web, command=[*box.prefix(), PYTHON]), Client(web)
    contained, own = client.open(redis, 3), plain.open(redis, 2)
    report = scan(redis.target)
    report.expect(contained + own, "healthy", "peer-socket-present")
    pid = only_child(client.process.pid)
    [row] = report.processes(redis, pid)
    assert (row["container"], row["netns"]) == (named(box), web.inode)
    assert report.group(redis, box.id[:12])["connections"] == 3
    [row] = report.processes(redis, plain.pid)
    assert (row["container"], row["connections"]) == (None, 2)


def test_a_container_that_has_a_name_only(lab, engine):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, box = Redis(server), engine.container(web, "lxc.payload.shop_web", keep=None)
    client = Client(web, command=[*box.prefix(), PYTHON])
    client.open(redis, 2)
    report = scan(redis.target)
    named(box)
    [row] = report.processes(redis, only_child(client.process.pid))
    assert (row["container"], row["group"]) == ("shop_web", "shop_web")


def test_a_process_that_has_gone_to_another_namespace(lab):
    """Its sockets stay where they were opened, and it is still their owner."""
    server, web, other = lab.hosts("server", "web", "other")
    lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    endpoints = client.open(redis, 2)
    client.tell("leave", namespace=str(other.path))
    assert namespace(client.pid, "net") == other.inode
    for words in [[], [redis.target]]:
        report = scan(*words)
        report.expect(endpoints, "healthy", "peer-socket-present")
        for endpoint in endpoints:
            row = report.row(endpoint)
            assert row.owners("client") == {client.pid}
            assert row["client"]["netns"] == row["client_socket"]["netns"] == web.inode
        [process] = report.processes(redis, client.pid)
        assert (process["connections"], process["netns"]) == (2, other.inode)


def test_a_socket_that_was_handed_over(lab):
    """By SCM_RIGHTS, to a process that has never been where it was opened."""
    server, web, other = lab.hosts("server", "web", "other")
    lab.lan(server, web)
    redis, path = Redis(server), str(lab.directory / "hand")
    receiver = other.start(PYTHON, "-c", (
        "import socket, sys\n"
        "listener = socket.socket(socket.AF_UNIX); listener.bind(sys.argv[1]); listener.listen()\n"
        "print('ready', flush=True)\n"
        "one, _ = listener.accept()\n"
        "_, [fd], _, _ = socket.recv_fds(one, 1, 1)\n"
        "print('held', flush=True); sys.stdin.read()\n"), path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert receiver.stdout.readline() == b"ready\n"
    giver = web.run(PYTHON, "-c", (
        "import socket, sys\n"
        "s = socket.create_connection((sys.argv[1], 6379)); s.sendall(b'PING\\r\\n'); s.recv(9)\n"
        "one = socket.socket(socket.AF_UNIX); one.connect(sys.argv[2]); socket.send_fds(one, [b'x'], [s.fileno()])\n"
        "print(s.getsockname()[1])\n"), server.ip, path)
    assert receiver.stdout.readline() == b"held\n"
    report = scan(redis.target)
    [row] = [row for row in report.connections if row["client"].get("port") == int(giver.stdout)]
    assert (row.verdict, row.owners("client"), row["client"]["netns"]) == ("healthy", {receiver.pid}, web.inode)
    [process] = report.processes(redis, receiver.pid)
    assert process["netns"] == other.inode


def test_a_namespace_that_only_a_file_keeps(lab, engine):
    """Its container has ended and nobody is in there any more; what its kernel still has is read all the same."""
    host, box, web = lab.hosts("host", "box", "web")
    lab.docker(host, box, web)
    redis = Redis(box)
    kept = engine.container(web)
    client = Client(web)
    closing, dead = client.open(redis, 2), client.open(redis, 2)
    ghost_host_up(web, dead)
    web.nft("table inet shut { chain out { type filter hook output priority 0; tcp dport 6379 drop; }; }")
    lab.end(client.process)
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and in_namespace(pid, web.inode)]
    silence()
    for words in [[], [redis.target]]:
        report = scan(*words, "--recent", "1s")
        report.expect(closing, "suspect", "peer-closing", service=redis)
        report.expect(dead, "ghost", "peer-socket-absent", service=redis)
    [command] = [line for line in connleak("sockets", "-ta", "--netns", f"docker/{kept.id[:12]}", "-H")
                 .stdout.decode().splitlines() if f":{closing[0].port} " in line]
    assert "FIN-WAIT-1" in command


def in_namespace(pid, inode):
    try:
        return namespace(pid, "net") == inode
    except OSError:
        return False


@pytest.mark.sanitize("addresses that exist twice")
def test_networks_that_use_the_same_addresses(lab, engine):
    """Two engines with the same subnet on docker0, in each a Redis and its client with the same addresses and ports.
    What is dead in one lives in the other, in both directions."""
    subnet, sides = Subnet(), []
    for name in "ab":
        host, box, web = lab.hosts(f"host{name}", f"box{name}", f"web{name}")
        lab.docker(host, box, web, subnet=subnet)
        engine.container(box)
        inside = engine.container(web)
        sides.append((web, Redis(box), Client(web, command=[*inside.prefix(), PYTHON])))
    ports = range(20001, 20007)
    for web, redis, client in sides:
        endpoints = [client.open(redis, source_port=port)[0] for port in ports]
    (web_a, redis_a, client_a), (web_b, redis_b, client_b) = sides
    dead_a, dead_b = endpoints[:2], endpoints[2:4]
    ghost_host_up(web_a, dead_a)
    ghost_host_up(web_b, dead_b)
    silence()
    for words in [[], [redis_a.target]]:
        report = scan(*words, "--recent", "1s")
        for redis, web, client, dead in [(redis_a, web_a, client_a, dead_a), (redis_b, web_b, client_b, dead_b)]:
            live = [endpoint for endpoint in endpoints if endpoint not in dead]
            report.expect(dead, "ghost", "peer-socket-absent", service=redis)
            report.expect(live, "healthy", "peer-socket-present", service=redis)
            assert report.counts(redis) == {"ghost": 2, "healthy": 4}
            for endpoint in live:
                row = report.row(endpoint, service=redis)
                assert row["client"]["netns"] == web.inode
                assert row.owners("client") == {only_child(client.process.pid)}
    for client, dead in [(client_a, dead_a), (client_b, dead_b)]:
        live = [endpoint for endpoint in endpoints if endpoint not in dead]
        assert sorted(client.alive(live)) == sorted(live)


@pytest.mark.sanitize("files that are no namespace")
def test_dead_files_beside_the_namespaces(lab, engine):
    """What a crash of the engine leaves there: plain files, links to nothing, and worse."""
    host, box = lab.hosts("host", "box")
    lab.docker(host, box)
    engine.container(box)
    redis = Redis(box)
    endpoints = Client(host).open(redis, 2)
    for number in range(300):
        engine.files.append(DOCKER / f"clk-dead-{os.getpid()}-{number}")
        if number % 3 == 0:
            engine.files[-1].symlink_to("/nowhere")
        elif number % 3 == 1:
            engine.files[-1].touch()
        else:
            os.mkfifo(engine.files[-1])
    bound = DOCKER / f"clk-dead-{os.getpid()}-socket"
    engine.files.append(bound)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(bound))
    report = scan(redis.target)
    report.expect(endpoints, "healthy", "peer-socket-present")
    assert not report.gaps("netns")
