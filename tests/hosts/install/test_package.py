"""The Debian package and cmake --install: what is in them, lintian's word, and the service under a real systemd."""

import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from report import BINARY, ROOT
from roots import SUITE, Machine, built, in_root, root, run

pytestmark = pytest.mark.network

EXPORTER = "var/lib/prometheus/node-exporter"


@pytest.fixture(scope="module")
def package():
    return built("package/connleak_*.deb", "package")


def listing(package):
    """{path: (mode, owner)} of the files in it."""
    rows = [line.split(None, 5) for line in run("dpkg-deb", "-c", package).splitlines()]
    return {row[5].removeprefix("./"): (row[0], row[1]) for row in rows}


def test_lintian_has_nothing_to_say(package):
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", package], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


def test_what_the_package_has(package):
    files = listing(package)
    expected = {"usr/bin/connleak": "-rwxr-xr-x", "etc/default/connleak": "-rw-r--r--"} | dict.fromkeys([
        "usr/share/man/man1/connleak.1.gz", "usr/share/man/man5/connleak-json.5.gz",
        "usr/share/bash-completion/completions/connleak", "usr/share/zsh/vendor-completions/_connleak",
        "usr/share/fish/vendor_completions.d/connleak.fish", "usr/share/doc/connleak/copyright",
        "usr/share/doc/connleak/changelog.gz", "usr/share/doc/connleak/changelog.Debian.gz",
        "usr/share/doc/connleak/README.Debian", "usr/lib/systemd/system/connleak.service",
        "usr/lib/systemd/system/connleak.timer",
        *(f"usr/share/connleak/{schema.name}" for schema in (ROOT / "man").glob("*.schema.json")),
        *(f"usr/share/connleak/monitoring/{file.name}" for file in (ROOT / "monitoring").glob("*")
          if file.suffix in (".yml", ".json"))], "-rw-r--r--")
    for path, mode in expected.items():
        assert files.get(path) == (mode, "root/root"), path
    assert not [path for path in files if path.endswith("LICENSE")], "Debian has the licence already"
    fields = run("dpkg-deb", "-f", package)
    version = re.search(r"project\(connleak VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert f"Version: {version}-1\n" in fields
    assert (ROOT / "packaging/debian/changelog").read_text().startswith(f"connleak ({version}-1) ")
    assert re.search(r"Depends: .*libc6 .*libhiredis.*libmnl0", fields)


def test_cmake_install_to_a_prefix(tmp_path):
    build = BINARY.parent
    if not (build / "cmake_install.cmake").exists():
        pytest.skip(f"{build} is no build folder")
    run("cmake", "--install", build, "--prefix", tmp_path)
    for path in ["bin/connleak", "share/man/man1/connleak.1", "share/man/man5/connleak-json.5",
                 "share/connleak/connleak-report.schema.json", "share/zsh/site-functions/_connleak",
                 "share/doc/connleak/LICENSE", "lib/systemd/system/connleak.timer"]:
        assert (tmp_path / path).is_file(), path
    assert f"ExecStart={tmp_path}/bin/connleak " in (tmp_path / "lib/systemd/system/connleak.service").read_text()
    assert run(tmp_path / "bin/connleak", "--version").startswith("connleak ")


# ---------------------------------------------------------------- installed and booted

@pytest.fixture(scope="module")
def installed(package):
    """A machine with the package and, out of sight of everything else, a Redis of another user in a namespace."""
    if not shutil.which("systemd-nspawn"):
        pytest.skip("no systemd-nspawn")
    needs = re.search(r"^Depends: (.*)$", run("dpkg-deb", "-f", package), re.M)[1]
    libraries = [word.split()[0] for word in needs.split(", ")]
    with root(SUITE, "systemd", "systemd-sysv", "redis-server", "iproute2", "nftables", "init-system-helpers",
              *libraries) as folder:
        (folder / EXPORTER).mkdir(parents=True)
        shutil.copy(package, folder / "root/connleak.deb")
        in_root(folder, "dpkg", "-i", "/root/connleak.deb")
        machine = Machine(folder)
        try:
            machine.run("sh", "-c", """set -e
                ip link set lo up; ip netns add shop; ip -n shop link set lo up; ip netns exec shop nft add table ip some
                ip netns exec shop setpriv --reuid www-data --regid www-data --clear-groups redis-server --port 7000 \\
                    --bind 127.0.0.1 --save '' --daemonize yes >/dev/null
                until ip netns exec shop redis-cli -p 7000 ping >/dev/null 2>&1; do sleep 0.1; done
                (ip netns exec shop redis-cli -p 7000 subscribe quiet >/dev/null 2>&1 </dev/null &)
                until ip netns exec shop redis-cli -p 7000 client list | grep -q subscribe; do sleep 0.1; done""")
            yield SimpleNamespace(folder=folder, machine=machine)
        finally:
            machine.end()


def test_the_units_are_sound(installed):
    run("systemd-analyze", "verify", "--man=no", f"--root={installed.folder}", "connleak.service", "connleak.timer")
    run("systemd-analyze", "security", "--offline=yes", "--threshold=34", f"--root={installed.folder}", "connleak.service")


def test_the_timer_waits_to_be_enabled(installed):
    machine = installed.machine
    assert machine.status("systemctl", "is-enabled", "--quiet", "connleak.timer") != 0
    assert machine.status("systemctl", "is-active", "--quiet", "connleak.timer") != 0


def service(installed, settings, defaults=""):
    """Runs the service once, with this drop-in; gives what it wrote."""
    drop_in = installed.folder / "etc/systemd/system/connleak.service.d/test.conf"
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(f"[Service]\n{settings}\n")
    (installed.folder / "etc/default/connleak").write_text(defaults)
    written = installed.folder / EXPORTER / "connleak.prom"
    written.unlink(missing_ok=True)
    installed.machine.run("systemctl", "daemon-reload")
    installed.machine.run("systemctl", "start", "connleak.service")
    return written.read_text()


# The same command with a report that says what it could not see.
AS_JSON = f"ExecStart=\nExecStart=/usr/bin/connleak --json --output /{EXPORTER}/connleak.prom $CONNLEAK_ARGS"


def test_the_service_sees_everything_under_its_restrictions(installed):
    """Other users' descriptors, the inside of network namespaces, NAT rules, the servers' answers."""
    report = json.loads(service(installed, AS_JSON, "CONNLEAK_ARGS='--port 7000'"))
    assert report["gaps"] == [] and report["complete"]
    shop, = [server for server in report["servers"] if server["port"] == 7000]
    assert shop["reachable"]
    row, = [row for row in report["connections"]
            if row["server"]["port"] == 7000 and row["verdict"] != "transient"]
    assert row["verdict"] == "healthy" and row["client_socket"]["owners"][0]["comm"] == "redis-cli"
    assert {server["port"] for server in report["servers"]} == {6379, 7000}


def test_without_a_right_it_says_what_is_missing(installed):
    """That the restrictions do restrict: without network namespaces the shop is out of sight."""
    report = json.loads(service(installed, f"{AS_JSON}\nRestrictNamespaces=yes", "CONNLEAK_ARGS='--port 7000'"))
    assert not report["complete"] and "netns" in {gap["source"] for gap in report["gaps"]}


def test_the_service_writes_metrics(installed):
    if "prometheus" not in run(BINARY, "scan", "--help"):
        pytest.skip("this build has no --format prometheus")
    text = service(installed, "", "CONNLEAK_ARGS='--port 7000'")
    assert re.search(r'^connleak_up\{.*7000.*\} 1$', text, re.M) and "connleak_scan_complete 1" in text


def test_a_password_as_credential(installed):
    (installed.folder / "etc/connleak.password").write_text("secret\n")
    machine = installed.machine
    redis = ["ip", "netns", "exec", "shop", "redis-cli", "-p", "7000"]
    machine.run(*redis, "config", "set", "requirepass", "secret")
    try:
        asked = 'Environment="CONNLEAK_ARGS=--pass-file %d/redis --port 7000"'
        report = json.loads(service(installed, f"{AS_JSON}\nLoadCredential=redis:/etc/connleak.password\n{asked}"))
        shop, = [server for server in report["servers"] if server["port"] == 7000]
        assert shop["reachable"] and shop["connected_clients"]
    finally:
        machine.run(*redis, "-a", "secret", "--no-auth-warning", "config", "set", "requirepass", "")


def test_the_timer_runs_and_removing_the_package_ends_it(installed):
    """The last one: it takes the package away."""
    machine, written = installed.machine, installed.folder / EXPORTER / "connleak.prom"
    service(installed, AS_JSON)
    machine.run("systemctl", "enable", "--now", "connleak.timer")
    assert machine.status("systemctl", "is-active", "--quiet", "connleak.timer") == 0
    assert written.exists()
    machine.run("dpkg", "--purge", "connleak")
    assert machine.status("systemctl", "is-active", "--quiet", "connleak.timer") != 0
    assert not written.exists()
    left = run("find", installed.folder, "-mindepth", "1", "-xdev", "-name", "*connleak*", "-not", "-path", "*/proc/*").split()
    known = ("root/connleak.deb", "etc/connleak.password", "etc/systemd/system/connleak.service.d")
    assert not [path for path in left if not path.endswith(known)]
