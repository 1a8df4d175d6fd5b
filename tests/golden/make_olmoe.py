# Writes the golden files of the OLMoE family: tiny random models, and what Hugging Face
# transformers computes with them.
#
#   python make_olmoe.py [--output DIR] [CASE ...]     (default: olmoe/ beside this file, all cases)
#
# Each case is a folder that holds a model as transformers writes it (config.json, safetensors,
# generation_config.json) and expected.safetensors. README.md says what is inside, with which
# versions it was made and how closely it has to be met. Needs torch, transformers, safetensors.
#
# A case is refused if a routing decision or a greedy choice is so close that rounding could turn
# it, here or in any of the ten optimiser steps: such a file would test luck.

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import safetensors
import torch
import transformers
from safetensors.torch import save_file
from transformers import OlmoeConfig, OlmoeForCausalLM
from transformers.models.olmoe.modeling_olmoe import load_balancing_loss_func

PAD, EOS = 1, 0
OPTIMISER = dict(lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
MAX_GRADIENT_NORM = 1.0
STEPS = 10
ROUTING_MARGIN = 2e-5  # least gap between the last probability chosen and the first one left out
GREEDY_MARGIN = 1e-2  # least gap between the two largest logits
PLAIN = dict(attn_implementation="eager", experts_implementation="eager")
OTHER = dict(attn_implementation="sdpa", experts_implementation="grouped_mm")


@dataclasses.dataclass(frozen=True)
class Case:
    seed: int
    config: dict
    lengths: tuple  # tokens of each row; shorter rows are padded on the right
    save: dict = dataclasses.field(default_factory=dict)  # options of save_pretrained


def config(**changes):
    small = dict(hidden_size=16, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
                 num_experts=4, num_experts_per_tok=2, vocab_size=64, max_position_embeddings=64,
                 router_aux_loss_coef=0.1, output_router_logits=True,
                 bos_token_id=None, eos_token_id=EOS, pad_token_id=PAD)
    return small | changes


def theta(value):
    return {"rope_type": "default", "rope_theta": value}


CASES = {
    "plain": Case(11, config(hidden_size=32, intermediate_size=16, num_attention_heads=4,
                             vocab_size=96, router_aux_loss_coef=0.01), lengths=(12, 12)),
    "odd_sizes": Case(2, config(hidden_size=36, num_attention_heads=3, intermediate_size=20,
                                num_hidden_layers=1, vocab_size=97, num_experts=5,
                                num_experts_per_tok=3), lengths=(13, 13, 13)),
    "grouped_queries": Case(13, config(hidden_size=24, num_attention_heads=6, num_key_value_heads=2,
                                       rope_parameters=theta(500.0)), lengths=(9, 9)),
    "top_1": Case(14, config(num_experts=12, num_experts_per_tok=1, intermediate_size=8,
                             rms_norm_eps=1e-3), lengths=(7, 7)),
    "all_experts": Case(25, config(num_experts=3, num_experts_per_tok=3), lengths=(8, 8),
                        save=dict(max_shard_size="8KB")),
    "padded_renormalised": Case(6, config(num_experts=6, num_experts_per_tok=2,
                                          norm_topk_prob=True), lengths=(12, 5, 9)),
    "packed_experts": Case(7, config(num_experts=5), lengths=(10, 10),
                           save=dict(save_original_format=False)),
    "clipped_tied": Case(88, config(clip_qkv=0.7, tie_word_embeddings=True), lengths=(10, 10)),
}


def random_model(case):
    """Weights whose products keep unit scale, so that routers decide and attention attends."""
    model = OlmoeForCausalLM._from_config(OlmoeConfig(**case.config), dtype=torch.float32, **PLAIN)
    generator = torch.Generator().manual_seed(case.seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 1:
                p.copy_(1 + 0.2 * noise)
            elif "embed_tokens" in name and not model.config.tie_word_embeddings:
                p.copy_(noise)
            elif "mlp.gate" in name:
                p.copy_(1.5 * noise / p.shape[-1] ** 0.5)
            else:
                p.copy_(noise / p.shape[-1] ** 0.5)
    return model


def random_batch(case):
    """Ids above PAD, so that no row meets the padding row of the table except as padding."""
    generator = torch.Generator().manual_seed(1000 + case.seed)
    shape = (len(case.lengths), max(case.lengths))
    ids = torch.randint(PAD + 1, case.config["vocab_size"], shape, generator=generator)
    mask = (torch.arange(shape[1]) < torch.tensor(case.lengths)[:, None]).long()
    ids = torch.where(mask.bool(), ids, PAD)
    labels = torch.where(mask.bool(), ids, -100)
    return dict(input_ids=ids, attention_mask=mask, labels=labels)


def forward(model, batch):
    """One pass. Without padding no mask is given, as a caller without padding would not."""
    if batch["attention_mask"].all():
        batch = {k: v for k, v in batch.items() if k != "attention_mask"}
    return model(**batch, output_router_logits=True, use_cache=False)


def routing(model, out):
    """Experts and weights of each layer by the model's own routers, and the closest decision."""
    k, layers, margin = model.config.num_experts_per_tok, [], float("inf")
    for logits in out.router_logits:
        p, order = torch.softmax(logits.float(), -1).sort(-1, descending=True)
        weights = p[:, :k] / (p[:, :k].sum(-1, keepdim=True) if model.config.norm_topk_prob else 1)
        layers.append((order[:, :k], weights))
        if k < p.shape[1]:
            margin = min(margin, (p[:, k - 1] - p[:, k]).min().item())
    return layers, margin


def unpacked(named):
    """Tensors under the published names: one tensor per expert and projection."""
    for name, value in named:
        if name.endswith("experts.gate_up_proj"):
            for e, both in enumerate(value):
                gate, up = both.chunk(2, 0)
                yield name.replace("gate_up_proj", f"{e}.gate_proj.weight"), gate
                yield name.replace("gate_up_proj", f"{e}.up_proj.weight"), up
        elif name.endswith("experts.down_proj"):
            for e, down in enumerate(value):
                yield name.replace("down_proj", f"{e}.down_proj.weight"), down
        else:
            yield name, value


def train(model, batch):
    """Losses and gradient norms of STEPS steps on one batch, each measured before its update."""
    optimiser = torch.optim.AdamW(model.parameters(), **OPTIMISER, foreach=False)
    losses, norms, margin = [], [], float("inf")
    for _ in range(STEPS):
        out = forward(model, batch)
        out.loss.backward()
        losses.append(out.loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM).item())
        margin = min(margin, routing(model, out)[1])
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)
    return losses, norms, margin


