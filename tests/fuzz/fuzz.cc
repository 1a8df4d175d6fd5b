#include "tests/fuzz/fuzz.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <new>

#include "core/base/error.h"

namespace cadre::fuzz {

void try_input(std::string_view bytes) {
  try {
    read_input(bytes);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::internal) return;
    std::fprintf(stderr, "a broken input met an invariant of ours: %s\n", error.what());
    std::abort();
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "a broken input asked for too much memory\n");
    std::abort();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "a broken input gave an exception of another type: %s\n", error.what());
    std::abort();
  }
}

InputFile::InputFile(std::string_view bytes, std::string_view name) {
  // Memory-backed where there is such a place: a fuzzer writes thousands of files a second.
  const bool in_memory = access("/dev/shm", W_OK) == 0;
  std::string pattern = std::string(in_memory ? "/dev/shm" : "/tmp") + "/cadre-fuzz-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    std::perror(pattern.c_str());
    std::_Exit(1);
  }
  folder_ = pattern;
  path_ = folder_ / name;
  std::ofstream(path_, std::ios::binary) << bytes;
}

InputFile::~InputFile() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace cadre::fuzz
