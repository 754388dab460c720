#!/usr/bin/python3
"""Runs the tests of hosts in several processes beside each other ("shards"); `./dev test` calls it, as root.

    shards.py [--shards N] [--order FILE] PYTEST-ARGUMENT...

Each shard is isolated as tests/isolated does it: no process, no named namespace and no network of the machine or of
another shard is in sight. All of them take tests from one queue (lab/shard.py), until it is empty. Beside them runs one
shard in the machine's own network (`network`: tests that download), and when all have ended, one for the tests that
need the machine for themselves (`alone`).

build/host-tests/ keeps what each shard printed (NAME.log) and, when something failed, the tests that it ran until then
(NAME.order); with --order FILE, or as `./dev test --order FILE`, one shard runs exactly these in this order.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lab"))
from shard import ALONE, BESIDE, NETWORK  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/host-tests"
TESTS = FOLDER / "tests.json"
# Tests mostly wait: more shards than processors.
PER_PROCESSOR = 3
NO_SKIP = os.environ.get("CONNLEAK_NO_SKIP") == "1"


class Shard:
    def __init__(self, name, lane, arguments, order):
        self.name, self.lane, self.begun = name, lane, time.monotonic()
        self.log, self.record, self.read = FOLDER / f"{name}.log", FOLDER / f"{name}.jsonl", 0
        self.order, self.outcomes, self.seconds = [], {}, None
        self.record.touch()
        environment = os.environ | {"CONNLEAK_SHARD": json.dumps([str(FOLDER), name, lane, order]), "PYTHONHASHSEED": "0"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "tests/isolated", *([] if lane == NETWORK else ["--net"]),
                 "/usr/bin/python3", "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)

    def poll(self):
        """Reads what it recorded since the last time; whether it still runs."""
        runs = self.process.poll() is None
        with self.record.open() as record:
            record.seek(self.read)
            for line in iter(record.readline, ""):
                if not line.endswith("\n"):
                    break
                self.read = record.tell()
                self.hear(json.loads(line))
        if not runs and self.seconds is None:
            self.seconds = time.monotonic() - self.begun
        return runs

    def hear(self, line):
        test, when, outcome = line["test"], line["when"], line.get("outcome")
        if when == "begin":
            self.order.append(test)
            self.outcomes[test] = "unfinished"
        elif outcome == "failed":
            self.outcomes[test] = "failed"
            print(f"shard {self.name}: FAILED {test}", flush=True)
        elif outcome == "skipped":
            self.outcomes[test] = "failed" if NO_SKIP and when == "collect" else "skipped"
            print(f"shard {self.name}: skipped {test}: {line['reason']}", flush=True)
        elif when == "teardown" and self.outcomes[test] == "unfinished":
            self.outcomes[test] = "passed"

    def failures(self):
        return [test for test, outcome in self.outcomes.items() if outcome in ("failed", "unfinished")]

    def broken(self):
        return self.process.returncode not in (0, 1) or self.process.returncode == 1 and not self.failures()

    def explain(self):
        print(f"\n---- shard {self.name} ({self.lane}), exit {self.process.returncode}\n{self.log.read_text(errors='replace')}")
        failed = self.failures()
        if not self.order:
            return
        last = max((self.order.index(test) for test in failed if test in self.order), default=len(self.order) - 1)
        ran = self.order[:last + 1]
        print(f"shard {self.name} ran, in this order:")
        for test in ran:
            print(f"    {test}{'   ' + self.outcomes[test].upper() if test in failed else ''}")
        file = FOLDER / f"{self.name}.order"
        file.write_text("".join(f"{test}\n" for test in ran))
        print(f"the same again: ./dev test --order {file.relative_to(ROOT)}")

    def end(self):
        """Its pytest cleans up at SIGTERM; SIGKILL to what started it ends every process of its namespace."""
        for how, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
            try:
                os.killpg(self.process.pid, how)
                self.process.wait(patience)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass


class Run:
    def __init__(self, asked):
        self.asked, self.shards = asked, []

    def start(self, name, lane):
        self.shards.append(Shard(str(name), lane, self.asked.arguments, self.asked.order))

    def wait(self):
        while any([shard.poll() for shard in self.shards]):
            time.sleep(0.1)

    def all(self):
        self.start(1, self.asked.lane)
        while not TESTS.exists() and self.shards[0].poll():
            time.sleep(0.05)
        lists = json.loads(TESTS.read_text()) if TESTS.exists() else {}
        if lists.get(NETWORK) and not self.asked.order:
            self.start(NETWORK, NETWORK)
        for name in range(2, min(self.asked.shards, len(lists.get(BESIDE, []))) + 1):
            self.start(name, BESIDE)
        self.wait()
        if lists.get(ALONE):
            self.start(ALONE, ALONE)
            self.wait()
        return [test for several in lists.values() for each in several for test in each]

    def verdict(self, wanted):
        outcomes = {test: outcome for shard in self.shards for test, outcome in shard.outcomes.items()}
        unrun = [test for test in wanted if test not in outcomes]
        broken = [shard for shard in self.shards if shard.broken()]
        for shard in self.shards:
            if shard in broken or shard.failures():
                shard.explain()
        for test in unrun:
            print(f"never ran: {test}")
        if not wanted:
            print("no test ran")
        for shard in self.shards:
            print(f"shard {shard.name}: {len(shard.order)} tests in {shard.seconds:.0f} s")
        counts = {name: sum(outcome == name for outcome in outcomes.values()) for name in ("passed", "skipped")}
        failed = len(outcomes) - sum(counts.values()) + len(unrun)
        if counts["skipped"]:
            print(f"{counts['skipped']} skipped")
        print(f"{counts['passed']} passed, {failed} failed", flush=True)
        return 1 if failed or broken or not wanted else 0


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--shards", type=int, default=int(os.environ.get("CONNLEAK_SHARDS") or PER_PROCESSOR * os.cpu_count()))
    parser.add_argument("--order")
    parser.set_defaults(lane=BESIDE)
    asked, asked.arguments = parser.parse_known_args()
    if asked.order:
        asked.shards, asked.lane = 1, NETWORK if Path(asked.order).stem == NETWORK else BESIDE
        kept = Path(asked.order).read_text()  # it may lie in the folder that is made anew
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    if asked.order:
        asked.order = str(FOLDER / "asked.order")
        Path(asked.order).write_text(kept)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("SIGTERM"))
    run = Run(asked)
    try:
        return run.verdict(run.all())
    finally:
        for shard in run.shards:
            if shard.process.poll() is None:
                shard.end()
        owner = ROOT.stat()
        for path in [FOLDER.parent, FOLDER, *FOLDER.iterdir()]:
            os.chown(path, owner.st_uid, owner.st_gid)


sys.exit(main())