@torch.no_grad()
def greedy(model, prompt, count):
    """Continuation by the whole prefix each time; generate() with its cache has to agree."""
    ids, margin = prompt[None], float("inf")
    for _ in range(count):
        top = model(ids, use_cache=False).logits[0, -1].topk(2)
        margin = min(margin, (top.values[0] - top.values[1]).item())
        ids = torch.cat([ids, top.indices[None, :1]], 1)
    cached = model.generate(prompt[None], attention_mask=torch.ones_like(prompt[None]),
                            max_new_tokens=count, do_sample=False, eos_token_id=-1)
    assert torch.equal(ids, cached), "greedy: cached and uncached continuation differ"
    return ids[0, len(prompt):], margin


def load(folder, dtype, implementation):
    return OlmoeForCausalLM.from_pretrained(folder, dtype=dtype, **implementation)


def gradients(model):
    return {f"grad.{n}": g for n, g in unpacked((n, p.grad) for n, p in model.named_parameters())}


def expected(case, folder):
    """What transformers computes with the model that it wrote into folder, by tensor name."""
    model = random_model(case)
    model.generation_config.update(bos_token_id=None, eos_token_id=EOS, pad_token_id=PAD)
    model.save_pretrained(folder, **case.save)
    batch = random_batch(case)
    kept = batch["attention_mask"].reshape(-1, 1)

    out = forward(model, batch)
    aux = load_balancing_loss_func(out.router_logits, model.config.num_experts,
                                   model.config.num_experts_per_tok,
                                   None if kept.all() else batch["attention_mask"])
    ce = torch.nn.functional.cross_entropy(out.logits[:, :-1].flatten(0, 1),
                                           batch["labels"][:, 1:].flatten())
    total = ce + model.config.router_aux_loss_coef * aux
    torch.testing.assert_close(out.loss, total, rtol=1e-6, atol=0)
    out.loss.backward()

    t = {name: value.int() for name, value in batch.items()}
    t["logits"] = out.logits.flatten(0, 1) * kept
    layers, margin = routing(model, out)
    for l, (chosen, weights) in enumerate(layers):
        t[f"layers.{l}.router_logits"] = out.router_logits[l] * kept
        t[f"layers.{l}.experts"] = (chosen * kept).int()
        t[f"layers.{l}.routing_weights"] = weights * kept
    t |= {"loss": ce[None], "aux_loss": aux[None], "total_loss": out.loss[None]}
    t |= gradients(model)

    # From here on the model is what the folder holds: a layout that does not load shows itself.
    tokens, sure = greedy(load(folder, torch.float32, PLAIN), batch["input_ids"][0, :4], 12)
    t |= {"greedy.prompt": batch["input_ids"][0, :4].int(), "greedy.tokens": tokens.int()}
    losses, norms, later = train(load(folder, torch.float32, PLAIN), batch)
    t |= {"step_losses": torch.tensor(losses), "step_gradient_norms": torch.tensor(norms)}
    torch.testing.assert_close(t["step_losses"][0], out.loss, rtol=0, atol=0)

    # Loaded as bf16, not cast: a cast would round the rotary frequencies too.
    half = load(folder, torch.bfloat16, PLAIN)
    with torch.no_grad():
        half_out = forward(half, batch)
    t["bf16.logits"] = half_out.logits.float().flatten(0, 1) * kept
    for l, (chosen, _) in enumerate(routing(half, half_out)[0]):
        t[f"bf16.layers.{l}.experts"] = (chosen * kept).int()

    margins = dict(routing=min(margin, later), greedy=sure)
    refused = [name for name, bad in (("a routing decision", margins["routing"] < ROUTING_MARGIN),
                                      ("a greedy choice", sure < GREEDY_MARGIN),
                                      ("the end token", EOS in tokens)) if bad]
    if refused:
        raise SystemExit(f"take another seed: {refused} {margins}")
    return t, margins


