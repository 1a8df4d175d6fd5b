# Quantises a GGUF file with llama.cpp in several formats, and measures the perplexity of files with
# llama.cpp's own graph, through llama-cpp-python: what `cadre quantise` and `cadre eval` are
# measured against (docs/quantisation.md).
#
#   python llama_cpp_quantise.py write model-f32.gguf OUT --types q8_0,q6_k,q5_k_m,q4_k_m,q4_0
#   python llama_cpp_quantise.py perplexity --text notes.txt --context 256 --tokens 6000 A.gguf B.gguf
#
# `write` makes OUT-TYPE.gguf; --pure gives all matrices one format. `perplexity` reads windows of
# CONTEXT tokens, each from an empty cache, and scores all tokens of a window but its first.
# Needs numpy and llama-cpp-python.

import argparse
import ctypes
import math

import llama_cpp
import numpy as np

QUIET = llama_cpp.llama_log_callback(lambda level, text, data: None)


def write(args):
    for name in args.types.split(","):
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype = getattr(llama_cpp, "LLAMA_FTYPE_MOSTLY_" + name.upper())
        params.allow_requantize = False
        params.pure = args.pure
        out = f"{args.out}-{name}{'-pure' if args.pure else ''}.gguf"
        if llama_cpp.llama_model_quantize(args.model.encode(), out.encode(),
                                          ctypes.byref(params)) != 0:
            raise SystemExit(f"{args.model}: llama.cpp cannot quantise it to {name}")
        print(out)


class Model:
    """llama.cpp's graph over one sequence. Repacked weights, AMX included, are left out: they
    crashed where this was tried (0.3.36)."""

    def __init__(self, file, args):
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        params.use_extra_bufts = False
        self.model = llama_cpp.llama_model_load_from_file(file.encode(), params)
        if not self.model:
            raise SystemExit(f"{file}: llama.cpp cannot load it")
        context = llama_cpp.llama_context_default_params()
        context.n_ctx = context.n_batch = context.n_ubatch = args.context
        context.n_threads = context.n_threads_batch = args.threads
        self.context = llama_cpp.llama_init_from_model(self.model, context)
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.batch = llama_cpp.llama_batch_init(args.context, 0, 1)

    def close(self):
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def tokens(self, text):
        ids = (llama_cpp.llama_token * (len(text) + 1))()
        count = llama_cpp.llama_tokenize(self.vocabulary, text, len(text), ids, len(ids), False,
                                         False)
        return ids[:count]

    def logits(self, tokens):
        """f64 [tokens, vocabulary], from an empty cache"""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        self.batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            self.batch.token[i] = token
            self.batch.pos[i] = i
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = 0
            self.batch.logits[i] = 1
        if llama_cpp.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_decode failed")
        shape = (len(tokens), llama_cpp.llama_vocab_n_tokens(self.vocabulary))
        logits = llama_cpp.llama_get_logits(self.context)
        return np.ctypeslib.as_array(logits, shape=shape).astype(np.float64)


def perplexity_of(file, args):
    model = Model(file, args)
    with open(args.text, "rb") as text:
        tokens = model.tokens(text.read())[:args.tokens]
    nats, count = 0.0, 0
    for begin in range(0, len(tokens) - 1, args.context):
        window = tokens[begin:begin + args.context]
        logits = model.logits(window)[:-1]
        highest = logits.max(axis=1, keepdims=True)
        norm = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1))
        nats += float((norm - logits[np.arange(len(window) - 1), window[1:]]).sum())
        count += len(window) - 1
    model.close()
    return math.exp(nats / count), count


def main():
    parser = argparse.ArgumentParser(description="quantise and measure with llama.cpp")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("write")
    command.add_argument("model")
    command.add_argument("out")
    command.add_argument("--types", default="q8_0,q6_k,q5_k_m,q4_k_m,q4_0")
    command.add_argument("--pure", action="store_true")
    command.set_defaults(run=write)
    command = commands.add_parser("perplexity")
    command.add_argument("files", nargs="+")
    command.add_argument("--text", required=True)
    command.add_argument("--context", type=int, default=256)
    command.add_argument("--tokens", type=int, default=6000)
    command.add_argument("--threads", type=int, default=2)
    command.set_defaults(run=lambda args: [
        print("%-40s perplexity %.4f of %d tokens" % (file, *perplexity_of(file, args)))
        for file in args.files])
    args = parser.parse_args()
    llama_cpp.llama_log_set(QUIET, None)
    llama_cpp.llama_backend_init()
    args.run(args)


if __name__ == "__main__":
    main()
