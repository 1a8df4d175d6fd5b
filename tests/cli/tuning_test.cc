#include "cli/tuning.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "tests/scratch_folder.h"

namespace cadre {

TEST_CASE("tuning: what was measured is found again, on the same machine alone") {
  const ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "cache" / "cadre" / "crossovers.toml";
  const cli::TuningKey key = {"A \"fast\" processor", "amx", 4};
  CHECK(!cli::load_tuning(file, key));
  cli::save_tuning(file, key, {.tile_tokens = 7, .task_kib = 1024});
  const auto found = cli::load_tuning(file, key);
  REQUIRE(found);
  CHECK(found->tile_tokens == 7);
  CHECK(found->task_kib == 1024);
  CHECK(!cli::load_tuning(file, {"another", "amx", 4}));
  CHECK(!cli::load_tuning(file, {key.processor, "avx2", 4}));
  CHECK(!cli::load_tuning(file, {key.processor, "amx", 2}));
}

TEST_CASE("tuning: a damaged record is refused by name") {
  const ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "crossovers.toml";
  const cli::TuningKey key = {"p", "amx", 4};
  cli::save_tuning(file, key, {});
  const std::string text = read_text_file(file);
  write_file_atomically(file, text.substr(0, text.size() - 4) + "99999999\n");
  CHECK_THROWS_WITH_AS(cli::load_tuning(file, key), doctest::Contains("task_kib"), Error);
  write_file_atomically(file, "processor = [");
  CHECK_THROWS_WITH_AS(cli::load_tuning(file, key), doctest::Contains("crossovers.toml"), Error);
}

}  // namespace cadre
