# Writes the golden files of the Snowflake Arctic family: tiny random models under published names,
# and what a plain PyTorch model computes with them.
#
#   python make_arctic.py [--output DIR] [CASE ...]     (default: arctic/ beside this file, all cases)
#
# README.md says what is inside and how closely it has to be met; reference.py has the parts. The
# published code is not in transformers; this follows its description: beside attention and a dense
# MLP stands a mixture that reads the input of the layer.

from pathlib import Path

from reference import (Case, attention, expected, extend, mixture, random_weights, rms_norm, rotate,
                       silu, write_cases)
import torch


def config(**changes):
    small = dict(architectures=["ArcticForCausalLM"], model_type="arctic", torch_dtype="float32",
                 hidden_size=16, intermediate_size=12, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2, vocab_size=64,
                 max_position_embeddings=64, moe_layer_frequency=1, parallel_attn_mlp_res=True,
                 use_residual=True, rms_norm_eps=1e-5, rope_theta=10000.0, hidden_act="silu",
                 router_aux_loss_coef=0.1, tie_word_embeddings=False, sliding_window=None,
                 bos_token_id=None, eos_token_id=0, pad_token_id=1)
    return small | changes


CASES = {
    "parallel": Case(11, config(hidden_size=24, num_attention_heads=6, num_local_experts=8),
                     lengths=(12, 12)),
    "sequential": Case(12, config(parallel_attn_mlp_res=False, use_residual=False,
                                  moe_layer_frequency=2, num_hidden_layers=4,
                                  num_experts_per_tok=1), lengths=(10, 10)),
    "every_third": Case(13, config(moe_layer_frequency=3, num_hidden_layers=4, hidden_size=20,
                                   num_attention_heads=2, num_key_value_heads=1,
                                   num_local_experts=5, num_experts_per_tok=3, rope_theta=500.0,
                                   vocab_size=61), lengths=(9, 9, 9)),
    "top_1": Case(14, config(num_experts_per_tok=1, num_local_experts=7, rms_norm_eps=1e-3),
                  lengths=(11, 6)),
    "window_tied": Case(15, config(sliding_window=4, num_key_value_heads=4,
                                   tie_word_embeddings=True), lengths=(10, 10)),
    "dense": Case(16, config(moe_layer_frequency=9), lengths=(8, 8)),
}


def is_moe(c, layer):
    return (layer + 1) % c["moe_layer_frequency"] == 0


def shapes(c):
    d, f, heads = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"]
    kv = d // heads * c["num_key_value_heads"]
    s = {"model.embed_tokens.weight": (c["vocab_size"], d), "model.norm.weight": (d,)}
    if not c["tie_word_embeddings"]:
        s["lm_head.weight"] = (c["vocab_size"], d)

    def mlp(prefix, width):
        s.update({prefix + "w1.weight": (width, d), prefix + "w3.weight": (width, d),
                  prefix + "w2.weight": (d, width)})

    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        s |= {p + "input_layernorm.weight": (d,), p + "post_attention_layernorm.weight": (d,),
              p + "self_attn.q_proj.weight": (d, d), p + "self_attn.k_proj.weight": (kv, d),
              p + "self_attn.v_proj.weight": (kv, d), p + "self_attn.o_proj.weight": (d, d)}
        if not is_moe(c, l):
            mlp(p + "block_sparse_moe.mlp.", f)
            continue
        s[p + "block_sparse_moe.gate.weight"] = (c["num_local_experts"], d)
        for e in range(c["num_local_experts"]):
            mlp(p + f"block_sparse_moe.experts.{e}.", f)
        if c["parallel_attn_mlp_res"]:
            s[p + "residual_layernorm.weight"] = (d,)
            mlp(p + "residual_mlp.", d)
    return s


def forward(c, w, ids, cache):
    heads, eps, k = c["num_attention_heads"], c["rms_norm_eps"], c["num_experts_per_tok"]
    head_dim = c["hidden_size"] // heads

    def mlp(prefix, h):
        inner = silu(h @ w[prefix + "w1.weight"].T) * (h @ w[prefix + "w3.weight"].T)
        return inner @ w[prefix + "w2.weight"].T

    def attend(p, l, h, positions):
        def split(name):
            return (h @ w[p + f"self_attn.{name}_proj.weight"].T).unflatten(-1, (-1, head_dim))

        q, key = (rotate(split(n), positions, head_dim, c["rope_theta"]) for n in "qk")
        key, value = extend(cache, l, k=key, v=split("v"))
        return attention(q, key, value, c["sliding_window"]) @ w[p + "self_attn.o_proj.weight"].T

    start = cache[0]["k"].shape[1] if cache is not None and cache[0] else 0
    positions = torch.arange(start, start + ids.shape[1])
    x, routers = w["model.embed_tokens.weight"][ids], []
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        norm = lambda name, value: rms_norm(value, w[p + name + "layernorm.weight"], eps)
        a = x + attend(p, l, norm("input_", x), positions)
        parallel = c["parallel_attn_mlp_res"] and is_moe(c, l)
        h = norm("post_attention_", x if parallel else a)
        if parallel:
            a = a + mlp(p + "residual_mlp.", norm("residual_", a))
        sparse = p + "block_sparse_moe."
        if is_moe(c, l):
            routers.append(h @ w[sparse + "gate.weight"].T)
            x = a + mixture(h, routers[-1], k, k > 1,
                            lambda e, z: mlp(sparse + f"experts.{e}.", z))
        else:
            routers.append(None)
            x = a + mlp(sparse + "mlp.", h)
    head = w.get("lm_head.weight", w["model.embed_tokens.weight"])
    return rms_norm(x, w["model.norm.weight"], eps) @ head.T, routers


def write_case(case):
    c = case.config
    weights = random_weights(shapes(c), case.seed, boost=("gate.weight",))
    k = c["num_experts_per_tok"]
    tensors, margins = expected(case, lambda w, ids, cache: forward(c, w, ids, cache), weights, {}, k,
                                k > 1, c["router_aux_loss_coef"], c["num_hidden_layers"])
    return c, weights, tensors, margins


if __name__ == "__main__":
    write_cases(Path(__file__), CASES, write_case)
