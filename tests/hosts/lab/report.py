"""Runs connleak in a host, or outside all of them, and reads its JSON report the way a user's script would."""

import collections
import functools
import ipaddress
import json
import os
import subprocess
import time
from pathlib import Path

import schemas
from lab import NETNS, Lab

ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("CONNLEAK", ROOT / "build/test/connleak")).absolute()
VERDICTS = ["healthy", "ghost", "suspect", "unverified", "orphan", "unaccepted", "close-wait", "transient"]
LINE_TYPES = {"servers": "server", "connections": "connection", "processes": "process", "groups": "group",
              "findings": "finding", "gaps": "gap"}
VALIDATED_ROWS = 150  # of each list: jsonschema is slow, and the rows are alike
ROOT_NAMESPACE = object()  # as a host: the namespace that the tests themselves run in


@functools.cache
def has_tls():
    """Whether the program's build has TLS; its help says so where not."""
    if not os.access(BINARY, os.X_OK):
        return False
    return b"not in this build" not in subprocess.run([BINARY, "--help"], capture_output=True).stdout


@functools.cache
def outside():
    """Where the program runs unless told otherwise: a host that is joined to nothing. A TARGET that is not in sight
    is unreachable from there, and nothing is ever sent out of the machine."""
    return Lab().host("outside")


def command(*words, host=None, user=None, sight=None, prefix=()):
    """prefix: a command that runs the program. sight: a list of hosts. Then the program lives in a container that has these namespaces under /run/netns
    and a process table of its own, so that nothing else is in sight of it."""
    prefix = [*([] if host is ROOT_NAMESPACE else (host or outside()).enter()), *prefix]
    if sight is not None:
        keep = "".join(f"touch /run/netns/{h.netns}; mount --bind /mnt/{h.netns} /run/netns/{h.netns};" for h in sight)
        script = (f"set -e; mount --make-rprivate /; mount --rbind {NETNS} /mnt; mount -t tmpfs none {NETNS};"
                  f'{keep} umount -l /mnt; exec "$@"')
        prefix += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
                   "sh", "-c", script, "sh"]
    if user:
        prefix += ["setpriv", "--reuid", user, "--regid", "nogroup", "--clear-groups", "--"]
    return [str(word) for word in [*prefix, BINARY, *words]]


def connleak(*words, env=None, timeout=60, **where):
    """Runs the program; bytes in, bytes out."""
    hidden = ("REDISCLI_AUTH", "MYSQL_PWD", "NO_COLOR", "COLUMNS")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    begun = time.monotonic()
    done = subprocess.run(command(*words, **where), env=environment | (env or {}), timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True)
    done.seconds = time.monotonic() - begun
    return done


def scan(*words, check=0, **options):
    """`connleak WORDS --json`, its exit status checked, its report read and held against the schema."""
    done = connleak(*words, "--json", **options)
    shown = f"connleak {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr.decode(errors='replace')}"
    assert done.returncode in ((check,) if isinstance(check, int) else check), shown
    return Report(done, shown)


def scan_lines(*words, **options):
    """`connleak WORDS --format ndjson`: its lines, each held against the schema, the summary last."""
    done = connleak(*words, "--format", "ndjson", **options)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("utf-8", errors="strict")
    assert text.endswith("\n")
    lines = [json.loads(line, parse_constant=reject) for line in text.removesuffix("\n").split("\n")]
    for line in lines:
        schemas.validator("ndjson").validate(line)
    summary = lines[-1]
    for line in lines:
        assert (line["host"], line["generated_at"]) == (summary["host"], summary["generated_at"])
    types = collections.Counter(line["type"] for line in lines)
    assert types.pop("summary") == 1
    assert types == {LINE_TYPES[total]: count for total, count in summary["totals"].items() if count}
    return lines


class Row(dict):
    verdict = property(lambda self: self["verdict"])
    evidence = property(lambda self: self["evidence"])

    def owners(self, side):
        return {owner["pid"] for owner in (self[f"{side}_socket"] or {"owners": []})["owners"]}


