#!/usr/bin/env python3
"""Lets llama.cpp load GGUF files that Cadre wrote and checks that both say the same.

    python check_with_llama_cpp.py --cadre build/release/src/cli/cadre [--types f32,bf16,q8_0,q4_0]

For small random models of each architecture: a Hugging Face directory is made, `cadre convert` writes
it as GGUF in each type, and both programs compute logits of a few sequences and a greedy continuation.

  - f32: every logit of llama.cpp agrees with Cadre's, in other orders of f32 sums, and Cadre's are those
    of the directory to the last bit.
  - bf16, f16, q8_0, q4_0: llama.cpp rounds activations as well, to the type of the weights or to eight
    bits, and now and then that turns the choice of a router, which moves the logits of one position far.
    So the median over positions is compared, of the largest difference at each; with bf16, Cadre computes
    in bf16 too.

Greedy tokens are the same in f32, f16 and bf16, except after a step whose two candidates are closer than
the tolerance.

Where a tokenizer folder is given with --tokenizer, both programs also tokenise a few texts.

Prints a line for each model and type. Exit status: 0 all agree, 1 some do not. Made for
llama-cpp-python 0.3.36, torch 2.13, transformers 5.23, safetensors 0.8, seed 1. Not needed by the suite.
"""

import argparse
import ctypes
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import llama_cpp
import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

# Of the difference of logits, as a share of the standard deviation of all logits.
TOLERANCES = {"f32": 1e-3, "bf16": 0.06, "f16": 0.01, "q8_0": 0.15, "q4_0": 0.25}
GREEDY = ("f32", "f16", "bf16")
SEQUENCES = [[5, 9, 2, 77, 130, 8, 8, 201], [1], list(range(3, 60, 3))]
NEW_TOKENS = 12
BASE = dict(vocab_size=256, hidden_size=256, num_attention_heads=8, num_key_value_heads=4,
            num_hidden_layers=3, max_position_embeddings=128, rms_norm_eps=1e-5,
            tie_word_embeddings=False, initializer_range=0.08,
            bos_token_id=1, eos_token_id=2, pad_token_id=0)  # fmt: skip


def save_transformers(folder, kind, **more):
    import transformers

    config = getattr(transformers, kind + "Config")(**(BASE | more))
    model = getattr(transformers, kind + "ForCausalLM")(config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() == 1:
                value.copy_(torch.rand_like(value) + 0.5)
    model.to(torch.float32).save_pretrained(folder)


def save_arctic(folder):
    """transformers has no Arctic: the names and shapes of the published model."""
    h, f, experts, layers = 256, 128, 8, 3
    heads, kv, width = 8, 4, 32
    config = {"architectures": ["ArcticForCausalLM"], "model_type": "arctic", "hidden_size": h,
              "intermediate_size": f, "num_hidden_layers": layers, "num_attention_heads": heads,
              "num_key_value_heads": kv, "vocab_size": 256, "max_position_embeddings": 128,
              "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "num_local_experts": experts,
              "num_experts_per_tok": 2, "moe_layer_frequency": 1, "parallel_attn_mlp_res": True,
              "use_residual": True, "tie_word_embeddings": False, "hidden_act": "silu",
              "torch_dtype": "float32", "bos_token_id": 1, "eos_token_id": 2}  # fmt: skip
    matrix = lambda *shape: torch.randn(*shape) * 0.08
    norm = lambda: torch.rand(h) + 0.5
    tensors = {"model.embed_tokens.weight": matrix(256, h), "model.norm.weight": norm(),
               "lm_head.weight": matrix(256, h)}  # fmt: skip
    for i in range(layers):
        p = f"model.layers.{i}."
        for name in ["input_layernorm", "post_attention_layernorm", "residual_layernorm"]:
            tensors[f"{p}{name}.weight"] = norm()
        for name, rows in [("q", heads * width), ("k", kv * width), ("v", kv * width), ("o", h)]:
            tensors[f"{p}self_attn.{name}_proj.weight"] = matrix(rows, h)
        for name in ["w1", "w2", "w3"]:
            tensors[f"{p}residual_mlp.{name}.weight"] = matrix(h, h)
        tensors[f"{p}block_sparse_moe.gate.weight"] = matrix(experts, h)
        for e in range(experts):
            q = f"{p}block_sparse_moe.experts.{e}."
            tensors |= {f"{q}w1.weight": matrix(f, h), f"{q}w3.weight": matrix(f, h),
                        f"{q}w2.weight": matrix(h, f)}  # fmt: skip
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))


