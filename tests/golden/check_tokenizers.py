"""Compares Cadre's tokenizers with `sentencepiece` and `tokenizers` on random and hostile strings.

    python check_tokenizers.py BENCH DATA [--count 10000] [--seed 1] [--only WORD]

BENCH is the built tokenizer_bench, DATA the folder of real files (tokenizers/*/tokenizer.model,
tokenizers/*/tokenizer.json, text/). Compared are ids, and decoded text of these ids and of random
ones, of

  - each tokenizer.model, with SentencePiece;
  - the small models of tokenizer/small, with SentencePiece, and the files around them;
  - unigram and BPE models with the whole nmt_nfkc table, trained here on the text of DATA;
  - tokenizer.json made of a published tokenizer.model in the ways that transformers converts it;
  - each tokenizer.json, as it is and with the pre-tokenizers of published models.

Prints a line for each and ends with status 1 if anything differs. Needs: pip install
sentencepiece==0.2.3 tokenizers==0.23.3.
"""

import argparse
import copy
import glob
import json
import os
import random
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "tokenizer"))

import sentencepiece
from tokenizers import Tokenizer

from compare_with_tokenizers import CL100K, GPT2, O200K, ask, byte_level, random_string, sequence, split
from make_small_models import read, tokenizer_files

# A run of byte tokens that breaks off: beginnings, middles and ends of characters, and what is between.
BROKEN = ["<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "<0xE4>", "<0x41>", "<0xC3>", "<unk>", "</s>", "\u2581", "a"]


def random_ids(rng, size, broken, count):
    lists = [[rng.randrange(size) for _ in range(rng.randrange(1, 12))] for _ in range(count)]
    if broken:
        lists += [[rng.choice(broken) for _ in range(rng.randrange(1, 10))] for _ in range(count)]
    return lists


def report(name, count, wrong):
    print(f"{name}: {count} strings, {len(wrong)} differences", flush=True)
    for text, ours, theirs in wrong[:2]:
        print(f"  {text!r:.300}\n    ours   {ours!r:.300}\n    theirs {theirs!r:.300}")
    return not wrong


def differences(inputs, ours, theirs):
    return [(s, a, b) for s, a, b in zip(inputs, ours, theirs, strict=True) if a != b]


# Whole documents: sums of scores lose digits on the way, and runs get long.
DOCUMENTS = ["frankenstein/frankenstein.txt", "chinese-poetry/tang300.json"]
documents = []


def check_model(bench, path, name, count, rng):
    reference = sentencepiece.SentencePieceProcessor(model_file=path)
    strings = documents + [random_string(rng) for _ in range(count)]
    theirs = reference.encode(strings)
    wrong = differences(strings, ask(bench, "encode", path, map(json.dumps, strings), "--bare", "--plain-special"),
                        theirs)
    broken = [reference.piece_to_id(p) for p in BROKEN if reference.piece_to_id(p) != reference.unk_id()]
    lists = theirs + random_ids(rng, reference.vocab_size(), broken, count // 4)
    wrong += differences(lists, ask(bench, "decode", path, map(json.dumps, lists), "--skip-special"),
                         reference.decode(lists))
    return report(name, count, wrong)


def check_json(bench, document, name, count, rng):
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False)
        file.flush()
        reference = Tokenizer.from_file(file.name)
        strings = documents + [random_string(rng) for _ in range(count)]
        lines = [json.dumps(s) for s in strings]
        wrong = []
        for plain in (False, True):
            reference.encode_special_tokens = plain
            theirs = [e.ids for e in reference.encode_batch(strings)]
            flags = ["--plain-special"] if plain else []
            wrong += differences(strings, ask(bench, "encode", file.name, lines, *flags), theirs)
        broken = [i for i in map(reference.token_to_id, BROKEN) if i is not None]
        lists = theirs + random_ids(rng, reference.get_vocab_size(), broken, count // 4)
        for skip in (False, True):
            flags = ["--skip-special"] if skip else []
            ours = ask(bench, "decode", file.name, map(json.dumps, lists), *flags)
            wrong += differences(lists, ours, reference.decode_batch(lists, skip_special_tokens=skip))
    return report(name, count, wrong)


def published_pre_tokenizers():
    digits = {"type": "Digits", "individual_digits": True}
    isolated = lambda pattern: split({"Regex": pattern})
    bytes_only = byte_level(False, False)
    yield "gpt-2", byte_level()
    yield "gpt-2, prefix space", byte_level(True)
    yield "llama-3", sequence(isolated(CL100K), bytes_only)
    yield "qwen2", sequence(isolated(CL100K.replace("{1,3}", "")), bytes_only)
    yield "gpt-4o", sequence(isolated(O200K), bytes_only)
    yield "starcoder", sequence(digits, byte_level())
    yield "falcon", sequence({"type": "Punctuation", "behavior": "Contiguous"}, byte_level(),
                             {"type": "Digits", "individual_digits": False}, isolated("[0-9][0-9][0-9]"))
    yield "anchors", sequence(isolated(r"^\s*[a-z]|[a-z1]$|a^|$b|\s+$\n"), byte_level())
    yield "bloom", sequence(isolated(r" ?[^(\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
                                     .replace("[^(\\s|[", "[^(\\s|\\[").replace("])]+", "\\])]+")), bytes_only)
    yield "deepseek-llm", sequence(
        isolated("[\r\n]"), isolated(r"\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u0391-\u03ff]+"),
        isolated(r"\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"), isolated(r"\s+$"),
        isolated("[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"), digits, bytes_only)
    yield "deepseek-v3", sequence(
        isolated(r"\p{N}{1,3}"), isolated("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
        isolated(r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
                 r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), bytes_only)
    yield "phi-2 and punctuation", sequence({"type": "Punctuation", "behavior": "Removed"},
                                            {"type": "Whitespace"}, byte_level())
    yield "whitespace split", sequence({"type": "WhitespaceSplit"}, byte_level(True))
    yield "delimiter", sequence({"type": "CharDelimiterSplit", "delimiter": "e"}, byte_level())


def trained_models(data, folder):
    """Models with the whole table of nmt_nfkc, which is too large for the tree."""
    texts = [os.path.join(data, "text", name) for name in DOCUMENTS]
    common = {"input": ",".join(texts), "num_threads": 1, "minloglevel": 2, "input_sentence_size": 4000}
    for name, options in {
            "unigram nmt_nfkc": {"model_type": "unigram", "vocab_size": 4000},
            "unigram nfkc_cf, fallback": {"model_type": "unigram", "vocab_size": 4000, "byte_fallback": True,
                                          "normalization_rule_name": "nfkc_cf", "user_defined_symbols": ["the", "<x>"]},
            "BPE nmt_nfkc_cf": {"model_type": "bpe", "vocab_size": 3000,
                                "normalization_rule_name": "nmt_nfkc_cf"}}.items():
        prefix = os.path.join(folder, name.replace(" ", "_"))
        sentencepiece.SentencePieceTrainer.train(model_prefix=prefix, **options, **common)
        yield name, prefix + ".model"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("data")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    good = True
    for name in DOCUMENTS:
        with open(os.path.join(args.data, "text", name), encoding="utf-8") as file:
            documents.append(file.read())

    def run(check, thing, name):
        nonlocal good
        if args.only in name:
            good &= check(args.bench, thing, name, args.count, random.Random(args.seed))

    published = sorted(glob.glob(os.path.join(args.data, "tokenizers/*/tokenizer.model")))
    for path in published:
        run(check_model, path, os.path.relpath(path, args.data))
    for path in sorted(glob.glob(os.path.join(HERE, "tokenizer/small/*.model"))):
        run(check_model, path, "small/" + os.path.basename(path))
    for path in sorted(glob.glob(os.path.join(HERE, "tokenizer/small/*.json"))):
        if os.path.basename(path) != "cases.json":
            run(check_json, json.load(open(path, encoding="utf-8")), "small/" + os.path.basename(path))
    with tempfile.TemporaryDirectory() as folder:
        trained = dict(trained_models(args.data, folder))
        for name, path in trained.items():
            run(check_model, path, name)
        unigram = trained["unigram nmt_nfkc"]
        for path in published:
            for name, document in tokenizer_files(read(path), read(unigram)):
                run(check_json, document, f"{name} of {os.path.relpath(path, args.data)}")
    for path in sorted(glob.glob(os.path.join(args.data, "tokenizers/*/tokenizer.json"))):
        base = json.load(open(path, encoding="utf-8"))
        for name, pre_tokenizer in published_pre_tokenizers():
            document = copy.deepcopy(base)
            document["pre_tokenizer"] = pre_tokenizer
            run(check_json, document, f"{os.path.relpath(path, args.data)}, {name}")
    sys.exit(not good)


if __name__ == "__main__":
    main()
