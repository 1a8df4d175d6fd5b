#include "core/io/fields_io.h"

#include <doctest/doctest.h>

#include "tests/expect_error.h"

namespace cadre::io {
namespace {

struct Optimizer {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.95};

  void visit_fields(auto&& field) {
    field("lr", lr, Interval{0.0, 1.0}, "the peak learning rate");
    field("betas", betas, Interval{0.0, 0.9999}, "decay of the two moments");
  }
};

struct Settings {
  int64_t steps = 100;
  bool resume = false;
  std::string schedule = "cosine";
  std::string name;
  std::vector<std::string> paths;
  double clip = 1.0;
  Optimizer optimizer;

  void visit_fields(auto&& field) {
    field("steps", steps, Interval{1, 1e18}, "optimiser steps");
    field("resume", resume, "go on where the run stopped");
    field("schedule", schedule, Choices{{"cosine", "linear", "constant"}}, "of the learning rate");
    field("name", name, "shown in the report");
    field("paths", paths, "folders and files");
    field("clip", clip, "largest gradient norm");
    field("optimizer", optimizer, "AdamW");
  }
};

void apply_toml(Settings& settings, std::string_view toml) {
  apply_config(parse_toml(toml, "run.toml"), list_fields(settings));
}

std::string refused(std::string_view toml) {
  Settings settings;
  return error_of(ErrorKind::invalid_input, [&] { apply_toml(settings, toml); });
}

}  // namespace

TEST_CASE("fields: a file sets them by name and section") {
  Settings settings;
  apply_toml(settings,
             "steps = 2e3\nresume = true\nschedule = 'linear'\npaths = ['a', 'b']\nclip = 2\n"
             "[optimizer]\nlr = 0.5\nbetas = []\n");
  CHECK(settings.steps == 2000);
  CHECK(settings.resume);
  CHECK(settings.schedule == "linear");
  CHECK(settings.paths == std::vector<std::string>{"a", "b"});
  CHECK(settings.clip == 2.0);
  CHECK(settings.optimizer.lr == 0.5);
  CHECK(settings.optimizer.betas.empty());
}

TEST_CASE("fields: an unknown key names the nearest known one with file and line") {
  CHECK(refused("\n[optimizer]\nrl = 1\n") ==
        "run.toml:3: unknown key \"optimizer.rl\"; did you mean \"optimizer.lr\"?");
  CHECK(contains(refused("step = 1"), "did you mean \"steps\"?"));
}

TEST_CASE("fields: wrong types, intervals and choices are named with what was expected") {
  CHECK(refused("steps = 0") == "run.toml:1: steps = 0, expected an integer of at least 1");
  CHECK(contains(refused("steps = 1.5"), "steps = 1.5, expected an integer"));
  CHECK(contains(refused("steps = '5'"), "steps = \"5\""));
  CHECK(contains(refused("resume = 1"), "expected true or false"));
  CHECK(contains(refused("schedule = 'cosin'"), "one of cosine, linear, constant"));
  CHECK(contains(refused("clip = nan"), "clip = nan"));
  CHECK(contains(refused("optimizer.lr = 1.5"), "a number from 0 to 1"));
  CHECK(contains(refused("optimizer.betas = [0.9, 1.5]"), "optimizer.betas"));
  CHECK(contains(refused("paths = 'a'"), "paths = \"a\", expected texts"));
}

TEST_CASE("fields: a refused value leaves the old one") {
  Settings settings;
  error_of(ErrorKind::invalid_input, [&] { apply_toml(settings, "steps = -1"); });
  CHECK(settings.steps == 100);
}

TEST_CASE("fields: text from a flag sets them") {
  Settings settings;
  const auto fields = list_fields(settings, "train");
  const auto set = [&](std::string_view name, std::string_view text) {
    const Field* field = find_field(fields, name);
    REQUIRE(field != nullptr);
    set_field_from_text(*field, text, "--flag");
  };
  set("train.steps", "4k");
  CHECK(settings.steps == 4096);
  set("train.steps", "1e6");
  CHECK(settings.steps == 1000000);
  set("train.resume", "yes");
  CHECK(settings.resume);
  set("train.paths", "a, b/c ,d");
  CHECK(settings.paths == std::vector<std::string>{"a", "b/c", "d"});
  set("train.optimizer.betas", "0.5,0.75");
  CHECK(settings.optimizer.betas == std::vector<double>{0.5, 0.75});
  for (const char* text : {"", "x", "1x", "99999999999T", "-1", "0.5", "1e300"}) {
    CAPTURE(text);
    CHECK(contains(error_of(ErrorKind::invalid_input, [&] { set("train.steps", text); }),
                   "--flag: train.steps = "));
  }
  CHECK(settings.steps == 1000000);
}

TEST_CASE("fields: written as TOML they set the same values") {
  Settings settings;
  settings.name = "a \"run\"";
  settings.paths = {"x"};
  settings.optimizer.lr = 0.1;
  const std::string text = fields_to_toml(list_fields(settings));
  CAPTURE(text);
  Settings read;
  apply_toml(read, text);
  CHECK(fields_to_toml(list_fields(read)) == text);
  CHECK(fields_to_json(list_fields(read)).dump() ==
        R"({"steps": 100, "resume": false, "schedule": "cosine", "name": "a \"run\"", )"
        R"("paths": ["x"], "clip": 1.0, "optimizer": {"lr": 0.1, "betas": [0.9, 0.95]}})");
}

TEST_CASE("fields: code that fills a struct can have it checked") {
  Settings settings;
  check_fields(list_fields(settings), "settings");
  settings.optimizer.lr = 2.0;
  CHECK(contains(
      error_of(ErrorKind::invalid_input, [&] { check_fields(list_fields(settings), "settings"); }),
      "settings: optimizer.lr = 2.0"));
}

}  // namespace cadre::io
