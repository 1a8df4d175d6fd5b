#include "core/base/pages.h"

#include <doctest/doctest.h>

#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/base/disk_speed.h"
#include "core/base/file.h"
#include "core/base/page_reader.h"
#include "tests/expect_error.h"
#include "tests/resident_limit.h"
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
  CHECK(resident_bytes() - before < resident_limit(static_cast<int64_t>(kSize) / 4));
  CHECK(sum(file->bytes()) == total);
  evict_pages(file->bytes());
  CHECK(resident_bytes() - before < resident_limit(static_cast<int64_t>(kSize) / 4));
  // Of any alignment, and of nothing.
  populate_pages(file->bytes().subspan(12345, 100000));
  populate_pages({});
  release_pages(file->bytes());
  populate_pages(file->bytes());
  CHECK(resident_bytes() - before > static_cast<int64_t>(kSize) * 3 / 4);
  CHECK(sum(file->bytes()) == total);
}

constexpr size_t kPart = 1 << 20;
constexpr int64_t kSlack = kSize / 4;  // systems count pages by and by, and map some around others

std::unique_ptr<PageReader::Request> need(PageReader& reader, const MappedFile& file, size_t part) {
  return reader.need({file.bytes().subspan(part * kPart, kPart / 2),
                      file.bytes().subspan(part * kPart + kPart / 2, kPart / 2)});
}

TEST_CASE("page reader: pages are there when they were waited for, and leave with the request") {
  const ScratchFolder folder;
  const auto file = MappedFile::open(make_file(folder));
  PageReader reader(int64_t{16} << 20);
  const int64_t before = resident_bytes();
  {
    const auto request = reader.need({file->bytes().subspan(0, kSize / 2 + 5)});
    request->wait();
    CHECK(request->bytes() == kSize / 2 + 5);
    CHECK(resident_bytes() - before > static_cast<int64_t>(kSize * 3 / 8));
    request->wait();  // again, at once
  }
  CHECK(resident_bytes() - before < resident_limit(kSlack));
  CHECK(reader.busy_seconds() > 0.0);
  reader.need({})->wait();  // of nothing
}

TEST_CASE("page reader: no more than the window is in memory, one request after another") {
  const ScratchFolder folder;
  const auto file = MappedFile::open(make_file(folder));
  const int64_t before = resident_bytes();
  PageReader reader(2 * kPart);
  std::vector<std::unique_ptr<PageReader::Request>> requests;
  for (size_t part = 0; part < kSize / kPart; ++part) {
    requests.push_back(need(reader, *file, part));
  }
  reader.expect({file->bytes()});
  for (auto& request : requests) {
    request->wait();
    CHECK(resident_bytes() - before < resident_limit(static_cast<int64_t>(2 * kPart) + kSlack));
    request.reset();
  }
  reader.expect({});
  // One that is larger than the window goes alone.
  const auto first = need(reader, *file, 0);
  auto large = reader.need({file->bytes()});
  first->wait();
  CHECK(resident_bytes() - before < resident_limit(static_cast<int64_t>(2 * kPart) + kSlack));
}

TEST_CASE("page reader: requests end unread, and the next ones have their room") {
  const ScratchFolder folder;
  const auto file = MappedFile::open(make_file(folder));
  for (int i = 0; i < 20; ++i) {
    PageReader reader(kPart);
    std::vector<std::unique_ptr<PageReader::Request>> requests;
    for (size_t part = 0; part < kSize / kPart; ++part) {
      requests.push_back(need(reader, *file, part));
      reader.expect({file->bytes().subspan(part * 1000, 500), file->bytes().subspan(part, 700)});
    }
    requests.erase(requests.begin(), requests.end() - 1);
    requests.back()->wait();
    CHECK(sum(file->bytes().subspan(kSize - kPart)) == 'x' * static_cast<int64_t>(kPart));
  }
}

TEST_CASE("page reader: several threads with requests of their own all get them") {
  const ScratchFolder folder;
  const auto file = MappedFile::open(make_file(folder));
  PageReader reader(kPart);
  std::vector<int64_t> sums(3, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < sums.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 3; ++round) {
        std::vector<std::unique_ptr<PageReader::Request>> own;
        for (size_t part = t; part < kSize / kPart; part += 2) {
          own.push_back(need(reader, *file, part));
        }
        for (size_t i = 0; i < own.size(); ++i) {
          own[i]->wait();
          sums[t] += sum(file->bytes().subspan((t + 2 * i) * kPart, kPart));
          own[i].reset();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t t = 0; t < sums.size(); ++t) {
    const auto parts = static_cast<int64_t>((kSize / kPart - t + 1) / 2);
    CHECK(sums[t] == 3 * parts * 'x' * static_cast<int64_t>(kPart));
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
