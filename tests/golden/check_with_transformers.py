# Loads a model that Cadre wrote into Hugging Face transformers and checks that both say the same.
#
#   python check_with_transformers.py MODEL --cadre build/release/cadre
#
# Compared are, on a few sequences of token ids:
#
#   cadre logits MODEL --tokens 5,9,2 --output F    F, safetensors: logits [N, V] and, for mixture
#                                                   layers, layers.{l}.router_logits [N, E] and
#                                                   layers.{l}.experts [N, k]
#   cadre generate MODEL --prompt-tokens 5,9,2 --max-tokens 16 --temperature 0 --json
#
# transformers reads the model in f32 with eager attention and experts. It has to account for every
# tensor: a missing, left-over or misshapen one is a failure. Where the two choices of a greedy step
# or the last expert chosen and the first one left out are closer than the tolerance, either answer
# is right, and what follows from it is not compared.
#
# Prints the largest differences. Exit status: 0 all agree, 1 some do not, 2 it could not run.
# Needs torch, transformers and safetensors.

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

TOKEN_KEYS = ("tokens", "token_ids", "generated_tokens", "output_tokens", "completion_tokens")


class CheckError(Exception):
    """The check could not run: no program, no model, or an answer that cannot be read."""


def run(command, timeout):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckError(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        raise CheckError(f"{' '.join(command)}: exit status {done.returncode}\n"
                         f"{done.stderr.strip()[-2000:]}")
    return done.stdout


def joined(ids):
    return ",".join(map(str, ids))


def cadre_logits(args, ids):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "logits.safetensors"
        run([args.cadre, "logits", args.model, "--tokens", joined(ids), "--output", str(path)],
            args.timeout)
        if not path.exists():
            raise CheckError("cadre logits: no file written")
        found = load_file(path)
    if "logits" not in found:
        raise CheckError(f"cadre logits: no tensor \"logits\" among {sorted(found)}")
    return found


def token_list(answer):
    """The first list of integers under one of TOKEN_KEYS, wherever in the JSON it stands."""
    if isinstance(answer, list):
        return next((ids for ids in map(token_list, answer) if ids is not None), None)
    if not isinstance(answer, dict):
        return None
    for key in TOKEN_KEYS:
        ids = answer.get(key)
        if isinstance(ids, list) and all(type(i) is int for i in ids):
            return ids
    return token_list(list(answer.values()))


def cadre_greedy(args, prompt):
    text = run([args.cadre, "generate", args.model, "--prompt-tokens", joined(prompt),
                "--max-tokens", str(args.new_tokens), "--temperature", "0", "--json"], args.timeout)
    try:
        answer = json.loads(text)
    except json.JSONDecodeError:  # one object a line
        try:
            answer = [json.loads(line) for line in reversed(text.splitlines()) if line.strip()]
        except json.JSONDecodeError as error:
            raise CheckError(f"cadre generate: not JSON: {text[:200]!r}") from error
    ids = token_list(answer)
    if ids is None:
        raise CheckError(f"cadre generate: no list {' or '.join(TOKEN_KEYS)} in {text[:200]!r}")
    return ids[len(prompt):] if ids[:len(prompt)] == list(prompt) and len(ids) > args.new_tokens \
        else ids


def load(folder):
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager",
            experts_implementation="eager", output_loading_info=True, local_files_only=True)
    except Exception as error:  # transformers raises many types for one broken file
        raise CheckError(f"{folder}: transformers does not load it: {error}") from error
    return model.eval(), {name: keys for name, keys in report.items() if keys}


class Report:
    """Collects what was compared and what did not agree."""

    def __init__(self, tolerance):
        self.tolerance, self.largest, self.failures = tolerance, {}, []

    def fail(self, message):
        self.failures.append(message)
        print(f"MISMATCH {message}")

    def compare(self, what, ours, theirs):
        if ours.shape != theirs.shape:
            self.fail(f"{what}: shape {list(ours.shape)}, expected {list(theirs.shape)}")
            return
        difference = (ours.float() - theirs.float()).abs().max().item()
        name = what.split(" of ")[0]
        self.largest[name] = max(difference, self.largest.get(name, 0.0))  # keeps what is no number
        if not difference <= self.tolerance:  # also when it is not a number
            self.fail(f"{what}: differs by {difference:.3g}, tolerance {self.tolerance:g}")


