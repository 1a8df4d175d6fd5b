#include "core/base/staged_output.h"

#include <unistd.h>

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

}  // namespace

StagedOutput::StagedOutput(fs::path place, bool replace)
    : place_(without_slash(fs::absolute(place).lexically_normal())),
      temporary_(beside(place_, ".tmp")),
      replace_(replace) {
  if (fs::exists(place_) && !replace_) {
    fail(ErrorKind::invalid_input, "{}: is there already", place_.string());
  }
  if (!fs::is_directory(place_.parent_path())) {
    fail(ErrorKind::not_found, "{}: the folder {} is not there", place_.string(),
         place_.parent_path().string());
  }
  fs::remove_all(temporary_);
}

StagedOutput::~StagedOutput() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void StagedOutput::commit() {
  const fs::path old = beside(place_, ".old");
  const bool replaces = fs::exists(place_);
  if (replaces && !replace_) {
    fail(ErrorKind::invalid_input, "{}: has appeared in the meantime", place_.string());
  }
  // A folder cannot be renamed over another one, so the old one steps aside first.
  if (replaces) rename_or_fail(place_, old);
  try {
    rename_or_fail(temporary_, place_);
  } catch (...) {
    std::error_code ignored;
    if (replaces) fs::rename(old, place_, ignored);
    throw;
  }
  committed_ = true;
  sync_folder(place_.parent_path());
  std::error_code ignored;
  if (replaces) fs::remove_all(old, ignored);
}

}  // namespace cadre
