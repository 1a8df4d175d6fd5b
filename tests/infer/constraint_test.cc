#include "infer/constraint.h"

#include <doctest/doctest.h>

#include "core/base/error.h"
#include "core/io/json.h"
#include "infer/generator.h"
#include "infer/grammar_constraint.h"
#include "tests/model/machine.h"
#include "tests/model/tiny_model.h"

namespace cadre {
namespace {

constexpr int32_t kEnd = 60;

// 61 tokens, of which the last ends a text.
text::Tokenizer small_tokenizer() {
  io::JsonValue vocabulary = io::JsonValue::object();
  int next = 0;
  for (const char* token : {"{",    "}",    "[",  "]",  "\"",  ":",     ",",     "0",   "1",  "2",
                            "3",    "4",    "5",  "6",  "7",   "8",     "9",     "-",   ".",  "e",
                            "a",    "b",    "c",  "d",  "x",   "y",     "z",     "n",   "u",  "l",
                            "t",    "r",    "f",  "s",  "{\"", "\":",   "\"}",   ",\"", "]}", "}}",
                            "true", "null", "10", "25", "ab",  "\":\"", "\",\"", "\":["}) {
    vocabulary.set(token, next++);
  }
  for (; next < kEnd; ++next)
    vocabulary.set(std::string(1, static_cast<char>('A' + next - 48)), next);
  vocabulary.set("<end>", kEnd);
  io::JsonValue model = io::JsonValue::object();
  model.set("type", "BPE").set("vocab", vocabulary).set("merges", io::JsonValue::array());
  io::JsonValue added = io::JsonValue::object();
  added.set("id", kEnd).set("content", "<end>").set("special", true);
  for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) added.set(flag, false);
  io::JsonValue root = io::JsonValue::object();
  root.set("model", model)
      .set("added_tokens", io::JsonValue::array().push(added))
      .set("decoder", io::JsonValue::object().set("type", "ByteFallback"));
  return text::Tokenizer::from_json(root.dump(), "tokens");
}

constexpr const char* kSchema =
    R"({"type": "object", "properties": {"a": {"type": "integer", "minimum": -9, "maximum": 25},
        "b": {"type": "array", "items": {"enum": ["x", null, true]}, "maxItems": 3},
        "c": {"type": "string", "maxLength": 6}}, "required": ["a", "c"]})";

}  // namespace

TEST_CASE("constraint: what a random model writes is valid under the schema") {
  const text::Tokenizer tokenizer = small_tokenizer();
  const text::CompiledGrammar grammar(text::Grammar::from_json_schema(kSchema), tokenizer);
  Machine machine;
  const model::Decoder decoder(tiny_spec(),
                               random_parameters(machine.ctx, tiny_spec(), DType::f32, 5));
  int complete = 0;
  for (int64_t seed = 0; seed < 30; ++seed) {
    CAPTURE(seed);
    infer::GenerateOptions options;
    options.sampler = {.temperature = 2.0, .top_p = 0.95, .repeat_penalty = 1.2, .seed = seed};
    options.stop_tokens = {kEnd};
    options.max_tokens = 200;
    options.constraint = std::make_shared<infer::GrammarConstraint>(grammar, options.stop_tokens);
    const std::vector<int32_t> prompt = {1, 2, 3};
    const auto result = infer::generate(machine.ctx, decoder, prompt, options, {});
    std::string text;
    for (const int32_t token : result.tokens) text += tokenizer.token_bytes(token);
    CAPTURE(text);
    if (result.reason == infer::StopReason::max_tokens) continue;
    ++complete;
    CHECK(result.reason == infer::StopReason::complete);
    const io::JsonView value = io::JsonView::parse(text, "text");
    CHECK(value.integer("a") >= -9);
    CHECK(value.integer("a") <= 25);
    CHECK(value.string("c").size() <= 6);
    if (value.has("b")) CHECK(value.array("b").size() <= 3);
    text::GrammarState state(grammar);
    CHECK(state.accept_bytes(text));
    CHECK(state.can_stop());
  }
  CHECK(complete > 25);
}

TEST_CASE("constraint: a text may end where it is complete, and only there") {
  const text::Tokenizer tokenizer = small_tokenizer();
  const text::CompiledGrammar grammar(text::Grammar::from_regex("ab(ab)*"), tokenizer);
  const infer::GrammarConstraint constraint(grammar, {kEnd});
  const auto state = constraint.begin();
  const auto may_end_here = [](infer::ConstraintState& s) {
    return (s.allowed()[0] >> kEnd & 1) != 0;
  };
  CHECK_FALSE(may_end_here(*state));
  state->accept(tokenizer.required_id("ab"));
  CHECK(may_end_here(*state));
  CHECK(state->may_end());
  CHECK_FALSE(state->must_end());
  state->accept(tokenizer.required_id("a"));
  CHECK_FALSE(may_end_here(*state));
  const auto copy = state->clone();
  copy->rollback(1);
  CHECK(may_end_here(*copy));
  CHECK_FALSE(may_end_here(*state));
  CHECK_THROWS_AS(state->accept(tokenizer.required_id("x")), Error);
  state->accept(tokenizer.required_id("b"));
  CHECK(may_end_here(*state));
}

}  // namespace cadre