def differences(case, folder, t):
    """How far transformers is from itself with other attention and expert code, and in bf16."""
    batch, kept = random_batch(case), t["attention_mask"].reshape(-1, 1)
    other = load(folder, torch.float32, OTHER)
    out = forward(other, batch)
    out.loss.backward()
    again = gradients(other)
    losses = torch.tensor(train(load(folder, torch.float32, OTHER), batch)[0])
    bf16 = (t["bf16.logits"] - t["logits"])[kept[:, 0] > 0]
    return dict(logits=(out.logits.flatten(0, 1) * kept - t["logits"]).abs().max().item(),
                loss=(out.loss / t["total_loss"] - 1).abs().item(),
                gradients=max(((again[n] - g).norm() / g.norm()).item() if g.norm() else 0
                              for n, g in t.items() if n in again),
                step_losses=(losses / t["step_losses"] - 1).abs().max().item(),
                bf16_max=bf16.abs().max().item(), bf16_rms=bf16.square().mean().sqrt().item())


def main():
    parser = argparse.ArgumentParser(description="writes the golden files of the OLMoE family")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "olmoe")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in args.cases or CASES:
        case, folder = CASES[name], args.output / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        tensors, margins = expected(case, folder)
        made_by = {"script": Path(__file__).name, "case": name, "seed": case.seed,
                   "torch": torch.__version__, "transformers": transformers.__version__,
                   "safetensors": safetensors.__version__, "optimiser": OPTIMISER,
                   "max_gradient_norm": MAX_GRADIENT_NORM}
        tensors = {n: v.detach().contiguous() for n, v in tensors.items()}
        # One entry, because the order of several is not kept and the bytes would not repeat.
        save_file(tensors, folder / "expected.safetensors", {"made_by": json.dumps(made_by)})
        facts = {"margins": margins, "differences": differences(case, folder, tensors)}
        print(name, json.dumps(facts, default=float), flush=True)


if __name__ == "__main__":
    main()
