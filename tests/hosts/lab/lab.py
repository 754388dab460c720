"""Hosts for the tests: network namespaces joined by veth pairs, bridges and routers, as in WireGuard's netns.sh.

    with Lab() as lab:
        server, web = lab.hosts("server", "web")
        lab.lan(server, web)

        ┌─────────────┐     ┌──────────────┐     ┌─────────────┐
        │ server      │     │ switch       │     │ web         │
        │  10.a.b.1   │     │   bridge     │     │  10.a.b.2   │
        │  fd…::1     │     │              │     │  fd…::2     │
        │      eth0 ──┼─────┼─ server  web ┼─────┼─ eth0       │
        └─────────────┘     └──────────────┘     └─────────────┘

Every run has namespaces and subnets of its own, so that several can go on side by side. A lab ends what it began,
and nothing else: its processes by pid, its namespaces by name, its directory.
"""

import atexit
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NETNS = Path("/run/netns")
PYTHON = "/usr/bin/python3"
HERE = Path(__file__).resolve().parent

SLACK = 0.15  # Redis reads the clock ten times a second

_numbers = itertools.count(1)
_open_labs = []


def eventually(predicate, timeout=20.0, interval=0.02, what=None):
    """Polls until predicate() is true and returns its value. The longer it takes, the longer are the intervals, up to
    0.2 s: most predicates start a process, and other tests want the processors, too."""
    deadline, pause = time.monotonic() + timeout, interval
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or predicate}; last value: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.2, max(interval, 0.2))


def silence(seconds=1, heard=("lastrcv", "lastack")):
    """Returns once every TCP connection of the open labs has been silent for longer than `seconds`: by the kernel, as
    `--recent` counts it, and by a server whose clock counts whole seconds. A connection that speaks meanwhile does not
    hold this up for longer: it has had its chance to be silent. heard: what counts as hearing, as ss names it."""
    seconds += SLACK
    until = time.monotonic() + seconds
    while (left := min(until - time.monotonic(), seconds - last_heard(heard))) > 0:
        time.sleep(left)


def last_heard(heard):
    """The seconds since any connection in sight heard from its peer; 0 where there is none to ask."""
    silent = [int(word.split(":")[1]) for lab in _open_labs for host in lab.living() if host.processes
              for word in host.run("ss", "-Htni", "state", "connected").stdout.split()
              if word.split(":")[0] in heard]
    return min(silent, default=0) / 1000


def nothing_happens_for(seconds):
    """The one wait of a fixed time: something must not happen, and this is when it would."""
    time.sleep(seconds)