class Report(dict):
    def __init__(self, done, shown):
        self.seconds, self.raw, self.stderr = done.seconds, done.stdout, done.stderr
        super().__init__(json.loads(done.stdout.decode("utf-8", errors="strict"), parse_constant=reject))
        assert self["schema_version"] == 2, shown
        self.connections = [Row(row) for row in self["connections"]]
        self.validate()

    def validate(self):
        for row in self.connections:
            assert row.verdict in VERDICTS, row
        schemas.validator("report").validate({name: value[:VALIDATED_ROWS] if isinstance(value, list) else value
                                              for name, value in self.items()})

    # ------------------------------------------------------------ servers

    def server(self, service):
        """The one entry of `servers` that is this service: by the port, and by its namespace or an address."""
        found = [server for server in self["servers"] if self.is_of(server, service)]
        assert len(found) == 1, f"{len(found)} entries for {service.target}: {found or self['servers']}"
        return found[0]

    def counts(self, service):
        """The counts that are not 0."""
        counts = self.server(service)["counts"]
        assert sorted(counts) == sorted(VERDICTS)
        return {verdict: count for verdict, count in counts.items() if count}

    def findings(self, service=None, code=None):
        return [finding for finding in self["findings"] if (code is None or finding["code"] == code)
                and (service is None or self.concerns(finding, service))]

    def finding(self, service, code):
        found = self.findings(service, code)
        assert len(found) == 1, f"{len(found)} findings {code}; there are {[f['code'] for f in self['findings']]}"
        return found[0]

    def codes(self, service):
        return {finding["code"] for finding in self.findings(service)}

    @staticmethod
    def is_of(server, service):
        """An item's `server` names a namespace where that is known; where it does not, the address must do."""
        if not server or server["port"] != service.port:
            return False
        if server.get("netns") is not None:
            return server["netns"] == service.host.inode
        return server["address"] in service.host.every_address

    def concerns(self, item, service):
        """Rows of processes, groups and findings have the address of an entry of `servers` and no namespace."""
        server = item["server"]
        return self.is_of(server, service) or bool(server) and "netns" not in server and any(
            self.is_of(entry, service) and entry["address"] == server["address"] and entry["port"] == server["port"]
            for entry in self["servers"])

    def group(self, service, name):
        found = [group for group in self["groups"] if group["name"] == name and self.concerns(group, service)]
        assert len(found) == 1, f"{len(found)} groups {name!r}; there are {[g['name'] for g in self['groups']]}"
        return found[0]

    def processes(self, service, pid):
        return [row for row in self["processes"] if row["pid"] == pid and self.concerns(row, service)]

    # ------------------------------------------------------------ connections

    def rows(self, endpoint=None, service=None, client_host=None):
        """The rows of a client's endpoint. Where the same address lives twice, of this server or client host."""
        return [row for row in self.connections
                if (endpoint is None or is_endpoint(row["client"], endpoint))
                and (service is None or self.concerns(row, service))
                and (client_host is None or row["client"].get("netns") == client_host.inode)]

    def row(self, endpoint, **which):
        found = self.rows(endpoint, **which)
        assert len(found) == 1, f"{len(found)} rows for {endpoint}, expected one: {found}"
        return found[0]

    def expect(self, endpoints, verdict, *evidence, without=(), keepalive=None, **which):
        """Every endpoint has exactly one row, with this verdict (or one of these), with all of this evidence."""
        verdicts = [verdict] if isinstance(verdict, str) else verdict
        for endpoint in endpoints:
            row = self.row(endpoint, **which)
            shown = json.dumps(row, indent=1)
            assert row.verdict in verdicts, f"{endpoint} is {row.verdict} {row.evidence}, expected {verdict}\n{shown}"
            assert set(evidence) <= set(row.evidence), f"{endpoint}: {row.evidence} lacks some of {evidence}\n{shown}"
            assert not set(without) & set(row.evidence), f"{endpoint}: {row.evidence} has some of {without}\n{shown}"
            assert keepalive in (None, row["keepalive"]), f"{endpoint}: keepalive {row['keepalive']}\n{shown}"

    def never_dead(self, endpoints, **which):
        """Above all: a live connection is never called ghost or orphan. That it is listed is not asked here."""
        for endpoint in endpoints:
            for row in self.rows(endpoint, **which):
                assert row.verdict not in ("ghost", "orphan"), f"{endpoint} lives\n{json.dumps(row, indent=1)}"

    def gaps(self, source=None):
        return [gap for gap in self["gaps"] if source is None or gap["source"] == source]


def is_endpoint(shown, endpoint):
    return (shown.get("port") == endpoint.port and bool(shown.get("address"))
            and ipaddress.ip_address(shown["address"]) == ipaddress.ip_address(endpoint.address))


def reject(constant):
    raise ValueError(f"{constant} is not JSON")
