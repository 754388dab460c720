"""bash, zsh and fish at work: what each of them offers for a command line. And what the program's own help says."""

import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from report import BINARY, ROOT

COMPLETIONS = ROOT / "completions"
# /run/netns as the shells see it: these names and no others.
NAMESPACES = ["shop", "$(touch PWNED)", "`touch PWNED`", "two words"]
PRIVATE = ["unshare", "--mount", "sh", "-c",
           'mount -t tmpfs none /run/netns; for n in "shop" "$A" "$B" "$C"; do : >"/run/netns/$n"; done; exec "$@"', "sh"]


def environment(**more):
    return {"PATH": f"{BINARY.parent}:{os.environ['PATH']}", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8",
            "A": NAMESPACES[1], "B": NAMESPACES[2], "C": NAMESPACES[3], **more}


# ---------------------------------------------------------------- the help

def help_of(*verb):
    done = subprocess.run([BINARY, *verb, "--help"], capture_output=True, text=True)
    assert done.returncode == (3 if verb == ("check",) else 0), done.stderr  # as the Monitoring Plugins have it
    return done.stdout


def verbs():
    block = help_of().split("Verbs:\n")[1].split("\nEach")[0]
    return [line.split()[0] for line in block.splitlines()]


def options(verb):
    """{name: (name of the value or None, description)}, as the help of a verb has them."""
    found = {}
    for line in help_of(verb).splitlines():
        match = re.match(r"^  (-\S+(?:, *-\S+)*)(?: ([^\sa-z]+))?(?: +(.*))?$", line)
        if match:
            for name in re.split(", *", match[1]):
                found[name] = (match[2], match[3] or "")
    assert "--help" in found, verb
    return found


# ---------------------------------------------------------------- the shells

BASH = r"""
source "$1"
while IFS= read -r line; do
    eval "COMP_WORDS=($line)"       # the test's own lines
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    _connleak
    printf '%s\n' "${COMPREPLY[@]}"
    echo END
done
"""


def bash(lines, cwd):
    # Readline gives "--format=json" to the function as three words.
    typed = "".join(re.sub("=", " = ", line).rstrip(" " if line.endswith("=") else "") + "\n" for line in lines)
    done = subprocess.run([*PRIVATE, "bash", "--norc", "-c", BASH, "bash", COMPLETIONS / "connleak"], input=typed, cwd=cwd,
                          env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and not done.stderr.replace(
        "bash: line 6: compopt: not currently executing completion function\n", ""), done.stderr
    return split(done.stdout, lines)


def fish(lines, cwd):
    script = f"source {COMPLETIONS}/connleak.fish; while read -l line; complete -C \"$line\"; echo END; end"
    done = subprocess.run([*PRIVATE, "fish", "--no-config", "-c", script], input="".join(f"{line}\n" for line in lines),
                          cwd=cwd, env=environment(XDG_CONFIG_HOME=str(cwd), XDG_DATA_HOME=str(cwd)), capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return split(re.sub(r"\t.*", "", done.stdout), lines)


def split(text, lines):
    answers = text.split("END\n")
    assert len(answers) == len(lines) + 1, text
    return [{word for word in answer.splitlines() if word} for answer in answers[:-1]]


ZSH = r"""
PS1= RPS1= LISTMAX=100000
fpath=($COMPLETIONS $fpath)
autoload -U compinit && compinit -D -u
compadd() {     # tells what is offered, and offers it
    if [[ "${(j: :)@[1,(i)(-|--)]}" == *-[OAD]\ * ]]; then builtin compadd "$@"; return; fi
    local -a hits
    builtin compadd -A hits "$@"
    (( $#hits )) && print -rl -- $IPREFIX${^hits} >>$HITS
    builtin compadd "$@"
}
ask() {
    BUFFER=$(<$LINE; print -n x) BUFFER=${BUFFER%x} CURSOR=$#BUFFER
    zle complete-word
    BUFFER=
    print END >>$HITS
}
zle -N ask && bindkey '^X' ask
print END >>$HITS
"""


def zsh(lines, cwd):
    """A real zsh at a terminal; a key has it complete the line that stands in a file."""
    work = Path(tempfile.mkdtemp(prefix="connleak-zsh-"))
    setup, line_file, hits = work / "setup.zsh", work / "line", work / "hits"
    setup.write_text(ZSH)
    hits.write_text("")
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(cwd)
        os.execvpe(PRIVATE[0], [*PRIVATE, "zsh", "-f", "-i"], environment(
            TERM="dumb", COLUMNS="200", LINES="1000", COMPLETIONS=str(COMPLETIONS), HITS=str(hits), LINE=str(line_file)))
    try:
        answers = []
        for line in [None, *lines]:
            hits.write_text("")
            if line is not None:
                line_file.write_text(line)
            os.write(terminal, b"\x18" if line is not None else f". {setup}\n".encode())
            shown, until = b"", time.monotonic() + 60
            while not hits.read_text().endswith("END\n"):
                assert time.monotonic() < until, (line, shown.decode(errors="replace"))
                if select.select([terminal], [], [], 0.02)[0]:
                    shown += os.read(terminal, 65536)
            answers.append({word for word in hits.read_text().splitlines()[:-1] if word})
        return answers[1:]
    finally:
        os.close(terminal)  # the shell is told that its terminal is gone
        os.waitpid(child, 0)
        shutil.rmtree(work)


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