MODELS = {
    "olmoe": lambda d: save_transformers(
        # llama.cpp's OLMoE has as many heads for keys as for queries, like the published ones.
        d, "Olmoe", num_experts=8, num_experts_per_tok=3, intermediate_size=128, num_key_value_heads=8),
    "mixtral": lambda d: save_transformers(d, "Mixtral", num_local_experts=8, num_experts_per_tok=2, intermediate_size=256),
    "llama": lambda d: save_transformers(d, "Llama", intermediate_size=512),
    "mistral": lambda d: save_transformers(d, "Mistral", intermediate_size=512, sliding_window=None),
    "olmo2": lambda d: save_transformers(d, "Olmo2", intermediate_size=512),
    "qwen2moe": lambda d: save_transformers(
        d, "Qwen2Moe", num_experts=8, num_experts_per_tok=2, moe_intermediate_size=128,
        shared_expert_intermediate_size=256, norm_topk_prob=False, decoder_sparse_step=1),
    "arctic": save_arctic,
}  # fmt: skip


def cadre(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(done.args)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def cadre_logits(program, model, tokens, dtype):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "logits.safetensors"
        cadre(program, "logits", model, "--tokens", ",".join(map(str, tokens)), "--dtype", dtype,
              "--threads", 1, "--output", file)  # fmt: skip
        return load_file(file)["logits"]


def plain_buffers(defaults=llama_cpp.llama_model_default_params):
    """Weights as they stand in the file: repacked ones take instructions that not every build has."""
    params = defaults()
    params.use_extra_bufts = False
    return params


def load_llama(file):
    llama_cpp.llama_cpp.llama_model_default_params = plain_buffers
    llama_cpp.llama_model_default_params = plain_buffers
    f32 = 0  # of keys and values
    return llama_cpp.Llama(model_path=str(file), n_ctx=128, logits_all=True, n_threads=1, verbose=False,
                           n_threads_batch=1, type_k=f32, type_v=f32, flash_attn=False)  # fmt: skip


def llama_logits(llm, tokens):
    llm.reset()
    llm.eval(tokens)
    return np.array(llm.scores[: len(tokens)], dtype=np.float32).copy()


def llama_greedy(llm, tokens, count):
    llm.reset()
    llm.eval(tokens)
    made = []
    for _ in range(count):
        scores = np.array(llm.scores[llm.n_tokens - 1])
        scores[BASE["eos_token_id"]] = -np.inf  # as --ignore-eos has it
        made.append(int(np.argmax(scores)))
        llm.eval(made[-1:])
    return made


def agree_so_far(ours, theirs, logits_of, prompt, tolerance):
    """The same tokens, up to a step at which either of two is right."""
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            logits = logits_of(prompt + ours[:i])[-1]
            return abs(logits[a] - logits[b]) <= 2 * tolerance * logits.std(), i
    return True, len(ours)


def check_model(args, name, make, folder):
    failures = 0
    torch.manual_seed(1)
    hf = folder / name
    hf.mkdir()
    make(hf)
    for kind in args.types.split(","):
        file = folder / f"{name}-{kind}.gguf"
        cadre(args.cadre, "convert", hf, file, "--dtype", kind, "--threads", 1)
        llm = load_llama(file)
        dtype = "bf16" if kind == "bf16" else "f32"
        differences = []
        for tokens in SEQUENCES:
            ours = cadre_logits(args.cadre, file, tokens, dtype)
            theirs = llama_logits(llm, tokens)
            differences += list(np.abs(ours - theirs).max(axis=1) / ours.std())
            if kind == "f32" and not np.array_equal(ours, cadre_logits(args.cadre, hf, tokens, "f32")):
                print(f"FAILED {name} {kind}: Cadre's logits of the GGUF file are not those of the folder")
                failures += 1
        worst, median = max(differences), float(np.median(differences))
        out = json.loads(cadre(args.cadre, "generate", file, "--prompt-tokens", "5,9,2,77", "--max-tokens",
                               NEW_TOKENS, "--temperature", 0, "--ignore-eos", "--dtype", dtype,
                               "--threads", 1, "--json"))  # fmt: skip
        theirs = llama_greedy(llm, [5, 9, 2, 77], NEW_TOKENS)
        right, steps = agree_so_far(out["tokens"], theirs,
                                    lambda t: cadre_logits(args.cadre, file, t, dtype), [5, 9, 2, 77],
                                    TOLERANCES[kind])  # fmt: skip
        measure = worst if kind == "f32" else median
        ok = measure <= TOLERANCES[kind] and (right or kind not in GREEDY)
        failures += not ok
        print(f"{'ok    ' if ok else 'FAILED'} {name:9} {kind:5} logits differ by {median:.1e} (median) to {worst:.1e} "
              f"of their deviation, greedy tokens the same for {steps} of {NEW_TOKENS} steps")  # fmt: skip
    return failures


TEXTS = ["Hello, world!", "  two  spaces and\ttabs\n\nlines", "Ünïcödé 日本語 🙂", "def f(x): return 12345 + x", "'S it's"]


def check_tokenizer(args, folder):
    """A vocabulary file of llama.cpp's kind: the same ids of the same texts."""
    failures = 0
    torch.manual_seed(1)
    for place in args.tokenizer:
        hf = folder / ("tokenizer-" + place.name)
        hf.mkdir()
        size = json.loads(cadre(args.cadre, "tokenizer", "info", place, "--json"))["vocab_size"]
        import transformers

        config = transformers.OlmoeConfig(**(BASE | dict(vocab_size=size, num_key_value_heads=8)), num_experts=4, num_experts_per_tok=2,
                                          intermediate_size=128)  # fmt: skip
        transformers.OlmoeForCausalLM(config).save_pretrained(hf)
        for file in place.iterdir():
            if file.name.startswith(("tokenizer", "special_tokens")):
                (hf / file.name).write_bytes(file.read_bytes())
        gguf = folder / f"{hf.name}.gguf"
        cadre(args.cadre, "convert", hf, gguf, "--dtype", "q8_0", "--threads", 1)
        llm = load_llama(gguf)
        wrong = 0
        for text in TEXTS:
            ours = json.loads(cadre(args.cadre, "tokenizer", "encode", gguf, "--text", text, "--json"))["ids"]
            source = json.loads(cadre(args.cadre, "tokenizer", "encode", place, "--text", text, "--json"))["ids"]
            theirs = llm.tokenize(text.encode(), add_bos=True, special=True)
            if not ours == theirs == source:
                wrong += 1
                print(f"FAILED {place.name}: {text!r}\n  gguf {ours}\n  folder {source}\n  llama.cpp {theirs}")
        failures += wrong
        print(f"{'FAILED' if wrong else 'ok    '} {place.name}: {len(TEXTS) - wrong} of {len(TEXTS)} texts")
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cadre", default="build/release/src/cli/cadre")
    parser.add_argument("--types", default="f32,bf16,f16,q8_0,q4_0")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--tokenizer", type=Path, action="append", default=[], help="a tokenizer's folder")
    args = parser.parse_args()
    # Its log says what it loads; errors still end in exceptions.
    quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in filter(None, args.models.split(",")):
            failures += check_model(args, name, MODELS[name], Path(folder))
        failures += check_tokenizer(args, Path(folder))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
