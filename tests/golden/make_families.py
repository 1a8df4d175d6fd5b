# Writes the golden files of the families that transformers knows (and of DeepSeekMoE, which it does
# not): tiny random models, and what they compute.
#
#   python make_families.py [--output DIR] [FAMILY/CASE ...]   (default: beside this file, all cases)
#
# README.md says what is inside and how closely it has to be met. Weights are rounded to bf16 before
# anything is computed, so that they can be stored in either type.

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import safetensors
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

PAD = 1
ROUTING_MARGIN = 2e-5  # least gap between the last probability chosen and the first one left out
GREEDY_MARGIN = 1e-2  # least gap between the two largest logits
GREEDY_TOKENS = 10
PLAIN = dict(attn_implementation="eager", experts_implementation="eager")


@dataclasses.dataclass(frozen=True)
class Case:
    seed: int
    changes: dict
    lengths: tuple = (13, 13)  # tokens of each row; shorter rows are padded on the right
    packed: bool = False  # experts as transformers 5 keeps them in memory
    dtype: str = "float32"  # of the stored weights


COMMON = dict(vocab_size=41, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, intermediate_size=20, max_position_embeddings=64,
              bos_token_id=None, eos_token_id=0, pad_token_id=PAD, tie_word_embeddings=False)
FAMILIES = {
    "mixtral": dict(num_local_experts=4, num_experts_per_tok=2, router_aux_loss_coef=0.1,
                    intermediate_size=12),
    "mistral": dict(sliding_window=None),
    "llama": dict(),
    "olmo": dict(),
    "olmo2": dict(),
    "qwen2_moe": dict(num_experts=5, num_experts_per_tok=2, moe_intermediate_size=6,
                      shared_expert_intermediate_size=10, router_aux_loss_coef=0.1),
    "deepseek": dict(n_routed_experts=6, n_shared_experts=2, num_experts_per_tok=2,
                     moe_intermediate_size=6, first_k_dense_replace=1, moe_layer_freq=1,
                     norm_topk_prob=False, scoring_func="softmax", aux_loss_alpha=0.1,
                     rms_norm_eps=1e-6, rope_theta=10000.0),
}
CASES = {
    "mixtral/plain": Case(1, {}),
    "mixtral/odd_window": Case(2, dict(hidden_size=18, num_attention_heads=3,
                                       num_key_value_heads=1, num_local_experts=5,
                                       num_experts_per_tok=3, intermediate_size=7,
                                       sliding_window=4, num_hidden_layers=1, vocab_size=37),
                               lengths=(11, 11)),
    "mixtral/top_1_packed": Case(3, dict(num_experts_per_tok=1, num_local_experts=6,
                                         router_jitter_noise=0.25), packed=True, dtype="bfloat16"),
    "mixtral/tied_padded": Case(4, dict(tie_word_embeddings=True, head_dim=6,
                                        rope_theta=500.0, rms_norm_eps=1e-3),
                                lengths=(12, 5, 9), dtype="bfloat16"),
    "mistral/plain": Case(5, {}),
    "mistral/window": Case(106, dict(sliding_window=5, num_key_value_heads=1), dtype="bfloat16"),
    "mistral/head_dim": Case(7, dict(head_dim=10, intermediate_size=23, sliding_window=64,
                                     rope_theta=1000000), lengths=(9, 14)),
    "mistral/tied": Case(8, dict(tie_word_embeddings=True, sliding_window=2,
                                 num_key_value_heads=4, rms_norm_eps=1e-4), dtype="bfloat16"),
    "llama/plain": Case(109, dict(num_key_value_heads=4)),
    "llama/biases": Case(10, dict(attention_bias=True, mlp_bias=True, vocab_size=43)),
    "llama/llama3_rope": Case(11, dict(rope_parameters=dict(
        rope_type="llama3", rope_theta=100.0, factor=8.0, low_freq_factor=1.0,
        high_freq_factor=4.0, original_max_position_embeddings=16)), dtype="bfloat16"),
    "llama/linear_rope_head_dim": Case(12, dict(head_dim=6, tie_word_embeddings=True,
        rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.5)),
        lengths=(13, 7)),
    "olmo/plain": Case(13, {}),
    "olmo/clipped": Case(14, dict(clip_qkv=0.6, num_key_value_heads=4), dtype="bfloat16"),
    "olmo/biases": Case(15, dict(attention_bias=True, hidden_size=18, num_attention_heads=3,
                                 num_key_value_heads=3)),
    "olmo/tied": Case(16, dict(tie_word_embeddings=True, clip_qkv=1.0), lengths=(13, 6),
                      dtype="bfloat16"),
    "olmo2/plain": Case(217, {}),
    "olmo2/grouped": Case(18, dict(num_attention_heads=8, num_key_value_heads=2, hidden_size=32,
                                   num_hidden_layers=1), dtype="bfloat16"),
    "olmo2/biases": Case(219, dict(attention_bias=True, rms_norm_eps=1e-3)),
    "olmo2/tied": Case(20, dict(tie_word_embeddings=True), lengths=(8, 13), dtype="bfloat16"),
    "qwen2_moe/plain": Case(21, {}, dtype="bfloat16"),
    "qwen2_moe/mixed_layers": Case(22, dict(num_hidden_layers=4, decoder_sparse_step=2,
                                            mlp_only_layers=[1], norm_topk_prob=True,
                                            intermediate_size=9), dtype="bfloat16"),
    "qwen2_moe/windowed_packed": Case(23, dict(use_sliding_window=True, sliding_window=5,
                                               max_window_layers=2, num_experts=4), packed=True,
                                      dtype="bfloat16"),
    "qwen2_moe/unbiased_top_1": Case(24, dict(qkv_bias=False, num_experts_per_tok=1,
                                              tie_word_embeddings=True, hidden_size=18,
                                              num_attention_heads=3, num_key_value_heads=3,
                                              num_hidden_layers=1), lengths=(12, 7)),
    "deepseek/plain": Case(25, {}, dtype="bfloat16"),
    "deepseek/every_second": Case(26, dict(num_hidden_layers=4, moe_layer_freq=2,
                                           norm_topk_prob=True, n_shared_experts=1),
                                  dtype="bfloat16"),
    "deepseek/unshared_top_1": Case(27, dict(n_shared_experts=None, num_experts_per_tok=1,
                                             norm_topk_prob=True, first_k_dense_replace=0,
                                             num_key_value_heads=4), lengths=(9, 13)),
    "deepseek/dense": Case(28, dict(n_routed_experts=None, num_experts_per_tok=None,
                                    n_shared_experts=None, attention_bias=True),
                           dtype="bfloat16"),
}


