"""Compares Cadre's tokenizer with the `tokenizers` library on random and hostile strings.

    python compare_with_tokenizers.py BENCH TOKENIZER.json [--count 10000] [--seed 1]

BENCH is the built tokenizer_bench. Besides the file itself, variants of it with other
pre-tokenizers, normalisers, post-processors and added tokens are compared, since one file shows
only one way through the code. Prints a line for each variant and ends with status 1 if any id or
decoded text differs. Needs: pip install tokenizers (made with 0.23.3).
"""

import argparse
import copy
import json
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
         r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}|"
         r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")

# Characters that tokenizers have stumbled over: every kind of space, joiners, marks, ligatures,
# case-folding oddities, characters of the byte alphabet, composed and decomposed forms.
SPICE = list(" \t\n\r\v\f\x00\x1c\x1f\x7f\x85\xa0\xad\u180e\u200b\u200c\u200d\u2028\u2029\u202f"
             "\u205f\u3000\ufeff\ufffd\ufffe\u0301\u0323\u0345\u1161\u11a8\u0958\u2126\u212b\u1e9b"
             "\ufb01\u017f\u212a\u0130\u0131\u00df\u01c5\u2160\u00bd\u0660\u4e94\u3007\u0120\u010a"
             "\u00e9\u0041\u030a\uac00\u1100\u0f77\u0344\u0340\u2adc\U0001d15e\U0001f600\U0001f1e9"
             "\U0001f3fd\ufe0f\U000e0041\U0010ffff\ue000")
WORDS = ["'s", "'S", "'re", "'RE", "'ll", "'lL", "it's", "don't", "'\u017f", "the", " The", "hello",
         "WORLD", "CamelCase", "x86_64", "3.14", "1234567", "\u0663\u0664", "Stra\u00dfe", "na\u00efve",
         "\u0438\u0439", "\u6211\u60f3", "\u3053\u3093", "\ud55c\uad6d", "\u0e2a\u0e27", "http://a.b/c?d=e",
         "<|endoftext|>", "<|padding|>", "<|endoftext", "|||IP_ADDRESS|||", "        ", "\n\n\n",
         "\t\t", "==", "!=", "();", "/*", "*/", "#include", "__init__", "SELECT *", "\u2581", "\u0120the"]


