#include "train/checkpoint/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/json.h"
#include "train/checkpoint/checkpoint.h"

namespace cadre::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";

std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char* begin = name.data() + kPrefix.size();
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(begin, end, step);
  if (error != std::errc() || stop != end || step < 0) return std::nullopt;
  return step;
}

fs::path set_aside(const fs::path& path) {
  fs::path aside = path.string() + ".damaged";
  for (int n = 2; fs::exists(aside); ++n) aside = fmt::format("{}.damaged-{}", path.string(), n);
  fs::rename(path, aside);
  sync_folder(path.parent_path());
  return aside;
}

}  // namespace

RunFolder::RunFolder(fs::path path) : path_(std::move(path)) {
  std::error_code error;
  fs::create_directories(path_ / "checkpoints", error);
  if (error) {
    fail(ErrorKind::invalid_input, "{}: cannot create the run folder: {}", path_.string(),
         error.message());
  }
  lock_ = ::open((path_ / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) {
    fail(ErrorKind::invalid_input, "{}: cannot write the run folder: {}", path_.string(),
         std::strerror(errno));
  }
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    fail(ErrorKind::invalid_input, "{}: another process trains in this run folder", path_.string());
  }
}

RunFolder::~RunFolder() { ::close(lock_); }

fs::path RunFolder::checkpoint_path(int64_t step) const {
  return path_ / "checkpoints" / fmt::format("{}{:08}", kPrefix, step);
}

bool RunFolder::has_run() const { return fs::exists(config_file()); }

std::vector<CheckpointEntry> RunFolder::checkpoints() const {
  std::vector<CheckpointEntry> result;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_ / "checkpoints")) {
    const auto step = step_of(entry.path().filename().string());
    if (step && entry.is_directory()) result.push_back({*step, entry.path()});
  }
  std::sort(result.begin(), result.end(),
            [](const auto& a, const auto& b) { return a.step < b.step; });
  return result;
}

void RunFolder::set_latest(const CheckpointEntry& checkpoint) const {
  const fs::path temporary = path_ / ".latest";
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_directory_symlink(fs::path("checkpoints") / checkpoint.path.filename(), temporary,
                               error);
  if (!error) fs::rename(temporary, path_ / "latest", error);
}

void RunFolder::prune(const KeepPolicy& policy) const {
  const std::vector<CheckpointEntry> all = checkpoints();
  const auto count = static_cast<int64_t>(all.size());
  for (int64_t i = 0; i < count - policy.keep_last; ++i) {
    const CheckpointEntry& entry = all[static_cast<size_t>(i)];
    if (policy.keep_every > 0 && entry.step % policy.keep_every == 0) continue;
    const fs::path leaving = entry.path.parent_path() / (".old-" + entry.path.filename().string());
    std::error_code error;
    fs::rename(entry.path, leaving, error);
    // Failing to delete is no reason to stop training; the next start tries again.
    if (!error) fs::remove_all(leaving, error);
  }
}

void RunFolder::remove_leftovers() const {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_ / "checkpoints")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".tmp-") || name.starts_with(".old-")) fs::remove_all(entry.path(), error);
  }
  fs::remove(path_ / ".latest", error);
}

std::optional<int64_t> RunFolder::planned_steps() const {
  const fs::path file = path_ / "plan.json";
  if (!fs::exists(file)) return std::nullopt;
  const io::JsonView plan = io::JsonView::read_file(file);
  const int64_t steps = plan.integer("total_steps");
  if (steps < 1) plan.at("total_steps").fail_expected("1 or more");
  return steps;
}

void RunFolder::plan_steps(int64_t total_steps) const {
  io::JsonValue plan = io::JsonValue::object();
  plan.set("total_steps", total_steps);
  write_file_atomically(path_ / "plan.json", plan.pretty() + "\n");
}

FoundCheckpoint find_newest_good(const RunFolder& folder) {
  FoundCheckpoint found;
  std::vector<CheckpointEntry> all = folder.checkpoints();
  for (auto entry = all.rbegin(); entry != all.rend(); ++entry) {
    const auto damage = find_damage(entry->path);
    if (!damage) {
      found.checkpoint = *entry;
      break;
    }
    const fs::path aside = set_aside(entry->path);
    found.damaged.push_back(fmt::format("{} is damaged ({}); set aside as {}", entry->path.string(),
                                        *damage, aside.filename().string()));
  }
  return found;
}

}  // namespace cadre::train
