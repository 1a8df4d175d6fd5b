#!/usr/bin/env python3
"""Writes blocks.safetensors: quantised blocks and their values as the gguf package computes them.

For each type T: "T.blocks" [n, bytes], random bytes with finite scales, and "T.values" [n, values]. For
the types that Cadre writes also "T.input" and "T.quantised". Values are compared bit for bit.

Made with gguf 0.19.0, numpy 2.4.6, safetensors 0.8.0, seed 1:

    python make_blocks.py blocks.safetensors
"""

import sys

import gguf
import numpy as np
from safetensors.numpy import save_file

# Offsets of f16 scales within a block.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}  # fmt: skip


def random_blocks(rng, name, count):
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][1]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in SCALES[name]:
        scales = rng.normal(0, 0.1, count).astype(np.float16)
        scales[0] = np.float16(3e-7)  # subnormal
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(count, 2)
    return blocks


def inputs(rng):
    rows = [rng.normal(0, 0.02, 32) for _ in range(8)]
    rows.append(np.zeros(32))
    rows.append(np.full(32, -1.5))
    rows.append(np.where(np.arange(32) == 7, 1.0, 0.0))
    rows.append(np.arange(32) - 15.5)  # ties of rounding
    rows.append(np.repeat([1.0, -1.0], 16))  # two values of the same magnitude
    rows.append(rng.normal(0, 1e-6, 32))  # a subnormal scale
    rows.append(rng.integers(-8, 9, 32) * 0.5)
    rows.append(rng.normal(0, 1e4, 32))
    return np.stack(rows).astype(np.float32)


def main():
    rng = np.random.default_rng(1)
    tensors = {}
    for name in SCALES:
        kind = gguf.GGMLQuantizationType[name]
        blocks = random_blocks(rng, name, 3 if name.endswith("K") else 8)
        tensors[f"{name.lower()}.blocks"] = blocks
        tensors[f"{name.lower()}.values"] = gguf.quants.dequantize(blocks, kind)
    for name in ["Q8_0", "Q4_0"]:
        kind = gguf.GGMLQuantizationType[name]
        rows = inputs(rng)
        tensors[f"{name.lower()}.input"] = rows
        tensors[f"{name.lower()}.quantised"] = gguf.quants.quantize(rows, kind)
    save_file(tensors, sys.argv[1])


main()
