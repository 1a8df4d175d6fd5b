#!/usr/bin/env python3
"""Writes packed_integers.safetensors: weights as compressed-tensors packs them, and their values.

For each case C: "C_packed", "C_scale", "C_shape" and, with zero points, "C_zero_point" as they stand in published
files, and "values.C" f32, what the package's decompressor makes of them. Compared bit for bit.

Made with compressed-tensors 0.20.0, torch 2.13.0, safetensors 0.8.0, seed 1:

    python make_packed_integers.py packed_integers.safetensors
"""

import sys

import torch
from compressed_tensors.compressors import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from safetensors.torch import save_file

# bits, symmetric, group (0: one for the row), type of the scale, rows, columns
CASES = {
    "int4": (4, True, 32, torch.bfloat16, 5, 96),
    "int4_zero": (4, False, 32, torch.bfloat16, 11, 64),
    "int4_wide": (4, True, 64, torch.float16, 3, 128),
    "int4_row": (4, True, 0, torch.float32, 4, 40),
    "int8": (8, True, 32, torch.bfloat16, 4, 64),
    "int8_zero": (8, False, 16, torch.float32, 6, 48),
}


def main():
    torch.manual_seed(1)
    tensors = {}
    for name, (bits, symmetric, group, dtype, rows, columns) in CASES.items():
        args = QuantizationArgs(num_bits=bits, type="int", symmetric=symmetric,
                                strategy="group" if group else "channel", group_size=group or None)  # fmt: skip
        scheme = QuantizationScheme(targets=["Linear"], weights=args)
        weight = torch.randn(rows, columns) * 0.02
        parts = weight.reshape(rows, columns // (group or columns), -1)
        half = 2 ** (bits - 1)
        state = {"weight": weight.to(dtype)}
        if symmetric:
            state["weight_scale"] = (parts.abs().amax(-1) / (half - 0.5)).to(dtype)
        else:
            low, high = parts.amin(-1).clamp(max=0), parts.amax(-1).clamp(min=0)
            state["weight_scale"] = ((high - low) / (2 * half - 1)).to(dtype)
            zero = torch.round(-low / state["weight_scale"].float()) - half
            state["weight_zero_point"] = zero.clamp(-half, half - 1).to(torch.int8)
        packed = PackedQuantizationCompressor.compress(state, scheme)
        for part in ["packed", "scale", "shape", "zero_point"]:
            if f"weight_{part}" in packed:
                tensors[f"{name}_{part}"] = packed[f"weight_{part}"].contiguous()
        values = PackedQuantizationCompressor.decompress(packed, scheme)["weight"]
        tensors[f"values.{name}"] = values.float().contiguous()
    save_file(tensors, sys.argv[1])


main()