def random_string(rng):
    kind = rng.randrange(8)
    n = rng.choice([1, 2, 3, 5, 8, 13, 40, 200])
    if kind == 0:  # any scalar value
        return "".join(chr(rng.choice([rng.randrange(0xd800), rng.randrange(0xe000, 0x110000)]))
                       for _ in range(n))
    if kind == 1:  # the basic plane without surrogates
        return "".join(chr(rng.randrange(0xd800)) for _ in range(n))
    if kind == 2:
        return "".join(chr(rng.randrange(128)) for _ in range(n))
    if kind == 3:
        return "".join(rng.choice(SPICE) for _ in range(n))
    if kind == 4:
        return "".join(rng.choice(WORDS) for _ in range(n))
    if kind == 5:
        return "".join(rng.choice(WORDS + SPICE + [" "] * 20) for _ in range(n))
    if kind == 6:  # long runs
        return "".join(rng.choice(SPICE + list("ab1 .'")) * rng.randrange(1, 60) for _ in range(n % 9))
    block = rng.randrange(0, 0x3000, 0x80)  # one script, with spaces
    return "".join(chr(block + rng.randrange(0x80)) if rng.random() < 0.85 else " " for _ in range(n))


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def variants(base):
    yield "as it is", base

    def changed(**parts):
        made = copy.deepcopy(base)
        made.update(parts)
        return made

    for name, pattern in (("cl100k", CL100K), ("o200k", O200K), ("gpt2 as Split", GPT2)):
        yield name, changed(pre_tokenizer=sequence(split({"Regex": pattern}), byte_level(False, False)),
                            normalizer=None)
    yield "deepseek", changed(pre_tokenizer=sequence(
        split({"Regex": r"[\r\n]"}), split({"Regex": r"\s?\p{L}+"}), split({"Regex": r"\s?\p{P}+"}),
        split({"Regex": "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"}),
        {"type": "Digits", "individual_digits": True}, byte_level(False, False)))
    yield "digits", changed(pre_tokenizer=sequence({"type": "Digits", "individual_digits": True},
                                                   byte_level()))
    yield "runs of digits", changed(pre_tokenizer=sequence(
        {"type": "Digits", "individual_digits": False}, byte_level()))
    yield "prefix space", changed(pre_tokenizer=byte_level(True))
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            yield f"Split {behavior} {invert}", changed(pre_tokenizer=sequence(
                split({"Regex": r"\s|x*"}, behavior, invert), split({"String": "a."}, behavior, False),
                byte_level(False, False)))
    for form in ("NFD", "NFKC", "NFKD"):
        yield form, changed(normalizer={"type": "Sequence", "normalizers": [{"type": form},
                                                                           {"type": "NFC"}]})
    ignoring = copy.deepcopy(base)
    ignoring["model"]["ignore_merges"] = True
    yield "ignore_merges", ignoring
    unknown = copy.deepcopy(base)
    for byte in "abc\u0120\u00e3":  # with them go the merges they are part of
        unknown["model"]["vocab"].pop(byte)
    vocab = unknown["model"]["vocab"]
    unknown["model"]["merges"] = [m for m in unknown["model"]["merges"]
                                  if all(p in vocab for p in m.split(" ")) and m.replace(" ", "") in vocab]
    yield "missing bytes", unknown
    for fuse in (False, True):
        made = copy.deepcopy(unknown)
        made["model"].update(unk_token="<|padding|>", fuse_unk=fuse)
        yield f"unknown token, fuse {fuse}", made
    flags = copy.deepcopy(base)
    next_id = max(max(flags["model"]["vocab"].values()), max(t["id"] for t in flags["added_tokens"])) + 1
    for i, (content, names) in enumerate([
            ("the", ["single_word"]), ("x86", ["lstrip", "rstrip"]), ("hello", ["lstrip", "special"]),
            ("\u00e9", ["normalized"]), ("A\u030a", ["normalized", "special"]), ("  ", ["rstrip"]),
            ("\u3053", ["single_word", "normalized", "rstrip"]), ("\n\n", ["lstrip", "normalized"])]):
        flags["added_tokens"].append({"id": next_id + i, "content": content, **{
            name: name in names for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}})
    flags["added_tokens"] = [t for t in flags["added_tokens"]
                             if not (t["content"].strip(" ") == "" and t["id"] < next_id)]
    yield "flags of added tokens", flags
    yield "template", changed(post_processor={"type": "Sequence", "processors": [byte_level(), {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|padding|>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            "<|padding|>": {"id": "<|padding|>", "ids": [1], "tokens": ["<|padding|>"]},
            "<|endoftext|>": {"id": "<|endoftext|>", "ids": [50279, 7], "tokens": ["a", "b"]}}}]})


def ask(bench, job, path, lines, *flags):
    done = subprocess.run([bench, job, path, *flags], input="\n".join(lines) + "\n", text=True,
                          capture_output=True, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(f"{bench} {job}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("tokenizer")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    base = json.load(open(args.tokenizer, encoding="utf-8"))
    failed = False
    for name, document in variants(base):
        strings = [random_string(rng) for _ in range(args.count)]
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False)
            file.flush()
            reference = Tokenizer.from_file(file.name)
            lines = [json.dumps(s) for s in strings]
            wrong = []
            for plain in (False, True):
                reference.encode_special_tokens = plain
                ours = ask(args.bench, "encode", file.name, lines, *(["--plain-special"] if plain else []))
                theirs = [e.ids for e in reference.encode_batch(strings)]
                wrong += [(s, a, b) for s, a, b in zip(strings, ours, theirs) if a != b]
            for skip in (False, True):
                lists = theirs + [[rng.randrange(reference.get_vocab_size() + 10) for _ in range(9)]
                                  for _ in range(args.count // 4)]
                ours = ask(args.bench, "decode", file.name, map(json.dumps, lists),
                           *(["--skip-special"] if skip else []))
                texts = [reference.decode(ids, skip_special_tokens=skip) for ids in lists]
                wrong += [(s, a, b) for s, a, b in zip(lists, ours, texts) if a != b]
        print(f"{name}: {len(strings)} strings, {len(wrong)} differences", flush=True)
        for text, a, b in wrong[:args.show]:
            print(f"  {text!r:.300}\n    ours   {a!r:.300}\n    theirs {b!r:.300}")
        failed = failed or bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
