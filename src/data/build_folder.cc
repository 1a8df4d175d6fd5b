#include "data/build_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/file.h"

namespace cadre::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBuilding = ".building";
constexpr std::string_view kOld = ".old";

// "data/mix/" is data/mix: its neighbour must not come to lie inside of it.
fs::path without_slash(const fs::path& target) {
  return target.has_filename() ? target : target.parent_path();
}

fs::path with_suffix(fs::path path, std::string_view suffix) { return path += suffix; }

// The descriptor of a folder locked for this process, or -1.
int lock_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor >= 0 && ::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
  if (descriptor >= 0) ::close(descriptor);
  return -1;
}

// True if no living process holds the folder; a folder that is not there nobody holds.
bool is_abandoned(const fs::path& folder) {
  if (!fs::exists(folder)) return true;
  const int descriptor = lock_folder(folder);
  if (descriptor < 0) return false;
  ::close(descriptor);
  return true;
}

// TARGET.building123 of all numbers, whether that folder is there, its .old, or both.
std::vector<fs::path> builds_of(const fs::path& target) {
  std::vector<fs::path> builds;
  const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const std::string prefix = target.filename().string() + std::string(kBuilding);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(kOld)) name.resize(name.size() - kOld.size());
    if (!name.starts_with(prefix) || name.size() == prefix.size()) continue;
    if (name.find_first_not_of("0123456789", prefix.size()) != std::string::npos) continue;
    const fs::path build = entry.path().parent_path() / name;
    if (std::ranges::find(builds, build) == builds.end()) builds.push_back(build);
  }
  return builds;
}

}  // namespace

void BuildFolder::clear_leftovers(const fs::path& given) {
  const fs::path target = without_slash(given);
  std::error_code ignored;
  for (const fs::path& build : builds_of(target)) {
    // Its process holds the folder, also when that has become the target.
    if (!is_abandoned(build) || !is_abandoned(target)) continue;
    const fs::path old = with_suffix(build, kOld);
    if (!fs::exists(target) && fs::exists(old)) fs::rename(old, target, ignored);
    fs::remove_all(build, ignored);
    fs::remove_all(old, ignored);
  }
}

BuildFolder::BuildFolder(const fs::path& target)
    : target_(without_slash(target)),
      path_(with_suffix(target_, std::string(kBuilding) + std::to_string(::getpid()))) {
  std::error_code error;
  fs::remove_all(path_, error);
  if (!fs::create_directories(path_, error) || error) {
    fail(ErrorKind::invalid_input, "{}: cannot create the folder: {}", path_.string(),
         error.message());
  }
  lock_ = lock_folder(path_);
}

BuildFolder::~BuildFolder() {
  std::error_code ignored;
  if (!complete_) fs::remove_all(path_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

void BuildFolder::finish() {
  sync_folder(path_);
  replace_target();
  complete_ = true;
  sync_folder(target_.parent_path());
}

void BuildFolder::replace_target() {
  std::error_code error;
  std::error_code ignored;
  const bool replaces = fs::exists(target_);
  if (replaces &&
      ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(path_, ignored);
    return;
  }
  // Not every file system exchanges: in two steps, then.
  const fs::path old = with_suffix(path_, kOld);
  if (replaces) fs::rename(target_, old, error);
  const bool moved_away = replaces && !error;
  if (!error) fs::rename(path_, target_, error);
  if (error) {
    if (moved_away) fs::rename(old, target_, ignored);
    fail(ErrorKind::invalid_input, "{}: cannot be put in its place: {}", target_.string(),
         error.message());
  }
  if (replaces) fs::remove_all(old, ignored);
}

}  // namespace cadre::data
