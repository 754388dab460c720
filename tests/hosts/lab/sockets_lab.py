"""What the tests of `connleak sockets` share: a quiet namespace with sockets of every kind, the readings of ss and
netstat beside ours, and the schema."""

import json
import re
import subprocess
import textwrap

import pytest

import schemas
from lab import PYTHON, eventually
from report import connleak
from services import Client, Redis, TcpServer, peer
from sickness import close_wait_at_client

STATES = {"ESTAB": "established", "SYN-SENT": "syn_sent", "SYN-RECV": "syn_received", "FIN-WAIT-1": "fin_wait_1",
          "FIN-WAIT-2": "fin_wait_2", "TIME-WAIT": "time_wait", "UNCONN": "closed", "CLOSE-WAIT": "close_wait",
          "LAST-ACK": "last_ack", "LISTEN": "listen", "CLOSING": "closing", "ESTABLISHED": "established",
          "SYN_SENT": "syn_sent", "SYN_RECV": "syn_received", "FIN_WAIT1": "fin_wait_1", "FIN_WAIT2": "fin_wait_2",
          "TIME_WAIT": "time_wait", "CLOSE_WAIT": "close_wait", "LAST_ACK": "last_ack"}
TIMERS = {"on": "retransmit", "keepalive": "keepalive", "timewait": "timewait", "persist": "persist", "off": "off",
          "probe": "persist"}


@pytest.fixture(scope="module")
def validator():
    return schemas.validator("sockets")


@pytest.fixture(scope="module")
def world(module_lab):
    """Sockets in every state that holds still: with and without keepalive, of both families, v4-mapped, closing,
    retransmitting, waiting to be accepted, shared by a fork."""
    server, web = module_lab.hosts("server", "web")
    module_lab.lan(server, web)
    redis, client = Redis(server, tcp_keepalive=60), Client(web)
    client.close(client.open(redis, 2))  # TIME-WAIT here
    client.open(redis, 3)
    client.open(redis, 2, mapped=True)
    client.open(redis, 2, host=server.ip6)
    client.open(redis, 2, keepidle=300)
    leaked = client.open(redis, 2)
    client.fork()
    close_wait_at_client(redis, leaked)
    other, open_port, shut = Client(server), TcpServer(web, "silent", 9000), TcpServer(web, "silent", 9001)
    other.open(open_port, 2, ping=False)
    lost = other.open(shut, 2, ping=False) + other.open(shut, 1, ping=False, keepidle=1)
    start(server, f"""
        full = socket.create_connection(("{web.ip}", 9000))
        full.setblocking(False)
        try:
            while True:
                full.send(b"x" * 65536)
        except BlockingIOError:
            pass
        """)
    eventually(lambda: any("timer:(persist," in row[-1] for row in server.ss("dport = :9000")), what="a closed window")
    # Nothing comes in at this port any more: what is sent is sent again, and so is a SYN.
    web.nft("""
        table inet shut {
            chain in { type filter hook input priority 0; tcp dport 9001 drop; }
        }""")
    # A keepalive probe that nobody answers, and then data that hide its timer: netstat shows both.
    eventually(lambda: any(re.search(r"timer:\(keepalive,.*,1\)", row[-1]) for row in server.ss("dport = :9001")))
    other.send("x", lost)
    start(server, f"""
        syn = socket.socket()
        syn.setblocking(False)
        syn.connect_ex(("{web.ip}", 9001))
        """)
    eventually(lambda: any(row[0] == "CLOSE-WAIT" for row in web.ss()))
    return server, web, redis, client


def start(host, script):
    """A Python that does this and stays until the lab ends it."""
    text = "import socket, sys\n" + textwrap.dedent(script) + "\nprint('ready', flush=True)\nsys.stdin.read()"
    process = host.start(PYTHON, "-c", text, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    return process


def sockets(*words, **options):
    """`connleak sockets WORDS --json`, read."""
    done = connleak("sockets", *words, "--json", **options)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def table(*words, **options):
    done = connleak("sockets", *words, **options)
    assert done.returncode == 0, done.stderr.decode()
    return [line.split() for line in done.stdout.decode().splitlines()]


def end(text):
    """An address and port as ss or netstat print them."""
    address, port = peer(text.replace("[::]", "::") if text.startswith("[::]:") else text)
    return "::" if address in ("*", "") else address, port


def key(row):
    return (row["local"]["address"], row["local"]["port"]), (row["remote"]["address"], row["remote"]["port"])


def by_ss(host, *words):
    rows = {}
    for line in host.run("ss", "-Htnp", *words).stdout.splitlines():
        state, received, sent, local, remote, *rest = line.split(maxsplit=5)
        if state == "UNCONN":  # bound and nothing more: newer versions of ss show these, connleak does not
            continue
        rest = rest[0] if rest else ""
        timer = re.search(r"timer:\((\w+),([^,]*),(\d+)\)", rest)
        rows[end(local), end(remote)] = {
            "state": STATES[state], "queues": (int(received), int(sent)),
            "timer": (TIMERS[timer[1]], milliseconds(timer[2]), int(timer[3])) if timer else ("off", 0, 0),
            "text": timer[0][7:-1] if timer else "", "memory": skmem(rest),
            "owners": {(int(pid), int(fd)) for pid, fd in re.findall(r"pid=(\d+),fd=(\d+)", rest)}}
    return rows


MEMORY = {"rmem_alloc_bytes": "r", "rcvbuf_bytes": "rb", "wmem_alloc_bytes": "t", "sndbuf_bytes": "tb",
          "fwd_alloc_bytes": "f", "wmem_queued_bytes": "w", "optmem_bytes": "o", "backlog_bytes": "bl", "drops": "d"}


def skmem(text):
    """What ss -m says of a socket, under our names; None where it says nothing."""
    told = re.search(r"skmem:\(([^)]*)\)", text)
    if not told:
        return None
    numbers = dict(re.fullmatch(r"([a-z]+)(\d+)", part).groups() for part in told[1].split(","))
    return {name: int(numbers[letters]) for name, letters in MEMORY.items()}


def by_netstat(host):
    rows = {}
    for line in host.run("netstat", "-tanoW").stdout.splitlines():
        if not line.startswith("tcp"):
            continue
        family, received, sent, local, remote, state, timer, numbers = line.split()
        seconds, retransmits, probes = numbers.strip("()").split("/")
        # netstat shows a mapped address as such, and the wildcard without brackets.
        rows[end(local), end(remote)] = {
            "proto": family, "state": STATES.get(state, state.lower()), "queues": (int(received), int(sent)),
            "timer": (TIMERS[timer], float(seconds) * 1000, int(retransmits), int(probes))}
    return rows


def milliseconds(text):
    """ss's times: 4min14sec, 1.234ms (of seconds), 234ms. Above ten minutes the seconds are cut."""
    parts = re.fullmatch(r"(?:(\d+)min)?(?:(\d+)(?:sec|\.))?(?:(\d+)ms)?", text)
    return int(parts[1] or 0) * 60000 + int(parts[2] or 0) * 1000 + int(parts[3] or 0)


def steady(read_theirs, read_ours):
    """Theirs before and after, and ours between, of a moment when no timer changed its kind or began anew."""
    def same():
        before, ours, after = read_theirs(), read_ours(), read_theirs()
        kinds = [{key: (row["state"], row["timer"][0], row["timer"][2:]) for key, row in rows.items()}
                 for rows in (before, after)]
        quiet = kinds[0] == kinds[1] and all(row["timer"][1] <= before[key]["timer"][1] for key, row in after.items())
        return (before, ours, after) if quiet else None
    return eventually(same, 30, what="a quiet moment")
