// NAME_replay                 tries the seeds and a fixed set of mutations of each
// NAME_replay FILE...         tries these inputs, such as libFuzzer's findings
// NAME_replay --seeds FOLDER  writes the seeds as files, libFuzzer's first corpus
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "core/base/random.h"
#include "tests/fuzz/fuzz.h"

namespace {

constexpr int64_t kTruncations = 150;
constexpr int64_t kMutations = 600;

void save(const std::string& input, const std::filesystem::path& file) {
  std::ofstream(file, std::ios::binary) << input;
}

// The input that is being tried, for the handler that a crash calls.
const std::string* current_input = nullptr;

void report_crash(int signal) {
  if (current_input != nullptr) {
    save(*current_input, "fuzz-finding");
    std::fprintf(stderr, "the input is in ./fuzz-finding\n");
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// One to four changes of the kinds that break parsers: bits, bytes, lengths, repeats, cuts.
std::string mutate(const std::string& seed, cadre::RandomStream& random) {
  static constexpr std::string_view kWords[] = {"9223372036854775807",
                                                "-1",
                                                "4294967296",
                                                "1e999",
                                                "\xff\xfe",
                                                "\"",
                                                "{",
                                                "[",
                                                "}",
                                                "null",
                                                std::string_view("\x00\x00\x00\x00", 4),
                                                "\xff\xff\xff\xff\xff\xff\xff\x7f"};
  std::string input = seed;
  const uint64_t changes = 1 + random.below(4);
  for (uint64_t change = 0; change < changes; ++change) {
    const size_t size = input.size();
    const size_t at = random.below(size + 1);
    const size_t length = std::min<size_t>(size - at, random.below(17));
    switch (random.below(6)) {
      case 0:
        if (at < size) input[at] = static_cast<char>(input[at] ^ (1 << random.below(8)));
        break;
      case 1:
        if (at < size) input[at] = static_cast<char>(random.below(256));
        break;
      case 2:
        input.insert(at, kWords[random.below(std::size(kWords))]);
        break;
      case 3:
        input.replace(at, length, kWords[random.below(std::size(kWords))]);
        break;
      case 4:
        input.erase(at, length);
        break;
      default:
        input.insert(random.below(size + 1), input.substr(at, length));
    }
  }
  return input;
}

int replay() {
  const std::vector<std::string> seeds = cadre::fuzz::seeds();
  int64_t inputs = 0;
  const auto try_one = [&](const std::string& input) {
    current_input = &input;
    cadre::fuzz::try_input(input);
    ++inputs;
  };
  for (size_t index = 0; index < seeds.size(); ++index) {
    const std::string& seed = seeds[index];
    // A seed that is refused would make all its mutations worthless.
    cadre::fuzz::read_input(seed);
    const auto size = static_cast<int64_t>(seed.size());
    for (int64_t cut = 0; cut < std::min(size, kTruncations); ++cut) {
      try_one(seed.substr(0, static_cast<size_t>(cut * size / std::min(size, kTruncations))));
    }
    cadre::RandomStream random(/*seed=*/1, /*stream=*/index);
    for (int64_t i = 0; i < kMutations; ++i) try_one(mutate(seed, random));
  }
  std::printf("%lld broken inputs of %zu seeds\n", static_cast<long long>(inputs), seeds.size());
  return 0;
}

int write_seeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  int index = 0;
  for (const std::string& seed : cadre::fuzz::seeds()) {
    save(seed, folder / ("seed-" + std::to_string(index++)));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--seeds") return write_seeds(argv[2]);
  std::signal(SIGABRT, report_crash);
  std::signal(SIGSEGV, report_crash);
  if (argc == 1) return replay();
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    cadre::fuzz::try_input(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  return 0;
}
