# Writes the golden files of the Yuan 2.0 family: tiny random models under published names, and what
# a plain PyTorch model computes with them.
#
#   python make_yuan.py [--output DIR] [CASE ...]     (default: yuan/ beside this file, all cases)
#
# README.md says what is inside and how closely it has to be met; reference.py has the parts. The
# published code is not in transformers; this follows its description: queries and keys are made of
# a locally filtered input and taken in turns from both projections, a part of each head is rotated,
# and experts attend to each other in the router. Pieces and single tokens carry the last two rows
# of the filter's input, as the published code does.

from pathlib import Path

from reference import (Case, attention, expected, extend, mixture, random_weights, rms_norm, rotate,
                       silu, write_cases)
import torch
from torch.nn.functional import conv2d, pad

FILTER_EPS = 1e-6  # whatever rms_norm_eps says


def config(moe={}, **changes):
    mixture_config = dict(moe_num_experts=4, moe_top_k=2, norm_topk_prob=True, ffn_hidden_size=12,
                          gated_linear_unit=True)
    small = dict(architectures=["YuanForCausalLM"], model_type="yuan", torch_dtype="float32",
                 vocab_size=64, hidden_size=16, attention_projection_size=32,
                 num_attention_heads=4, num_hidden_layers=2, intermediate_size=12,
                 moe_config=mixture_config | moe, use_moe=True, hidden_act="silu",
                 rms_norm_eps=1e-6, max_position_embeddings=64, causal_mask=True,
                 use_flash_attention=False, use_shareqk=False, reset_attention_mask=False,
                 reset_position_ids=False, eod_token=0, bos_token_id=0, eos_token_id=0,
                 pad_token_id=1, tie_word_embeddings=True, output_router_logits=False,
                 router_aux_loss_coef=0.1)
    return small | changes


CASES = {
    "m32": Case(21, config(moe=dict(moe_num_experts=8)), lengths=(17, 17)),
    "dense": Case(22, config(moe=dict(moe_num_experts=0), use_moe=False,
                             attention_projection_size=None), lengths=(10, 10)),
    "odd_untied": Case(23, config(moe=dict(moe_num_experts=5, moe_top_k=3, norm_topk_prob=False),
                                  hidden_size=18, attention_projection_size=30,
                                  num_attention_heads=3, tie_word_embeddings=False, vocab_size=61,
                                  rms_norm_eps=1e-3), lengths=(9, 4, 7)),
    "bf16_frequencies": Case(24, config(rotary_base=500.0, rotary_precision="bf16_freq",
                                        moe=dict(moe_top_k=1)), lengths=(12, 12)),
    "bf16_rotations": Case(25, config(rotary_base=40890.0, rotary_precision="bf16_all"),
                           lengths=(14, 14)),
}


def is_moe(c):
    return c["use_moe"] and c["moe_config"]["moe_num_experts"] > 0


