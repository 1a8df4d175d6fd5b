#include "core/io/shard_index.h"

#include <algorithm>
#include <string_view>

#include "core/io/json.h"

namespace cadre::io {
namespace {

// An index comes from outside: it may not lead out of its folder.
void check_file_name(const std::string& file, const std::string& where) {
  const bool plain = !file.empty() && file != "." && file != ".." &&
                     file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain) {
    fail(ErrorKind::corrupt_data, "{}: {} is not the name of a file beside the index", where,
         json_quote(file));
  }
}

}  // namespace

std::map<std::string, std::vector<std::string>> read_shard_index(
    const std::filesystem::path& index) {
  const JsonView json = JsonView::read_file(index);
  const JsonView map = json.object("weight_map");
  std::map<std::string, std::vector<std::string>> names_by_file;
  for (const std::string& name : map.keys()) {
    const std::string file = map.string(name);
    check_file_name(file, map.at(name).where());
    names_by_file[file].push_back(name);
  }
  for (auto& [file, names] : names_by_file) std::ranges::sort(names);
  return names_by_file;
}

void check_shard(const std::filesystem::path& index, const std::filesystem::path& file,
                 const std::vector<std::string>& expected, const std::vector<std::string>& held) {
  for (const std::string& name : expected) {
    if (!std::ranges::binary_search(held, name)) {
      fail(ErrorKind::corrupt_data, "{}: lacks the tensor \"{}\" that {} places there",
           file.string(), name, index.string());
    }
  }
  for (const std::string& name : held) {
    if (!std::ranges::binary_search(expected, name)) {
      fail(ErrorKind::corrupt_data, "{}: holds the tensor \"{}\" that {} does not place there",
           file.string(), name, index.string());
    }
  }
}

}  // namespace cadre::io
