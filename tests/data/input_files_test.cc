#include "data/input_files.h"

#include <doctest/doctest.h>

#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre::data {
namespace {

std::vector<std::string> names(const ScratchFolder& folder, const std::vector<std::string>& inputs,
                               const std::vector<std::string>& include = {},
                               const std::vector<std::string>& exclude = {}) {
  std::vector<std::string> names;
  for (const InputFile& file : list_input_files(inputs, include, exclude).files) {
    names.push_back(file.path.lexically_relative(folder.path()).string());
  }
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("inputs: a folder gives its files sorted by path, without hidden ones") {
  const ScratchFolder folder;
  for (const char* name : {"b.txt", "a/z.py", "a/b/c.txt", ".git/config", "a/.hidden", "a.txt"}) {
    folder.write(name, name);
  }
  CHECK(names(folder, {folder.path().string()}) == Names{"a.txt", "a/b/c.txt", "a/z.py", "b.txt"});
  CHECK(names(folder, {folder.path().string()}, {".txt"}) == Names{"a.txt", "a/b/c.txt", "b.txt"});
  CHECK(names(folder, {folder.path().string()}, {}, {"b.*", ".py"}) == Names{"a.txt", "a/b/c.txt"});
  // A file that is named is taken whatever the patterns say.
  CHECK(names(folder, {(folder / "b.txt").string()}, {".py"}) == Names{"b.txt"});
}

TEST_CASE("inputs: globs match files and folders, sorted") {
  const ScratchFolder folder;
  for (const char* name : {"x2.txt", "x10.txt", "y/x.txt", "z.txt"}) folder.write(name, name);
  CHECK(names(folder, {(folder / "x*.txt").string()}) == Names{"x10.txt", "x2.txt"});
  CHECK(names(folder, {(folder / "[yz]*").string()}) == Names{"y/x.txt", "z.txt"});
  CHECK(contains(error_of(ErrorKind::not_found, [&] { names(folder, {(folder / "q*").string()}); }),
                 "q*"));
}

TEST_CASE("inputs: links neither loop nor repeat a file") {
  const ScratchFolder folder;
  folder.write("a/text.txt", "x");
  std::filesystem::create_directory_symlink(folder.path(), folder / "a/loop");
  std::filesystem::create_symlink(folder / "a/text.txt", folder / "a/same.txt");
  std::filesystem::create_symlink(folder / "nowhere", folder / "a/broken.txt");
  const InputFiles found =
      list_input_files({folder.path().string(), (folder / "a").string()}, {}, {});
  CHECK(found.files.size() == 1);
  CHECK(found.unreadable == 2);  // the broken link, seen from both folders
}

TEST_CASE("inputs: what is not there is named") {
  CHECK(contains(error_of(ErrorKind::not_found, [] { list_input_files({"/no/such"}, {}, {}); }),
                 "/no/such"));
  error_of(ErrorKind::invalid_input, [] { list_input_files({"/dev/null"}, {}, {}); });
}

}  // namespace cadre::data
