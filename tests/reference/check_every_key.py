"""Schema and loader agree about every key.

Gives each key of the schema values of every type, its default, and what is at
and beyond its limits. What the loader takes the schema takes as well; and what
the schema takes the loader does too, but for texts, where it may know better,
and for what does not go together with another key.
"""

import json
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    sys.exit(77)  # skipped

BASE = {
    "version": 1,
    "namespace": "r1",
    "upstream": {"url": "ssh://me@host", "known_hosts": "/known_hosts"},
}
VALUES = [None, True, False, 0, 1, -1, 1.5, 10**15, "", "text", "?", "/path"]
VALUES += ["1s", "1m", "0660", "$${x", [], ["text"], ["text", 1], [[]], [{}], {}]


def branches(schema):
    return [schema] + schema.get("anyOf", [])


def values_of(schema):
    yield from VALUES
    if "default" in schema:
        yield schema["default"]
    for branch in branches(schema):
        yield from branch.get("enum", [])[:3]
        if "minimum" in branch:
            low, high = branch["minimum"], branch["maximum"]
            yield from (low, high, low - 1, high + 1)
        if "maxItems" in branch:
            for item in values_of(branch["items"]):
                yield [item]
            most = branch["maxItems"]
            if most <= 64:
                yield ["/path"] * most
                yield ["/path"] * (most + 1)


def keys_of(schema, path=()):
    """Every key with the schema of its value, those of lists' objects too."""
    for key, inner in schema.get("properties", {}).items():
        here = path + (key,)
        yield here, inner
        for branch in branches(inner):
            yield from keys_of(branch, here)
            yield from keys_of(branch.get("items", {}), here + (0,))


def object_of(schema):
    """The branch of SCHEMA that is an object, where a text may stand for it."""
    return next(b for b in branches(schema) if "properties" in b)


def minimal(schema):
    """An object that has what must be given, as texts."""
    return {key: "/path" for key in schema.get("required", [])}


def document(schema, path, value):
    """The policy BASE with VALUE at PATH."""
    result = json.loads(json.dumps(BASE))
    at = result
    for step, following in zip(path, path[1:]):
        if following == 0:
            schema = schema["properties"][step]["items"]
            at[step] = [minimal(schema)]
        elif step != 0:
            schema = object_of(schema["properties"][step])
            if isinstance(at.get(step), str):  # it stood for one of its keys
                at[step] = {key: at[step] for key in schema["required"]}
            at.setdefault(step, {})
        at = at[step]
    at[path[-1]] = value
    return result


def has_text(value):
    if isinstance(value, list):
        return any(has_text(item) for item in value)
    return isinstance(value, str)


def spelled(path):
    text = "".join("[%d]" % s if isinstance(s, int) else "." + s for s in path)
    return text[1:]


def main(loader, path):
    with open(path) as file:
        schema = json.load(file)
    validator = jsonschema.Draft7Validator(schema)
    cases = []
    for key, inner in keys_of(schema):
        for value in values_of(inner):
            cases.append((key, value, document(schema, key, value)))
    lines = "".join(json.dumps(case[2]) + "\n" for case in cases)
    answers = subprocess.run(
        [loader], input=lines, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(answers) == len(cases)
    wrong = 0
    for (key, value, whole), answer in zip(cases, answers):
        schema_takes, loader_takes = validator.is_valid(whole), answer == "good"
        if schema_takes == loader_takes:
            continue
        if schema_takes and (
            (has_text(value) and " entries; " not in answer)
            or ": %s" % spelled(key) not in answer
        ):
            continue
        print(
            "%s: %s: schema %s, loader %s"
            % (spelled(key), json.dumps(value), schema_takes, answer)
        )
        wrong += 1
    good = answers.count("good")
    print("%d cases, %d of them good" % (len(cases), good))
    sys.exit(1 if wrong or not good else 0)


main(*sys.argv[1:])
