#!/usr/bin/env python3
"""Compares what `cadre quantise` writes with llama.cpp's own quantisers, and lets llama.cpp run it.

    python check_quantise.py --cadre build/release/src/cli/cadre [--formats q4_k,q6_k] [--model FOLDER --text FILE]

Without --model a small random OLMoE is made. Three checks for each format:

  - error: the same tensors are rounded by ggml_quantize_chunk of llama.cpp's library, with the importance
    that Cadre saved and without; Cadre's error (weighted by the importance) must not be larger for any
    tensor.
  - values: the gguf package reads the file's blocks as Cadre's own reader does.
  - logits: llama.cpp loads the file, and its logits are Cadre's within the noise of llama.cpp's own rounding of
    activations to eight bits.

Prints a line for each tensor group and format. Exit status: 0 all agree, 1 some do not. Made for
llama-cpp-python 0.3.36, gguf 0.19, torch 2.13, transformers 5.23, seed 1. Not needed by the suite.
"""

import argparse
import ctypes
import glob
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import torch

from check_with_llama_cpp import SEQUENCES, cadre, cadre_logits, llama_logits, load_llama

GGML = ctypes.CDLL(glob.glob(os.path.dirname(llama_cpp.__file__) + "/lib/libggml-base.so*")[0])
GGML.ggml_quantize_chunk.restype = ctypes.c_size_t
GGML.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]


def make_model(folder):
    import transformers

    torch.manual_seed(1)
    config = transformers.OlmoeConfig(vocab_size=256, hidden_size=256, num_attention_heads=8, num_key_value_heads=8,
                                      num_hidden_layers=2, num_experts=8, num_experts_per_tok=2, intermediate_size=256,
                                      max_position_embeddings=128, initializer_range=0.08, tie_word_embeddings=False,
                                      bos_token_id=1, eos_token_id=2, pad_token_id=0)  # fmt: skip
    transformers.OlmoeForCausalLM(config).to(torch.float32).save_pretrained(folder)


def ggml_round(x, importance, kind):
    """[rows, width] as llama.cpp rounds it, again in f32."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros(x.size // elements * size, np.uint8)
    weights = None if importance is None else importance.ctypes.data
    GGML.ggml_quantize_chunk(int(kind), x.ctypes.data, out.ctypes.data, 0, x.shape[0], x.shape[1], weights)
    return gguf.quants.dequantize(out.reshape(x.shape[0], -1), kind)


def squared(x, y, importance):
    d = (x.astype(np.float64) - y) ** 2
    return float((d if importance is None else d * importance).sum())


def importance_of(file):
    """name -> [E, K] mean squares."""
    tensors = {t.name: np.array(t.data, np.float64) for t in gguf.GGUFReader(file).tensors}
    out = {}
    for name, sums in tensors.items():
        if name.endswith(".in_sum2"):
            counts = tensors[name.replace(".in_sum2", ".counts")].reshape(-1, 1)
            out[name[: -len(".in_sum2")]] = (sums.reshape(len(counts), -1) / np.maximum(counts, 1)).astype(np.float32)
    return out


def check_errors(source, file, importance, label):
    """Of each group of tensors: llama.cpp's error, Cadre's."""
    exact = {t.name: t for t in gguf.GGUFReader(source).tensors}
    sums = defaultdict(lambda: [0.0, 0.0, 0.0])
    failures = 0
    for tensor in gguf.GGUFReader(file).tensors:
        kind = tensor.tensor_type
        if gguf.GGML_QUANT_SIZES[kind][0] == 1:
            continue
        x = np.array(exact[tensor.name].data, np.float32).reshape(-1, int(tensor.shape[0]))
        ours = gguf.quants.dequantize(np.array(tensor.data), kind).reshape(x.shape)
        matrices = int(tensor.shape[2]) if len(tensor.shape) == 3 else 1
        weights = importance.get(tensor.name) if importance else None
        total = sums[(tensor.name.split(".")[2] if "blk" in tensor.name else tensor.name, kind.name)]
        own = [0.0, 0.0]
        for e in range(matrices):
            rows = slice(e * len(x) // matrices, (e + 1) * len(x) // matrices)
            # What both are given: an expert that met nobody counts by the layer's mean in Cadre's.
            w = None if weights is None else np.ascontiguousarray(weights[e])
            part = np.ascontiguousarray(x[rows])
            own[0] += squared(part, ggml_round(part, w, kind), w)
            own[1] += squared(part, ours[rows], w)
            total[2] += squared(part, 0 * part, w)
        total[0] += own[0]
        total[1] += own[1]
        if own[1] > own[0] * 1.0001:
            failures += 1
            print(f"FAILED {label} {tensor.name} {kind.name}: {own[1]:.4e}, llama.cpp {own[0]:.4e}")
    for (group, kind), (theirs, ours, size) in sorted(sums.items()):
        print(f"ok     {label:14} {group:16} {kind:5} error {100 * (ours / size) ** 0.5:7.3f} %, "
              f"llama.cpp {100 * (theirs / size) ** 0.5:7.3f} %, {100 * ((ours / theirs) ** 0.5 - 1):+6.2f} %")  # fmt: skip
    return failures


def check_logits(program, file, label):
    llm = load_llama(file)
    differences = []
    for tokens in SEQUENCES:
        ours = cadre_logits(program, file, tokens, "f32")
        differences += list(np.abs(ours - llama_logits(llm, tokens)).max(axis=1) / ours.std())
    median = float(np.median(differences))
    ok = median < 0.25
    print(f"{'ok    ' if ok else 'FAILED'} {label:14} logits differ by {median:.1e} (median) of their deviation")
    return not ok


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cadre", default="build/release/src/cli/cadre")
    parser.add_argument("--formats", default="q2_k,q3_k,q4_0,q4_1,q4_k,q5_0,q5_1,q5_k,q6_k,q8_0")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--text", type=Path)
    args = parser.parse_args()
    quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model = args.model
        if model is None:
            model = folder / "model"
            make_model(model)
        source = folder / "exact.gguf"
        cadre(args.cadre, "convert", model, source, "--dtype", "f32", "--threads", 1)
        saved = folder / "importance.gguf"
        for kind in args.formats.split(","):
            file = folder / f"{kind}.gguf"
            cadre(args.cadre, "quantise", model, file, "--format", kind, "--pure", "--threads", 1)
            failures += check_errors(source, file, None, kind)
            failures += check_logits(args.cadre, file, kind)
            if args.text is None:
                continue
            given = ["--importance", saved] if saved.exists() else ["--calibrate", args.text, "--save-importance", saved]
            cadre(args.cadre, "quantise", model, file, "--format", kind, "--pure", "--force", "--threads", 1, *given)
            failures += check_errors(source, file, importance_of(saved), kind + " weighted")
            failures += check_logits(args.cadre, file, kind + " weighted")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