class SharedMixture(nn.Module):
    """sum_i shared_i(h) + sum_j p_j expert_j(h), written from the paper: arXiv:2401.06066."""

    def __init__(self, c):
        super().__init__()
        width, d = c["moe_intermediate_size"], c["hidden_size"]
        self.k, self.rescale = c["num_experts_per_tok"], c["norm_topk_prob"]

        def mlp(inner):
            return nn.ModuleDict(dict(gate_proj=nn.Linear(d, inner, bias=False),
                                      up_proj=nn.Linear(d, inner, bias=False),
                                      down_proj=nn.Linear(inner, d, bias=False)))

        self.gate = nn.Linear(d, c["n_routed_experts"], bias=False)
        self.experts = nn.ModuleList(mlp(width) for _ in range(c["n_routed_experts"]))
        if c["n_shared_experts"]:
            self.shared_experts = mlp(width * c["n_shared_experts"])

    @staticmethod
    def run(mlp, h):
        return mlp["down_proj"](F.silu(mlp["gate_proj"](h)) * mlp["up_proj"](h))

    def forward(self, hidden):
        h = hidden.flatten(0, 1)
        self.router_logits = self.gate(h)
        weights, chosen = self.router_logits.softmax(-1).topk(self.k, -1)
        if self.k > 1 and self.rescale:
            weights = weights / weights.sum(-1, keepdim=True)
        y = self.run(self.shared_experts, h) if hasattr(self, "shared_experts") else 0
        for e, expert in enumerate(self.experts):
            weight = (weights * (chosen == e)).sum(-1, keepdim=True)
            y = y + weight * self.run(expert, h)
        return y.view_as(hidden)


def deepseek(c):
    """The attention, norms and dense layers of llama with mixtures in place of MLPs."""
    keys = set(LlamaConfig().to_dict())
    config = LlamaConfig(**{k: v for k, v in c.items() if k in keys and k != "rope_theta"},
                         rope_parameters=dict(rope_type="default", rope_theta=c["rope_theta"]))
    model = LlamaForCausalLM._from_config(config, attn_implementation="eager",
                                          dtype=torch.float32)
    for l, layer in enumerate(model.model.layers):
        if c["n_routed_experts"] and l >= c["first_k_dense_replace"] and not l % c["moe_layer_freq"]:
            layer.mlp = SharedMixture(c)
    return model


