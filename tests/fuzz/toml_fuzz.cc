// Configuration files, applied to a struct of every field type.
#include "core/base/error.h"
#include "core/io/fields_io.h"
#include "core/io/toml.h"
#include "tests/fuzz/fuzz.h"

namespace cadre::fuzz {
namespace {

struct Inner {
  double lr = 0.1;
  std::vector<double> betas;
  void visit_fields(auto&& field) {
    field("lr", lr, Interval{0.0, 1.0}, "rate");
    field("betas", betas, "decays");
  }
};

struct Settings {
  int64_t steps = 1;
  bool resume = false;
  std::string schedule = "cosine";
  std::vector<std::string> paths;
  Inner optimizer;
  void visit_fields(auto&& field) {
    field("steps", steps, Interval{1, 1e12}, "steps");
    field("resume", resume, "go on");
    field("schedule", schedule, Choices{{"cosine", "linear"}}, "of the rate");
    field("paths", paths, "folders");
    field("optimizer", optimizer, "AdamW");
  }
};

}  // namespace

void read_input(std::string_view bytes) {
  const auto entries = io::parse_toml(bytes, "input.toml");
  Settings settings;
  const auto fields = io::list_fields(settings);
  io::apply_config(entries, fields);
  // What was accepted can be written and sets the same values again.
  const std::string text = io::fields_to_toml(fields);
  Settings again;
  io::apply_config(io::parse_toml(text, "again.toml"), io::list_fields(again));
  if (io::fields_to_toml(io::list_fields(again)) != text) {
    fail(ErrorKind::internal, "TOML does not read back: {}", text);
  }
}

std::vector<std::string> seeds() {
  return {
      "# a run\nsteps = 1_000\nresume = true\nschedule = \"linear\"\n"
      "paths = ['/usr/share/doc', \"b\\n\\u00e9\"]\n\n[optimizer]\nlr = 3e-4\nbetas = [0.9, 1]\n",
      "optimizer = {lr = 0.5, betas = []}\nsteps = 0x10\n",
      "\"steps\" = 3\n'paths' = [\"\"\"a\n\"\"\", '''x''']\noptimizer . 'lr' = 1.0\n",
  };
}

}  // namespace cadre::fuzz
