#!/usr/bin/python3
"""Runs clang-tidy over the product's sources, those of one folder at a time: `./dev lint` calls it.

    lint.py BUILD-FOLDER [FOLDER...]

Most of its time clang-tidy spends on the standard headers, again for each source. So the sources of a folder are put one
after the other into one file, as in a unity build, and what is said of a line there is told of the line that it was. They
are copied and not included because the analyzer follows functions of the main file only. Sources that do not compile
together (two functions of one name, each in its file's own namespace) go into different files.
"""

import bisect
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("actions", "cli", "collect", "diagnosis", "netlink", "probes", "tools")
COMPILER, TIDY = "clang++-19", "clang-tidy-19"
QUIET = ["-w", "-fsyntax-only", "-ferror-limit=0", "-fno-caret-diagnostics"]
# The deprecated function is libstdc++ 12's own, inside its stable_sort.
KNOWN = ["-Wno-unknown-warning-option", "-Wno-deprecated-declarations"]
# Files that were one after the other include the same headers. What the check is for is looked for below.
CHECKS = "--checks=-readability-duplicate-include"


def groups(build):
    """{(folder, flags): [source, ...]} of what this release builds, which depends on its libraries."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = Path(entry["file"]).resolve()
        if not file.is_relative_to(ROOT) or file.relative_to(ROOT).parts[0] not in FOLDERS:
            continue
        file = file.relative_to(ROOT)
        # A precompiled header of one compiler is of no use to another.
        flags = re.sub(r" -include \S*cmake_pch\S*| -Winvalid-pch| -o \S+| -c \S+", "", entry["command"]).partition(" ")[2]
        found.setdefault((file.parent, flags), set()).add(file)
    return {key: sorted(files) for key, files in found.items()}


class Unity:
    """One file that has these sources."""

    def __init__(self, build, folder, number, files):
        self.path = build / "unity" / f"{str(folder).replace('/', '_')}_{number}.cpp"
        self.path.parent.mkdir(exist_ok=True)
        self.files, self.begins, text = files, [], ""
        for file in files:
            self.begins.append(text.count("\n") + 1)
            text += (ROOT / file).read_text()
        self.path.write_text(text)

    def origin(self, line):
        at = bisect.bisect(self.begins, line) - 1
        return self.files[at], line - self.begins[at] + 1

    def told(self, text):
        """What was said of this file, as said of its sources."""
        def origin(match):
            return "{}:{}:".format(*self.origin(int(match[1])))
        return re.sub(rf"{re.escape(str(self.path))}:(\d+):", origin, text)

    def clashing(self, flags):
        """The sources that do not compile together with those before."""
        done = subprocess.run([COMPILER, *flags, *QUIET, self.path], capture_output=True, text=True)
        if done.returncode == 0:
            return set()
        lines = re.findall(rf"^{re.escape(str(self.path))}:(\d+):\d+: (?:fatal )?error:", done.stderr, re.M)
        return {self.origin(int(line))[0] for line in lines} - {self.files[0]} or set(self.files[1:])


def batches(build, folder, flags, files):
    number = 0
    while files:
        unity, apart = Unity(build, folder, number, files), set()
        while len(unity.files) > 1 and (clashing := unity.clashing(flags)):
            apart |= clashing
            unity = Unity(build, folder, number, [file for file in unity.files if file not in clashing])
        yield unity
        files, number = [file for file in files if file in apart], number + 1


def check(build, key, files):
    """[whether all is well, ...] of the files that the sources of this folder were put into."""
    folder, flags = key[0], shlex.split(key[1])
    well = []
    for unity in batches(build, folder, flags, files):
        done = subprocess.run([TIDY, "--quiet", CHECKS, unity.path, "--", *flags, *KNOWN],
                              capture_output=True, text=True)
        well.append(done.returncode == 0)
        if not well[-1]:
            print(unity.told(done.stdout + done.stderr), flush=True)
    return well


def twice_included():
    for file in sorted(path for folder in FOLDERS for path in Path(folder).rglob("*.[ch]*")):
        lines = [line for line in file.read_text().splitlines() if line.startswith("#include")]
        yield from (f"{file}: {line} stands there twice" for line in {line for line in lines if lines.count(line) > 1})


def main():
    os.chdir(ROOT)
    build, wanted = Path(sys.argv[1]).resolve(), sys.argv[2:]
    todo = sorted(((key, files) for key, files in groups(build).items() if not wanted or str(key[0]) in wanted),
                  key=lambda each: -len(each[1]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        well = [one for several in pool.map(lambda each: check(build, *each), todo) for one in several]
    twice = list(twice_included())
    print("".join(f"{line}\n" for line in twice) +
          f"clang-tidy: {sum(len(files) for _, files in todo)} sources in {len(well)} runs, {well.count(False)} failed")
    return 0 if well and all(well) and not twice else 1


sys.exit(main())
