"""Compares grammars of JSON schemas with the `jsonschema` library and the official test suite.

    python check_grammars.py BATCH TOKENIZER SUITE [--samples 40]

BATCH is the built grammar_batch, TOKENIZER a file that it can load, SUITE the folder draft2020-12 of the official
JSON-Schema-Test-Suite, which the source distribution of the PyPI package jsonschema has in json/tests
(pip download --no-binary :all: --no-deps jsonschema).

1. Every case of the suite whose schema is not refused: a valid instance must be accepted, an invalid one rejected.
   Instances are written without white space, the properties of objects in the order of the schema. What Cadre
   promises not to write is counted apart: integers with a fraction, numbers beyond 18 digits or with an exponent
   under a bound, and alternatives of oneOf that hold at the same time.
2. Random texts under each of these schemas, and under some of its own: the library must find each of them valid.

Ends with status 1 if anything differs. Needs: pip install jsonschema==4.26.0.
"""

import argparse
import collections
import glob
import json
import os
import re
import subprocess
import sys

import jsonschema

# Files whose keywords are claimed; what else they contain is refused, which is counted.
CLAIMED = """additionalProperties allOf anchor anyOf boolean_schema const default defs enum exclusiveMaximum
 exclusiveMinimum infinite-loop-detection items maxItems maxLength maxProperties maximum minItems minLength
 minProperties minimum multipleOf oneOf pattern patternProperties prefixItems properties ref required type
 optional/bignum optional/ecmascript-regex optional/float-overflow optional/non-bmp-regex optional/no-schema
 optional/format/date optional/format/time optional/format/date-time optional/format/duration optional/format/uuid
 optional/format/ipv4 optional/format/ipv6 optional/format/email optional/format/hostname optional/format/uri
 optional/format/uri-reference optional/format/json-pointer""".split()
OWN = [
    {"type": "object", "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 12},
                                      "age": {"type": "integer", "minimum": 0, "maximum": 130},
                                      "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 3}},
     "required": ["name"]},
    {"$defs": {"tree": {"type": "object", "properties": {
        "value": {"type": "number", "multipleOf": 0.25, "exclusiveMinimum": -3, "maximum": 17.5},
        "left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}}, "required": ["value"]}},
     "$ref": "#/$defs/tree"},
    {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "at": {"format": "date-time",
                                                                                       "type": "string"},
                                      "mail": {"type": "string", "format": "email"},
                                      "from": {"type": "string", "format": "ipv4"},
                                      "to": {"type": "string", "format": "ipv6"},
                                      "day": {"type": "string", "format": "date"}}},
    {"type": "string", "pattern": "^[A-Z]{2,3}-\\d{4}(x|y)?$", "maxLength": 8},
    {"type": "object", "patternProperties": {"^x_": {"type": "integer"}, "_y$": {"type": "integer", "minimum": 5}},
     "additionalProperties": {"type": "boolean"}, "minProperties": 1, "maxProperties": 4},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
               {"properties": {"a": {"minimum": 10}, "b": {"type": ["string", "null"]}}, "maxProperties": 2}]},
    {"anyOf": [{"type": "integer", "multipleOf": 7, "minimum": 100}, {"type": "array", "prefixItems": [
        {"type": "string"}, {"type": "number", "minimum": -1.5, "exclusiveMaximum": 1.5}], "items": False}]},
    {"type": "array", "items": {"type": "integer", "minimum": -1234, "maximum": 87}, "minItems": 2, "maxItems": 5},
    {"enum": [1, "two", None, [3, {"four": 5.5}], {"six": "s\u00e4chs \"7\""}]},
    {"type": "object", "required": ["z", "k"], "properties": {"k": {"const": "v"}}, "additionalProperties": True},
    True,
]


class Batch:
    def __init__(self, program, tokenizer):
        self.process = subprocess.Popen([program, tokenizer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"grammar_batch ended at {request}")
        return json.loads(line)


def order_of(schema):
    """Names of properties, and of members of constants, in the order in which they occur in the schema."""
    names = []

    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "properties" and isinstance(value, dict):
                    names.extend(value)
                if key in ("const", "enum"):
                    keys_of(value)
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    def keys_of(node):
        if isinstance(node, dict):
            names.extend(node)
        for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
            keys_of(value)

    def required(node):
        if isinstance(node, dict):
            if isinstance(node.get("required"), list):
                names.extend(node["required"])
            for value in node.values():
                required(value)
        elif isinstance(node, list):
            for value in node:
                required(value)

    walk(schema)
    required(schema)
    return {name: index for index, name in reversed(list(enumerate(n for n in names if isinstance(n, str))))}


def sorted_instance(value, order):
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: order.get(key, len(order)))
        return {key: sorted_instance(value[key], order) for key in keys}
    if isinstance(value, list):
        return [sorted_instance(entry, order) for entry in value]
    return value


