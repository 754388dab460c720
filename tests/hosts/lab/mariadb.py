"""A real mariadbd on a host, its clients, and what its process list says of them.

The monitoring users: root@localhost by the Unix socket alone (as Debian has it), `monitor` who may see every
connection and end it, `small` who sees only itself. `app` is what clients log in as.
"""

import atexit
import collections
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab import HERE, PYTHON, eventually, run
from services import Client, Endpoint, Service

SERVER = "mariadbd"
SECRET = "open-sesame-1414213562"  # of monitor and small
APP = {"user": "app", "password": "app-1732050807"}
# "mariadbd  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64 (Debian 12)"
MARIADB_VERSION = (run([SERVER, "--version"], check=False).stdout.partition("Ver ")[2].split(" ")[0]
                   if shutil.which(SERVER) else None)
TOO_MANY, ACCESS_DENIED = 1040, 1045  # what a login is refused with
PROGRAMS = [SERVER, "mariadb", "mariadb-install-db"]
SETTINGS = {"skip-innodb": "", "default-storage-engine": "Aria", "aria-pagecache-buffer-size": "1M",
            "key-buffer-size": "1M", "table-open-cache": 64, "skip-log-bin": "", "pid-file": "pid", "log-error": "log",
            "user": "mysql", "max-connections": 100}
USERS = f"""
    CREATE USER monitor@'%' IDENTIFIED BY '{SECRET}';
    GRANT PROCESS, CONNECTION ADMIN, SLAVE MONITOR ON *.* TO monitor@'%';
    CREATE USER small@'%' IDENTIFIED BY '{SECRET}';
    CREATE USER {APP['user']}@'%' IDENTIFIED BY '{APP['password']}';
    CREATE DATABASE shop;
    GRANT ALL ON shop.* TO {APP['user']}@'%';
"""


def lacking():
    return [program for program in PROGRAMS if not shutil.which(program)]


@functools.cache
def template():
    """A data directory as a fresh installation has it, made once."""
    folder = Path(tempfile.mkdtemp(prefix=f"clk-{os.getpid()}-mariadb-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run(["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--skip-test-db", "--skip-name-resolve",
         "--auth-root-authentication-method=socket", "--user=root", "--skip-innodb", "--default-storage-engine=Aria"],
        env=os.environ | {"TMPDIR": str(folder)})  # it names its files by a pid, of which another run has the same
    return folder / "data"


class MariaDb(Service):
    """mariadbd, listening on every address of the host and on a Unix socket, by which the tests' own questions go.

    prefix: a command that runs it. Everything else is a setting: skip_name_resolve=False, max_connections=5 …
    """

    def __init__(self, host, port=3306, name="mariadb", prefix=(), **config):
        self.host, self.port = host, port
        self.directory = host.lab.directory / f"{name}-{host.name}-{port}"
        self.directory.mkdir()
        self.socket = self.directory / "mysqld.sock"
        data = self.directory / "data"
        run(["cp", "-a", template(), data])
        settings = SETTINGS | {"datadir": data, "socket": self.socket, "port": port, "bind-address": "*",
                               "tmpdir": self.directory, "skip-name-resolve": True}
        settings |= {key.replace("_", "-"): value for key, value in config.items()}
        settings = {key: value for key, value in settings.items() if value is not None}
        settings["skip-name-resolve"] = int(settings["skip-name-resolve"])
        text = "".join(f"{key} = {value}\n" if value != "" else f"{key}\n" for key, value in settings.items())
        (self.directory / "my.cnf").write_text(f"[mariadbd]\n{text}")
        init = self.directory / "init.sql"
        init.write_text("".join(" ".join(line.split()) + "\n" for line in USERS.splitlines() if line.strip()))
        run(["chown", "-R", "mysql:mysql", self.directory])
        self.process = host.start(*prefix, SERVER, f"--defaults-file={self.directory}/my.cnf", f"--init-file={init}",
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self.answers, 30, what=f"{SERVER} answers; {self.directory}/data/log")

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError((self.directory / "data/log").read_text(errors="replace")[-3000:])
        return self.socket.exists() and self.sql("SELECT 1", check=False) == [["1"]]

    def sql(self, statement, check=True, user=None):
        """The rows of the answer, their fields as text; as root by the Unix socket."""
        login = ["--user", user, f"--password={SECRET}"] if user else []
        done = run(["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--socket", self.socket, *login,
                    "-e", statement], check=check)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def processes(self, user=APP["user"]):
        """SHOW PROCESSLIST, by the connection's id."""
        names = ["id", "user", "host", "db", "command", "time", "state", "info"]
        rows = [dict(zip(names, row)) for row in self.sql("SHOW FULL PROCESSLIST")]
        return {int(row["id"]): row for row in rows if user is None or row["user"] == user}

    def status(self, name):
        [[_, value]] = self.sql(f"SHOW GLOBAL STATUS LIKE '{name}'")
        return int(value)

    def asleep(self, ids, seconds=0):
        """Waits until all of these have been idle for so long by the server's own clock."""
        def idle():
            rows = self.processes()
            return all(rows[each]["command"] == "Sleep" and int(rows[each]["time"]) >= seconds for each in ids)
        eventually(idle, seconds + 20, what=f"{len(ids)} connections idle for {seconds} s")

    def url(self, user="monitor", host=None):
        address = host or self.host.ip
        address = f"[{address}]" if ":" in address else address
        return f"mysql://{user + '@' if user else ''}{address}:{self.port}"

    def servers_pid(self):
        """Where it was started by another command that waits for it."""
        return int(run(["pgrep", "-P", self.pid, SERVER]).stdout)

    def hide_socket(self):
        """Its Unix socket is known to the tests alone: under the name that the kernel tells there is none."""
        hidden = self.socket.with_name("hidden.sock")
        self.socket.rename(hidden)
        self.socket = hidden
        return self


