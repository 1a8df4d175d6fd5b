#include "core/base/file.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "tests/expect_error.h"
#include "tests/scratch_folder.h"

namespace cadre {
namespace {

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

int64_t entries(const std::filesystem::path& folder) {
  return std::distance(std::filesystem::directory_iterator(folder), {});
}

// Files may not grow beyond the limit while this lives: a full disk that a test can make.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    previous_handler_ = std::signal(SIGXFSZ, SIG_IGN);  // so that write() fails instead
    ::getrlimit(RLIMIT_FSIZE, &previous_);
    const rlimit limit{bytes, previous_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &previous_);
    std::signal(SIGXFSZ, previous_handler_);
  }

 private:
  rlimit previous_{};
  void (*previous_handler_)(int);
};

}  // namespace

TEST_CASE("file: a mapping shows the whole file and outlives its name") {
  const ScratchFolder folder;
  const auto file = MappedFile::open(folder.write("a", "some bytes"));
  std::filesystem::remove(folder / "a");
  CHECK(text_of(*file) == "some bytes");
  CHECK(MappedFile::open(folder.write("empty", ""))->bytes().empty());
}

TEST_CASE("file: what cannot be opened is named by kind") {
  const ScratchFolder folder;
  CHECK(
      contains(error_of(ErrorKind::not_found, [&] { MappedFile::open(folder / "none"); }), "none"));
  error_of(ErrorKind::invalid_input, [&] { MappedFile::open(folder.path()); });
  error_of(ErrorKind::invalid_input, [] { MappedFile::open("/dev/null"); });
  error_of(ErrorKind::not_found, [&] { read_text_file(folder / "none"); });
  error_of(ErrorKind::invalid_input, [&] { read_text_file(folder.path()); });
}

TEST_CASE("file: reading stops at the limit, even of a file that never ends") {
  const ScratchFolder folder;
  const auto path = folder.write("a", "12345");
  CHECK(read_text_file(path, 5) == "12345");
  CHECK(
      contains(error_of(ErrorKind::invalid_input, [&] { read_text_file(path, 4); }), "limit of 4"));
  error_of(ErrorKind::invalid_input, [] { read_text_file("/dev/zero", 1 << 20); });
}

TEST_CASE("file: an atomic write replaces the content and leaves no other file") {
  const ScratchFolder folder;
  write_file_atomically(folder / "a", "old");
  write_file_atomically(folder / "a", "new");
  CHECK(file_content(folder / "a") == "new");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("write_file_atomically: links keep pointing, and what is no file is written to") {
  const ScratchFolder folder;
  write_file_atomically(folder / "real", "old");
  std::filesystem::create_symlink("real", folder / "link");
  write_file_atomically(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(file_content(folder / "real") == "new");
  write_file_atomically("/dev/null", "gone");
  CHECK(std::filesystem::is_character_file("/dev/null"));
  CHECK_THROWS_AS(write_file_atomically("/dev/full", "no room"), Error);
  CHECK(std::filesystem::is_character_file("/dev/full"));
}

TEST_CASE("file: a write that fails keeps the old content") {
  const ScratchFolder folder;
  write_file_atomically(folder / "a", "old");
  {
    const FileSizeLimit limit(1000);
    CHECK(contains(error_of(ErrorKind::exhausted,
                            [&] { write_file_atomically(folder / "a", std::string(5000, 'x')); }),
                   "cannot write"));
  }
  CHECK(file_content(folder / "a") == "old");
  CHECK(entries(folder.path()) == 1);
  // A folder in the place of the file.
  std::filesystem::create_directory(folder / "b");
  error_of(ErrorKind::invalid_input, [&] { write_file_atomically(folder / "b", "x"); });
  CHECK(entries(folder.path()) == 2);
  error_of(ErrorKind::not_found, [&] { write_file_atomically(folder / "no/such", "x"); });
}

TEST_CASE("file: a folder that may not be written is named") {
  if (::geteuid() == 0) {
    MESSAGE("skipped: the superuser may write everywhere");
    return;
  }
  const ScratchFolder folder;
  write_file_atomically(folder / "a", "old");
  std::filesystem::permissions(
      folder.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  error_of(ErrorKind::invalid_input, [&] { write_file_atomically(folder / "a", "new"); });
  std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all);
  CHECK(file_content(folder / "a") == "old");
}

TEST_CASE("file: a full disk is exhausted, not anybody's wrong input") {
  FileWriter writer("/dev/full");
  CHECK(contains(error_of(ErrorKind::exhausted, [&] { writer.write("x"); }), "/dev/full"));
}

TEST_CASE("file: a writer counts what it writes") {
  const ScratchFolder folder;
  FileWriter writer(folder / "a");
  writer.write("one");
  writer.write(std::string(100000, 'x'));
  writer.finish();
  CHECK(writer.bytes_written() == 100003);
  CHECK(std::filesystem::file_size(folder / "a") == 100003);
}

TEST_CASE("file: free space is asked of the nearest folder that exists") {
  CHECK(free_disk_bytes("/tmp/not/yet/there") > 0);
}

}  // namespace cadre
