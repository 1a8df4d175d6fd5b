// What a fuzz target is: one file NAME_fuzz.cc that defines the two functions below.
//
// Two programs are made of it. `NAME_fuzz` lets libFuzzer look for inputs, under clang's
// sanitizers (test.sh --slow). `NAME_replay` tries the seeds and a fixed set of their mutations, so
// that every run of the fast suite, with any compiler, meets some thousand broken inputs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cadre::fuzz {

// Reads the bytes as the parser's input. May throw Error of any kind but internal; anything else
// that leaves it, a crash, or an allocation beyond kMaxAllocation is a finding.
void read_input(std::string_view bytes);

// Valid inputs, small ones, from which mutations start.
std::vector<std::string> seeds();

// What a parser may allocate at once for the small inputs that come from here.
inline constexpr size_t kMaxAllocation = size_t{256} << 20;

// Calls read_input and ends the process, telling why, if something other than an expected Error
// comes out.
void try_input(std::string_view bytes);

// A file with these bytes, for parsers that map files; gone when the object is.
class InputFile {
 public:
  explicit InputFile(std::string_view bytes, std::string_view name = "input");
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  std::filesystem::path path_;
};

}  // namespace cadre::fuzz