def run(command, check=True, **options):
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60} | options
    done = subprocess.run([str(word) for word in command], **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Subnet:
    """10.a.b.0/24 and fdaa:bb::/64. The n-th host that joins is .n and ::n."""

    def __init__(self, a=None, b=None):
        self.a, self.b = a or random.randint(16, 250), b or random.randint(1, 254)

    def ipv4(self, n):
        return f"10.{self.a}.{self.b}.{n}"

    def ipv6(self, n):
        return f"fd{self.a:02x}:{self.b:x}::{n:x}"

    @property
    def networks(self):
        return [f"{self.ipv4(0)}/24", f"fd{self.a:02x}:{self.b:x}::/64"]


class Host:
    """A network namespace. `ip` and `ip6` are its addresses on the first network that it joined."""

    def __init__(self, lab, name, buckets=None):
        self.lab, self.name = lab, name
        self.netns = f"clk-{os.getpid()}-{lab.number}-{name}"
        self.path = NETNS / self.netns
        self.addresses, self.devices = [], 0
        self.processes = []
        self.exists = True
        creator = lab.host(f"maker{buckets}").small_tables(buckets).enter() if buckets else []
        run([*creator, "ip", "netns", "add", self.netns])
        self.inode = os.stat(self.path).st_ino
        self.ip_("link", "set", "lo", "up")

    def small_tables(self, buckets):
        """Namespaces that are made from inside this one get a socket table of their own, with few buckets."""
        self.sysctl("net.ipv4.tcp_child_ehash_entries", buckets)
        return self

    @property
    def ip(self):
        return self.addresses[0][0]

    @property
    def ip6(self):
        return self.addresses[0][1]

    @property
    def every_address(self):
        return {address for pair in self.addresses for address in pair}

    def enter(self):
        return ["nsenter", f"--net={self.path}", "--"]

    def run(self, *command, **options):
        return run([*self.enter(), *command], **options)

    def start(self, *command, **options):
        return self.lab.start(command, host=self, **options)

    def ip_(self, *words):
        return run(["ip", "-n", self.netns, *words])

    def nft(self, rules):
        self.run("nft", "-f", "-", stdin=None, input=rules)

    def sysctl(self, key, value):
        path = "/proc/sys/" + key.replace(".", "/")
        self.run("sh", "-c", f"echo {value} > {path}")

    def ss(self, *filters):
        """The namespace's TCP sockets as ss tells them, one list of words per socket."""
        lines = self.run("ss", "-Htnao", *filters).stdout.splitlines()
        return [line.split() for line in lines]

    def join(self, subnet, number, peer, peer_device):
        """A veth pair from a new device here to `peer_device` in the namespace `peer`."""
        device = f"eth{self.devices}"
        self.devices += 1
        run(["ip", "-n", peer.netns, "link", "add", peer_device, "type", "veth",
             "peer", "name", device, "netns", self.netns])
        self.address(subnet, number, device)

    def address(self, subnet, number, device):
        self.ip_("addr", "add", f"{subnet.ipv4(number)}/24", "dev", device)
        self.ip_("addr", "add", f"{subnet.ipv6(number)}/64", "dev", device, "nodad")
        self.ip_("link", "set", device, "up")
        self.addresses.append((subnet.ipv4(number), subnet.ipv6(number)))

    def default_route(self, addresses):
        for address in addresses:
            self.ip_("route", "add", "default", "via", address)

    def unplug(self):
        for number in range(self.devices):
            self.ip_("link", "set", f"eth{number}", "down")

    def forget_name(self):
        """Removes the name alone; the namespace lives on while anything in it does."""
        run(["ip", "netns", "del", self.netns])
        self.exists = False

    def vanish(self):
        """The host is gone, without a word to anyone: cable out first, then the processes, then the namespace."""
        self.unplug()
        for process in self.processes:
            self.lab.end(process)
        self.forget_name()


class Lab:
    def __init__(self):
        self.number = next(_numbers)
        self.directory = Path(tempfile.mkdtemp(prefix=f"clk-{os.getpid()}-{self.number}-"))
        self.directory.chmod(0o755)  # workers of php-fpm and other users look in
        self._hosts, self._processes = {}, []
        _open_labs.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ------------------------------------------------------------ hosts and their networks

    def host(self, name, buckets=None):
        if name not in self._hosts:
            self._hosts[name] = Host(self, name, buckets)
        return self._hosts[name]

    def hosts(self, *names):
        return [self.host(name) for name in names]

    def living(self):
        return [host for host in self._hosts.values() if host.exists]

    def lan(self, *hosts, subnet=None, number=1):
        """Joins the hosts by a bridge in a namespace of its own; they get the numbers from `number` on."""
        subnet = subnet or Subnet()
        switch = self.host(f"switch{len(self._hosts)}")
        switch.ip_("link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
        switch.ip_("link", "set", "bridge", "up")
        for offset, host in enumerate(hosts):
            host.join(subnet, number + offset, switch, host.name)
            switch.ip_("link", "set", host.name, "master", "bridge", "up")
        return subnet

    def docker(self, host, *containers, subnet=None):
        """Joins containers to a host as Docker does: the bridge is the host's own, with an address on it."""
        subnet = subnet or Subnet()
        host.ip_("link", "add", "docker0", "type", "bridge", "mcast_snooping", "0")
        host.address(subnet, 1, "docker0")
        for number, container in enumerate(containers, 2):
            container.join(subnet, number, host, f"port{number}")
            host.ip_("link", "set", f"port{number}", "master", "docker0", "up")
        return subnet

    def cable(self, one, other, subnet=None):
        """Joins two hosts by a veth pair, with nothing between."""
        subnet = subnet or Subnet()
        device = f"eth{other.devices}"
        other.devices += 1
        one.join(subnet, 1, other, device)
        other.address(subnet, 2, device)
        return subnet

    def router(self, name, *sides):
        """A router that joins every list of hosts in `sides`, each in a network of its own."""
        router = self.host(name)
        for number, side in enumerate(sides):
            subnet = self.lan(router, *side)
            for host in side:
                host.default_route([subnet.ipv4(1), subnet.ipv6(1)])
        router.sysctl("net.ipv4.ip_forward", 1)
        router.sysctl("net.ipv6.conf.all.forwarding", 1)
        return router

    # ------------------------------------------------------------ processes

    def start(self, command, host=None, **options):
        """Starts a process that dies with this one at the latest. Its pid is the command's own."""
        words = [*(host.enter() if host else []), "setpriv", "--pdeathsig", "KILL", *command]
        words = [word if isinstance(word, bytes) else str(word) for word in words]
        process = subprocess.Popen(words, start_new_session=True, **options)
        self._processes.append(process)
        if host:
            host.processes.append(process)
        return process

    def end(self, process, gently=False):
        """Ends a process and what it forked. The group is signalled before the leader is reaped: its number
        cannot belong to anyone else until then."""
        if process.returncode is not None:
            return
        try:
            os.killpg(process.pid, signal.SIGCONT)
            if gently:
                process.terminate()
                eventually(lambda: os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT), 3)
        except (ProcessLookupError, AssertionError):
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait(timeout=10)
        for stream in (process.stdin, process.stdout, process.stderr):
            try:
                if stream:
                    stream.close()
            except OSError:
                pass

    def close(self):
        if self not in _open_labs:
            return
        _open_labs.remove(self)
        troubles = []
        for process in reversed(self._processes):
            try:
                self.end(process)
            except Exception as trouble:  # the rest must go all the same
                troubles.append(trouble)
        for host in self._hosts.values():
            if host.exists:
                try:
                    host.forget_name()
                except Exception as trouble:
                    troubles.append(trouble)
        shutil.rmtree(self.directory, ignore_errors=True)
        for trouble in troubles:
            print(f"lab {self.number}: {trouble}", file=sys.stderr)


@atexit.register
def close_all_labs():
    for lab in list(_open_labs):
        lab.close()
