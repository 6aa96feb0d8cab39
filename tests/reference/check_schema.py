"""Schema and loader agree.

For every file of tests/policy: the schema takes what is good, and refuses what
is bad, but for files whose .expect says "# beyond the schema" (what the
environment holds, what two keys mean together, limits of durations and sizes).
"""

import glob
import json
import os
import sys

try:
    import jsonschema
except ImportError:
    sys.exit(77)  # skipped


def no_duplicates(pairs):
    if len(set(key for key, _ in pairs)) < len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def accepts(validator, path):
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file, object_pairs_hook=no_duplicates)
    except ValueError:
        return False
    return validator.is_valid(document)


def main(top):
    with open(os.path.join(top, "policy/berth-policy.schema.json")) as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    good = glob.glob(os.path.join(top, "tests/policy/good/*.json"))
    good += glob.glob(os.path.join(top, "*.example.json"))
    bad = glob.glob(os.path.join(top, "tests/policy/bad/*.json"))
    wrong = 0
    for path in good:
        if not accepts(validator, path):
            print("%s: is good, but not to the schema" % path)
            wrong += 1
    for path in bad:
        with open(path[: -len("json")] + "expect") as file:
            beyond = file.readline().startswith("# beyond the schema")
        if accepts(validator, path) != beyond:
            print(
                "%s: %s"
                % (
                    path,
                    "is refused by the schema after all"
                    if beyond
                    else "is bad, but not to the schema",
                )
            )
            wrong += 1
    print("%d good files, %d bad ones" % (len(good), len(bad)))
    sys.exit(1 if wrong or not good or not bad else 0)


main(sys.argv[1])
