"""The JSON Schemas of man/, which refer to one another by their file names, for validation without any network."""

import functools
import json
from pathlib import Path

import jsonschema

FOLDER = Path(__file__).resolve().parents[3] / "man"


@functools.cache
def documents():
    """Every schema by its file's name."""
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.schema.json"))}


@functools.cache
def validator(name):
    """Of connleak-NAME.schema.json."""
    rules = documents()[f"connleak-{name}.schema.json"]
    made = jsonschema.validators.validator_for(rules)
    made.check_schema(rules)
    try:
        from referencing import Registry, Resource
    except ImportError:  # jsonschema before 4.18
        return made(rules, resolver=jsonschema.RefResolver(rules["$id"], rules, store=documents()))
    known = [(file, Resource.from_contents(each)) for file, each in documents().items()]
    return made(rules, registry=Registry().with_resources(known))
