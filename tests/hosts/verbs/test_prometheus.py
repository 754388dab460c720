"""What Prometheus gets, by its own tools: promtool, its Python parser, a real node_exporter and a real Prometheus
with the alert rules and the dashboard's queries.

    server ── switch ── web        monitor: node_exporter <── prometheus, on its loopback
"""

import collections
import json
import os
import re
import shutil
import stat
import subprocess

import pytest

try:
    from prometheus_client import parser
except ImportError:
    parser = None

from lab import PYTHON, eventually
from report import ROOT, VERDICTS, command, connleak, scan
from services import Client, Redis, TcpServer
from sickness import ghost_host_up

MONITORING = ROOT / "monitoring"
RULES = MONITORING / "connleak.rules.yml"
DASHBOARD = json.loads((MONITORING / "grafana-dashboard.json").read_text())
KEEPALIVES = ["on", "off", "masked", "unknown"]
METRICS = {
    "connleak_up": "gauge", "connleak_clients": "gauge", "connleak_clients_limit": "gauge",
    "connleak_rejected_connections": "counter", "connleak_connections": "gauge",
    "connleak_keepalive_connections": "gauge", "connleak_group_connections": "gauge", "connleak_group_workers": "gauge",
    "connleak_findings": "gauge", "connleak_ephemeral_ports_used_ratio": "gauge", "connleak_scan_complete": "gauge",
    "connleak_scan_duration_seconds": "gauge", "connleak_scan_timestamp_seconds": "gauge"}

pytestmark = [pytest.mark.skipif(not shutil.which(tool), reason=f"no {tool}")
              for tool in ("promtool", "prometheus", "prometheus-node-exporter")]
pytestmark += [pytest.mark.skipif(parser is None, reason="no python3-prometheus-client")]


def promtool(*words, text=None):
    return subprocess.run(["promtool", *map(str, words)], input=text, capture_output=True, timeout=60)


class Metrics(dict):
    """Samples by name and labels, by the parser of Prometheus's own client, and with promtool's blessing."""

    def __init__(self, *words, **where):
        done = connleak(*words, "--format", "prometheus", **where)
        assert (done.returncode, done.stderr) == (0, b"")
        checked = promtool("check", "metrics", text=done.stdout)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, b""), done.stdout
        self.text = done.stdout.decode("utf-8", errors="strict")
        assert self.text.endswith("\n")
        self.families = list(parser.text_string_to_metric_families(self.text))
        for family in self.families:
            assert family.documentation and METRICS[family.name] == family.type
            for sample in family.samples:
                key = self.key(sample.name, **sample.labels)
                assert key not in self, f"twice: {key}"
                self[key] = sample.value

    @staticmethod
    def key(metric, **labels):
        return metric, *sorted(labels.items())

    def value(self, metric, **labels):
        return self.get(self.key(metric, **labels))

    def by(self, metric, label, **labels):
        """{value of the label: value of the sample} of the samples that have these labels."""
        found = {}
        for (name, *pairs), value in self.items():
            pairs = dict(pairs)
            if name == metric and labels.items() <= pairs.items():
                found[pairs.get(label)] = value
        return found


@pytest.fixture(scope="module")
def world(module_lab):
    server, web = module_lab.hosts("server", "web")
    module_lab.lan(server, web)
    redis, client = Redis(server, maxclients=50), Client(web)
    dead, live = client.open(redis, 1), client.open(redis, 4)
    ghost_host_up(web, dead)
    return redis, client, live


# ---------------------------------------------------------------- the text

