#include "core/base/pages.h"

#include <doctest/doctest.h>

#include <fstream>
#include <span>
#include <string>

#include "core/base/disk_speed.h"
#include "core/base/file.h"
#include "core/base/read_ahead.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

constexpr size_t kSize = 8 << 20;

std::filesystem::path make_file(const ScratchFolder& folder) {
  std::ofstream(folder / "file", std::ios::binary) << std::string(kSize, 'x');
  return folder / "file";
}

int64_t sum(std::span<const std::byte> bytes) {
  int64_t total = 0;
  for (const std::byte b : bytes) total += static_cast<int64_t>(b);
  return total;
}

TEST_CASE("pages: released ones leave memory and come back with the same bytes") {
  const ScratchFolder folder;
  const auto file = MappedFile::open(make_file(folder));
  const int64_t before = resident_bytes();
  REQUIRE(before > 0);
  const int64_t total = sum(file->bytes());
  CHECK(resident_bytes() - before > static_cast<int64_t>(kSize) * 3 / 4);
  release_pages(file->bytes());
  CHECK(resident_bytes() - before < static_cast<int64_t>(kSize) / 4);
  CHECK(sum(file->bytes()) == total);
  evict_pages(file->bytes());
  CHECK(resident_bytes() - before < static_cast<int64_t>(kSize) / 4);
  // Of any alignment, and of nothing.
  will_need_pages(file->bytes().subspan(12345, 100000));
  will_need_pages({});
  CHECK(sum(file->bytes()) == total);
}

TEST_CASE("read ahead: takes any number of pieces and ends at once") {
  const ScratchFolder folder;
  const auto file = MappedFile::open(make_file(folder));
  for (int i = 0; i < 20; ++i) {
    ReadAhead ahead;
    for (size_t at = 0; at < kSize; at += 100000) {
      ahead.need({file->bytes().subspan(at, 1000)});
      ahead.expect({file->bytes().subspan(at, 1000), file->bytes().subspan(at / 2, 500)});
    }
    ahead.expect({});
  }
}

TEST_CASE("disk speed: a file is read, and one too short is refused") {
  const ScratchFolder folder;
  const DiskSpeed speed = measure_disk_speed(make_file(folder), 0.2);
  CHECK(speed.bytes > 0);
  CHECK(speed.bytes <= static_cast<int64_t>(kSize));
  CHECK(speed.bytes_per_second > 0.0);
  std::ofstream(folder / "short") << "x";
  CHECK(contains(error_of(ErrorKind::invalid_input, [&] { measure_disk_speed(folder / "short"); }),
                 "has 1 bytes"));
  error_of(ErrorKind::not_found, [&] { measure_disk_speed(folder / "absent"); });
}

}  // namespace
}  // namespace cadre
