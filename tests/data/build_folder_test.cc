#include "data/build_folder.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "tests/scratch_folder.h"

namespace cadre::data {
namespace {

namespace fs = std::filesystem;

std::set<std::string> names(const ScratchFolder& scratch) {
  std::set<std::string> result;
  for (const auto& entry : fs::directory_iterator(scratch.path())) {
    result.insert(entry.path().filename().string());
  }
  return result;
}

// Kills a child that has begun to build the target.
std::string leave_behind(const ScratchFolder& scratch) {
  const pid_t child = ::fork();
  if (child == 0) {
    const BuildFolder building(scratch / "out");
    scratch.write(building.path().filename().string() + "/half", "new");
    ::raise(SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  return "out.building" + std::to_string(child);
}

TEST_CASE("build folder: takes the place of the target, old or new, or disappears") {
  const ScratchFolder scratch;
  for (const char* content : {"first", "second"}) {
    BuildFolder building(scratch / "out/");
    scratch.write(building.path().filename().string() + "/file", content);
    building.finish();
    CHECK(names(scratch) == std::set<std::string>{"out"});
    CHECK(file_content(scratch / "out/file") == content);
  }
  {
    const BuildFolder building(scratch / "out");
    CHECK(names(scratch).size() == 2);
  }
  CHECK(names(scratch) == std::set<std::string>{"out"});
  CHECK(file_content(scratch / "out/file") == "second");
}

TEST_CASE("build folder: what killed processes left is cleared away, what lives stays") {
  const ScratchFolder scratch;
  scratch.write("out/file", "good");
  scratch.write("out.building/file", "no number, so not ours");
  scratch.write("other.building1/file", "of another target");
  const std::set<std::string> before = names(scratch);
  const std::string left = leave_behind(scratch);
  REQUIRE(names(scratch).contains(left));
  // As after a kill between moving the new folder into place and removing the old one.
  scratch.write("out.building77.old/file", "old");
  const BuildFolder living(scratch / "out");
  BuildFolder::clear_leftovers(scratch / "out");
  std::set<std::string> after = before;
  after.insert(living.path().filename().string());
  CHECK(names(scratch) == after);
  CHECK(file_content(scratch / "out/file") == "good");
}

TEST_CASE("build folder: a target that was moved away when its process was killed is put back") {
  const ScratchFolder scratch;
  const std::string left = leave_behind(scratch);
  scratch.write(left + ".old/file", "good");
  BuildFolder::clear_leftovers(scratch / "out");
  CHECK(names(scratch) == std::set<std::string>{"out"});
  CHECK(file_content(scratch / "out/file") == "good");
}

}  // namespace
}  // namespace cadre::data