def settings(name):
    family = name.split("/")[0]
    return COMMON | FAMILIES[family] | CASES[name].changes


def random_model(name):
    """Weights whose products keep unit scale, in place of the small initial ones."""
    family, case = name.split("/")[0], CASES[name]
    if family == "deepseek":
        model = deepseek(settings(name))
    else:
        config = AutoConfig.for_model(family, **settings(name))
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, **PLAIN)
    model.eval()
    generator = torch.Generator().manual_seed(case.seed)
    with torch.no_grad():
        for key, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=generator)
            if key.endswith("bias"):
                noise = 0.5 * noise
            elif p.dim() == 1:
                noise = 1 + 0.2 * noise
            elif "embed_tokens" in key and not model.config.tie_word_embeddings:
                pass
            elif key.endswith("mlp.gate.weight"):
                noise = 1.5 * noise / p.shape[-1] ** 0.5
            else:
                noise = noise / p.shape[-1] ** 0.5
            p.copy_(noise.bfloat16())
    return model


def random_batch(name):
    """Ids above PAD, so that no row meets the padding row of the table except as padding."""
    case, c = CASES[name], settings(name)
    generator = torch.Generator().manual_seed(1000 + case.seed)
    shape = (len(case.lengths), max(case.lengths))
    ids = torch.randint(PAD + 1, c["vocab_size"], shape, generator=generator)
    mask = torch.arange(shape[1]) < torch.tensor(case.lengths)[:, None]
    return torch.where(mask, ids, PAD), mask


def forward(model, ids, mask):
    """Logits [N, V] and router logits by layer. Causal, so padding on the right needs no mask."""
    routers = {}

    def keep(layer):
        return lambda module, args, out: routers.__setitem__(
            layer, out[0] if isinstance(out, tuple) else out)

    hooks = [layer.mlp.gate.register_forward_hook(keep(l))
             for l, layer in enumerate(model.model.layers) if hasattr(layer.mlp, "gate")]
    logits = model(ids, use_cache=False).logits
    for hook in hooks:
        hook.remove()
    return logits.flatten(0, 1), {l: routers[l].flatten(0, -2) for l in sorted(routers)}


def rescales(name):
    c = settings(name)
    if name.startswith("mixtral"):
        return True
    return c["num_experts_per_tok"] > 1 and c.get("norm_topk_prob", False) or (
        name.startswith("qwen2_moe") and c.get("norm_topk_prob", False))


def choose(name, logits):
    k = settings(name)["num_experts_per_tok"]
    p, order = logits.float().softmax(-1).sort(-1, descending=True)
    weights = p[:, :k] / (p[:, :k].sum(-1, keepdim=True) if rescales(name) else 1)
    margin = (p[:, k - 1] - p[:, k]).min().item() if k < p.shape[1] else float("inf")
    return order[:, :k], weights, margin


def balancing_loss(name, routers, kept):
    """E sum_e f_e p_e over the real tokens of all layers together, as transformers has it."""
    if not routers:
        return torch.zeros(())
    p = torch.cat([r.softmax(-1)[kept] for r in routers.values()])
    chosen = torch.cat([choose(name, r)[0][kept] for r in routers.values()])
    f = F.one_hot(chosen, p.shape[1]).sum(1).float().mean(0)
    return p.shape[1] * (f * p.mean(0)).sum()


def published(model, named, packed=False):
    """Tensors under the published names: one for each expert and projection, unless packed."""
    mixtral = model.config.model_type == "mixtral"
    for name, value in named:
        if packed or "mlp.experts." not in name and not (mixtral and "mlp.gate." in name):
            yield name, value
        elif name.endswith("experts.gate_up_proj"):
            names = ("w1", "w3") if mixtral else ("gate_proj", "up_proj")
            for e, both in enumerate(value):
                for part, half in zip(names, both.chunk(2, 0)):
                    yield name.replace("gate_up_proj", f"{e}.{part}.weight"), half
        elif name.endswith("experts.down_proj"):
            for e, down in enumerate(value):
                part = "w2" if mixtral else "down_proj"
                yield name.replace("down_proj", f"{e}.{part}.weight"), down
        else:
            yield name, value


