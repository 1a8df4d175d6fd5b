#include "core/base/staged_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include "core/base/error.h"
#include "core/base/file.h"

namespace cadre {
namespace {

namespace fs = std::filesystem;

// "models/out/" and "models/out" are one place.
fs::path without_slash(fs::path place) {
  return place.has_filename() ? std::move(place) : place.parent_path();
}

fs::path beside(const fs::path& place, const char* what) {
  std::string name(".");
  name += place.filename().string();
  name += what;
  name += std::to_string(::getpid());
  return place.parent_path() / name;
}

void rename_or_fail(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    fail(ErrorKind::invalid_input, "{}: cannot be put in place: {}", to.string(), error.message());
  }
}

// Each takes the other's place in one step. False where the file system cannot do that.
bool exchange(const fs::path& a, const fs::path& b) {
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
}

}  // namespace

StagedOutput::StagedOutput(fs::path place, bool replace)
    : place_(without_slash(fs::absolute(place).lexically_normal())),
      temporary_(beside(place_, ".tmp")),
      replace_(replace) {
  if (fs::exists(place_) && !replace_) {
    fail(ErrorKind::invalid_input, "{}: is there already, expected a new name (or force)",
         place_.string());
  }
  if (!fs::is_directory(place_.parent_path())) {
    fail(ErrorKind::not_found, "{}: the folder {} is not there", place_.string(),
         place_.parent_path().string());
  }
  if (::access(place_.parent_path().c_str(), W_OK) != 0) {
    fail(ErrorKind::invalid_input, "{}: nothing can be written to the folder {}: {}",
         place_.string(), place_.parent_path().string(), std::generic_category().message(errno));
  }
  fs::remove_all(temporary_);
}

StagedOutput::~StagedOutput() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void StagedOutput::commit() {
  const bool replaces = fs::exists(place_);
  if (replaces && !replace_) {
    fail(ErrorKind::invalid_input, "{}: has appeared in the meantime", place_.string());
  }
  // A file may be renamed over a file, but neither may be over a folder.
  const bool folders = fs::is_directory(temporary_) || fs::is_directory(place_);
  fs::path old = temporary_;
  if (!replaces || !folders) {
    rename_or_fail(temporary_, place_);
  } else if (!exchange(temporary_, place_)) {
    old = beside(place_, ".old");
    step_aside(old);
  }
  committed_ = true;
  sync_folder(place_.parent_path());
  std::error_code ignored;
  fs::remove_all(old, ignored);
}

void StagedOutput::step_aside(const fs::path& old) {
  rename_or_fail(place_, old);
  try {
    rename_or_fail(temporary_, place_);
  } catch (...) {
    std::error_code ignored;
    fs::rename(old, place_, ignored);
    throw;
  }
}

}  // namespace cadre
