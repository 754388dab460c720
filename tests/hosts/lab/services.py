"""The real programs that run on the hosts: redis-server, clients, other TCP servers, php-fpm.

CONNLEAK_SERVER=valkey-server runs the same tests with another server of Redis's kin.
"""

import glob
import json
import os
import select
import shutil
import signal
import subprocess
from typing import NamedTuple

import fastcgi
from lab import HERE, PYTHON, eventually, run


# Debian names it by its version.
PHP_FPM = next(iter(sorted(glob.glob("/usr/sbin/php-fpm[0-9]*"), reverse=True)), "php-fpm")
SERVER = os.environ.get("CONNLEAK_SERVER") or "redis-server"
KIND = SERVER.removesuffix("-server")
CLI = f"{KIND}-cli"
# "Redis server v=7.0.15 sha=…"
REDIS_VERSION = next((word[2:] for word in run([SERVER, "--version"], check=False).stdout.split()
                      if word.startswith("v=")), None) if shutil.which(SERVER) else None


class Endpoint(NamedTuple):
    address: str
    port: int

    def __str__(self):
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Service:
    """What listens on a host: a pid, an address and a port."""

    host, process, port = None, None, None

    @property
    def pid(self):
        return self.process.pid

    @property
    def target(self):
        return f"{self.host.ip}:{self.port}"

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)
        eventually(lambda: "T (stopped)" in open(f"/proc/{self.pid}/status").read())

    def cont(self):
        os.kill(self.pid, signal.SIGCONT)

    def accepted(self, endpoints, states=("ESTAB",)):
        """Whether this host holds every one of these connections in one of these states."""
        wanted = {(e.address, e.port) for e in endpoints}
        return wanted <= {peer(row[4]) for row in self.host.ss("sport", "=", f":{self.port}") if row[0] in states}


class Redis(Service):
    """redis-server, listening on every address of the host. The tests' own questions go over a unix socket, so
    that they leave no trace among the TCP connections."""

    def __init__(self, host, port=6379, name="redis", prefix=(), **config):
        self.host, self.port = host, port
        self.password = config.get("requirepass")
        self.directory = host.lab.directory / f"{name}-{host.name}-{port}"
        self.directory.mkdir()
        self.socket = self.directory / "redis.sock"
        settings = {"port": port, "bind": "* -::*", "protected-mode": "no", "save": "", "appendonly": "no",
                    "dir": self.directory, "unixsocket": self.socket, "unixsocketperm": 777, "tcp-keepalive": 0,
                    "logfile": self.directory / "log"}
        settings |= {name.replace("_", "-"): value for name, value in config.items()}
        (self.directory / "redis.conf").write_text(
            "".join(f'{name} {value if value != "" else chr(34) * 2}\n' for name, value in settings.items()))
        self.process = host.start(*prefix, SERVER, self.directory / "redis.conf")
        eventually(lambda: self.cli("PING", check=False) == "PONG", what=f"{SERVER} answers")

    def cli(self, *words, check=True):
        login = {"REDISCLI_AUTH": self.password} if self.password else {}
        done = run([CLI, "-s", self.socket, *words], check=check, env=os.environ | login)
        return done.stdout.strip()

    def hide_socket(self):
        """Its Unix socket is known to the tests alone: under the name that the kernel tells there is none."""
        hidden = self.socket.with_name("hidden.sock")
        self.socket.rename(hidden)
        self.socket = hidden
        return self

    def client_list(self):
        rows = [dict(field.split("=", 1) for field in line.split()) for line in self.cli("CLIENT", "LIST").split("\n")]
        return [row for row in rows if "U" not in row["flags"]]


