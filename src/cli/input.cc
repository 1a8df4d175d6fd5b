#include "cli/input.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <random>

#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/gguf.h"
#include "text/gguf_tokenizer.h"

namespace cadre::cli {

namespace fs = std::filesystem;

std::string read_standard_input() {
  constexpr size_t kMaxBytes = size_t{4} << 30;
  if (isatty(STDIN_FILENO) == 1) {
    fail(ErrorKind::invalid_input, "standard input is a terminal, expected a file or a pipe");
  }
  std::string text;
  std::array<char, 1 << 16> buffer;
  for (;;) {
    const ssize_t size = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) fail(ErrorKind::invalid_input, "standard input: {}", std::strerror(errno));
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(size));
    if (text.size() > kMaxBytes) {
      fail(ErrorKind::invalid_input, "standard input: more than 4 GiB, expected less");
    }
  }
}

text::Tokenizer load_tokenizer(const fs::path& place) {
  for (const fs::path& folder : {place, place / "latest"}) {
    for (const char* file : {"tokenizer.json", "tokenizer.model"}) {
      if (fs::exists(folder / file)) return text::Tokenizer::load(folder);
    }
  }
  return text::Tokenizer::load(place);
}

bool has_tokenizer(const fs::path& model) {
  if (io::is_gguf_file(model)) return text::has_gguf_tokenizer(*io::GgufFile::open(model));
  return fs::exists(model / "tokenizer.json") || fs::exists(model / "tokenizer.model");
}

std::string read_text_input(const std::string& file) {
  return file == "-" ? read_standard_input() : read_text_file(file);
}

void draw_seed(infer::SamplerOptions& sampler) {
  if (sampler.seed >= 0) return;
  sampler.seed = static_cast<int64_t>(std::random_device()() >> 1);
  print_error(fmt::format("seed {}", sampler.seed));
}

}  // namespace cadre::cli