@pytest.mark.sanitize("metrics")
def test_the_numbers_of_the_report(world):
    redis, client, live = world
    metrics, report = Metrics(redis.target), scan(redis.target)
    server = report.server(redis)
    it = {"server": redis.target}
    assert metrics.value("connleak_up", **it) == 1
    assert abs(metrics.value("connleak_clients", **it) - server["connected_clients"]) <= 1  # of the run before
    assert metrics.value("connleak_clients_limit", **it) == server["maxclients"] == 50
    assert metrics.value("connleak_rejected_connections_total", **it) == 0
    assert metrics.by("connleak_connections", "verdict", **it) == {**dict.fromkeys(VERDICTS, 0), "ghost": 1, "healthy": 4}
    assert metrics.by("connleak_keepalive_connections", "keepalive", **it) == server["keepalive"]
    assert set(server["keepalive"]) == set(KEEPALIVES)
    groups = {group["name"]: group for group in report["groups"]}
    assert metrics.by("connleak_group_connections", "group", **it) == {n: g["connections"] for n, g in groups.items()}
    assert metrics.by("connleak_group_workers", "group", **it) == {n: g["workers"] for n, g in groups.items()}
    findings = report.findings(redis)
    assert metrics.by("connleak_findings", "code", **it) == {f["code"]: f["count"] for f in findings}
    for finding in findings:
        assert metrics.value("connleak_findings", code=finding["code"], severity=finding["severity"], **it)
    low, high = map(int, client.host.run("cat", "/proc/sys/net/ipv4/ip_local_port_range").stdout.split())
    assert metrics.value("connleak_ephemeral_ports_used_ratio", **it) == pytest.approx(4 / (high - low + 1))
    assert metrics.value("connleak_scan_complete") == report["complete"] == 1
    assert metrics.value("connleak_scan_duration_seconds") > 0
    assert {family.name for family in metrics.families} == set(METRICS)


def test_nothing_of_high_cardinality(world):
    redis, client, live = world
    labels = {name for key in Metrics(redis.target) for name, _ in key[1:]}
    assert labels == {"server", "verdict", "keepalive", "group", "code", "severity"}


def test_an_incomplete_picture(world):
    redis, _, _ = world
    done = connleak(redis.target, "--format", "prometheus", user="nobody", host=redis.host)
    assert b"\nconnleak_scan_complete 0\n" in done.stdout
    assert promtool("check", "metrics", text=done.stdout).returncode == 0