class MySqlClient:
    """A process that holds logged-in connections: see mysql_client.py. Each method there is one here.

    `ids` has CONNECTION_ID() of every endpoint (or, by a Unix socket, of its inode).
    """

    def __init__(self, host, **options):
        self.host, self.ids = host, {}
        self.process = host.start(PYTHON, HERE / "mysql_client.py", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  **options)
        self.pid = self._answer()["pid"]

    _answer, tell = Client._answer, Client.tell

    def _keep(self, answer):
        opened = {Endpoint(*end) if isinstance(end, list) else end: number for end, number in answer["opened"]}
        self.ids |= opened
        return list(opened)

    def open(self, service, n=1, host=None, port=None, **how):
        """Opens n connections to a service (or to `host`, under which it is known here), asleep after login."""
        return self._keep(self.tell("open", host=host or service.host.ip, port=port or service.port, n=n, **APP | how))

    def open_unix(self, service, n=1, **how):
        """By its Unix socket: the inodes of the client's ends."""
        return self._keep(self.tell("open", path=str(service.socket), n=n, **APP | how))

    def names(self, ends):
        return None if ends is None else [end.port if isinstance(end, Endpoint) else end for end in ends]

    def alive(self, ends=None):
        answer = self.tell("ask", sql="SELECT 1", names=self.names(ends))["answers"]
        return [Endpoint(*end) if isinstance(end, list) else end for end, value in answer if value == [["1"]]]

    def ask(self, sql, ends=None):
        return [value for _, value in self.tell("ask", sql=sql, names=self.names(ends))["answers"]]

    def send(self, sql, ends=None):
        """Asks and does not wait for the answer."""
        self.tell("send", sql=sql, names=self.names(ends))

    def close(self, ends=None):
        self.tell("close", names=self.names(ends))

    def churn(self, service):
        self.tell("churn", host=service.host.ip, port=service.port, **APP)

    def churned(self, stop=False):
        return self.tell("churned", stop=stop)

    def refusal(self, service, **how):
        """The number of the error that a login is answered with."""
        return self.tell("refusal", host=service.host.ip, port=service.port, **APP | how)["refusal"]


def password_file(db, text=SECRET):
    file = db.host.lab.directory / "password of monitor"
    file.write_text(text + "\n")
    file.chmod(0o600)
    return file


def with_hosts_file(lab, text):
    """A prefix that gives one process an /etc/hosts of its own."""
    file = lab.directory / f"hosts{len(list(lab.directory.glob('hosts*')))}"
    file.write_text("127.0.0.1 localhost\n::1 localhost\n" + text)
    return ["unshare", "--mount", "--propagation", "private", "--",
            "sh", "-c", f'mount --bind {file} /etc/hosts && exec "$@"', "sh"]


def mysql_of(row):
    """What the report says of a connection beside the kernel's facts, without what moves."""
    told = collections.defaultdict(lambda: None, row["listed"] or {})
    return told["id"], told["user"], told["database"], told["command"]
