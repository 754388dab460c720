"""One shard of a run of the tests of hosts: a pytest that takes tests from a queue which all shards share, and records
what became of them. ../shards.py starts it; conftest.py registers it where CONNLEAK_SHARD names a folder and itself.

In the folder are
    tests.json    what there is to run, {lane: [[test, ...], ...]}, written by the first shard
    LANE.taken    how many of the lane's lists were taken
    NAME.jsonl    what shard NAME ran, in this order: a line when a test begins, and one for each of its phases
"""

import fcntl
import json
from pathlib import Path

import pytest

BESIDE, NETWORK, ALONE = LANES = ["beside", "network", "alone"]


def lane(item):
    return next((name for name in (NETWORK, ALONE) if item.get_closest_marker(name)), BESIDE)


def key(item):
    """Tests with the same key run in one shard, one after the other: those that share a fixture, and those that are
    marked so because they share something else."""
    together = item.get_closest_marker("together")
    if together:
        return together.args[0]
    definitions = [made for several in item._fixtureinfo.name2fixturedefs.values() for made in several]
    shares = any(made.scope in ("class", "module", "package") for made in definitions)
    return item.nodeid.split("::")[0] if shares else item.nodeid


def grouped(items):
    """{lane: [[item, ...], ...]}. What takes long comes first, so that no shard is left with it at the end."""
    lists = {name: {} for name in LANES}
    for item in items:
        lists[lane(item)].setdefault(key(item), []).append(item)
    weight = {name: max(10 if item.get_closest_marker("long") else 1 for item in each) * len(each)
              for several in lists.values() for name, each in several.items()}
    return {name: [several[each] for each in sorted(several, key=lambda each: -weight[each])]
            for name, several in lists.items()}


def in_order(items, names):
    """One list for each run of neighbours with the same key: as they ran the last time."""
    known = {item.nodeid: item for item in items}
    lists = []
    for item in [known[name] for name in names]:
        if lists and key(lists[-1][-1]) == key(item):
            lists[-1].append(item)
        else:
            lists.append([item])
    return lists


class Shard:
    def __init__(self, folder, name, its_lane, order=None):
        self.folder, self.name, self.lane, self.order = Path(folder), name, its_lane, order
        self.record = (self.folder / f"{name}.jsonl").open("a", buffering=1)

    @property
    def tests(self):
        return self.folder / "tests.json"

    def fill(self, items):
        lists = ({self.lane: in_order(items, Path(self.order).read_text().split("\n")[:-1])} if self.order
                 else grouped(items))
        names = {lane: [[item.nodeid for item in each] for each in several] for lane, several in lists.items()}
        unfinished = self.tests.with_suffix(".new")
        unfinished.write_text(json.dumps(names))
        unfinished.rename(self.tests)

    def take(self):
        """The next list of its lane; None at the end."""
        lists = json.loads(self.tests.read_text())[self.lane]
        with (self.folder / f"{self.lane}.taken").open("a+") as counter:
            fcntl.flock(counter, fcntl.LOCK_EX)
            counter.seek(0)
            taken = int(counter.read() or 0)
            counter.truncate(0)
            counter.write(str(taken + 1))
        return lists[taken] if taken < len(lists) else None

    def note(self, **what):
        self.record.write(json.dumps(what) + "\n")

    # ------------------------------------------------------------ called by pytest

    def pytest_collectreport(self, report):
        if report.skipped:
            self.note(test=report.nodeid, when="collect", outcome="skipped", seconds=0, reason=str(report.longrepr))

    def pytest_runtestloop(self, session):
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
        if session.config.option.collectonly:
            return True
        if not self.tests.exists():
            self.fill(session.items)
        known = {item.nodeid: item for item in session.items}
        while names := self.take():
            items = [known[name] for name in names]
            # None: all fixtures end with the list, so that each begins like a pytest of its own.
            for item, following in zip(items, [*items[1:], None]):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.shouldfail or session.shouldstop:
                    raise session.Interrupted(session.shouldfail or session.shouldstop)
        return True

    def pytest_runtest_logstart(self, nodeid):
        self.note(test=nodeid, when="begin")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report):
        reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else None
        self.note(test=report.nodeid, when=report.when, outcome=report.outcome, seconds=report.duration, reason=reason)
