// A door for scripts that compare grammars with other libraries: one JSON object a line.
//
//   grammar_batch [TOKENIZER]
//
//   {"schema": TEXT | "regex": TEXT | "gbnf": TEXT, "open": true, "flexible": true,
//    "texts": [TEXT, ...]}        -> {"accepted": [true, ...]} or {"error": TEXT}
//   {..., "samples": N, "seed": S} -> {"texts": [TEXT, ...]}: random texts of at most 400 tokens,
//   only
//                                    those that came to an end; needs a tokenizer
//   {..., "ids": [ID, ...]}        -> {"allowed": [ID, ...], "complete": true}: behind these tokens
#include <fmt/core.h>

#include <bit>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/io/json.h"
#include "text/grammar/compiled_grammar.h"

namespace cadre::text {
namespace {

Grammar grammar_of(const io::JsonView& request) {
  grammar::JsonSchemaOptions options;
  options.closed = !request.flag_or("open", false);
  if (request.flag_or("flexible", false)) options.whitespace = grammar::JsonWhitespace::flexible;
  if (request.has("schema")) {
    return Grammar::from_json_schema(request.string("schema"), "schema", options);
  }
  if (request.has("regex")) return Grammar::from_regex(request.string("regex"));
  return Grammar::from_gbnf(request.string("gbnf"));
}

std::vector<int32_t> tokens_of(const std::vector<uint64_t>& mask) {
  std::vector<int32_t> tokens;
  for (size_t word = 0; word < mask.size(); ++word) {
    for (uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
      tokens.push_back(static_cast<int32_t>(64 * word) + std::countr_zero(bits));
    }
  }
  return tokens;
}

// Any allowed token, as likely as any other; the end as soon as it may come, one time in four.
std::optional<std::string> sample(const CompiledGrammar& grammar, RandomStream& random) {
  constexpr int kLongest = 400;
  GrammarState state(grammar);
  std::vector<uint64_t> mask(grammar.mask_words());
  std::string text;
  for (int i = 0; i < kLongest; ++i) {
    if (state.must_stop() || (state.can_stop() && random.below(4) == 0)) return text;
    state.mask(mask);
    const std::vector<int32_t> allowed = tokens_of(mask);
    if (allowed.empty()) fail(ErrorKind::internal, "no token may follow \"{}\"", text);
    // Short tokens more often than not, or strings would never end.
    int32_t token = allowed[random.below(allowed.size())];
    for (int tries = 0; tries < 8; ++tries) {
      const int32_t other = allowed[random.below(allowed.size())];
      const auto size = [&](int32_t id) { return grammar.tokenizer().token_bytes(id).size(); };
      if (random.below(2) == 0 && size(other) < size(token)) token = other;
    }
    if (!state.accept(token)) fail(ErrorKind::internal, "an allowed token was refused");
    text += grammar.tokenizer().token_bytes(token);
  }
  return std::nullopt;
}

io::JsonValue answer(const io::JsonView& request, const Tokenizer& tokenizer) {
  io::JsonValue result = io::JsonValue::object();
  const CompiledGrammar grammar(grammar_of(request), tokenizer);
  if (request.has("samples")) {
    RandomStream random(static_cast<uint64_t>(request.integer_or("seed", 0)));
    io::JsonValue texts = io::JsonValue::array();
    for (int64_t i = 0; i < request.integer("samples"); ++i) {
      if (const auto text = sample(grammar, random)) texts.push(*text);
    }
    return result.set("texts", texts);
  }
  if (request.has("ids")) {
    GrammarState state(grammar);
    for (const int64_t id : request.integer_list("ids")) {
      if (!state.accept(static_cast<int32_t>(id))) {
        fail(ErrorKind::invalid_input, "the token {} is not allowed", id);
      }
    }
    std::vector<uint64_t> mask(grammar.mask_words());
    state.mask(mask);
    return result.set("allowed", tokens_of(mask)).set("complete", state.can_stop());
  }
  io::JsonValue accepted = io::JsonValue::array();
  for (const std::string& text : request.string_list("texts")) {
    GrammarState state(grammar);
    accepted.push((text.empty() || state.accept_bytes(text)) && state.can_stop());
  }
  return result.set("accepted", accepted);
}

}  // namespace
}  // namespace cadre::text

int main(int argc, char** argv) {
  using namespace cadre;
  try {
    const auto tokenizer =
        argc > 1
            ? text::Tokenizer::load(argv[1])
            : text::Tokenizer::from_json(
                  R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "decoder": {"type": "ByteFallback"}})",
                  "one letter");
    for (std::string line; std::getline(std::cin, line);) {
      io::JsonValue result = io::JsonValue::object();
      try {
        result = text::answer(io::JsonView::parse(line, "request"), tokenizer);
      } catch (const Error& error) {
        result.set("error", error.what());
        if (error.kind() == ErrorKind::internal) return 1;
      }
      std::cout << result.dump() << std::endl;
    }
  } catch (const Error& error) {
    std::cerr << error.what() << "\n";
    return exit_code(error.kind());
  }
  return 0;
}