def beyond_form(value):
    """Whether Cadre says that it does not write such numbers."""
    if isinstance(value, dict):
        return any(beyond_form(entry) for entry in value.values())
    if isinstance(value, list):
        return any(beyond_form(entry) for entry in value)
    if isinstance(value, bool):
        return False
    if isinstance(value, float):
        return value == int(value) or "e" in repr(value)
    return isinstance(value, int) and abs(value) >= 10 ** 18


def suite(batch, folder, samples):
    counts = collections.Counter()
    failures = []
    refused = collections.Counter()
    for name in CLAIMED:
        path = os.path.join(folder, name + ".json")
        if not os.path.exists(path):
            print("no such file:", name)
            continue
        for group in json.load(open(path)):
            schema = group["schema"]
            order = order_of(schema)
            texts = [json.dumps(sorted_instance(test["data"], order), separators=(",", ":"), ensure_ascii=False)
                     for test in group["tests"]]
            answer = batch.ask(schema=json.dumps(schema), open=True, texts=texts)
            if "error" in answer:
                unsatisfiable = "no text satisfies" in answer["error"]
                if unsatisfiable and not any(test["valid"] for test in group["tests"]):
                    counts["invalid, refused as a whole"] += len(texts)
                    continue
                counts["tests of refused schemas"] += len(texts)
                refused[answer["error"].split(": ", 2)[-1][:70]] += len(texts)
                continue
            for test, accepted, text in zip(group["tests"], answer["accepted"], texts):
                if test["valid"] and accepted:
                    counts["valid, accepted"] += 1
                elif not test["valid"] and not accepted:
                    counts["invalid, rejected"] += 1
                elif test["valid"] and beyond_form(test["data"]):
                    counts["valid, of a form that is never written"] += 1
                elif test["valid"] and name.startswith("optional/format/"):
                    counts["valid, of a format's rarer forms"] += 1
                elif not test["valid"] and name == "oneOf":
                    counts["invalid, several alternatives of oneOf"] += 1
                else:
                    failures.append((name, group["description"], test["description"], text, test["valid"]))
            # Python's expressions differ from those of ECMA-262 where that file looks.
            if name != "optional/ecmascript-regex":
                check_samples(batch, schema, samples, counts, failures, True, name + ": " + group["description"])
    print("refused:")
    for reason, count in refused.most_common():
        print(f"  {count:4d}  {reason}")
    return counts, failures


def check_samples(batch, schema, samples, counts, failures, is_open, label):
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    for flexible in (False, True):
        answer = batch.ask(schema=json.dumps(schema), open=is_open, flexible=flexible, samples=samples, seed=7)
        if "error" in answer:
            failures.append((label, "sampling", answer["error"], "", True))
            return
        for text in answer["texts"]:
            value = json.loads(text)
            try:
                valid = checker.is_valid(value)
            except re.error:  # an expression of ECMA-262 that Python's module cannot read
                counts["samples, not judged"] += 1
                continue
            if valid:
                counts["samples, valid"] += 1
            elif "oneOf" in json.dumps(schema):
                counts["samples, several alternatives of oneOf"] += 1
            else:
                failures.append((label, "sample", str(next(checker.iter_errors(value)).message)[:100], text, True))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("batch")
    parser.add_argument("tokenizer")
    parser.add_argument("suite")
    parser.add_argument("--samples", type=int, default=40)
    args = parser.parse_args()
    batch = Batch(args.batch, args.tokenizer)
    counts, failures = suite(batch, args.suite, max(1, args.samples // 8))
    for schema in OWN:
        for is_open in (False, True):
            check_samples(batch, schema, args.samples, counts, failures, is_open, json.dumps(schema)[:60])
    for key, count in sorted(counts.items()):
        print(f"{count:6d}  {key}")
    for failure in failures:
        print("FAILED:", *failure, sep=" | ")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
