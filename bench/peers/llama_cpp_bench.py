# Speed of llama.cpp on this machine, through llama-cpp-python: the peer that `cadre bench MODEL` is
# measured against. Prints a line for each test, as that command does.
#
#   python llama_cpp_bench.py model.gguf --threads 2 -p 512 -n 64 -b 1,8,32 -d 0 -r 5
#
# pp: a prompt of P random tokens in batches of 512. tg: N tokens for each of B sequences, one
# each in a batch, behind D tokens. The median of R repetitions after one that warms up. --plain
# turns off the repacking of weights, AMX included, which crashed where this was tried (0.3.36).
# Needs numpy and llama-cpp-python built on this machine (GGML_NATIVE=ON).

import argparse
import ctypes
import random
import statistics
import time

import llama_cpp


class Model:
    def __init__(self, args, sequences, length):
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        params.use_extra_bufts = not args.plain
        self.model = llama_cpp.llama_model_load_from_file(args.model.encode(), params)
        if not self.model:
            raise SystemExit(f"{args.model}: llama.cpp cannot load it")
        context = llama_cpp.llama_context_default_params()
        context.n_ctx = sequences * (length + 64)
        context.n_batch = context.n_ubatch = 512
        context.n_seq_max = sequences
        context.n_threads = context.n_threads_batch = args.threads
        self.context = llama_cpp.llama_init_from_model(self.model, context)
        if not self.context:
            raise SystemExit("llama.cpp makes no context of this size")
        vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self.batch = llama_cpp.llama_batch_init(512, 0, 1)

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def run(self, rows):
        """rows: (sequence, position, wants logits), at most 512"""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (sequence, position, wanted) in enumerate(rows):
            batch.token[i] = random.randrange(self.vocabulary)
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wanted
        start = time.perf_counter()
        status = llama_cpp.llama_decode(self.context, batch)
        llama_cpp.llama_synchronize(self.context)
        if status != 0:
            raise SystemExit(f"llama_decode: {status}")
        return time.perf_counter() - start

    def read(self, sequence, begin, count):
        seconds = 0.0
        for at in range(begin, begin + count, 512):
            end = min(at + 512, begin + count)
            seconds += self.run([(sequence, p, p == begin + count - 1) for p in range(at, end)])
        return seconds


def main():
    numbers = lambda text: [int(word) for word in text.split(",")]
    parser = argparse.ArgumentParser(description="speed of llama.cpp")
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-p", type=numbers, default=[512])
    parser.add_argument("-n", type=numbers, default=[64])
    parser.add_argument("-b", type=numbers, default=[1])
    parser.add_argument("-d", type=numbers, default=[0])
    parser.add_argument("-r", type=int, default=5)
    parser.add_argument("--plain", action="store_true", help="weights as stored, not repacked")
    args = parser.parse_args()
    silence = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(silence, ctypes.c_void_p())
    model = Model(args, max(args.b), max(args.d) + max(args.p + args.n) + 1)
    print(f"{'test':>10} {'batch':>6} {'depth':>7} {'tokens/s':>12}")

    def show(test, batch, depth, rates):
        print(f"{test:>10} {batch:>6} {depth:>7} {statistics.median(rates[1:]):>12.2f}", flush=True)

    for depth in args.d:
        for count in filter(None, args.p):
            rates = []
            for _ in range(args.r + 1):
                model.clear()
                model.read(0, 0, depth)
                rates.append(count / model.read(0, depth, count))
            show(f"pp{count}", 1, depth, rates)
        for count in filter(None, args.n):
            for batch in args.b:
                rates = []
                for _ in range(args.r + 1):
                    model.clear()
                    for sequence in range(batch):
                        model.read(sequence, 0, max(depth, 1))
                    begin = max(depth, 1)
                    seconds = sum(model.run([(s, begin + i, True) for s in range(batch)])
                                  for i in range(count))
                    rates.append(count * batch / seconds)
                show(f"tg{count}", batch, depth, rates)


main()
