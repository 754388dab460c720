"""Runs `connleak reap`, `protect` and `what-if`, and reads what they did or would do."""

import json

from report import connleak
from schemas import validator
from services import Endpoint


class Actions(dict):
    """The document of one run; `done`, `skipped`, `failed` are the clients' ends of these outcomes."""

    def __init__(self, text):
        super().__init__(json.loads(text))
        shortened = {name: value[:150] if isinstance(value, list) else value for name, value in self.items()}
        validator("actions").validate(shortened)
        outcomes = [each["outcome"] for each in self["actions"]]
        assert self["totals"] == {"planned": sum(each["planned"] for each in self["actions"]),
                                  "done": outcomes.count("done"), "skipped": outcomes.count("skipped"),
                                  "failed": outcomes.count("failed")}

    def ends(self, outcome):
        return sorted(Endpoint(each["client"]["address"], each["client"]["port"]) for each in self["actions"]
                      if each["outcome"] == outcome)

    done = property(lambda self: self.ends("done"))
    skipped = property(lambda self: self.ends("skipped"))
    failed = property(lambda self: self.ends("failed"))
    planned = property(lambda self: self.ends(None))
    methods = property(lambda self: {each["method"] for each in self["actions"]})
    reasons = property(lambda self: {each["reason"] for each in self["actions"]})


def act(verb, *words, check=0, **options):
    done = connleak(verb, *words, "--json", **options)
    assert done.returncode == check, f"exit {done.returncode}\n{done.stderr.decode()}\n{done.stdout.decode()}"
    return Actions(done.stdout)


def held(host, port=6379):
    """Ports of the clients whose connections the server's kernel holds as established."""
    return {int(row[4].rsplit(":", 1)[1]) for row in host.ss("sport", "=", f":{port}") if row[0] == "ESTAB"}


def ports(endpoints):
    return {endpoint.port for endpoint in endpoints}


def what_if(*words, check=0):
    done = connleak("what-if", *words, "--json")
    assert done.returncode == check, done.stderr.decode()
    answer = json.loads(done.stdout)
    validator("what-if").validate(answer)
    return answer