class Client:
    """A process that holds connections: see client.py. Each method there is one here."""

    def __init__(self, host, command=(PYTHON,), arguments=(), **options):
        self.host = host
        self.process = host.start(*command, HERE / "client.py", *arguments, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, **options)
        self.pid = self._answer()["pid"]

    def _answer(self, timeout=60):
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            raise TimeoutError(f"client {self.process.pid} does not answer")
        answer = json.loads(self.process.stdout.readline() or '{"error": "ended"}')
        if "error" in answer:
            raise RuntimeError(f"client on {self.host.name}: {answer['error']}")
        return answer

    def tell(self, do, **arguments):
        arguments = {name: value for name, value in arguments.items() if value is not None}
        if "ports" in arguments:
            arguments["ports"] = [endpoint.port for endpoint in arguments["ports"]]
        self.process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        return self._answer()

    def open(self, service, n=1, host=None, port=None, **how):
        """Opens n connections to a service (or to `host`, under which it is known here)."""
        answer = self.tell("open", host=host or service.host.ip, port=port or service.port, n=n, **how)
        return [Endpoint(*pair) for pair in answer["opened"]]

    def alive(self, endpoints=None):
        return [Endpoint(*pair) for pair in self.tell("ping", ports=endpoints)["alive"]]

    def say(self, text, endpoints=None):
        return self.tell("say", text=text, ports=endpoints)["replies"]

    def send(self, text, endpoints=None):
        self.tell("send", text=text, ports=endpoints)

    def close(self, endpoints=None):
        self.tell("close", ports=endpoints)

    def fork(self):
        return self.tell("fork")["pid"]

    def leave(self):
        self.tell("leave", namespace="/proc/1/ns/net" if os.getuid() else f"/proc/{os.getpid()}/ns/net")

    def churn(self, service, rate):
        self.tell("churn", host=service.host.ip, port=service.port, rate=rate)

    def churned(self, stop=False):
        return self.tell("churned", stop=stop)


class TcpServer(Service):
    """A server that is not Redis: see peer.py for its modes."""

    def __init__(self, host, mode, port=9000, arguments=(), address="0.0.0.0", prefix=()):
        self.host, self.port = host, port
        self.process = host.start(*prefix, PYTHON, HERE / "peers/peer.py", mode, address, port, *arguments, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"


class PhpFpm:
    """php-fpm with one pool, static unless told otherwise. Scripts are given as text."""

    def __init__(self, host, pool="shop", children=4, mode="static"):
        self.host, self.pool, self.children = host, pool, children
        self.directory = host.lab.directory / f"fpm-{host.name}-{pool}"
        (self.directory / "pool.d").mkdir(parents=True)
        self.directory.chmod(0o755)
        self.socket, self.script = self.directory / "fpm.sock", self.directory / "index.php"
        main, pool_file = self.directory / "php-fpm.conf", self.directory / "pool.d" / f"{pool}.conf"
        main.write_text(f"[global]\npid = {self.directory}/pid\nerror_log = {self.directory}/log\n"
                        f"include = {self.directory}/pool.d/*.conf\n")
        pool_file.write_text(f"[{pool}]\nuser = www-data\ngroup = www-data\nlisten = {self.socket}\n"
                             f"pm = {mode}\npm.max_children = {children}\npm.process_idle_timeout = 1h\n")
        self.process = host.start(PHP_FPM, "--nodaemonize", "--fpm-config", main,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self.listens, what="php-fpm listens")

    def listens(self):
        """Its socket is there a moment before it takes connections."""
        return str(self.socket) in self.host.run("ss", "-Hxl").stdout

    def write(self, body):
        self.script.write_text(f"<?php {body}; usleep(200000); echo getmypid();")
        self.script.chmod(0o644)

    def workers(self):
        return [int(pid) for pid in run(["pgrep", "-P", str(self.process.pid)], check=False).stdout.split()]

    def run_in_every_worker(self, body):
        """Runs the PHP text until each worker has run it: requests that take a moment, as many at a time."""
        self.write(body)
        seen = set()

        def all_seen():
            seen.update(int(text) for text in fastcgi.requests(self.socket, self.script, self.children))
            return len(seen) == self.children

        eventually(all_seen, what=f"all {self.children} workers served a request")
        assert seen == set(self.workers())

    def end(self):
        self.host.lab.end(self.process, gently=True)


def peer(text):
    """An endpoint as ss prints it, v4-mapped ones as plain IPv4."""
    address, port = text.rsplit(":", 1)
    return address.strip("[]").removeprefix("::ffff:").split("%")[0], int(port) if port.isdigit() else 0
