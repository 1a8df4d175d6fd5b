"""Compares grammars in GBNF with llama.cpp: which tokens of a real vocabulary may come next.

    python check_gbnf.py BATCH VOCABULARY.gguf [--walks 12]

BATCH is the built grammar_batch, VOCABULARY a GGUF file with at least a tokenizer, such as llama.cpp's
models/ggml-vocab-gpt-2.gguf. Random texts under each grammar, token by token; in each place llama.cpp's grammar sampler
and Cadre have to allow the same tokens and the same end. Only tokens of whole characters are compared: of others,
llama.cpp lets bytes pass that are not UTF-8, and refuses beginnings that a class excludes in part (the first two bytes of
U+2018 where U+2028 is excluded). Ends with status 1 if they differ. Needs: pip install llama-cpp-python==0.3.36.
"""

import argparse
import ctypes
import json
import random
import subprocess
import sys

import llama_cpp

GRAMMARS = {
    "letters": 'root ::= [a-z]+ (" " [a-z]+)* "."',
    "not": 'root ::= "<" [^<>\\n]{2,8} ">"',
    "json": r'''
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws
array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws
string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
# Optional space: by convention, applied in this grammar after literal chars when allowed
ws ::= | " " | "\n" [ \t]{0,20}
''',
    "arithmetic": r'''
root  ::= (expr "=" term "\n")+
expr  ::= term ([-+*/] term)*
term  ::= num | "(" expr ")"
num   ::= [0-9]{1,3} "."? [0-9]*
''',
    "list": r'''
root ::= item+
# Excludes various line break characters
item ::= "- " [^\r\n\x0b\x0c\x85\u2028\u2029]+ "\n"
''',
    "unicode": r'root ::= ([\u3040-\u30ff] | "é" | [Ā-ſ]{2}) . "\u20ac"?',
    "ambiguous": 'root ::= a b | b a\na ::= "x"* "y"?\nb ::= "x"? [xy]+',
}


class Reference:
    def __init__(self, path):
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        llama_cpp.llama_log_set(self.quiet, None)
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), params)
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.size = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.data = (llama_cpp.llama_token_data * self.size)()
        self.whole = {i for i in range(self.size) if self.is_whole(i)}

    def is_whole(self, token):
        buffer = ctypes.create_string_buffer(256)
        size = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, 256, 0, True)
        text = buffer.raw[:max(size, 0)]
        try:
            return bool(text.decode()) and text[0] != 0
        except UnicodeDecodeError:
            return False

    @staticmethod
    @llama_cpp.llama_log_callback
    def quiet(level, text, user_data):
        pass

    def begin(self, grammar):
        self.sampler = llama_cpp.llama_sampler_init_grammar(self.vocab, grammar.encode(), b"root")
        if not self.sampler:
            sys.exit(f"llama.cpp refuses {grammar!r}")

    def allowed(self):
        for i in range(self.size):
            self.data[i].id, self.data[i].logit, self.data[i].p = i, 0.0, 0.0
        array = llama_cpp.llama_token_data_array(data=self.data, size=self.size, selected=-1, sorted=False)
        llama_cpp.llama_sampler_apply(self.sampler, ctypes.byref(array))
        found = {self.data[i].id for i in range(array.size) if self.data[i].logit > -1e30}
        ends = {i for i in found if llama_cpp.llama_vocab_is_eog(self.vocab, i)}
        return found & self.whole - ends, bool(ends)

    def accept(self, token):
        llama_cpp.llama_sampler_accept(self.sampler, token)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("batch")
    parser.add_argument("vocabulary")
    parser.add_argument("--walks", type=int, default=12)
    args = parser.parse_args()
    reference = Reference(args.vocabulary)
    batch = subprocess.Popen([args.batch, args.vocabulary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    places = differences = 0
    for name, grammar in GRAMMARS.items():
        for walk in range(args.walks):
            choose = random.Random(walk)
            reference.begin(grammar)
            ids = []
            while len(ids) < 12:
                batch.stdin.write(json.dumps({"gbnf": grammar, "ids": ids}) + "\n")
                batch.stdin.flush()
                answer = json.loads(batch.stdout.readline())
                theirs, their_end = reference.allowed()
                ours = set(answer["allowed"]) & reference.whole
                places += 1
                if ours != theirs or answer["complete"] != their_end:
                    differences += 1
                    print(f"{name} behind {ids}: only ours {sorted(ours - theirs)[:10]}, only theirs "
                          f"{sorted(theirs - ours)[:10]}, end {answer['complete']} and {their_end}")
                if not ours & theirs:
                    break
                ids.append(choose.choice(sorted(ours & theirs)))
                reference.accept(ids[-1])
        print(f"{name}: {places} places so far, {differences} different", flush=True)
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
