# Speed of PyTorch and Hugging Face transformers on the whole training step of an OLMoE model with
# random weights, on the CPU: the peer that training is measured against.
#
#   python torch_olmoe.py --shape A --dtype f32 --experts-implementation grouped_mm --threads 2
#   python torch_olmoe.py --shape A --dtype bf16_autocast --dense --json
#
# A step is forward with labels and router logits, backward, gradient clipping at norm 1, AdamW,
# and clearing the gradients; attention is sdpa. --dense measures the dense sibling with the same
# active parameters: in place of the experts one gated MLP of width k F.
#
# Prints the median of the timed steps. On a machine with other work the fastest step is nearer to
# the truth, and so are the processor seconds of all threads together where waiting threads do not
# spin (OMP_WAIT_POLICY=passive).
#
#   dtype          weights and moments   products
#   f32            f32                   f32
#   bf16_autocast  f32                   bf16 where autocast decides so (router product included)
#   bf16           bf16                  bf16
#
# The process refuses to start, with exit status 6, when its estimate of memory does not fit into
# what is free, so that it cannot drive other work on the machine out of memory; --memory-limit
# sets a limit of its own. Needs torch and transformers.

import argparse
import contextlib
import json
import os
import resource
import statistics
import sys
import time

import torch
import transformers
from transformers import OlmoeConfig, OlmoeForCausalLM
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

SHAPES = {  # model, batch, positions
    "A": (dict(hidden_size=512, num_hidden_layers=8, num_attention_heads=8, num_experts=32,
               num_experts_per_tok=4, intermediate_size=256, vocab_size=8192), 8, 512),
    "B": (dict(hidden_size=2048, num_hidden_layers=2, num_attention_heads=16, num_experts=64,
               num_experts_per_tok=8, intermediate_size=1024, vocab_size=50304), 2, 1024),
}
CUDA_ONLY = {"deepgemm", "sonicmoe"}
EXPERTS = ["eager"] + [name for name in ALL_EXPERTS_FUNCTIONS if name not in CUDA_ONLY]
DTYPES = {"f32": torch.float32, "bf16_autocast": torch.float32, "bf16": torch.bfloat16}
GIB = 1 << 30


def config(args):
    sizes, batch, positions = SHAPES[args.shape]
    sizes = dict(sizes)
    if args.dense:
        sizes["intermediate_size"] *= sizes["num_experts_per_tok"]
        sizes["num_experts"] = sizes["num_experts_per_tok"] = 1  # replaced in build()
    cfg = OlmoeConfig(**sizes, max_position_embeddings=positions, pad_token_id=None,
                      eos_token_id=0, use_cache=False)
    return cfg, args.batch or batch, args.positions or positions


class DenseMlp(torch.nn.Module):
    """The gated MLP of a dense layer, in place of router and experts."""

    def __init__(self, cfg, dtype):
        super().__init__()
        linear = lambda i, o: torch.nn.Linear(i, o, bias=False, dtype=dtype)
        self.gate_proj = linear(cfg.hidden_size, cfg.intermediate_size)
        self.up_proj = linear(cfg.hidden_size, cfg.intermediate_size)
        self.down_proj = linear(cfg.intermediate_size, cfg.hidden_size)

    def forward(self, x):
        return self.down_proj(torch.nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))


def build(args, cfg):
    torch.manual_seed(args.seed)
    dtype = DTYPES[args.dtype]
    model = OlmoeForCausalLM._from_config(cfg, dtype=dtype, attn_implementation="sdpa",
                                          experts_implementation=args.experts_implementation)
    if args.dense:
        for layer in model.model.layers:
            layer.mlp = DenseMlp(cfg, dtype)
    return model.train()


def estimate(args, cfg, batch, positions):
    """Bytes: weights, gradients, two moments, and the tensors that a step keeps for backward.

    Within a third of measured peaks; where it is short, the limit on the address space holds.
    """
    d, f, v, layers = cfg.hidden_size, cfg.intermediate_size, cfg.vocab_size, cfg.num_hidden_layers
    e, k, n = cfg.num_experts, cfg.num_experts_per_tok, batch * positions
    weights = layers * (4 * d * d + e * (3 * d * f + d)) + 2 * v * d
    size = DTYPES[args.dtype].itemsize
    kept = layers * n * (24 * d * 4 + k * (6 * f + 3 * d) * size) + 4 * n * v * 4
    if args.dtype == "bf16_autocast":
        kept += weights * 2
    if args.experts_implementation == "batched_mm" and not args.dense:
        kept += 2 * layers * n * k * 3 * d * f * size  # a copy of its experts for every token
    return weights * size * 4 + kept + GIB // 2


