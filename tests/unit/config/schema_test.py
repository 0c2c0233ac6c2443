"""The JSON Schema for editors takes every good study file and refuses the structurally wrong ones.

What a schema cannot say (min below max, unknown names in templates) is left to the reader, so a wrong
file has to be refused here only where it is listed.
"""
import json
import pathlib
import re
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """YAML 1.2's numbers, booleans and nulls, as Krigon reads them, for PyYAML's 1.1."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern in [
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$"),
    ("int", r"^[-+]?([0-9]+|0x[0-9a-fA-F]+)$"),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    ("null", r"^(~|null|Null|NULL|)$"),
]:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), None)
Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])

# By name, without the number.
REFUSED = """
plain-text list nothing-required misspelled-top-keys misplaced-keys objective-text objective-misspelled
objective-without-direction several-objectives metric-named-step number-is-text unknown-type
unknown-parameter-keys real-bounds-for-int bad-steps only-min bad-values values-and-range list-for-values
bad-names no-parameters unknown-condition impossible-conditions constraint-not-in-list command-text
command-for-a-shell trial-without-command bad-durations zero-timeout bad-patterns bad-env
asha-without-max-steps bad-early-stopping bad-budget empty-sections too-many-gpus gpus-as-number gpus-wrong
bad-sampler bad-scalars bad-device json-errors-have-lines unquoted-template
""".split()


def load(path):
    text = path.read_bytes().decode("utf-8-sig")
    return json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=Loader)


def main(root):
    schema = json.loads((root / "share/krigon/study.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    files = root / "tests/data/study_files"
    good = [p for p in files.glob("good/*") if p.suffix in (".yaml", ".json")]
    good += list(root.glob("examples/*/study.yaml"))
    problems = [f"{p}: {e.json_path}: {e.message}" for p in good for e in validator.iter_errors(load(p))]
    wrong = {re.sub(r"^\d+-", "", p.stem): p for p in files.glob("wrong/*") if p.suffix in (".yaml", ".json")}
    for name in REFUSED:
        if validator.is_valid(load(wrong[name])):
            problems.append(f"{wrong[name]}: the schema takes it")
    print("\n".join(problems) or f"{len(good)} good and {len(REFUSED)} wrong study files are told apart")
    return 1 if problems or not good else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
