"""What bash, zsh and fish offer, and what the manual documents: all that the program's own help has, and nothing else."""

import re
import subprocess

import pytest

from report import BINARY, ROOT
from shells import NAMESPACES, SHELLS, options, verbs

# Values that no list can be made of, by the name that they have in the help.
FREE = {"TIME", "N", "NAME", "HOST", "PORT"}


@pytest.fixture(params=SHELLS)
def shell(request, tmp_path):
    return lambda *lines: SHELLS[request.param](lines, tmp_path)


def test_every_verb_and_every_option_is_offered_and_nothing_else(shell):
    lines = ["connleak ", "connleak --"]
    for verb in verbs():
        lines += [f"connleak {verb} -", f"connleak {verb} :6379 --"]
    answers = shell(*lines)
    assert answers[0] == set(verbs())
    assert answers[1] == {name for name in options("scan") if name.startswith("--")}
    for at, verb in enumerate(verbs()):
        single, double = answers[2 + 2 * at:4 + 2 * at]
        expected = set(options(verb))
        assert single | double == expected, verb
        assert double == {name for name in expected if name.startswith("--")}, verb


def test_every_value_that_has_a_list_is_offered(shell):
    asked = [(verb, name, value) for verb in verbs() for name, (value, _) in options(verb).items() if value]
    for (verb, name, value), offered in zip(asked, shell(*(f"connleak {verb} {name} " for verb, name, _ in asked))):
        kind = re.search("[A-Z]+", value)[0]
        if kind in FREE:
            assert not offered, f"{verb} {name}"
        elif kind not in ("FILE", "DIR"):  # the folder is empty
            assert offered, f"{verb} {name} {value}: which words has it? Else add it to FREE here"


def test_values(shell, tmp_path):
    (tmp_path / "secret.txt").touch()
    expected = {
        "connleak sockets --format ": {"table", "json", "ndjson"},
        "connleak sockets --format j": {"json"},
        "connleak sockets --format=j": {"--format=json"},
        "connleak --color ": {"auto", "always", "never"},
        "connleak sockets --timer ": {"netstat", "ss"},
        "connleak sockets -o ST": {"STATE"},
        "connleak sockets --columns PID,ST": {"PID,STATE"},
        "connleak sockets -o +PID,HE": {"+PID,HEARD"},
        "connleak sockets --sort -HE": {"-HEARD"},
        "connleak sockets --count-by group,p": {"group,process", "group,peer"},
        "connleak sockets -N al": {"all"},
        "connleak check -w gh": {"ghosts="},
        "connleak --pass-file se": {"secret.txt"},
        "connleak :6379 ": set(),
        "connleak nosuchverb ": set(),
    }
    for (line, words), offered in zip(expected.items(), shell(*expected)):
        # Before "=" bash has the option as a word of its own.
        def bare(some):
            return {word.rstrip("=").split("=")[-1] for word in some}

        assert bare(offered) == bare(words), line


def test_names_of_namespaces_are_offered_and_never_run(shell, tmp_path):
    offered, = shell("connleak --netns ")
    assert {"all", "self", "shop"} <= offered
    assert len(offered) == 2 + len(NAMESPACES)
    assert not list(tmp_path.glob("PWNED"))


@pytest.mark.parametrize("name", SHELLS)
def test_nothing_is_run_to_complete(name, tmp_path, monkeypatch):
    """As root, a program that happens to have this name and lies about would be run by a key."""
    all_verbs = set(verbs())
    program = tmp_path / "bin/connleak"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/RUN\n")
    program.chmod(0o755)
    monkeypatch.setattr("shells.BINARY", program)
    assert SHELLS[name](["connleak ", "connleak help ", "connleak scan --for"], tmp_path) == [
        all_verbs, all_verbs, {"--format"}]
    assert not (tmp_path / "RUN").exists()


# ---------------------------------------------------------------- the manual

PAGE = (ROOT / "man/connleak.1").read_text()


def section(title):
    found = re.search(rf"^\.Sh {re.escape(title)}\n(.*?)(?=^\.Sh |\Z)", PAGE, re.M | re.S)
    return found[1] if found else ""


def names(line):
    """The options in one line of macros: "It Fl w , -warning Ar range" has -w and --warning."""
    line = re.sub(r"\b(Ar|Cm|Ev|Pa|Xr) \S+", "", line)
    return {"-" + word for word in line.split() if re.fullmatch(r"-?[a-zA-Z0-9][\w-]*", word) and word not in ("It", "Fl", "Ns")}


def documented(text):
    """The options that a list in the page is headed by."""
    return set().union(*map(names, re.findall(r"^\.It (Fl .*)$", text, re.M)))


@pytest.mark.parametrize("verb", verbs() if BINARY.exists() else [])
def test_the_manual_documents_every_option(verb):
    """In the verb's own section, which may refer to those of DESCRIPTION by name alone (".Fl -json , -output")."""
    shared = documented(section("DESCRIPTION"))
    own = "" if verb == "scan" else section(verb.upper())
    referred = set().union(*map(names, re.findall(r"^\.Fl (.*)$", own, re.M)))
    known = shared | documented(section("VERIFY"))  # which others can begin with
    here = shared if verb == "scan" else documented(own) | (referred & known) | ({"-h", "--help"} & shared)
    missing = set(options(verb)) - here
    assert not missing, f"connleak(1), {verb.upper() if own else 'DESCRIPTION'}: {sorted(missing)}"


def test_the_manual_documents_no_option_that_there_is_not():
    known = {name for verb in verbs() for name in options(verb)} | {"--version"}
    assert documented(PAGE) - known == set()


def test_the_manual_has_every_verb():
    text = subprocess.run(["mandoc", "-Tascii", ROOT / "man/connleak.1"], capture_output=True, text=True).stdout
    synopsis = re.sub(".\b", "", text).split("DESCRIPTION")[0]
    for verb in verbs():
        assert re.search(rf"\b{verb}\b", synopsis), verb
