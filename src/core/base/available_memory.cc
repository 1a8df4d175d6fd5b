#include "core/base/available_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>

namespace cadre {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// The files in which a version of control groups tells limit and use.
struct GroupFiles {
  const char* limit;
  const char* used;
  const char* cached;  // the key in memory.stat of what may be given up
};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file"};
constexpr GroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                  "total_inactive_file"};

// The number after `key` in a file of lines "key number ..."; 0 if there is none.
uint64_t value_of(const fs::path& file, std::string_view key) {
  std::ifstream in(file);
  for (std::string word, line; in >> word;) {
    uint64_t value = 0;
    if (word == key && in >> value) return value;
    in.clear();
    std::getline(in, line);
  }
  return 0;
}

uint64_t minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// What one group leaves; a limit of "max" is no number and means none.
uint64_t left_in(const fs::path& group, const GroupFiles& files) {
  std::ifstream limit_file(group / files.limit), used_file(group / files.used);
  uint64_t limit = 0, used = 0;
  if (!(limit_file >> limit && used_file >> used)) return kUnlimited;
  return minus(limit, minus(used, value_of(group / "memory.stat", files.cached)));
}

// What the group at `path` and those around it leave. In a container the path may be one of the
// host, of which only the mount is to be seen.
uint64_t left_in_all(const fs::path& mount, const std::string& path, const GroupFiles& files) {
  uint64_t left = left_in(mount, files);
  fs::path group = mount;
  for (const fs::path& part : fs::path(path).relative_path()) {
    if (part == "..") break;  // outside of what this process may see
    group /= part;
    left = std::min(left, left_in(group, files));
  }
  return left;
}

}  // namespace

uint64_t available_memory_bytes(const fs::path& root) {
  uint64_t available = value_of(root / "proc/meminfo", "MemAvailable:");
  available = available == 0 ? kUnlimited : available * 1024;
  // Lines like "0::/user.slice/a.scope" (version 2) or "5:memory:/docker/0123" (version 1).
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    const fs::path mounts = root / "sys/fs/cgroup";
    if (controllers == ",,") {
      available = std::min(available, left_in_all(mounts, path, kVersion2));
    } else if (controllers.find(",memory,") != controllers.npos) {
      available = std::min(available, left_in_all(mounts / "memory", path, kVersion1));
    }
  }
  return available;
}

}  // namespace cadre
