"""Speed of encoding on one thread beside the `tokenizers` and `sentencepiece` libraries.

    python compare_speed.py BENCH TEXT FILE... [--rounds 5]

BENCH is the built tokenizer_bench; each FILE is a tokenizer.json or a tokenizer.model. The text is
encoded in documents of about 4 KB, as training data has them. Processor time, not wall time; each
round runs ours and theirs one after the other, and the median of all rounds is shown. Needs: pip
install sentencepiece==0.2.3 tokenizers==0.23.3.
"""

import argparse
import os
import re
import statistics
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import sentencepiece
from tokenizers import Tokenizer


def documents(text):
    data, found = text.encode(), []
    while data:
        cut = data.find(b"\n", 4096) + 1 or len(data)
        found.append(data[:cut].decode())
        data = data[cut:]
    return found


def theirs(path):
    if path.endswith(".model"):
        return sentencepiece.SentencePieceProcessor(model_file=path, num_threads=1).encode
    return Tokenizer.from_file(path).encode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("text")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    text = open(args.text, encoding="utf-8").read()
    size = len(text.encode()) / 1e6
    parts = documents(text)
    for path in args.files:
        encode = theirs(path)
        ours_mb, theirs_mb = [], []
        for _ in range(args.rounds):
            line = subprocess.run([args.bench, "speed", path, args.text, "1"], capture_output=True, text=True,
                                  check=True).stdout
            ours_mb.append(float(re.search(r"text, ([0-9.]+) MB/s in", line)[1]))
            start = time.process_time()
            for part in parts:
                encode(part)
            theirs_mb.append(size / (time.process_time() - start))
        ours, other = statistics.median(ours_mb), statistics.median(theirs_mb)
        print(f"{path}: ours {ours:.1f} MB/s, theirs {other:.2f} MB/s, ratio {ours / other:.1f}", flush=True)


if __name__ == "__main__":
    main()
