# Parts of decoders in plain PyTorch, written from the formulas of the models' descriptions, and what
# make_arctic.py and make_yuan.py share: batches, losses, gradients, continuations, files. For models
# whose published code is not part of transformers. Needs torch, safetensors.
#
# A model is a function of (weights by published name, ids [B, T], cache or None) that returns logits
# [B, T, V] and a list with router logits [B, T, E] for each layer, None for a dense one. A cache is a
# list with a dict for each layer; the function appends to it, so that tokens can come in pieces.

import argparse
import dataclasses
import json
import math
import shutil
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file

ROUTING_MARGIN = 2e-5  # least gap between the last probability chosen and the first one left out
GREEDY_MARGIN = 1e-2  # least gap between the two largest logits
GREEDY_TOKENS = 12


@dataclasses.dataclass(frozen=True)
class Case:
    seed: int
    config: dict
    lengths: tuple  # tokens of each row; shorter rows are padded on the right


def rms_norm(x, weight, eps):
    return weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps))


def silu(x):
    return x * torch.sigmoid(x)


def rotate(x, positions, width, base, precision="fp32"):
    """Turns the first `width` elements of each head of x [B, T, H, d], half-split."""
    frequency = 1.0 / base ** (torch.arange(0, width, 2).double() / width)
    t = positions.double()
    if precision == "fp32":
        angle = t[:, None] * frequency
        cos, sin = angle.cos().float(), angle.sin().float()
    elif precision == "bf16_freq":
        angle = t[:, None] * frequency.bfloat16().double()
        cos, sin = angle.cos().float(), angle.sin().float()
    else:  # bf16_all
        angle = t.bfloat16()[:, None] * frequency.bfloat16()
        cos, sin = angle.cos().float(), angle.sin().float()
    cos, sin = cos[None, :, None, :], sin[None, :, None, :]
    a, b, rest = x[..., :width // 2], x[..., width // 2:width], x[..., width:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], -1)


def attention(q, k, v, window=None):
    """Causal attention of the last T_q of T_k positions, [B, T, H, d]; keys may be grouped."""
    groups = q.shape[2] // k.shape[2]
    k, v = k.repeat_interleave(groups, 2), v.repeat_interleave(groups, 2)
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
    behind = torch.arange(k.shape[1] - q.shape[1], k.shape[1])[:, None] - torch.arange(k.shape[1])
    hidden = (behind < 0) | (behind >= (window or k.shape[1]))
    weights = scores.masked_fill(hidden, float("-inf")).softmax(-1)
    return torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(2)


def extend(cache, layer, **new):
    """The rows of the cache with `new` behind them; the new rows alone without a cache."""
    if cache is None:
        return list(new.values())
    for name, rows in new.items():
        old = cache[layer].get(name)
        cache[layer][name] = rows if old is None else torch.cat([old, rows], 1)
    return [cache[layer][name] for name in new]


def choose(router_logits, k, renormalise):
    """Probabilities of all experts, the k best and their weights."""
    p = router_logits.float().softmax(-1)
    weights, experts = p.sort(dim=-1, descending=True, stable=True)
    weights = weights[..., :k]
    return p, experts[..., :k], weights / weights.sum(-1, keepdim=True) if renormalise else weights


def mixture(h, router_logits, k, renormalise, expert):
    """sum_j w_j expert(I_j, h)."""
    _, experts, weights = choose(router_logits, k, renormalise)
    result = torch.zeros_like(h)
    for e in range(router_logits.shape[-1]):
        weight = (weights * (experts == e)).sum(-1, keepdim=True)
        result = result + weight * expert(e, h)
    return result


def balancing_loss(routers, kept, k, renormalise):
    """E sum_e f_e p_e over the real tokens of all layers together, as transformers has it."""
    chosen, probabilities = [], []
    for logits in routers:
        p, experts, _ = choose(logits[kept], k, renormalise)
        chosen.append(torch.nn.functional.one_hot(experts, p.shape[-1]).sum(-2).float())
        probabilities.append(p)
    f, p = torch.cat(chosen).mean(0), torch.cat(probabilities).mean(0)
    return p.shape[-1] * (f * p).sum()


def random_batch(case):
    generator = torch.Generator().manual_seed(1000 + case.seed)
    shape = (len(case.lengths), max(case.lengths))
    ids = torch.randint(2, case.config["vocab_size"], shape, generator=generator)
    mask = (torch.arange(shape[1]) < torch.tensor(case.lengths)[:, None])
    return torch.where(mask, ids, 1), mask


def random_weights(shapes, seed, boost=()):
    """Weights whose products keep unit scale; norms are near one. Names in `boost` are larger, so
    that routers decide."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name in sorted(shapes):
        shape = shapes[name]
        noise = torch.randn(shape, generator=generator)
        if len(shape) == 1 and not name.endswith("bias"):
            noise = 1 + 0.2 * noise
        elif len(shape) == 1:
            noise = 0.5 * noise
        else:
            fan_in = math.prod(shape[1:])
            noise = noise / fan_in ** 0.5 * (1.5 if any(b in name for b in boost) else 1.0)
        weights[name] = noise
    return weights


def in_pieces(model, weights, ids, pieces, num_layers):
    """Logits of ids when they come in pieces of the given sizes, with a cache."""
    cache, logits, begin = [{} for _ in range(num_layers)], [], 0
    for size in pieces:
        logits.append(model(weights, ids[:, begin:begin + size], cache)[0])
        begin += size
    return torch.cat(logits, 1)


@torch.no_grad()
def greedy(model, weights, prompt, num_layers):
    """The continuation by the whole prefix each time, and the closest choice; a cache must agree."""
    ids, margin = prompt[None], float("inf")
    for _ in range(GREEDY_TOKENS):
        top = model(weights, ids, None)[0][0, -1].topk(2)
        margin = min(margin, (top.values[0] - top.values[1]).item())
        ids = torch.cat([ids, top.indices[None, :1]], 1)
    cache, cached = [{} for _ in range(num_layers)], prompt[None]
    logits = model(weights, cached, cache)[0]
    for _ in range(GREEDY_TOKENS):
        cached = torch.cat([cached, logits[:, -1].argmax(-1, keepdim=True)], 1)
        logits = model(weights, cached[:, -1:], cache)[0]
    assert torch.equal(ids, cached), "cached and uncached continuation differ"
    return ids[0, len(prompt):], margin


def routing(routers, k, renormalise):
    layers, margin = {}, float("inf")
    for layer, logits in enumerate(routers):
        if logits is None:
            continue
        p, experts, weights = choose(logits, k, renormalise)
        ordered = p.sort(-1, descending=True).values
        if k < p.shape[-1]:
            margin = min(margin, (ordered[..., k - 1] - ordered[..., k]).min().item())
        layers[layer] = (logits, experts, weights)
    return layers, margin


def expected(case, model, stored, tied, k, renormalise, aux_weight, num_layers):
    """What the model computes with the stored weights, by the names of README.md. `tied` maps names
    of weights that are no parameters of their own to those they are equal to."""
    weights = {n: w.clone().requires_grad_() for n, w in stored.items() if n not in tied}

    def run(ids, cache=None):
        return model(weights | {n: weights[o] for n, o in tied.items()}, ids, cache)

    ids, mask = random_batch(case)
    labels = torch.where(mask, ids, -100)
    logits, routers = run(ids)
    layers, margin = routing(routers, k, renormalise)
    ce = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    aux = torch.zeros(())
    if layers:
        aux = balancing_loss([r[0] for r in layers.values()], mask, k, renormalise)
    total = ce + aux_weight * aux
    total.backward()

    kept = mask.reshape(-1, 1)
    t = {"input_ids": ids.int(), "attention_mask": mask.int(), "labels": labels.int(),
         "logits": logits.flatten(0, 1) * kept,
         "loss": ce[None], "aux_loss": aux[None], "total_loss": total[None]}
    for layer, (router, experts, weight) in layers.items():
        t[f"layers.{layer}.router_logits"] = router.flatten(0, 1) * kept
        t[f"layers.{layer}.experts"] = (experts.flatten(0, 1) * kept).int()
        t[f"layers.{layer}.routing_weights"] = weight.flatten(0, 1) * kept
    t |= {f"grad.{n}": w.grad if w.grad is not None else torch.zeros_like(w)
          for n, w in weights.items()}

    with torch.no_grad():
        whole = run(ids)[0]
        for pieces in ([1] * ids.shape[1], [3, 1, ids.shape[1] - 4], [ids.shape[1] - 1, 1]):
            cut = in_pieces(lambda _, part, cache: run(part, cache), None, ids, pieces, num_layers)
            torch.testing.assert_close(cut, whole, rtol=0, atol=2e-5)
        tokens, sure = greedy(lambda _, part, cache: run(part, cache), None, ids[0, :4], num_layers)
    t |= {"greedy.prompt": ids[0, :4].int(), "greedy.tokens": tokens.int()}
    if margin < ROUTING_MARGIN or sure < GREEDY_MARGIN:
        raise SystemExit(f"take another seed: routing {margin}, greedy {sure}")
    return t, {"routing": margin, "greedy": sure}


def write_cases(script, cases, write_case):
    """The command line of a script. write_case(case) gives config, weights, tensors and margins."""
    parser = argparse.ArgumentParser(description=f"writes the golden files of {script.stem}")
    family = script.stem.removeprefix("make_")
    parser.add_argument("--output", type=Path, default=script.parent / family)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(cases))
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in args.cases or cases:
        case, folder = cases[name], args.output / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        config, weights, tensors, margins = write_case(case)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        made_by = {"script": script.name, "case": name, "seed": case.seed,
                   "torch": torch.__version__, "safetensors": safetensors.__version__}
        tensors = {n: v.detach().contiguous() for n, v in tensors.items()}
        save_file(tensors, folder / "expected.safetensors", {"made_by": json.dumps(made_by)})
        print(name, json.dumps(margins), flush=True)
