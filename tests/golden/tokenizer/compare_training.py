"""Compares Cadre's trained tokenizer with that of the `tokenizers` library on one text.

    python compare_training.py BENCH TEXT VOCAB_SIZE MIN_FREQUENCY [OUT.json]

BENCH is the built tokenizer_bench. Trains both on the same documents, compares vocabulary and
merges, loads Cadre's file with the library and compares the ids of the text. With OUT.json it
writes the library's result, which is how trained.json beside this script was made:

    python compare_training.py tokenizer_bench trained.txt 420 2 trained.json     (tokenizers 0.23.3)
"""

import json
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers


def main():
    bench, text_file, vocab_size, min_frequency = sys.argv[1:5]
    text = open(text_file, encoding="utf-8", errors="replace", newline="").read()
    reference = Tokenizer(models.BPE())
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    reference.decoder = decoders.ByteLevel()
    reference.post_processor = processors.ByteLevel()
    reference.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=int(vocab_size), min_frequency=int(min_frequency), show_progress=False,
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    theirs = json.loads(reference.to_str())["model"]
    if len(sys.argv) > 5:
        with open(sys.argv[5], "w", encoding="utf-8") as out:
            json.dump({"vocab": theirs["vocab"], "merges": theirs["merges"],
                       "ids": reference.encode(text).ids}, out, ensure_ascii=False)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([bench, "train", text_file, vocab_size, "2", min_frequency, file.name], check=True)
        ours = json.load(open(file.name, encoding="utf-8"))["model"]
        loaded = Tokenizer.from_file(file.name)
    merges = [tuple(m.split(" ")) for m in ours["merges"]]
    same = {"vocabulary": ours["vocab"] == theirs["vocab"],
            "merges": merges == [tuple(m) for m in theirs["merges"]],
            "ids": loaded.encode(text).ids == reference.encode(text).ids}
    print(f"{len(theirs['vocab'])} tokens, {len(theirs['merges'])} merges; the same: {same}")
    sys.exit(not all(same.values()))


if __name__ == "__main__":
    main()
