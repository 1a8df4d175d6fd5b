#!/usr/bin/env python3
"""Writes GGUF files of other golden models with the gguf package, f32 throughout.

The values are those of the Hugging Face folders, so the logits must be the same to the last bit.
Names and the order of rows are taken from the package's own tables and from llama.cpp's converter
(queries and keys of "llama" and "arctic" are permuted there).

Made with gguf 0.19.0, numpy 2.4.6, torch 2.13.0, safetensors 0.8.0; nothing is random:

    python make_models.py .. .
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
from safetensors.torch import load_file

CASES = {
    "olmoe.gguf": ("olmoe/plain", gguf.MODEL_ARCH.OLMOE, False),
    "mixtral.gguf": ("mixtral/plain", gguf.MODEL_ARCH.LLAMA, True),
    "llama.gguf": ("llama/plain", gguf.MODEL_ARCH.LLAMA, True),
    "olmo2.gguf": ("olmo2/plain", gguf.MODEL_ARCH.OLMO2, False),
    "qwen2_moe.gguf": ("qwen2_moe/plain", gguf.MODEL_ARCH.QWEN2MOE, False),
    # Last: its names change the package's table for all that come after.
    "arctic.gguf": ("arctic/parallel", gguf.MODEL_ARCH.ARCTIC, True),
}


def permuted(weights, heads):
    """As in convert_hf_to_gguf: halves of each head become pairs."""
    return (
        weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
        .swapaxes(1, 2)
        .reshape(weights.shape)
    )


def stacked(tensors, layers):
    """Experts of a layer as one tensor, under the name that the package maps."""
    result = {}
    for name, value in tensors.items():
        if ".experts." not in name:
            result[name] = value
    for layer in range(layers):
        for kind in ["gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"]:
            prefix = f"model.layers.{layer}."
            found = sorted(
                (n for n in tensors if n.startswith(prefix) and n.endswith(f".{kind}.weight") and ".experts." in n),
                key=lambda n: int(n.split(".experts.")[1].split(".")[0]),
            )
            if found:
                result[f"model.layers.{layer}.{'mlp' if 'mlp' in found[0] else 'block_sparse_moe'}.experts.{kind}.weight"] = np.stack(
                    [tensors[n] for n in found]
                )
    return result


def main():
    golden, out = Path(sys.argv[1]), Path(sys.argv[2])
    for file, (case, arch, pairs) in CASES.items():
        config = json.loads((golden / case / "config.json").read_text())
        layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
        kv_heads = config.get("num_key_value_heads", heads)
        rope = config.get("rope_parameters") or {}
        writer = gguf.GGUFWriter(str(out / file), gguf.MODEL_ARCH_NAMES[arch])
        writer.add_name(case)
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_block_count(layers)
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(heads)
        writer.add_head_count_kv(kv_heads)
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_rope_freq_base(rope.get("rope_theta", config.get("rope_theta", 10000.0)))
        writer.add_rope_dimension_count(config["hidden_size"] // heads)
        writer.add_vocab_size(config["vocab_size"])
        if experts := config.get("num_experts", config.get("num_local_experts")):
            writer.add_expert_count(experts)
            writer.add_expert_used_count(config["num_experts_per_tok"])
        if width := config.get("moe_intermediate_size"):
            writer.add_expert_feed_forward_length(width)
            writer.add_expert_shared_feed_forward_length(config["shared_expert_intermediate_size"])
        writer.add_file_type(gguf.LlamaFileType.ALL_F32)
        writer.add_tokenizer_model("no_vocab")
        stored = load_file(golden / case / "model.safetensors")
        tensors = {name: value.float().numpy() for name, value in stored.items()}
        names = gguf.get_tensor_name_map(arch, layers)
        for name, value in stacked(tensors, layers).items():
            if pairs and ".q_proj." in name:
                value = permuted(value, heads)
            if pairs and ".k_proj." in name:
                value = permuted(value, kv_heads)
            if ".shared_expert_gate." in name:
                value = value.squeeze()
            new_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if new_name is None:
                raise SystemExit(f"no name for {name}")
            writer.add_tensor(new_name, value.astype(np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


main()
