#include "cli/quickstart_text.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "core/base/error.h"
#include "tests/scratch_folder.h"

namespace cadre::cli {
namespace {

const std::string kText(100 << 10, 'x');

std::vector<std::string> names(const std::vector<Domain>& domains) {
  std::vector<std::string> result;
  for (const Domain& domain : domains) result.push_back(domain.name);
  return result;
}

}  // namespace

TEST_CASE("folder_domains: several subfolders are domains, loose files one more") {
  const ScratchFolder folder;
  folder.write("law & order/a.txt", kText);
  folder.write("code/deep/b.py", kText);
  folder.write("loose.txt", kText);
  folder.write(".hidden/c.txt", kText);
  std::vector<std::string> notes;
  CHECK(names(folder_domains(folder.path(), notes)) ==
        std::vector<std::string>{"code", "law___order", "files"});
  CHECK(notes.empty());
}

TEST_CASE("folder_domains: one subfolder or none is one domain, however small") {
  const ScratchFolder folder;
  folder.write("sub/a.txt", "a short text");
  std::vector<std::string> notes;
  CHECK(names(folder_domains(folder.path(), notes)) == std::vector<std::string>{"text"});
}

TEST_CASE("folder_domains: a domain with too little text is left out, with a note") {
  const ScratchFolder folder;
  folder.write("large/a.txt", kText);
  folder.write("small/b.txt", "hello");
  std::vector<std::string> notes;
  CHECK(names(folder_domains(folder.path(), notes)) == std::vector<std::string>{"large"});
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].find("small") != std::string::npos);
}

TEST_CASE("folder_domains: of much text a sample is taken, always the same") {
  const ScratchFolder folder;
  const std::string megabyte(1 << 20, 'x');
  for (int i = 0; i < 20; ++i) folder.write(fmt::format("f{}", i), megabyte);
  std::vector<std::string> notes;
  const Domain first = folder_domains(folder.path(), notes).front();
  const Domain second = folder_domains(folder.path(), notes).front();
  CHECK(first.bytes() == kDomainBytes);
  CHECK(first.found_bytes == 20 << 20);
  REQUIRE(first.files.size() == second.files.size());
  for (size_t i = 0; i < first.files.size(); ++i) {
    CHECK(first.files[i].path == second.files[i].path);
  }
}

TEST_CASE("folder_domains: an empty folder and one that is not there are not_found") {
  const ScratchFolder folder;
  std::vector<std::string> notes;
  CHECK_THROWS_AS(folder_domains(folder.path(), notes), Error);
  CHECK_THROWS_AS(folder_domains(folder / "absent", notes), Error);
}

}  // namespace cadre::cli