def guard(args, need):
    with open("/proc/meminfo") as f:
        free = next(int(line.split()[1]) for line in f if line.startswith("MemAvailable")) << 10
    limit = args.memory_limit * GIB if args.memory_limit else free - 3 * GIB
    print(f"memory: about {need / GIB:.1f} GiB needed, {limit / GIB:.1f} GiB allowed",
          file=sys.stderr)
    if need > limit:
        sys.exit(6)
    # Address space, not residence: some of it is libraries and reserved arenas.
    resource.setrlimit(resource.RLIMIT_AS, (int(limit + 2 * GIB),) * 2)


def optimiser(args, model):
    how = {"fused": dict(fused=True), "foreach": dict(foreach=True), "loop": dict(foreach=False)}
    return torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), eps=1e-8,
                             weight_decay=0.1, **how[args.optimiser])


def measure(args):
    cfg, batch, positions = config(args)
    guard(args, estimate(args, cfg, batch, positions))
    model = build(args, cfg)
    opt = optimiser(args, model)
    ids = torch.randint(2, cfg.vocab_size, (batch, positions))
    cast = (torch.autocast("cpu", dtype=torch.bfloat16) if args.dtype == "bf16_autocast"
            else contextlib.nullcontext())
    parts, losses, cpu = [], [], []
    for _ in range(args.warm_up + args.steps):
        times, started = [time.perf_counter()], time.process_time()
        with cast:
            loss = model(input_ids=ids, labels=ids, output_router_logits=not args.dense).loss
        times.append(time.perf_counter())
        loss.backward()
        times.append(time.perf_counter())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)
        times.append(time.perf_counter())
        parts.append([b - a for a, b in zip(times, times[1:])])
        cpu.append(time.process_time() - started)
        losses.append(loss.item())
    timed = parts[args.warm_up:]
    seconds = [sum(p) for p in timed]
    median = statistics.median(seconds)
    return {"shape": args.shape, "dense": args.dense, "dtype": args.dtype,
            "experts_implementation": None if args.dense else args.experts_implementation,
            "optimiser": args.optimiser, "threads": args.threads,
            "parameters": sum(p.numel() for p in model.parameters()),
            "tokens_per_step": batch * positions, "seconds": seconds, "median_seconds": median,
            "tokens_per_second": batch * positions / median,
            "best_tokens_per_second": batch * positions / min(seconds),
            "cpu_seconds": statistics.median(cpu[args.warm_up:]),
            "load_average": os.getloadavg()[0],
            "median_parts": dict(zip(("forward", "backward", "optimiser"),
                                     map(statistics.median, zip(*timed)))),
            "losses": losses,
            "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (GIB >> 10),
            "torch": torch.__version__, "transformers": transformers.__version__}


def main():
    p = argparse.ArgumentParser(description="training speed of transformers on an OLMoE model")
    p.add_argument("--shape", choices=SHAPES, default="A")
    p.add_argument("--dtype", choices=DTYPES, default="f32")
    p.add_argument("--experts-implementation", choices=EXPERTS, default="grouped_mm")
    p.add_argument("--optimiser", choices=["fused", "foreach", "loop"], default="fused")
    p.add_argument("--dense", action="store_true", help="dense model of the same active size")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--warm-up", type=int, default=3, help="steps before the timed ones")
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--batch", type=int, help="sequences, instead of the shape's")
    p.add_argument("--positions", type=int, help="tokens of a sequence, instead of the shape's")
    p.add_argument("--memory-limit", type=float, help="GiB; default: what is free, less 3")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--json", action="store_true")
    args = p.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(args.threads)
    result = measure(args)
    if args.json:
        print(json.dumps(result))
        return
    name = "dense" if args.dense else args.experts_implementation
    parts = ", ".join(f"{k} {v:.2f}" for k, v in result["median_parts"].items())
    print(f"shape {args.shape} {args.dtype} {name} {args.optimiser}: "
          f"{result['tokens_per_second']:.0f} tokens/s (best "
          f"{result['best_tokens_per_second']:.0f}), {result['median_seconds']:.2f} s a step "
          f"({parts}; {result['cpu_seconds']:.2f} processor seconds), "
          f"peak {result['peak_gib']:.1f} GiB, "
          f"loss {result['losses'][0]:.3f} to {result['losses'][-1]:.3f}")


if __name__ == "__main__":
    main()
