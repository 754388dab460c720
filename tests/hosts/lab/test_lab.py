"""The harness itself, shown by ss, redis-cli and /proc: the sicknesses are what they are said to be.

    web1 ── switch ── server      web2 ─┘
"""

import os
import signal
import subprocess
import sys

import pytest

from lab import HERE, NETNS, eventually, run
from services import Client, PhpFpm, Redis, TcpServer
from sickness import close_wait_at_client, ghost_host_gone, ghost_host_up, in_state, orphan

pytestmark = pytest.mark.lab


@pytest.fixture
def lan(lab):
    server, web1, web2 = lab.hosts("server", "web1", "web2")
    lab.lan(server, web1, web2)
    return server, web1, web2


def test_a_ghost_is_held_by_the_server_alone(lan):
    server, web1, web2 = lan
    redis, client, other = Redis(server), Client(web1), Client(web2)
    dead = client.open(redis, 2) + client.open(redis, 1, mapped=True) + client.open(redis, 1, host=server.ip6)
    live = client.open(redis, 2)
    gone = other.open(redis, 2)
    ghost_host_up(web1, dead)
    ghost_host_gone(web2)
    assert redis.accepted(dead + live + gone)
    assert not any(in_state(web1, "ESTAB", 6379, [one]) for one in dead)
    assert client.alive(live) == live
    assert len(redis.client_list()) == 8


def test_an_orphan_is_held_by_the_client_alone(lan):
    server, web1, _ = lan
    redis, client = Redis(server), Client(web1)
    lost, live = client.open(redis, 2), client.open(redis, 1)
    orphan(server, lost)
    assert in_state(web1, "ESTAB", 6379, lost + live)
    eventually(lambda: len(redis.client_list()) == 1)
    assert client.alive(live) == live


def test_close_wait_and_the_accept_queue(lan):
    server, web1, _ = lan
    redis, client = Redis(server), Client(web1)
    leaked = client.open(redis, 2)
    close_wait_at_client(redis, leaked)
    eventually(lambda: in_state(web1, "CLOSE-WAIT", 6379, leaked))
    redis.stop()
    waiting = client.open(redis, 1, ping=False)
    eventually(lambda: redis.accepted(waiting))
    redis.cont()
    assert client.alive(waiting) == waiting


def test_a_fork_shares_the_sockets(lan):
    server, web1, _ = lan
    redis, client = Redis(server), Client(web1)
    client.open(redis)
    child = client.fork()
    held = [set(run(["find", f"/proc/{pid}/fd", "-lname", "socket:*", "-printf", "%l\n"], check=False).stdout.split())
            for pid in (client.pid, child)]  # find passes over a descriptor that is closed meanwhile
    assert held[0] & held[1]


def test_a_socket_keeps_its_namespace_alive(lan):
    server, web1, _ = lan
    redis, client = Redis(server), Client(web1)
    live = client.open(redis)
    client.leave()
    web1.forget_name()
    assert client.alive(live) == live
    assert os.stat(f"/proc/{client.pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino


def test_routers_and_cables(lab):
    server, near, far = lab.hosts("server", "near", "far")
    lab.router("router", [server], [far])
    lab.cable(server, near)
    redis = Redis(server)
    assert Client(far).open(redis, 1)
    assert Client(far).open(redis, 1, host=server.ip6)
    assert Client(near).open(redis, 1, host=server.addresses[1][0])


def test_php_fpm_keeps_persistent_connections(lan):
    server, web1, _ = lan
    redis, fpm = Redis(server), PhpFpm(web1)
    fpm.run_in_every_worker(f"$a = new Redis(); $a->pconnect('{server.ip}', 6379); $a->ping();"
                            f"$b = new Redis(); $b->pconnect('{server.ip}', 6379, 2.5); $b->ping();"
                            f"$c = new Redis(); $c->connect('{server.ip}', 6379); $c->ping()")
    assert len(fpm.workers()) == 4
    eventually(lambda: len(redis.client_list()) == 8)


def test_a_proxy_and_a_churner(lan):
    server, web1, web2 = lan
    redis = Redis(server)
    proxy = TcpServer(web2, "proxy", 6379, [server.ip, 6379])
    client = Client(web1)
    through = client.open(proxy, 2)
    client.churn(redis, 500)
    eventually(lambda: client.churned()["count"] > 200)
    assert client.churned(stop=True)["errors"] == []
    assert client.alive(through) == through


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(end):
    """Another Python makes a lab and is ended in the middle: its processes go, and but for SIGKILL its names."""
    script = ("import sys, signal, time; signal.signal(15, lambda *_: sys.exit(1)); from lab import *; "
              "from services import *; lab = Lab(); host = lab.host('h'); lab.cable(host, lab.host('i')); "
              "redis = Redis(host); c = Client(host); c.open(redis); c.fork();"
              "print(lab.directory, host.netns, lab.host('i').netns, redis.pid, c.pid, flush=True); time.sleep(60)")
    made = subprocess.Popen([sys.executable, "-c", script], cwd=HERE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)
    directory, *names, redis, client = made.stdout.readline().split()
    made.send_signal(end)
    made.wait(20)
    made.stdout.close()
    eventually(lambda: not os.path.exists(f"/proc/{redis}") and not os.path.exists(f"/proc/{client}"))
    if end == signal.SIGKILL:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=True)
        subprocess.run(["rm", "-r", directory], check=True)
    assert not os.path.exists(directory)
    assert not [name for name in names if (NETNS / name).exists()]