def test_servers_that_do_not_answer_or_are_not_asked(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    full, other = Redis(server, maxclients=1), TcpServer(server, "silent")
    client = Client(web)
    client.open(full, 1)
    client.open(other, 2, ping=False)
    metrics = Metrics(full.target, f"tcp://{other.target}")
    assert metrics.value("connleak_up", server=full.target) == 0
    assert metrics.value("connleak_clients", server=full.target) is None
    assert metrics.by("connleak_findings", "code", server=full.target)["server-refuses-clients"] >= 1
    assert metrics.value("connleak_up", server=other.target) is None
    assert metrics.by("connleak_connections", "verdict", server=other.target) == {**dict.fromkeys(VERDICTS, 0), "healthy": 2}


def test_the_same_address_on_several_hosts(lab):
    hosts = lab.hosts("one", "two", "three")
    lab.lan(*hosts)
    servers = [Redis(host, bind="0.0.0.0", maxclients=100 + number) for number, host in enumerate(hosts)]
    own, *others = servers
    metrics = Metrics(host=own.host)
    assert metrics.by("connleak_clients_limit", "netns", server="0.0.0.0:6379").items() >= {
        None: 100, others[0].host.netns: 101, others[1].host.netns: 102}.items()
    assert {r.host.netns for r in others} <= set(metrics.by("connleak_up", "netns", server="0.0.0.0:6379"))


HOSTILE = [b'a"b', b"a\\b", b"a\nb", b'\\"\n} 1\nc 2', b"\xff\xfe", b"a\xc3\x28", b"\x1b[31m\x01\r", "Δ中🐘".encode(), b"}{,="]


@pytest.mark.sanitize("hostile names in metrics")
def test_hostile_groups(lab):
    """Every process has a name of its own to do harm with."""
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis = Redis(server)
    for number, name in enumerate(HOSTILE):
        program = os.fsencode(lab.directory) + b"/" + name
        os.symlink(os.path.realpath(PYTHON), program)
        Client(web, [program]).open(redis, number + 1)
    groups = collections.Counter()
    for group in scan(redis.target)["groups"]:
        groups[group["name"]] += group["connections"]
    assert sorted(groups.values()) == list(range(1, len(HOSTILE) + 1))
    assert Metrics(redis.target).by("connleak_group_connections", "group") == groups


def test_groups_are_bounded(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis = Redis(server)
    for number in range(53):
        program = os.fsencode(lab.directory / f"worker{number}")
        os.symlink(os.path.realpath(PYTHON), program)
        Client(web, [program]).open(redis, 1 + (number == 52))
    metrics = Metrics(redis.target)
    groups = metrics.by("connleak_group_connections", "group")
    assert len(groups) == 51
    assert groups["worker52"] == 2
    assert groups["(all other groups)"] == 3
    assert metrics.by("connleak_group_workers", "group")["(all other groups)"] == 3


# ---------------------------------------------------------------- the file

def test_the_last_good_file_stays(world, tmp_path):
    redis, _, _ = world
    file = tmp_path / "connleak.prom"
    words = [redis.target, "--format", "prometheus", "--output", file]
    umask = os.umask(0o022)
    try:
        assert connleak(*words).returncode == 0
        good = file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
        assert promtool("check", "metrics", text=good).returncode == 0
        failed = connleak(*words, "--netns", "no-such-namespace")
    finally:
        os.umask(umask)
    assert (failed.returncode, failed.stdout) == (3, b"")
    assert failed.stderr.count(b"\n") == 1
    assert file.read_bytes() == good
    assert os.listdir(tmp_path) == ["connleak.prom"]


def test_a_full_disk_leaves_the_last_good_file(world, lab):
    """The file system is a small one, in a mount namespace of the run's own."""
    redis, _, _ = world
    place = lab.directory / "small"
    place.mkdir()
    script = f"""
        set -e
        mount -t tmpfs -o size=64k none {place}
        echo good > {place}/connleak.prom
        dd if=/dev/zero of={place}/ballast bs=1k count=100 2>/dev/null || true
        status=0
        "$@" --output {place}/connleak.prom || status=$?
        cat {place}/connleak.prom
        ls {place}
        exit $status"""
    words = command(redis.target, "--format", "prometheus")
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", *words], capture_output=True, timeout=60)
    assert done.returncode == 3, done
    assert done.stdout == b"good\nballast\nconnleak.prom\n"
    assert b"No space left on device" in done.stderr and done.stderr.count(b"\n") == 1


# ---------------------------------------------------------------- rules and dashboard

def test_rules_by_promtool():
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked
    tested = promtool("test", "rules", MONITORING / "connleak.rules.test.yml")
    assert tested.returncode == 0, tested.stdout.decode() + tested.stderr.decode()


def test_every_rule_is_tested_and_says_what_to_do():
    alerts = re.findall(r"alert: (\w+)", RULES.read_text())
    tests = (MONITORING / "connleak.rules.test.yml").read_text()
    assert len(alerts) == len(set(alerts)) and all(alert in tests for alert in alerts)
    for part in ("severity:", "summary:", "description:"):
        assert RULES.read_text().count(part) == len(alerts)


def test_dashboard_is_well_formed():
    panels = DASHBOARD["panels"]
    assert DASHBOARD["schemaVersion"] >= 36 and DASHBOARD["uid"] == "connleak"
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        grid = panel["gridPos"]
        cells = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}
        assert grid["x"] + grid["w"] <= 24 and not taken & cells, panel["title"]
        taken |= cells


def test_only_metrics_that_exist_are_used(world):
    redis, _, _ = world
    words = set(re.findall(r"\bconnleak_\w+", Metrics(redis.target).text))
    manual = (ROOT / "man/connleak.1").read_text()
    for file in ("grafana-dashboard.json", "connleak.rules.yml", "connleak.rules.test.yml", "README.md"):
        used = set(re.findall(r"\bconnleak_\w+", (MONITORING / file).read_text()))
        assert used and used <= words, f"{file}: {used - words}"
    queried = set(re.findall(r"\bconnleak_\w+", json.dumps(DASHBOARD)))
    assert queried == words, f"not on the dashboard: {words - queried}"
    assert all(word in manual for word in words)


# ---------------------------------------------------------------- from a ghost to an alert

class Monitor:
    """node_exporter and Prometheus on a host that is joined to nothing, as a user without rights."""

    def __init__(self, lab):
        self.host = lab.host("monitor")
        self.textfiles, data = lab.directory / "textfiles", lab.directory / "data"
        self.file = self.textfiles / "connleak.prom"
        self.textfiles.mkdir()
        self.textfiles.chmod(0o755)
        data.mkdir()
        os.chown(data, 65534, -1)
        rules, config = lab.directory / "rules.yml", lab.directory / "prometheus.yml"
        rules.write_text(re.sub(r"\bfor: \w+", "for: 0s", RULES.read_text()))  # the conditions are the subject
        config.write_text(f"""
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: [{rules}]
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:9100"]}}]
""")
        self.start("prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
                   f"--collector.textfile.directory={self.textfiles}", "--web.listen-address=127.0.0.1:9100")
        self.start("prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}",
                   "--web.listen-address=127.0.0.1:9090")
        eventually(lambda: self.query('up{job="node"} == 1', check=False), 30, 0.2, "Prometheus scrapes node_exporter")

    def start(self, *command):
        nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--pdeathsig", "KILL"]
        self.host.start(*nobody, *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def query(self, expression, check=True):
        """[({label: value}, number)]"""
        script = ("import json, sys, urllib.parse, urllib.request as r\n"
                  "url = 'http://127.0.0.1:9090/api/v1/query?query=' + urllib.parse.quote(sys.argv[1])\n"
                  "print(r.build_opener(r.ProxyHandler({})).open(url, timeout=20).read().decode())")
        done = self.host.run(PYTHON, "-c", script, expression, check=check)
        if done.returncode != 0:
            return []
        answer = json.loads(done.stdout)
        assert answer["status"] == "success", answer
        return [(row["metric"], float(row["value"][1])) for row in answer["data"]["result"]]

    def firing(self):
        return {row["alertname"]: row for row, _ in self.query('ALERTS{alertstate="firing"}')}


def concrete(expression):
    """A panel's query, for every host and server."""
    return re.sub(r"\$__rate_interval", "1m", re.sub(r"\$(instance|server)\b", ".*", expression))


def test_a_ghost_becomes_an_alert_and_goes(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    redis, client = Redis(server), Client(web)
    dead, live = client.open(redis, 1), client.open(redis, 3)
    ghost_host_up(web, dead)
    monitor = Monitor(lab)
    words = [redis.target, "--format", "prometheus", "--output", monitor.file]
    umask = os.umask(0o022)
    try:
        assert connleak(*words).returncode == 0
        ghosts = f'connleak_connections{{server="{redis.target}",verdict="ghost"}}'
        eventually(lambda: [value for _, value in monitor.query(ghosts)] == [1], 30, 0.2, "the ghost is scraped")
        found = eventually(lambda: monitor.firing().get("ConnleakGhosts"), 30, 0.2, "the alert fires")
        assert (found["server"], found["severity"]) == (redis.target, "warning")
        assert found["instance"] == "127.0.0.1:9100"  # node_exporter's own, so that they join
        assert set(monitor.firing()) == {"ConnleakGhosts"}
        assert monitor.query("node_textfile_scrape_error")[0][1] == 0

        for panel in DASHBOARD["panels"]:
            for target in panel["targets"]:
                assert monitor.query(concrete(target["expr"])) or "rate(" in target["expr"], target["expr"]

        # A run that fails changes nothing.
        good = monitor.file.read_bytes()
        assert connleak(*words, "--netns", "no-such-namespace").returncode == 3
        assert monitor.file.read_bytes() == good

        redis.cli("CLIENT", "KILL", "ADDR", str(dead[0]))
        assert connleak(*words).returncode == 0
        eventually(lambda: [value for _, value in monitor.query(ghosts)] == [0], 30, 0.2, "the ghost is gone")
        eventually(lambda: "ConnleakGhosts" not in monitor.firing(), 30, 0.2, "the alert is over")
        verdicts = {row["verdict"]: value for row, value in monitor.query("connleak_connections")}
        assert verdicts == {**dict.fromkeys(VERDICTS, 0), "healthy": 3}
    finally:
        os.umask(umask)
