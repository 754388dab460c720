"""How a test speaks with a process of its own in a host: a JSON object a line, both ways."""

import json
import os
import sys


def introduce():
    """Says the pid unasked, for whom something else has started us."""
    print(json.dumps({"pid": os.getpid()}), flush=True)


def obey(worker):
    """Each order names a method in `do`; what it returns is the answer. Ends at the end of stdin."""
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = getattr(worker, order.pop("do"))(**order)
        except Exception as error:  # the test shall see it, whatever it is
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
