"""Runs `connleak reap` and `connleak protect` and reads what they did."""

import functools
import json

import jsonschema

from report import ROOT, connleak
from services import Endpoint


@functools.cache
def validator():
    rules = json.loads((ROOT / "man/connleak-actions.schema.json").read_text())
    made = jsonschema.validators.validator_for(rules)
    made.check_schema(rules)
    return made(rules)


class Actions(dict):
    """The document of one run; `done`, `skipped`, `failed` are the clients' ends of these outcomes."""

    def __init__(self, text):
        super().__init__(json.loads(text))
        shortened = {name: value[:150] if isinstance(value, list) else value for name, value in self.items()}
        validator().validate(shortened)
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
