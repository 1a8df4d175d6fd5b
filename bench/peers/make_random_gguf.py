# A GGUF file of random weights in any size, so that several programs can be measured on the same
# model without one being downloaded. Written block by block; memory stays small.
#
#   python make_random_gguf.py olmoe-1b-7b.gguf --type q8_0                    6.9 billion parameters
#   python make_random_gguf.py slice.gguf --type q4_0 --layers 2
#
# The graph is llama.cpp's `llama` with experts (which ik_llama.cpp has as well): 64 experts, 8 of
# them for each token, in OLMoE-1B-7B's shapes. There is no tokenizer in the file: programs are given
# token ids. Needs numpy and gguf.

import argparse

import gguf
import numpy as np

TYPES = {"q8_0": gguf.GGMLQuantizationType.Q8_0, "q4_0": gguf.GGMLQuantizationType.Q4_0,
         "bf16": gguf.GGMLQuantizationType.BF16}
BLOCK = {"q8_0": (32, 34), "q4_0": (32, 18), "bf16": (1, 2)}


class Random:
    """Bytes of blocks from a pool of random ones, begun at another place for each tensor."""

    def __init__(self, kind, seed):
        self.elements, self.bytes = BLOCK[kind]
        random = np.random.default_rng(seed)
        count = 1 << (20 if self.bytes > 2 else 24)
        if kind == "bf16":
            values = (random.standard_normal(count) * 0.02).astype(np.float32)
            self.pool = (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
        else:
            blocks = random.integers(0, 256, (count, self.bytes), dtype=np.uint8)
            scale = np.float16(0.02 / (73 if kind == "q8_0" else 4.6))
            if kind == "q4_0":
                # Nibbles of 1 to 15 about the offset of 8: with a mean, tokens would all look alike
                # to the routers.
                blocks = (blocks % 15 + 1) | ((random.integers(1, 16, blocks.shape) << 4)
                                              .astype(np.uint8))
            blocks[:, :2] = np.frombuffer(scale.tobytes(), np.uint8)
            self.pool = blocks.reshape(-1)
        self.at = 0

    def tensor(self, shape):
        size = int(np.prod(shape)) // self.elements * self.bytes
        self.at = (self.at + 1009 * self.bytes) % self.pool.size
        data = np.empty(size, np.uint8)
        done = 0
        while done < size:
            count = min(size - done, self.pool.size - self.at)
            data[done:done + count] = self.pool[self.at:self.at + count]
            done += count
            self.at = (self.at + count) % self.pool.size
        return data.reshape(*shape[:-1], shape[-1] // self.elements * self.bytes)


def main():
    parser = argparse.ArgumentParser(description="a GGUF file of random weights")
    parser.add_argument("file")
    parser.add_argument("--type", choices=TYPES, default="q8_0")
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--experts", type=int, default=64)
    parser.add_argument("--used", type=int, default=8)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--vocabulary", type=int, default=50304)
    parser.add_argument("--context", type=int, default=20480)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    writer = gguf.GGUFWriter(args.file, "llama")
    writer.add_context_length(args.context)
    writer.add_embedding_length(args.hidden)
    writer.add_block_count(args.layers)
    writer.add_feed_forward_length(args.width)
    writer.add_head_count(args.heads)
    writer.add_head_count_kv(args.heads)
    writer.add_rope_dimension_count(args.hidden // args.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_expert_count(args.experts)
    writer.add_expert_used_count(args.used)
    writer.add_vocab_size(args.vocabulary)
    writer.add_tokenizer_model("no_vocab")
    d, e, f = args.hidden, args.experts, args.width
    matrices = {f"blk.{{}}.{name}.weight": shape for name, shape in {
        "attn_q": (d, d), "attn_k": (d, d), "attn_v": (d, d), "attn_output": (d, d),
        "ffn_gate_exps": (e, f, d), "ffn_up_exps": (e, f, d), "ffn_down_exps": (e, d, f)}.items()}
    plan = [("token_embd.weight", (args.vocabulary, d), args.type)]
    for layer in range(args.layers):
        plan += [(f"blk.{layer}.attn_norm.weight", (d,), "ones"),
                 (f"blk.{layer}.ffn_norm.weight", (d,), "ones"),
                 (f"blk.{layer}.ffn_gate_inp.weight", (e, d), "f32")]
        plan += [(name.format(layer), shape, args.type) for name, shape in matrices.items()]
    plan += [("output_norm.weight", (d,), "ones"), ("output.weight", (args.vocabulary, d), args.type)]
    elements, size = BLOCK[args.type]
    for name, shape, kind in plan:
        if kind == args.type:
            count = int(np.prod(shape)) // elements * size
            writer.add_tensor_info(name, (*shape[:-1], shape[-1] // elements * size), np.dtype(np.uint8),
                                   count, raw_dtype=TYPES[kind])
        else:
            writer.add_tensor_info(name, shape, np.dtype(np.float32), 4 * int(np.prod(shape)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    source = Random(args.type, args.seed)
    random = np.random.default_rng(args.seed + 1)
    for _, shape, kind in plan:
        if kind == args.type:
            writer.write_tensor_data(source.tensor(shape))
        elif kind == "ones":
            writer.write_tensor_data(np.ones(shape, np.float32))
        else:
            writer.write_tensor_data((random.standard_normal(shape) * 0.02).astype(np.float32))
    writer.close()


main()
