#include "cli/constraint_input.h"

#include <CLI/CLI.hpp>
#include <optional>

#include "core/base/file.h"
#include "infer/grammar_constraint.h"
#include "text/grammar/grammar.h"

namespace cadre::cli {
namespace {

constexpr uint64_t kMaxFile = 64 << 20;

// A schema on the command line begins as JSON objects do, or is true.
bool is_inline(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin != std::string::npos && (text[begin] == '{' || text.substr(begin) == "true");
}

std::optional<text::Grammar> grammar_of(const ConstraintOptions& options) {
  if (!options.json_schema.empty()) {
    text::grammar::JsonSchemaOptions schema;
    if (options.whitespace == "flexible") {
      schema.whitespace = text::grammar::JsonWhitespace::flexible;
    }
    schema.closed = !options.open;
    if (is_inline(options.json_schema)) {
      return text::Grammar::from_json_schema(options.json_schema, "--json-schema", schema);
    }
    return text::Grammar::from_json_schema(read_text_file(options.json_schema, kMaxFile),
                                           options.json_schema, schema);
  }
  if (!options.regex.empty()) return text::Grammar::from_regex(options.regex, "--regex");
  if (options.grammar.empty()) return std::nullopt;
  if (options.grammar.find("::=") != std::string::npos) {
    return text::Grammar::from_gbnf(options.grammar, "--grammar");
  }
  return text::Grammar::from_gbnf(read_text_file(options.grammar, kMaxFile), options.grammar);
}

}  // namespace

void add_constraint_options(CLI::App& app, ConstraintOptions& options) {
  const std::string group = "Form of the text";
  auto* schema = app.add_option("--json-schema", options.json_schema,
                                "JSON that is valid under this schema: a file, or the schema")
                     ->type_name("SCHEMA")
                     ->group(group);
  app.add_option("--json-whitespace", options.whitespace,
                 "Where JSON may have blanks and line ends: compact has none")
      ->type_name("NAME")
      ->check(CLI::IsMember({"compact", "flexible"}))
      ->needs(schema)
      ->capture_default_str()
      ->group(group);
  app.add_flag("--json-open", options.open,
               "Objects may have properties that the schema does not name, as the standard has it")
      ->needs(schema)
      ->group(group);
  auto* regex =
      app.add_option("--regex", options.regex, "Text that this regular expression matches whole")
          ->type_name("REGEX")
          ->check([](const std::string& text) {
            return std::string(text.empty() ? "expected a regular expression" : "");
          })
          ->excludes(schema)
          ->group(group);
  app.add_option("--grammar", options.grammar,
                 "Text of this grammar, in llama.cpp's GBNF: a file, or the grammar")
      ->type_name("GRAMMAR")
      ->excludes(schema)
      ->excludes(regex)
      ->group(group);
}

std::shared_ptr<const infer::Constraint> make_constraint(const ConstraintOptions& options,
                                                         const text::Tokenizer& tokenizer,
                                                         const std::vector<int32_t>& stop_tokens) {
  const auto grammar = grammar_of(options);
  if (!grammar) return nullptr;
  return std::make_shared<infer::GrammarConstraint>(text::CompiledGrammar(*grammar, tokenizer),
                                                    stop_tokens);
}

}  // namespace cadre::cli
