"""The main job in a minute: a throwaway Redis that is nearly full, three of its clients' hosts, and ghosts.

        ┌────────┐   ┌────────┐   ┌────────┐   ┌────────┐
        │ redis  │   │ web1   │   │ web2   │   │ web3   │     each a network namespace with real processes,
        └───┬────┘   └───┬────┘   └───┬────┘   └───┬────┘     joined by a bridge; nothing leaves this machine
            └────────────┴── switch ──┴────────────┘

web1 holds its connections. web2's kernel has lost its own without a word to the server, as a crash, a failed-over
firewall or a killed virtual machine does. web3 does not exist any more.

    /usr/bin/python3 tests/hosts/demo.py PATH-OF-CONNLEAK
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lab"))

from lab import Lab, silence
from services import Client, Redis
from sickness import ghost_host_gone, ghost_host_up

PAUSE = "\n\033[1m%s\033[0m\n" if sys.stdout.isatty() else "\n%s\n"


def say(text):
    print(PAUSE % text, flush=True)


def show(binary, *words):
    """Runs the program on the terminal as a user would; `connleak` stands for the path it was built at."""
    print("$ " + " ".join(["connleak", *words]), flush=True)
    subprocess.run([binary, *words], check=True, timeout=60)


def main():
    if os.geteuid() != 0:
        sys.exit("demo: needs root, to make network namespaces")
    binary = str(Path(sys.argv[1]).absolute())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Lab() as lab:
        server, web1, web2, web3 = lab.hosts("redis", "web1", "web2", "web3")
        lab.lan(server, web1, web2, web3)
        redis = Redis(server, maxclients=50, **{"tcp-keepalive": 0})

        say("Four hosts, one Redis with room for 50 clients. web1 to web3 connect.")
        worker = Client(web1)
        held = worker.open(redis, 12)
        lost = Client(web2)
        connections = lost.open(redis, 24)
        Client(web3).open(redis, 6)
        say("web2's kernel loses 20 connections without a word to the server; web3 is switched off.")
        ghost_host_up(web2, connections[:20])
        ghost_host_gone(web3)
        silence(2)

        target = f"redis://{redis.target}"
        say("What connleak says of it (--recent 2s, because the demo does not wait for a minute of silence):")
        show(binary, target, "--recent", "2s")

        report = json.loads(subprocess.run([binary, target, "--json"], check=True, capture_output=True, timeout=60).stdout)
        cure = next(finding["command"] for finding in report["findings"] if finding["code"] == "ghost-connections")
        say("The command that the report gives for the ghosts, as it stands there:")
        print("$ " + cure, flush=True)
        path = f"{Path(binary).parent}:{os.environ['PATH']}"
        subprocess.run(["sh", "-c", cure], check=True, env=os.environ | {"PATH": path}, timeout=60)
        say("And afterwards:")
        show(binary, target, "--recent", "2s")
        living = len(worker.alive()) + len(lost.alive(connections[20:]))
        say(f"{living} of the {len(held) + 4} living connections on web1 and web2 still answer.")


if __name__ == "__main__":
    main()
