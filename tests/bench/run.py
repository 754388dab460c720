"""Speed and memory of a scan beside what it cannot do without and what people use today, in one run on one machine.

A network namespace with SOCKETS established sockets in ten processes, and a Redis. Measured there:

    bare dump    a sock_diag dump of all of them that throws the bytes away        (tests/bench/bare_dump.cpp)
    bare walk    readlink of every descriptor of every process, in one thread      (tests/bench/bare_walk.cpp)
    connleak     connleak :6379
    ss, lsof     ss -tanop and lsof -nP -iTCP, once each: they take long
    sockets      connleak sockets -a beside ss -tano (no owners) and ss -tanop (owners), as table and as JSON

    /usr/bin/python3 tests/bench/run.py BUILD-FOLDER [SOCKETS]

Prints times and ratios; judges the ratios by what the project promises and exits with 1 when one is missed.
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hosts/lab"))
from lab import Lab, eventually  # noqa: E402
from services import Redis  # noqa: E402

PROCESSES = 10
# What ss -tano shows: everything but the owners.
WITHOUT_OWNERS = ["-o", "proto,state,recv-q,send-q,local,remote,timer"]
ROUNDS = 5


def measure(host, command, rounds=ROUNDS):
    """Least wall time in seconds and greatest peak memory in MiB of some runs."""
    times, memory = [], []
    for _ in range(rounds):
        begun = time.monotonic()
        process = subprocess.Popen([*host.enter(), *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        times.append(time.monotonic() - begun)
        memory.append(usage.ru_maxrss / 1024)
        if status != 0:
            sys.exit(f"{command}: status {status}")
    return min(times), max(memory)


def load(lab, host, build, sockets):
    process = host.start(build / "tests/bench_load", sockets, PROCESSES, 7000, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    line = process.stdout.readline().decode().strip()
    if "ready" not in line:
        sys.exit(f"the load did not start: {line}")
    return process


def most_sockets(wanted):
    """What the descriptor limit leaves for ten processes."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(wanted, (hard - 20) * PROCESSES) // 20 * 20


def scan_at(build, sockets, compare):
    with Lab() as lab:
        host = lab.host("bench")
        Redis(host)
        process = load(lab, host, build, sockets)
        connleak, memory = measure(host, [build / "connleak", ":6379"])
        result = {"sockets": sockets, "connleak": connleak, "memory": memory}
        if compare:
            result["dump"], _ = measure(host, [build / "tests/bench_bare_dump"])
            result["walk"], _ = measure(host, [build / "tests/bench_bare_walk"])
            result["lsof"], _ = measure(host, ["lsof", "-nP", "-iTCP"], rounds=1)
            result["ss"], _ = measure(host, ["ss", "-tanop"], rounds=1)
            result["ss -tano"], _ = measure(host, ["ss", "-tano"])
            sockets_verb = [build / "connleak", "sockets", "-a", "--netns", "self"]
            result["sockets, table"], table_memory = measure(host, sockets_verb + WITHOUT_OWNERS)
            result["sockets, owners"], owners_memory = measure(host, sockets_verb)
            result["sockets, JSON"], json_memory = measure(host, [*sockets_verb, "--json"])
            result["sockets memory"] = max(table_memory, owners_memory, json_memory)
        process.stdin.close()
        eventually(lambda: process.poll() is not None, 60, what="the load has ended")
        return result


def idle(build):
    with Lab() as lab:
        host = lab.host("idle")
        Redis(host)
        return measure(host, [build / "connleak"])[0]


def main():
    build = Path(sys.argv[1]).absolute()
    sockets = most_sockets(int(sys.argv[2]) if len(sys.argv) > 2 else 200_000)
    quiet = idle(build)
    half = scan_at(build, sockets // 2 // 20 * 20, compare=False)
    full = scan_at(build, sockets, compare=True)

    bare = full["dump"] + full["walk"]
    print(f"{full['sockets']:,} established sockets in {PROCESSES} processes, {os.cpu_count()} processors, Linux {os.uname().release}")
    for name in ("dump", "walk", "connleak", "lsof", "ss", "ss -tano", "sockets, table", "sockets, owners", "sockets, JSON"):
        print(f"  {name:16} {full[name]:7.3f} s")
    promises = [
        ("connleak / (bare dump + bare walk)", full["connleak"] / bare, "at most", 1.5),
        ("ss -tanop / connleak", full["ss"] / full["connleak"], "at least", 10),
        ("lsof -nP -iTCP / connleak", full["lsof"] / full["connleak"], "at least", 2),
        ("sockets without owners / ss -tano", full["sockets, table"] / full["ss -tano"], "at most", 1),
        ("ss -tanop / sockets with owners", full["ss"] / full["sockets, owners"], "at least", 10),
        ("ss -tanop / sockets as JSON", full["ss"] / full["sockets, JSON"], "at least", 10),
        ("peak memory, MiB", full["memory"], "at most", 150),
        ("peak memory of sockets, MiB", full["sockets memory"], "at most", 150),
        ("time at all / time at half the sockets", full["connleak"] / half["connleak"], "at most", 2.5),
        ("an idle host with one Redis, ms", quiet * 1000, "at most", 50),
    ]
    missed = False
    for what, value, how, bound in promises:
        kept = value <= bound if how == "at most" else value >= bound
        missed |= not kept
        print(f"  {what:40} {value:8.2f}   {how} {bound}{'' if kept else '   MISSED'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