def rename(model, name, packed=False):
    if model.config.model_type == "mixtral" and not packed:
        return name.replace(".mlp.", ".block_sparse_moe.")
    return name


def stored(model, named, packed=False):
    return {rename(model, n, packed): v.contiguous() for n, v in published(model, named, packed)}


def write_model(name, model, folder):
    """As transformers writes it, packed experts and DeepSeekMoE apart."""
    case = CASES[name]
    weights = {n: w.detach().to(getattr(torch, case.dtype))
               for n, w in stored(model, model.named_parameters(), case.packed).items()}
    if name.startswith("deepseek"):
        config = settings(name) | dict(architectures=["DeepseekForCausalLM"],
                                       model_type="deepseek", hidden_act="silu",
                                       torch_dtype=case.dtype)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        return
    model.config.dtype = case.dtype
    if case.packed:
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder)
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    else:
        again = type(model)(model.config)
        again.load_state_dict(model.state_dict())
        again.to(getattr(torch, case.dtype)).save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        written = load_file(folder / "model.safetensors")
        assert written.keys() == weights.keys(), written.keys() ^ weights.keys()
        assert all(torch.equal(written[n], w) for n, w in weights.items())
    # What the folder holds is what was computed with.
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **PLAIN)
    for key, p in model.named_parameters():
        assert torch.equal(loaded.get_parameter(key), p), key


@torch.no_grad()
def greedy(model, prompt):
    ids, margin = prompt[None], float("inf")
    for _ in range(GREEDY_TOKENS):
        top = model(ids, use_cache=False).logits[0, -1].topk(2)
        margin = min(margin, (top.values[0] - top.values[1]).item())
        ids = torch.cat([ids, top.indices[None, :1]], 1)
    return ids[0, len(prompt):], margin


def expected(name, folder):
    model = random_model(name)
    write_model(name, model, folder)
    ids, mask = random_batch(name)
    labels = torch.where(mask, ids, -100)
    kept = mask.reshape(-1, 1)
    logits, routers = forward(model, ids, mask)
    ce = F.cross_entropy(logits.view(*ids.shape, -1)[:, :-1].flatten(0, 1),
                         labels[:, 1:].flatten())
    aux = balancing_loss(name, routers, kept[:, 0])
    c = settings(name)
    total = ce + c.get("router_aux_loss_coef", c.get("aux_loss_alpha", 0.0)) * aux
    if mask.all() and routers and not name.startswith("deepseek"):
        own = model(ids, labels=ids, output_router_logits=True, use_cache=False)
        torch.testing.assert_close(own.loss, total, rtol=1e-6, atol=0)
    total.backward()
    t = dict(input_ids=ids.int(), attention_mask=mask.int(), labels=labels.int(),
             logits=logits * kept, loss=ce[None], aux_loss=aux[None], total_loss=total[None])
    margin = float("inf")
    for l, router in routers.items():
        chosen, weights, gap = choose(name, router)
        margin = min(margin, gap)
        t |= {f"layers.{l}.router_logits": router * kept,
              f"layers.{l}.experts": (chosen * kept).int(),
              f"layers.{l}.routing_weights": weights * kept}
    grads = ((n, torch.zeros_like(p) if p.grad is None else p.grad)
             for n, p in model.named_parameters())
    t |= {f"grad.{n}": g for n, g in stored(model, grads).items()}
    tokens, sure = greedy(model, ids[0, :4])
    t |= {"greedy.prompt": ids[0, :4].int(), "greedy.tokens": tokens.int()}
    if margin < ROUTING_MARGIN or sure < GREEDY_MARGIN or 0 in tokens:
        raise SystemExit(f"{name}: take another seed: {margin} {sure} {tokens.tolist()}")
    return t, dict(routing=margin, greedy=sure)


def main():
    parser = argparse.ArgumentParser(description="writes the golden files of many families")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in args.cases or CASES:
        folder = args.output / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        tensors, margins = expected(name, folder)
        made_by = dict(script=Path(__file__).name, case=name, seed=CASES[name].seed,
                       torch=torch.__version__, transformers=transformers.__version__,
                       safetensors=safetensors.__version__)
        tensors = {n: v.detach().contiguous() for n, v in tensors.items()}
        save_file(tensors, folder / "expected.safetensors", {"made_by": json.dumps(made_by)})
        print(name, json.dumps(margins), flush=True)


if __name__ == "__main__":
    main()