def shapes(c):
    d = c["hidden_size"]
    wide, m = c["attention_projection_size"] or d, c["moe_config"]
    s = {"model.embed_tokens.weight": (c["vocab_size"], d), "model.norm.weight": (d,),
         "lm_head.weight": (c["vocab_size"], d)}
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        s |= {p + "input_layernorm.weight": (d,), p + "post_attention_layernorm.weight": (d,)}
        s |= {p + f"self_attn.{n}_proj.weight": (wide, d) for n in "qkv"}
        s[p + "self_attn.o_proj.weight"] = (d, wide)
        f = p + "self_attn.lf_gate."
        s |= {f + "conv1.weight": (d // 2, d, 2, 1), f + "conv1.bias": (d // 2,),
              f + "conv2.weight": (d, d // 2, 2, 1), f + "conv2.bias": (d,),
              f + "output_layernorm.weight": (d,)}
        if is_moe(c):
            s |= {p + f"mlp.gate.{n}.weight": (m["moe_num_experts"], d)
                  for n in ("query", "key", "value")}
            for e in range(m["moe_num_experts"]):
                s[p + f"mlp.experts.{e}.w1.weight"] = (2 * m["ffn_hidden_size"], d)
                s[p + f"mlp.experts.{e}.w2.weight"] = (d, m["ffn_hidden_size"])
        else:
            s |= {p + f"mlp.{n}_proj.weight": (c["intermediate_size"], d) for n in ("gate", "up")}
            s[p + "mlp.down_proj.weight"] = (d, c["intermediate_size"])
    return s


def filtered(w, f, h, before):
    """Both convolutions over [B, T, D], behind the rows `before` [B, 0 to 2, D] of earlier tokens."""
    rows = torch.cat([before, h], 1)
    image = rows.transpose(1, 2)[..., None]  # [B, D, time, 1]
    first = conv2d(pad(image, (0, 0, 1, 0)), w[f + "conv1.weight"], w[f + "conv1.bias"])
    if before.shape[1] == 2:
        # The row of two tokens ago has a wrong neighbour; one token ago is all that matters.
        first = first[:, :, 1:]
        second = conv2d(first, w[f + "conv2.weight"], w[f + "conv2.bias"])
    else:
        second = conv2d(pad(first, (0, 0, 1, 0)), w[f + "conv2.weight"], w[f + "conv2.bias"])
        second = second[:, :, before.shape[1]:]
    y = second[..., 0].transpose(1, 2) + h
    return rms_norm(y, w[f + "output_layernorm.weight"], FILTER_EPS)


def forward(c, w, ids, cache):
    heads, eps, m = c["num_attention_heads"], c["rms_norm_eps"], c["moe_config"]
    width = c["hidden_size"] // heads  # of the rotation
    base, precision = c.get("rotary_base", 10000.0), c.get("rotary_precision", "fp32")

    def attend(p, l, h, positions):
        before = cache[l]["rows"][:, -2:] if cache is not None and cache[l] else h[:, :0]
        f = filtered(w, p + "lf_gate.", h, before)
        both = torch.cat([f @ w[p + "q_proj.weight"].T, f @ w[p + "k_proj.weight"].T], -1)
        q, key = both.unflatten(-1, (heads, -1)).chunk(2, -1)
        q, key = (rotate(z, positions, width, base, precision) for z in (q, key))
        value = (h @ w[p + "v_proj.weight"].T).unflatten(-1, (heads, -1))
        key, value, _ = extend(cache, l, k=key, v=value, rows=h)
        return attention(q, key, value) @ w[p + "o_proj.weight"].T

    def route(p, h):
        q, key, value = (h @ w[p + f"{n}.weight"].T for n in ("query", "key", "value"))
        return ((q[..., :, None] * key[..., None, :]).softmax(-1) @ value[..., None])[..., 0]

    def expert(p, h):
        gate, up = (h @ w[p + "w1.weight"].T).chunk(2, -1)
        return (silu(gate) * up) @ w[p + "w2.weight"].T

    def dense(p, h):
        inner = (h @ w[p + "gate_proj.weight"].T) * silu(h @ w[p + "up_proj.weight"].T)
        return inner @ w[p + "down_proj.weight"].T

    start = cache[0]["k"].shape[1] if cache is not None and cache[0] else 0
    positions = torch.arange(start, start + ids.shape[1])
    x, routers = w["model.embed_tokens.weight"][ids], []
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        h = rms_norm(x, w[p + "input_layernorm.weight"], eps)
        x = x + attend(p + "self_attn.", l, h, positions)
        h = rms_norm(x, w[p + "post_attention_layernorm.weight"], eps)
        if is_moe(c):
            routers.append(route(p + "mlp.gate.", h))
            x = x + mixture(h, routers[-1], m["moe_top_k"], m["norm_topk_prob"],
                            lambda e, z: expert(p + f"mlp.experts.{e}.", z))
        else:
            routers.append(None)
            x = x + dense(p + "mlp.", h)
    return rms_norm(x, w["model.norm.weight"], eps) @ w["lm_head.weight"].T, routers


def write_case(case):
    c, m = case.config, case.config["moe_config"]
    weights = random_weights(shapes(c), case.seed, boost=("mlp.gate.",))
    tied = {"lm_head.weight": "model.embed_tokens.weight"} if c["tie_word_embeddings"] else {}
    for name, other in tied.items():
        weights[name] = weights[other].clone()  # the published file holds both
    tensors, margins = expected(case, lambda w, ids, cache: forward(c, w, ids, cache), weights, tied,
                                m["moe_top_k"], m["norm_topk_prob"], c["router_aux_loss_coef"],
                                c["num_hidden_layers"])
    return c, weights, tensors, margins


if __name__ == "__main__":
    write_cases(Path(__file__), CASES, write_case)
