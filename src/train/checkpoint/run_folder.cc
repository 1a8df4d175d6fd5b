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
constexpr std::string_view kDamaged = ".damaged";
constexpr std::string_view kCheckpoints = "checkpoints";
// Files of a run that are replaced as a whole.
constexpr std::string_view kReplacedFiles[] = {"config.toml", "plan.json", "report.html"};

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
  fs::path aside = fmt::format("{}{}", path.string(), kDamaged);
  for (int n = 2; fs::exists(aside); ++n) {
    aside = fmt::format("{}{}-{}", path.string(), kDamaged, n);
  }
  fs::rename(path, aside);
  sync_folder(path.parent_path());
  return aside;
}

// step-00000100.damaged, step-00000100.damaged-2
bool is_set_aside(const std::string& name) {
  const size_t end = name.find(kDamaged);
  return end != std::string::npos && step_of(name.substr(0, end)).has_value();
}

// NAME.tmp123, which a process that was killed while it replaced the file left behind.
bool is_half_written(const std::string& name) {
  constexpr std::string_view kTemporary = ".tmp";
  const size_t end = name.rfind(kTemporary);
  if (end == std::string::npos || end + kTemporary.size() == name.size()) return false;
  const bool numbered =
      name.find_first_not_of("0123456789", end + kTemporary.size()) == std::string::npos;
  return numbered &&
         std::ranges::find(kReplacedFiles, name.substr(0, end)) != std::end(kReplacedFiles);
}

// Of the files in a folder, not of those in its folders.
int64_t bytes_of_files(const fs::path& folder) {
  int64_t bytes = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error)) continue;
    const auto size = entry.file_size(error);
    if (!error) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

}  // namespace

bool holds_run(const fs::path& folder) {
  if (fs::exists(folder / "config.toml")) return true;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / kCheckpoints, none)) {
    const std::string name = entry.path().filename().string();
    if (step_of(name) || is_set_aside(name)) return true;
  }
  return false;
}

RunFolder::RunFolder(fs::path path) : path_(std::move(path)) {
  std::error_code error;
  fs::create_directories(path_ / kCheckpoints, error);
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
  return path_ / kCheckpoints / fmt::format("{}{:08}", kPrefix, step);
}

std::vector<CheckpointEntry> RunFolder::checkpoints() const {
  std::vector<CheckpointEntry> result;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_ / kCheckpoints)) {
    const auto step = step_of(entry.path().filename().string());
    if (step && entry.is_directory()) result.push_back({*step, entry.path()});
  }
  std::sort(result.begin(), result.end(),
            [](const auto& a, const auto& b) { return a.step < b.step; });
  return result;
}

std::vector<fs::path> RunFolder::damaged_checkpoints() const {
  std::vector<fs::path> result;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_ / kCheckpoints)) {
    if (is_set_aside(entry.path().filename().string())) result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

int64_t RunFolder::bytes() const {
  int64_t bytes = bytes_of_files(path_);
  for (const CheckpointEntry& entry : checkpoints()) bytes += bytes_of_files(entry.path);
  return bytes;
}

void RunFolder::set_latest(const CheckpointEntry& checkpoint) const {
  const fs::path temporary = path_ / ".latest";
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_directory_symlink(fs::path(kCheckpoints) / checkpoint.path.filename(), temporary,
                               error);
  if (!error) fs::rename(temporary, path_ / "latest", error);
}

void RunFolder::prune(const KeepPolicy& policy) const {
  const std::vector<CheckpointEntry> all = checkpoints();
  const auto count = static_cast<int64_t>(all.size());
  std::error_code no_link;
  const fs::path latest = fs::read_symlink(path_ / "latest", no_link).filename();
  for (int64_t i = 0; i < count - policy.keep_last; ++i) {
    const CheckpointEntry& entry = all[static_cast<size_t>(i)];
    if (policy.keep_every > 0 && entry.step % policy.keep_every == 0) continue;
    if (entry.path.filename() == latest) continue;
    const fs::path leaving = entry.path.parent_path() / (".old-" + entry.path.filename().string());
    std::error_code error;
    fs::rename(entry.path, leaving, error);
    // Failing to delete is no reason to stop training; the next start tries again.
    if (!error) fs::remove_all(leaving, error);
  }
}

void RunFolder::remove_leftovers() const {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_ / kCheckpoints)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".tmp-") || name.starts_with(".old-")) fs::remove_all(entry.path(), error);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    if (is_half_written(entry.path().filename().string())) fs::remove(entry.path(), error);
  }
  fs::remove(path_ / ".latest", error);
}

std::optional<RunPlan> RunFolder::plan() const {
  const fs::path file = path_ / "plan.json";
  if (!fs::exists(file)) return std::nullopt;
  const io::JsonView json = io::JsonView::read_file(file);
  const RunPlan plan = {.total_steps = json.integer("total_steps"),
                        .step = json.integer_or("step", 0)};
  if (plan.total_steps < 1) json.at("total_steps").fail_expected("1 or more");
  if (plan.step < 0 || plan.step > plan.total_steps) {
    json.at("step").fail_expected("0 to total_steps");
  }
  return plan;
}

void RunFolder::write_plan(const RunPlan& plan) const {
  io::JsonValue json = io::JsonValue::object();
  json.set("total_steps", plan.total_steps).set("step", plan.step);
  write_file_atomically(path_ / "plan.json", json.pretty() + "\n");
}

FoundCheckpoint find_newest_good(const RunFolder& folder) {
  FoundCheckpoint found;
  std::vector<CheckpointEntry> passed_over;
  const std::vector<CheckpointEntry> all = folder.checkpoints();
  for (auto entry = all.rbegin(); entry != all.rend() && !found.checkpoint; ++entry) {
    if (const auto damage = find_damage(entry->path)) {
      passed_over.push_back(*entry);
      found.damaged.push_back(fmt::format("{} is damaged ({})", entry->path.string(), *damage));
    } else {
      found.checkpoint = *entry;
    }
  }
  if (found.checkpoint) {
    folder.set_latest(*found.checkpoint);
    for (size_t i = 0; i < passed_over.size(); ++i) {
      found.damaged[i] +=
          fmt::format("; set aside as {}", set_aside(passed_over[i].path).filename().string());
    }
    return found;
  }
  for (const fs::path& aside : folder.damaged_checkpoints()) {
    found.damaged.push_back(aside.string() + " was set aside as damaged");
  }
  return found;
}

}  // namespace cadre::train
