"""Trains the small SentencePiece models beside this file and records what the references make of them.

    python make_small_models.py

Writes small/NAME.model (trained here on TEXT), small/NAME.json (tokenizer.json files around the same
vocabularies) and small/cases.json: strings with the ids and the decoded text of `sentencepiece` and
`tokenizers`. Needs: pip install sentencepiece==0.2.3 tokenizers==0.23.3. The same versions write the
same bytes.
"""

import base64
import json
import os
import random

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import Tokenizer

from compare_with_tokenizers import random_string

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "small")

TEXT = """
A small group of specialists answers better than one who has to know everything, if somebody knows
whom to ask. The router looks at each token and sends it to a few of the experts; the others rest.
What the experts return is added up, weighted by how sure the router was. Nothing is dropped.
Every token costs the same, however many experts there are, so a model may know more than it uses.
Tokens come in rows, rows come in batches, and a batch comes from documents that were shuffled once.
A tokenizer cuts text into pieces that come again and again: the, and, ing, tion, token, expert.
It has to give the same pieces each time, on every machine, or the numbers behind them mean nothing.
if (x == 0) { return y + 1; } else { for (int i = 0; i < 10; ++i) { sum += a[i] * b[i]; } }
def route(token, experts): return sorted(experts, key=lambda e: -score(token, e))[:2]  # the best two
Der Router fragt nur wenige: wer gefragt wird, antwortet, die anderen ruhen. Größe ist nicht alles.
Le routeur choisit; les experts répondent où l'on a besoin d'eux, et nulle part ailleurs. Voilà tout.
Маршрутизатор выбирает экспертов для каждого слова. Остальные отдыхают. 少数の専門家が答える。 少数专家回答问题。
1 2 3 10 12 100 1000 2026 3.14159 50% (half) "quoted" 'single' a-b c_d e/f <tag> </tag> [x] {y} ~ ^ | & $ #
""".strip()


# A few of the rules of nmt_nfkc and of its case folding: that table itself has 240 KB.
RULES = ["\u00a0\t ", "\u3000\t ", "\u200b\t ", "\t\t ", "\n\t ", "\r\t ", "\x01\t", "\x7f\t", "\u00ad\t",
         "e\u0301\t\u00e9", "A\u030a\t\u00e5", "a\u030a\u0323\tx", "\ufb01\tfi", "\ufb03\tffi", "\u00b2\t2",
         "\u2460\t1", "\u00bd\t1\u20442", "\u2026\t...", "\uff46\tf", "\u00c4\t\u00e4", "\u00df\tss",
         "\u1100\u1161\t\uac00", "\U0001f600\t:)", "T\tt", "B\tb", "\u2581\t "]


def rule_file():
    """The rules as SentencePiece reads them: code points, a tab, code points."""
    path = os.path.join(HERE, "rules.tsv")
    with open(path, "w", encoding="utf-8") as file:
        for rule in RULES:
            cut = rule.index("\t", 1)
            left, right = rule[:cut], rule[cut + 1:]
            file.write(" ".join(f"{ord(c):X}" for c in left) + "\t" +
                       " ".join(f"{ord(c):X}" for c in right) + "\n")
    return path


def train(name, **options):
    path = os.path.join(HERE, name)
    sentences = iter(TEXT.split("\n"))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=sentences, model_prefix=path, hard_vocab_limit=False, num_threads=1,
        minloglevel=2, **options)
    os.remove(path + ".vocab")
    forget_paths(path + ".model")
    return path + ".model"


def forget_paths(path):
    """The folder where a model was made is nobody's business."""
    model = proto.ModelProto()
    with open(path, "rb") as file:
        model.ParseFromString(file.read())
    model.trainer_spec.ClearField("model_prefix")
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def models():
    rules = {"normalization_rule_tsv": rule_file()}
    yield train("bpe_fallback", model_type="bpe", vocab_size=520, byte_fallback=True,
                normalization_rule_name="identity", remove_extra_whitespaces=False,
                character_coverage=0.98, user_defined_symbols=["[TOOL]", "ex", "  "])
    yield train("bpe_unknown", model_type="bpe", vocab_size=300, character_coverage=0.98,
                control_symbols=["<mask>"], pad_id=3, **rules)
    yield train("unigram", model_type="unigram", vocab_size=330, character_coverage=0.98,
                user_defined_symbols=["<sep>", "token"], **rules)
    yield train("unigram_fallback", model_type="unigram", vocab_size=560, byte_fallback=True,
                normalization_rule_name="identity", remove_extra_whitespaces=False,
                add_dummy_prefix=False)


    os.remove(rules["normalization_rule_tsv"])


def read(path):
    model = proto.ModelProto()
    with open(path, "rb") as file:
        model.ParseFromString(file.read())
    return model


def with_unused_pieces(path):
    """A model some of whose pieces are unused, as a restricted vocabulary leaves them."""
    model = read(path)
    count = 0
    for piece in model.pieces:
        if piece.type == proto.ModelProto.SentencePiece.NORMAL and len(piece.piece) > 1:
            count += 1
            if count % 3 == 0:
                piece.type = proto.ModelProto.SentencePiece.UNUSED
    out = os.path.join(HERE, "bpe_unused.model")
    with open(out, "wb") as file:
        file.write(model.SerializeToString())
    return out


