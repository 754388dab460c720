"""End-to-end tests: real kernels, real servers, in network namespaces. As root, from the repository's root:

    ./dev test                                    all of it, in parallel shards (shards.py, ../README.md)
    ./dev test -k ghost
    CONNLEAK=build/release/connleak tests/isolated --net /usr/bin/python3 -m pytest tests/hosts/redis -q
    ./dev test -m lab                             the harness alone, without connleak

lab.py makes the hosts, services.py what runs on them (client.py and peer.py in processes of their own), sickness.py
what goes wrong, report.py runs connleak and reads the report. What all this needs is looked for once. Without it the
tests are skipped, and with CONNLEAK_NO_SKIP=1 a skip is a failure.
"""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

import report
from lab import Lab
from services import CLI, PHP_FPM, SERVER
from shard import Shard

# A shell starts what runs in the background with SIGINT ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

TOOLS = ["ip", "nft", "ss", "nsenter", "unshare", "setpriv", "pgrep", SERVER, CLI, "openssl", PHP_FPM]


def missing():
    """The reasons why nothing of this can run here."""
    reasons = [f"no {tool}" for tool in TOOLS if not shutil.which(tool)]
    if os.getuid() != 0:
        reasons.append("not root")
    if shutil.which(PHP_FPM):
        modules = subprocess.run([PHP_FPM, "-m"], capture_output=True, text=True).stdout
        reasons += [] if "redis" in modules else ["no phpredis"]
    return reasons


def pytest_configure(config):
    config.addinivalue_line("markers", "lab: needs no connleak, proves the harness itself")
    config.addinivalue_line("markers", "alone: needs the machine for itself, and runs after all others")
    config.addinivalue_line("markers", "network: downloads, and so runs in the machine's own network")
    config.addinivalue_line("markers", "together(name): shares something with the others of this name; one shard runs them")
    config.addinivalue_line("markers", "long: takes ten seconds or more, and so begins early")
    config.addinivalue_line("markers", "sanitize: one of those that run under the sanitizers")
    config.addinivalue_line("markers", "tls_build: of a connleak that has TLS")
    config.addinivalue_line("markers", "plain_build: of a connleak that has none")
    if os.environ.get("CONNLEAK_SHARD"):
        config.pluginmanager.register(Shard(*json.loads(os.environ["CONNLEAK_SHARD"])))
    # Ended from outside, the fixtures shall clean up as they do at ^C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("SIGTERM"))


def pytest_collection_modifyitems(config, items):
    other = "plain_build" if report.has_tls() else "tls_build"
    unfit = [item for item in items if item.get_closest_marker(other)]
    if unfit:
        config.hook.pytest_deselected(items=unfit)
        items[:] = [item for item in items if item not in unfit]
    reasons = missing()
    binary = [] if os.access(report.BINARY, os.X_OK) else [f"no {report.BINARY}"]
    for item in items:
        lacking = reasons + ([] if item.get_closest_marker("lab") else binary)
        if lacking:
            item.add_marker(pytest.mark.skip(reason=", ".join(lacking)))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    result = outcome.get_result()
    if result.skipped and not hasattr(result, "wasxfail") and os.environ.get("CONNLEAK_NO_SKIP") == "1":
        reason = call.excinfo.value if call.excinfo else "no reason given"
        result.outcome = "failed"
        result.longrepr = f"skipped although CONNLEAK_NO_SKIP=1: {reason}"


@pytest.fixture
def lab():
    with Lab() as made:
        yield made


@pytest.fixture
def pair(lab):
    server, web = lab.hosts("server", "web")
    lab.lan(server, web)
    return server, web


@pytest.fixture
def three(lab):
    server, web, other = lab.hosts("server", "web", "other")
    lab.lan(server, web, other)
    return server, web, other


@pytest.fixture(scope="module")
def module_lab():
    with Lab() as made:
        yield made
