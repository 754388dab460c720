"""Runs `connleak check` and holds what it says against the Monitoring Plugins' conventions."""

import re

from report import connleak

METRICS = ["ghosts", "suspects", "orphans", "close_wait", "unaccepted", "keepalive_off", "clients_used_percent",
           "ports_used_percent", "per_process_max", "group_growth"]
STATES = ["OK", "WARNING", "CRITICAL", "UNKNOWN"]


class Checked:
    """What a plugin said, held against the conventions."""

    def __init__(self, done):
        self.status, self.seconds = done.returncode, done.seconds
        self.text, self.stderr = done.stdout.decode("utf-8", errors="strict"), done.stderr.decode()
        shown = f"exit {self.status}\n{self.text}{self.stderr}"
        self.lines = self.text.splitlines()
        assert self.lines, shown
        self.head, _, performance = self.lines[0].partition(" | ")
        assert len(self.head) < 80, shown
        assert re.match(rf"CONNLEAK {STATES[self.status]}: \S", self.head), shown
        assert self.text.count("|") == (1 if performance else 0), shown
        self.values, self.limits = {}, {}
        for word in performance.split():
            label, rest = word.split("=")
            value, *self.limits[label] = rest.split(";")
            self.values[label] = None if value == "U" else float(value.removesuffix("%"))
        if performance:
            assert list(self.values) == METRICS, shown

    def unseen(self, metric):
        return [line for line in self.lines if line.startswith("not seen: ") and metric in line.partition("may hide")[2]]


def check(*words, status=0, **options):
    made = Checked(connleak("check", *words, **options))
    assert made.status == status, f"{words}: exit {made.status}\n{made.text}{made.stderr}"
    return made