def added(id, content, **flags):
    return {"id": id, "content": content, **{
        name: flags.get(name, False) for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}}


def merges_of(vocab, scores):
    """The merges that a converted SentencePiece BPE lists: by score, then as the pieces stand."""
    found = []
    for piece, score in scores.items():
        cuts = [(piece[:i], piece[i:]) for i in range(1, len(piece))
                if piece[:i] in vocab and piece[i:] in vocab]
        cuts.sort(key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
        found += [(-score, vocab[piece], n, *pair) for n, pair in enumerate(cuts)]
    return [[left, right] for _, _, _, left, right in sorted(found)]


def tokenizer_files(bpe, unigram):
    """tokenizer.json of several kinds around two vocabularies."""
    Type = proto.ModelProto.SentencePiece
    vocab = {p.piece: i for i, p in enumerate(bpe.pieces)}
    scores = {p.piece: p.score for p in bpe.pieces if p.type == Type.NORMAL and len(p.piece) > 1}
    model = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True,
             "ignore_merges": False, "vocab": vocab, "merges": merges_of(vocab, scores)}
    frame = {"version": "1.0", "truncation": None, "padding": None,
             "added_tokens": [added(0, "<unk>", special=True), added(1, "<s>", special=True),
                              added(2, "</s>", special=True)],
             "normalizer": None, "pre_tokenizer": None, "decoder": None, "model": model,
             "post_processor": {
                 "type": "TemplateProcessing",
                 "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                 "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}}
    steps = [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
             {"type": "ByteFallback"}, {"type": "Fuse"}]
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    yield "llama_prepend", {**frame, "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
        "decoder": {"type": "Sequence", "decoders": [*steps, strip]}}
    yield "llama_metaspace", {**frame, "pre_tokenizer": metaspace,
                              "decoder": {"type": "Sequence", "decoders": [*steps, strip]},
                              "added_tokens": frame["added_tokens"] + [
                                  added(len(vocab), "<|im_end|>", special=True, rstrip=True),
                                  added(len(vocab) + 1, "expert", normalized=True, single_word=True)]}
    yield "gemma", {**frame, "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
                    "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                                      "behavior": "MergedWithPrevious", "invert": False},
                    "decoder": {"type": "Sequence", "decoders": steps}}
    entries = [[p.piece, p.score] for p in unigram.pieces]
    charsmap = base64.b64encode(unigram.normalizer_spec.precompiled_charsmap).decode()
    scored = {**frame, "post_processor": None,
              "model": {"type": "Unigram", "unk_id": 0, "vocab": entries, "byte_fallback": False},
              "decoder": {**metaspace, "prepend_scheme": "always", "split": True}}
    yield "t5", {**scored, "normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap},
                 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                     {"type": "WhitespaceSplit"}, {**metaspace, "prepend_scheme": "always", "split": True}]}}
    yield "xlm_roberta", {**scored, "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Precompiled", "precompiled_charsmap": charsmap},
        {"type": "Strip", "strip_left": False, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"}]},
        "pre_tokenizer": {**metaspace, "prepend_scheme": "always", "split": True},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1],
                           "trim_offsets": True, "add_prefix_space": False}}
    yield "albert", {**scored, "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"String": "``"}, "content": "\""}, {"type": "NFKD"},
        {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "Nmt"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Punctuation", "behavior": "Contiguous"}, {"type": "Digits", "individual_digits": True},
            {**metaspace, "prepend_scheme": "always", "split": True}]}}


def strings(rng):
    yield from ["", " ", "  ", "a", " a", "a ", "the experts", "  two  spaces  ", "Tokens come in rows",
                "größe ÄÖÜ ﬁne ①②③ ｆｕｌｌ", "e\u0301 \u00e9 A\u030a", "[TOOL]ex[TOOL] ex", "<sep>token<sep>",
                "😀 少数专家回答问题。", "\u2581\u2581x\u2581", "x\n\n  y\t z", "</s><s><unk> <mask>", "token token",
                "2026-01-01 3.14159", "if (x == 0) { return y + 1; }", "\u200b\ufeff\u00a0\u3000 \u00ad", "\x00\x01\x7f"]
    for _ in range(40):
        yield random_string(rng)[:40]


def main():
    os.makedirs(HERE, exist_ok=True)
    paths = list(models())
    paths.append(with_unused_pieces(paths[1]))
    rng = random.Random(11)
    texts = list(strings(rng))
    cases = {"strings": texts, "tokenizers": {}}
    for path in paths:
        reference = sentencepiece.SentencePieceProcessor(model_file=path)
        ids = reference.encode(texts)
        cases["tokenizers"][os.path.basename(path)] = {"ids": ids, "decoded": reference.decode(ids)}
    for name, document in tokenizer_files(read(paths[0]), read(paths[2])):
        path = os.path.join(HERE, name + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False, separators=(",", ":"))
        reference = Tokenizer.from_file(path)
        ids = [e.ids for e in reference.encode_batch(texts)]
        cases["tokenizers"][name + ".json"] = {
            "ids": ids, "decoded": [reference.decode(i, skip_special_tokens=False) for i in ids]}
    with open(os.path.join(HERE, "cases.json"), "w", encoding="utf-8") as file:
        json.dump(cases, file, ensure_ascii=True, separators=(",", ":"))


if __name__ == "__main__":
    main()
