// Speed of constrained output: compiling a grammar, and a mask for each token of a text.
//
//   grammar_bench TOKENIZER [REPEATS]
//
// For each of some schemas and grammars: milliseconds to read and compile; microseconds for each
// token of mask and accept, the first time (masks are found) and again (they are known); processor
// time of one thread, median of REPEATS. The texts are examples below, in the tokenizer's own
// tokens.
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/error.h"
#include "text/grammar/compiled_grammar.h"

namespace cadre::text {
namespace {

struct Case {
  std::string name;
  std::function<Grammar()> read;
  std::string text;
};

double cpu_seconds_of(const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  work();
  return now() - start;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<Case> cases() {
  const std::string person =
      R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer",
 "minimum": 0, "maximum": 130}, "email": {"type": "string", "format": "email"}, "role": {"enum":
 ["engineer", "artist", "teacher"]}, "address": {"type": "object", "properties": {"street": {"type":
 "string"}, "city": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9]{5}$"}},
 "required": ["street", "city"]}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 20},
 "maxItems": 5}}, "required": ["name", "age", "address"]})";
  const std::string person_text =
      R"({"name":"Ada Lovelace, the first of her kind","age":36,"email":"ada@example.org",)"
      R"("role":"engineer","address":{"street":"12 St James's Square","city":"London","zip":"01234"},)"
      R"("tags":["mathematics","poetry","engines"]})";
  const std::string tree =
      R"({"$defs": {"node": {"type": "object", "properties": {"value": {"type": "number"}, "children":
 {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "required": ["value", "children"]}},
 "$ref": "#/$defs/node"})";
  const std::string tree_text =
      R"({"value":1.5,"children":[{"value":-20,"children":[]},{"value":3e5,"children":[{"value":4,)"
      R"("children":[]},{"value":12345.678,"children":[{"value":0,"children":[]}]}]}]})";
  const std::string json_text =
      R"j({"menu":{"id":"file","value":"File","popup":{"items":[{"value":"New","click":"createDoc()"},)j"
      R"j({"value":"Open","click":"openDoc()"},{"value":"Close","on":true,"n":[1,2.5,null]}]}}})j";
  const std::string arithmetic =
      "root ::= (expr \"=\" term \"\\n\")+\nexpr ::= term ([-+*/] term)*\n"
      "term ::= [a-z]+ | [0-9]+ | \"(\" expr \")\"\n";
  const std::string sums = "alpha+beta*(12-3)=gamma\n(x+(y-2)*31415)/total=999\n";
  const std::string long_schema = R"({"type": "string", "maxLength": 2000})";
  std::string essay = "\"";
  for (int i = 0; i < 12; ++i) {
    essay += "Experts are many, and a router chooses the few that read each token. ";
  }
  essay += "\"";
  return {
      {"schema: a person", [=] { return Grammar::from_json_schema(person); }, person_text},
      {"schema: a tree of nodes", [=] { return Grammar::from_json_schema(tree); }, tree_text},
      {"schema: any JSON", [=] { return Grammar::json(); }, json_text},
      {"schema: a string of up to 2000", [=] { return Grammar::from_json_schema(long_schema); },
       essay},
      {"GBNF: arithmetic", [=] { return Grammar::from_gbnf(arithmetic); }, sums},
      {"regex: log lines",
       [] {
         return Grammar::from_regex(R"((\d{4}-\d\d-\d\d (INFO|WARN|ERROR) [\w.]+: [^\n]*\n)+)");
       },
       "2024-05-17 INFO core.io: read 12 files in 0.3 s\n2024-05-17 ERROR net: connection lost\n"}};
}

// The text in tokens, the longest that fits each time; SentencePiece would put a blank before it.
std::vector<int32_t> longest_tokens(
    std::string_view text, const std::unordered_map<std::string_view, int32_t>& tokens_by_text) {
  std::vector<int32_t> ids;
  while (!text.empty()) {
    size_t size = std::min<size_t>(text.size(), 24);
    while (size > 0 && !tokens_by_text.contains(text.substr(0, size))) --size;
    if (size == 0) fail(ErrorKind::invalid_input, "no token begins \"{}\"", text.substr(0, 8));
    ids.push_back(tokens_by_text.at(text.substr(0, size)));
    text.remove_prefix(size);
  }
  return ids;
}

void run(const std::string& file, int repeats) {
  const Tokenizer tokenizer = Tokenizer::load(file);
  const double vocabulary =
      cpu_seconds_of([&] { static_cast<void>(GrammarVocabulary(tokenizer)); });
  const GrammarVocabulary shared(tokenizer);
  fmt::print("{} tokens; vocabulary {:.1f} ms\n", tokenizer.vocab_size(), vocabulary * 1e3);
  std::unordered_map<std::string_view, int32_t> tokens_by_text;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.is_special(id)) tokens_by_text.emplace(tokenizer.token_bytes(id), id);
  }
  for (const Case& one : cases()) {
    const std::vector<int32_t> ids = longest_tokens(one.text, tokens_by_text);
    std::vector<double> compile;
    std::vector<double> first;
    std::vector<double> again;
    double slowest = 0.0;
    for (int round = 0; round < repeats; ++round) {
      std::vector<CompiledGrammar> compiled;
      compile.push_back(cpu_seconds_of([&] { compiled.emplace_back(one.read(), shared); }));
      std::vector<uint64_t> mask(compiled[0].mask_words());
      const auto step = [&](GrammarState& state, int32_t id) {
        state.mask(mask);
        const bool allowed = (mask[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0;
        if (!allowed || !state.accept(id)) {
          fail(ErrorKind::internal, "{}: the example is not in the grammar at \"{}\"", one.name,
               tokenizer.id_to_token(id));
        }
      };
      const auto tokens = static_cast<double>(ids.size());
      GrammarState fresh(compiled[0]);
      double total = 0.0;
      for (const int32_t id : ids) {
        const double seconds = cpu_seconds_of([&] { step(fresh, id); });
        total += seconds;
        slowest = std::max(slowest, seconds);
      }
      if (!fresh.can_stop()) fail(ErrorKind::internal, "{}: incomplete", one.name);
      first.push_back(total / tokens);
      constexpr int kTimes = 20;  // the clock takes longer than a token
      again.push_back(cpu_seconds_of([&] {
                        for (int i = 0; i < kTimes; ++i) {
                          GrammarState state(compiled[0]);
                          for (const int32_t id : ids) step(state, id);
                        }
                      }) /
                      kTimes / tokens);
    }
    fmt::print(
        "{:<32} {:4} tokens  compile {:7.2f} ms  first {:7.1f} us  (slowest {:.0f})  again {:.2f} "
        "us\n",
        one.name, ids.size(), median(compile) * 1e3, median(first) * 1e6, slowest * 1e6,
        median(again) * 1e6);
  }
}

}  // namespace
}  // namespace cadre::text

int main(int argc, char** argv) {
  try {
    if (argc < 2) cadre::fail(cadre::ErrorKind::invalid_input, "grammar_bench TOKENIZER [REPEATS]");
    cadre::text::run(argv[1], argc > 2 ? std::stoi(argv[2]) : 5);
  } catch (const cadre::Error& error) {
    std::cerr << error.what() << "\n";
    return cadre::exit_code(error.kind());
  }
  return 0;
}
