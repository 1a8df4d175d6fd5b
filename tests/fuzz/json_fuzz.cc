// JSON, as configurations and manifests hold it, with typed access to whatever is there.
#include "core/io/json.h"
#include "tests/fuzz/fuzz.h"

namespace cadre::fuzz {
namespace {

// Asks for everything in every way; the wrong ways end in errors that must not stop the walk.
void walk(const io::JsonView& view) {
  const auto attempt = [](auto&& action) {
    try {
      action();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::internal) throw;
    }
  };
  attempt([&] { view.as_integer(); });
  attempt([&] { view.as_number(); });
  attempt([&] {
    for (const std::string& key : view.keys()) {
      attempt([&] { view.integer_list(key); });
      attempt([&] { view.string_or(key, ""); });
      walk(view.at(key));
    }
  });
  attempt([&] {
    for (int64_t i = 0; i < view.size(); ++i) walk(view.element(i));
  });
}

}  // namespace

void read_input(std::string_view bytes) {
  const io::JsonView view = io::JsonView::parse(bytes, "input.json");
  walk(view);
  // What was read can be written, and reads back as the same.
  const std::string text = view.value().dump();
  if (io::parse_json(text, "again").dump() != text) {
    fail(ErrorKind::internal, "JSON does not read back: {}", text);
  }
  io::parse_json(view.value().pretty(), "pretty");
}

std::vector<std::string> seeds() {
  return {
      R"({"architectures": ["OlmoeForCausalLM"], "hidden_size": 64, "rms_norm_eps": 1e-05,
 "rope_scaling": {"factor": 2.0, "type": "linear"}, "tie_word_embeddings": false, "pad": null})",
      "[1, -2.5e3, \"a\\u00e9\\ud83d\\ude00\\n\", [[], {}], true]",
      "\"text\"",
  };
}

}  // namespace cadre::fuzz
