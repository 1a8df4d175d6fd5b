"""Writes tiny models in their publishers' own formats, and what transformers computes with them.

    venv/bin/python make_native.py       # versions: README.md

Weights are formulas, so no seed is needed: element i of tensor number t is a scaled sine. They are
rounded to bf16 where the file holds bf16, before the reference sees them. The layouts follow the
publishers' converters, written anew here: rows of rotary pairs as neighbours, experts stacked, the
last matrix transposed, queries, keys and values fused.
"""

import base64
import collections
import dataclasses
import json
import math
import os
import pickle
import shutil
import sys
import types

import safetensors.torch
import torch
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB, HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, WIDTH, EXPERTS, TOP_K = 48, 32, 2, 4, 2, 8, 20, 4, 2
TOKENS = [[3, 17, 5, 40, 8, 8, 21, 33, 1, 46, 12, 29]]
torch.set_num_threads(1)


def fill(model, dtype):
    """Every parameter from a formula, in the order of its name."""
    with torch.no_grad():
        for t, (name, parameter) in enumerate(sorted(model.named_parameters())):
            i = torch.arange(parameter.numel(), dtype=torch.float64)
            wave = torch.sin(i * (1.0 + 0.37 * math.sqrt(t + 2)) + t) + 0.5 * torch.sin(i * 0.0173 * (t + 1))
            values = wave.reshape(parameter.shape)
            if parameter.dim() == 1:
                values = 1.0 + 0.2 * values
            else:
                values = values / math.sqrt(parameter.shape[-1])
            parameter.copy_(values.to(dtype).to(torch.float32))


def reference(config, dtype):
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    fill(model, dtype)
    with torch.no_grad():
        logits = model(torch.tensor(TOKENS)).logits[0]
    state = {name: value.to(dtype) for name, value in unpacked(model).items()}
    return state, logits


def unpacked(model):
    """Published names: transformers 5 keeps experts packed."""
    state = {}
    for name, value in model.state_dict().items():
        if name.endswith("experts.gate_up_proj"):
            for e in range(value.shape[0]):
                gate, up = value[e].chunk(2, dim=0)
                state[name.replace("gate_up_proj", f"{e}.gate")] = gate.clone()
                state[name.replace("gate_up_proj", f"{e}.up")] = up.clone()
        elif name.endswith("experts.down_proj"):
            for e in range(value.shape[0]):
                state[name.replace("down_proj", f"{e}.down")] = value[e].clone()
        else:
            state[name] = value.clone()
    return state


