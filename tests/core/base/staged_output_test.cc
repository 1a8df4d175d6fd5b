// Output that appears whole or not at all.
#include "core/base/staged_output.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <thread>

#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& file, const char* text) { std::ofstream(file) << text; }

size_t entries(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("staged output: nothing is there before commit, everything after") {
  const ScratchFolder folder;
  {
    StagedOutput output(folder / "model", false);
    fs::create_directory(output.temporary());
    write(output.temporary() / "a", "1");
    CHECK(!fs::exists(folder / "model"));
    output.commit();
  }
  CHECK(file_content(folder / "model" / "a") == "1");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("staged output: without commit the old one stays and nothing is left behind") {
  const ScratchFolder folder;
  folder.write("model/a", "old");
  {
    StagedOutput output(folder / "model/", true);
    fs::create_directory(output.temporary());
    write(output.temporary() / "a", "new");
  }
  CHECK(file_content(folder / "model" / "a") == "old");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("staged output: a folder or a file is replaced only if that was asked for") {
  const ScratchFolder folder;
  folder.write("model/old", "1");
  CHECK(contains(error_of(ErrorKind::invalid_input, [&] { StagedOutput(folder / "model", false); }),
                 "is there already"));
  StagedOutput output(folder / "model", true);
  write(output.temporary(), "a file now");
  output.commit();
  CHECK(file_content(folder / "model") == "a file now");
  CHECK(entries(folder.path()) == 1);
}

// Whether the file system can exchange two folders in one step.
bool can_exchange(const ScratchFolder& folder) {
  const fs::path a = folder / "a";
  const fs::path b = folder / "b";
  fs::create_directory(a);
  fs::create_directory(b);
  const bool can = ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
  fs::remove(a);
  fs::remove(b);
  return can;
}

TEST_CASE("staged output: whoever looks while it is replaced finds the old one or the new one") {
  for (const bool folders : {false, true}) {
    CAPTURE(folders);
    const ScratchFolder folder;
    if (folders && !can_exchange(folder)) {
      MESSAGE("skipped: this file system cannot exchange folders");
      continue;
    }
    const fs::path place = folder / "model";
    const fs::path file = folders ? place / "a" : place;
    folder.write(folders ? "model/a" : "model", "0");
    std::atomic<bool> done = false;
    std::atomic<int64_t> looks = 0;
    int64_t absent = 0;
    std::thread watcher([&] {
      for (; !done; ++looks) absent += ::access(file.c_str(), F_OK) == 0 ? 0 : 1;
    });
    for (int i = 1; i <= 500 || looks < 500; ++i) {
      StagedOutput output(place, true);
      if (folders) fs::create_directory(output.temporary());
      write(folders ? output.temporary() / "a" : output.temporary(), "1");
      output.commit();
    }
    done = true;
    watcher.join();
    CHECK(absent == 0);
    CHECK(entries(folder.path()) == 1);
  }
}

TEST_CASE("staged output: what appears in the meantime is not overwritten") {
  const ScratchFolder folder;
  StagedOutput output(folder / "model", false);
  write(output.temporary(), "ours");
  folder.write("model", "theirs");
  CHECK(contains(error_of(ErrorKind::invalid_input, [&] { output.commit(); }), "in the meantime"));
  CHECK(file_content(folder / "model") == "theirs");
}

TEST_CASE("staged output: a folder that is not there is named") {
  const ScratchFolder folder;
  CHECK(contains(error_of(ErrorKind::not_found, [&] { StagedOutput(folder / "no/model", false); }),
                 "no is not there"));
}

}  // namespace cadre
