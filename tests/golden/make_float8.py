"""Writes float8.safetensors: every eight-bit float and its value, as torch has them.

    venv/bin/python make_float8.py       # torch 2.13.0, safetensors 0.8.0
"""

import os

import safetensors.torch
import torch

bits = torch.arange(256, dtype=torch.int32).to(torch.uint8)
tensors = {}
for name in ("float8_e4m3fn", "float8_e5m2"):
    values = bits.view(getattr(torch, name))
    tensors[name] = values.clone()
    tensors[name + ".f32"] = values.to(torch.float32)
safetensors.torch.save_file(tensors, os.path.join(os.path.dirname(os.path.abspath(__file__)), "float8.safetensors"),
                            {"made_by": f"make_float8.py, torch {torch.__version__}"})