def neighbours(rows, heads):
    """Half-split rotary rows to pairs of neighbours."""
    n, width = rows.shape
    return rows.view(heads, 2, n // heads // 2, width).transpose(1, 2).reshape(n, width).clone()


def folder(name):
    path = os.path.join(HERE, "native", name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def expected(path, logits):
    safetensors.torch.save_file(
        {"input_ids": torch.tensor(TOKENS, dtype=torch.int32), "logits": logits.contiguous()},
        os.path.join(path, "expected.safetensors"),
        {"made_by": f"make_native.py, torch {torch.__version__}, transformers {transformers.__version__}"},
    )


def mistral_common(state):
    native = {
        "tok_embeddings.weight": state["model.embed_tokens.weight"],
        "norm.weight": state["model.norm.weight"],
        "output.weight": state["lm_head.weight"],
    }
    for layer in range(LAYERS):
        ours, theirs = f"layers.{layer}.", f"model.layers.{layer}."
        attention = theirs + "self_attn."
        native[ours + "attention.wq.weight"] = neighbours(state[attention + "q_proj.weight"], HEADS)
        native[ours + "attention.wk.weight"] = neighbours(state[attention + "k_proj.weight"], KV_HEADS)
        native[ours + "attention.wv.weight"] = state[attention + "v_proj.weight"]
        native[ours + "attention.wo.weight"] = state[attention + "o_proj.weight"]
        native[ours + "attention_norm.weight"] = state[theirs + "input_layernorm.weight"]
        native[ours + "ffn_norm.weight"] = state[theirs + "post_attention_layernorm.weight"]
    return native


PARAMS = {
    "dim": HIDDEN, "n_layers": LAYERS, "head_dim": HEAD_DIM, "hidden_dim": WIDTH, "n_heads": HEADS,
    "n_kv_heads": KV_HEADS, "norm_eps": 1e-05, "vocab_size": VOCAB,
}


def mixtral_config(theta):
    return transformers.MixtralConfig(
        vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=HEAD_DIM,
        num_local_experts=EXPERTS, num_experts_per_tok=TOP_K, sliding_window=None,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
    )


def write_params(path, **more):
    with open(os.path.join(path, "params.json"), "w") as file:
        json.dump({**PARAMS, **more}, file, indent=4)


def make_mixtral():
    """consolidated.safetensors, one tensor for each expert, bf16."""
    state, logits = reference(mixtral_config(1e6), torch.bfloat16)
    path = folder("mixtral")
    native = mistral_common(state)
    for layer in range(LAYERS):
        ours, theirs = f"layers.{layer}.feed_forward.", f"model.layers.{layer}.mlp."
        native[ours + "gate.weight"] = state[theirs + "gate.weight"]
        for e in range(EXPERTS):
            native[ours + f"experts.{e}.w1.weight"] = state[theirs + f"experts.{e}.gate"]
            native[ours + f"experts.{e}.w3.weight"] = state[theirs + f"experts.{e}.up"]
            native[ours + f"experts.{e}.w2.weight"] = state[theirs + f"experts.{e}.down"]
    safetensors.torch.save_file(native, os.path.join(path, "consolidated.safetensors"))
    write_params(path, moe={"num_experts_per_tok": TOP_K, "num_experts": EXPERTS})
    expected(path, logits)


def make_mixtral_stacked():
    """The layout of the first Mixtral, in two files of torch.save that share the norms."""
    state, logits = reference(mixtral_config(500.0), torch.bfloat16)
    path = folder("mixtral_stacked")
    native = mistral_common(state)
    for layer in range(LAYERS):
        ours, theirs = f"layers.{layer}.block_sparse_moe.", f"model.layers.{layer}.mlp."
        native[ours + "gate.weight"] = state[theirs + "gate.weight"]
        stack = lambda part: [state[theirs + f"experts.{e}.{part}"] for e in range(EXPERTS)]
        native[ours + "w1"] = torch.cat(stack("gate"))
        native[ours + "w3"] = torch.cat(stack("up"))
        native[ours + "w2"] = torch.cat([down.T for down in stack("down")])
    for number in range(2):
        part = collections.OrderedDict(
            (name, value) for name, value in native.items()
            if name.endswith("norm.weight") or name.startswith("layers.1.") == (number == 1))
        torch.save(part, os.path.join(path, f"consolidated.0{number}.pt"))
    write_params(path, rope_theta=500.0, moe={"num_experts_per_tok": TOP_K, "num_experts": EXPERTS})
    expected(path, logits)


def make_mistral():
    """Dense, a sliding window for each layer, f16, tensors with strides and shared storages."""
    config = transformers.MistralConfig(
        vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=HEAD_DIM, rms_norm_eps=1e-5,
        sliding_window=5, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    state, logits = reference(config, torch.float16)
    path = folder("mistral")
    native = mistral_common(state)
    for layer in range(LAYERS):
        ours, theirs = f"layers.{layer}.feed_forward.", f"model.layers.{layer}.mlp."
        # Both halves are views of one storage; the last matrix is the view of its transpose.
        both = torch.cat([state[theirs + "gate_proj.weight"], state[theirs + "up_proj.weight"]])
        native[ours + "w1.weight"], native[ours + "w3.weight"] = both[:WIDTH], both[WIDTH:]
        native[ours + "w2.weight"] = state[theirs + "down_proj.weight"].T.contiguous().T
    torch.save(native, os.path.join(path, "consolidated.00.pt"))
    write_params(path, sliding_window=[5] * LAYERS)
    expected(path, logits)


@dataclasses.dataclass(eq=True, frozen=True)
class STKey:
    keys: tuple
    value_is_pickled: bool


def make_olmoe():
    """model.safetensors of the OLMo trainer, with pickled names; f32."""
    config = transformers.OlmoeConfig(
        vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=HEADS, num_experts=EXPERTS,
        num_experts_per_tok=TOP_K, norm_topk_prob=False, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    state, logits = reference(config, torch.float32)
    native = {
        "transformer.wte.weight": state["model.embed_tokens.weight"],
        "transformer.ln_f.weight": state["model.norm.weight"],
        "transformer.ff_out.weight": state["lm_head.weight"],
    }
    for layer in range(LAYERS):
        ours, theirs = f"transformer.blocks.{layer}.", f"model.layers.{layer}."
        attention = theirs + "self_attn."
        native[ours + "att_proj.weight"] = torch.cat(
            [state[attention + f"{x}_proj.weight"] for x in "qkv"])
        native[ours + "attn_out.weight"] = state[attention + "o_proj.weight"]
        native[ours + "q_norm.weight"] = state[attention + "q_norm.weight"]
        native[ours + "k_norm.weight"] = state[attention + "k_norm.weight"]
        native[ours + "attn_norm.weight"] = state[theirs + "input_layernorm.weight"]
        native[ours + "ff_norm.weight"] = state[theirs + "post_attention_layernorm.weight"]
        native[ours + "ffn.router.layer.weight"] = state[theirs + "mlp.gate.weight"]
        stack = lambda part: [state[theirs + f"mlp.experts.{e}.{part}"] for e in range(EXPERTS)]
        native[ours + "ffn.experts.mlp.w1"] = torch.cat(stack("gate"))
        native[ours + "ffn.experts.mlp.v1"] = torch.cat(stack("up"))
        native[ours + "ffn.experts.mlp.w2"] = torch.cat([down.T for down in stack("down")])
    # The class pickles under the name that it has in the trainer.
    module = types.ModuleType("olmo.safetensors_util")
    module.STKey, STKey.__module__ = STKey, "olmo.safetensors_util"
    sys.modules["olmo"], sys.modules["olmo.safetensors_util"] = types.ModuleType("olmo"), module
    encode = lambda name: base64.urlsafe_b64encode(pickle.dumps(STKey((name,), False))).decode()
    path = folder("olmoe")
    safetensors.torch.save_file({encode(name): value.contiguous() for name, value in native.items()},
                                os.path.join(path, "model.safetensors"))
    with open(os.path.join(path, "config.yaml"), "w") as file:
        file.write(f"""run_name: tiny
seed: 6198
model:
  d_model: {HIDDEN}
  n_heads: {HEADS}
  n_kv_heads: null
  clip_qkv: null
  n_layers: {LAYERS}
  mlp_ratio: 4
  mlp_hidden_size: {2 * WIDTH}
  activation_type: swiglu
  block_type: moe
  rope: true
  rope_theta: 10000
  attention_layer_norm: true
  layer_norm_type: rms
  layer_norm_eps: 1.0e-05
  include_bias: false
  max_sequence_length: 64
  vocab_size: {VOCAB}
  embedding_size: {VOCAB}
  weight_tying: false
  eos_token_id: 2
  pad_token_id: 1
  init_std: 0.02
  moe_num_experts: {EXPERTS}
  moe_top_k: {TOP_K}
  moe_dropless: true
  moe_loss_weight: 0.01
  moe_normalize_expert_weights: null
optimizer:
  name: adamw
  betas: [0.9, 0.95]
""")
    expected(path, logits)


def make_bin():
    """OLMoE under Hugging Face names, as torch.save shards with an index."""
    source = os.path.join(HERE, "olmoe", "plain")
    state = safetensors.torch.load_file(os.path.join(source, "model.safetensors"))
    names = sorted(state)
    path = folder("olmoe_bin")
    shards = [names[: len(names) // 2], names[len(names) // 2:]]
    index = {"metadata": {"total_size": 0}, "weight_map": {}}
    for i, shard in enumerate(shards):
        file = f"pytorch_model-0000{i + 1}-of-00002.bin"
        part = collections.OrderedDict((name, state[name].to(torch.bfloat16)) for name in shard)
        part._metadata = collections.OrderedDict({"": {"version": 1}})
        torch.save(part, os.path.join(path, file))
        index["weight_map"].update({name: file for name in shard})
    with open(os.path.join(path, "pytorch_model.bin.index.json"), "w") as out:
        json.dump(index, out, indent=2)
    shutil.copy(os.path.join(source, "config.json"), path)


if __name__ == "__main__":
    make_mixtral()
    make_mixtral_stacked()
    make_mistral()
    make_olmoe()
    make_bin()