def check_experts(report, what, ours, router_logits):
    """As sets, for order within a token carries no meaning; close decisions may go either way."""
    k = ours.shape[1]
    top = router_logits.topk(min(k + 1, router_logits.shape[1]), dim=-1)
    different = (ours.long().sort(-1).values != top.indices[:, :k].sort(-1).values).any(-1)
    if k < router_logits.shape[1]:
        gap = top.values[:, k - 1] - top.values[:, k]
        different &= gap > 2 * report.tolerance
    if different.any():
        n = int(different.nonzero()[0])
        report.fail(f"{what}: token {n} uses {sorted(ours[n].tolist())}, "
                    f"expected {sorted(top.indices[n, :k].tolist())}")


@torch.no_grad()
def check_logits(args, report, model, ids):
    of = f" of {joined(ids)}"
    found = cadre_logits(args, ids)
    top_k = getattr(model.config, "num_experts_per_tok", None)
    mixture = {"output_router_logits": True} if top_k else {}
    out = model(torch.tensor([ids]), use_cache=False, **mixture)
    report.compare("logits" + of, found["logits"], out.logits[0])
    for l, theirs in enumerate(getattr(out, "router_logits", None) or ()):
        name = f"layers.{l}."
        if name + "router_logits" not in found or name + "experts" not in found:
            report.fail(f"{name}router_logits or {name}experts is missing{of}")
            continue
        report.compare(f"router_logits{of}, layer {l}", found[name + "router_logits"], theirs)
        experts = found[name + "experts"]
        if list(experts.shape) != [len(ids), top_k]:
            report.fail(f"{name}experts: shape {list(experts.shape)}, "
                        f"expected {[len(ids), top_k]}")
        else:
            check_experts(report, f"{name}experts{of}", experts, theirs)


@torch.no_grad()
def check_greedy(args, report, model, prompt):
    """Step by step on transformers' logits, so that an end token or a close call can be judged."""
    ours, ids = cadre_greedy(args, prompt), list(prompt)
    eos = model.generation_config.eos_token_id
    ends = set(eos if isinstance(eos, list) else [eos])
    for step in range(args.new_tokens):
        logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        best = int(logits.argmax())
        if step >= len(ours):
            if best not in ends:
                report.fail(f"greedy from {joined(prompt)}: stops after {len(ours)} tokens, "
                            f"expected {best}")
            return step
        chosen = ours[step]
        if chosen != best:
            known = 0 <= chosen < logits.numel()
            if not known or logits[best] - logits[chosen] > 2 * report.tolerance:
                report.fail(f"greedy from {joined(prompt)}: token {step} is {chosen}, "
                            f"expected {best}")
            return step
        if best in ends:
            if len(ours) > step + 1:
                report.fail(f"greedy from {joined(prompt)}: goes on after end token {best}")
            return step + 1
        ids.append(best)
    if len(ours) > args.new_tokens:
        report.fail(f"greedy from {joined(prompt)}: {len(ours)} tokens, asked {args.new_tokens}")
    return args.new_tokens


def sequences(args, vocab_size):
    if args.tokens:
        return args.tokens
    random = torch.Generator().manual_seed(args.seed)
    return [torch.randint(2, vocab_size, (length,), generator=random).tolist()
            for length in (1, 5, 17)]


def main():
    parser = argparse.ArgumentParser(description="compares a model written by cadre with "
                                                 "transformers")
    parser.add_argument("model", help="the model's directory")
    parser.add_argument("--cadre", required=True, help="the program")
    parser.add_argument("--tokens", action="append", metavar="5,9,2",
                        type=lambda s: [int(i) for i in s.split(",")],
                        help="ids to try, may be repeated (default: three random sequences)")
    parser.add_argument("--new-tokens", type=int, default=16)
    parser.add_argument("--tolerance", type=float, default=1e-4,
                        help="largest difference of a logit; raise it for a model kept in bf16")
    parser.add_argument("--timeout", type=float, default=120, help="seconds for one command")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    report = Report(args.tolerance)
    try:
        model, unaccounted = load(args.model)
        for kind, keys in unaccounted.items():
            report.fail(f"loading: {kind}: {keys}")
        greedy = 0
        for ids in sequences(args, model.config.vocab_size):
            check_logits(args, report, model, ids)
            greedy += check_greedy(args, report, model, ids)
    except CheckError as error:
        print(f"cannot check: {error}", file=sys.stderr)
        return 2
    for name, difference in report.largest.items():
        print(f"largest difference of {name}: {difference:.3g}")
    print(f"greedy tokens compared: {greedy}")
    print(f"{len(report.failures)} mismatches" if report.failures else "all agree")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
