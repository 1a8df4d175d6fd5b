#include "cli/flags.h"

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>

#include "core/base/error.h"

namespace cadre::cli {
namespace {

struct Settings {
  int64_t top_k = 4;
  double learning_rate = 0.1;
  bool renormalise = false;
  bool qk_norm = true;
  std::string schedule = "cosine";
  std::vector<std::string> names;

  void visit_fields(auto&& field) {
    field("top_k", top_k, Interval{1, 64}, "experts for each token");
    field("learning_rate", learning_rate, Interval{0.0, 1.0}, "of the optimiser");
    field("renormalise", renormalise, "weights sum to one");
    field("qk_norm", qk_norm, "normalise queries and keys");
    field("schedule", schedule, Choices{{"cosine", "linear"}}, "of the rate");
    field("names", names, "a list");
  }
};

Settings parse(std::vector<std::string> arguments) {
  Settings settings;
  CLI::App app;
  add_fields(app, settings);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants a vector
  app.parse(arguments);
  return settings;
}

std::string error_of(const std::vector<std::string>& arguments) {
  try {
    parse(arguments);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("flags: a field that is not given keeps its value") {
  const Settings settings = parse({});
  CHECK(settings.top_k == 4);
  CHECK(settings.learning_rate == 0.1);
  CHECK(settings.qk_norm);
  CHECK(settings.schedule == "cosine");
}

TEST_CASE("flags: every type of field is set by its flag") {
  const Settings settings = parse({"--top-k", "8", "--learning-rate=3e-4", "--renormalise",
                                   "--no-qk-norm", "--schedule", "linear", "--names", "a,b"});
  CHECK(settings.top_k == 8);
  CHECK(settings.learning_rate == 3e-4);
  CHECK(settings.renormalise);
  CHECK_FALSE(settings.qk_norm);
  CHECK(settings.schedule == "linear");
  CHECK(settings.names == std::vector<std::string>{"a", "b"});
}

TEST_CASE("flags: the last of a repeated flag counts") {
  CHECK(parse({"--top-k", "8", "--top-k", "2"}).top_k == 2);
}

TEST_CASE("flags: errors name the flag as it was typed, and what was expected") {
  CHECK(error_of({"--top-k", "65"}).find("--top-k") != std::string::npos);
  CHECK(error_of({"--top-k", "65"}).find("64") != std::string::npos);
  CHECK(error_of({"--learning-rate", "fast"}).find("fast") != std::string::npos);
  CHECK(error_of({"--schedule", "sine"}).find("cosine") != std::string::npos);
}

TEST_CASE("flags: a section is not part of the flag") {
  CHECK(flag_name("optim.learning_rate") == "--learning-rate");
  CHECK(flag_name("seed") == "--seed");
}

}  // namespace cadre::cli
