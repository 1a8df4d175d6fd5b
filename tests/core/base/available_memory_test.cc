#include "core/base/available_memory.h"

#include <doctest/doctest.h>

#include "tests/scratch_folder.h"

namespace cadre {
namespace {

constexpr const char* kMeminfo =
    "MemTotal:       24000 kB\nMemFree:         1000 kB\nMemAvailable:   20000 kB\n";
constexpr uint64_t kMachine = 20000 * 1024;

void write_group(const ScratchFolder& root, const std::string& group, const std::string& limit,
                 int used, int cached) {
  root.write("sys/fs/cgroup" + group + "/memory.max", limit + "\n");
  root.write("sys/fs/cgroup" + group + "/memory.current", std::to_string(used) + "\n");
  root.write("sys/fs/cgroup" + group + "/memory.stat",
             "anon 5\ninactive_anon 7\ninactive_file " + std::to_string(cached) + "\n");
}

TEST_CASE("available memory: of this machine it is something and less than everything") {
  CHECK(available_memory_bytes() > 0);
  CHECK(available_memory_bytes() < uint64_t{1} << 60);
}

TEST_CASE("available memory: without groups it is what the machine has") {
  const ScratchFolder root;
  CHECK(available_memory_bytes(root.path()) == ~uint64_t{0});
  root.write("proc/meminfo", kMeminfo);
  CHECK(available_memory_bytes(root.path()) == kMachine);
}

TEST_CASE("available memory: the tightest of nested groups counts, cached files do not") {
  const ScratchFolder root;
  root.write("proc/meminfo", kMeminfo);
  root.write("proc/self/cgroup", "0::/a.slice/b.scope\n");
  write_group(root, "/a.slice/b.scope", "max", 900, 0);
  CHECK(available_memory_bytes(root.path()) == kMachine);
  write_group(root, "/a.slice", "10000", 4000, 1000);
  CHECK(available_memory_bytes(root.path()) == 7000);
  write_group(root, "/a.slice/b.scope", "5000", 900, 0);
  CHECK(available_memory_bytes(root.path()) == 4100);
  write_group(root, "/a.slice/b.scope", "5000", 6000, 500);
  CHECK(available_memory_bytes(root.path()) == 0);
  write_group(root, "/a.slice/other.scope", "1", 1, 0);
  write_group(root, "/a.slice/b.scope", "6000", 900, 0);
  CHECK(available_memory_bytes(root.path()) == 5100);
}

TEST_CASE("available memory: a container sees its own group at the mount") {
  const ScratchFolder root;
  root.write("proc/meminfo", kMeminfo);
  for (const char* path : {"0::/\n", "0::/../../host.slice\n", "0::/docker/0123\n"}) {
    root.write("proc/self/cgroup", path);
    write_group(root, "", "8000", 3000, 0);
    CHECK(available_memory_bytes(root.path()) == 5000);
  }
}

TEST_CASE("available memory: groups of version 1") {
  const ScratchFolder root;
  root.write("proc/meminfo", kMeminfo);
  root.write("proc/self/cgroup",
             "7:cpu,cpuacct:/x\n5:memory:/docker/0123\n1:name=systemd:/\n0::/\nnonsense\n");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "123456\n");
  CHECK(available_memory_bytes(root.path()) == kMachine);
  root.write("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "9000\n");
  root.write("sys/fs/cgroup/memory/docker/memory.usage_in_bytes", "4000\n");
  root.write("sys/fs/cgroup/memory/docker/memory.stat",
             "inactive_file 1\ntotal_inactive_file 30\n");
  CHECK(available_memory_bytes(root.path()) == 5030);
}

}  // namespace
}  // namespace cadre
