// GGUF: the header is believed only after it agrees with the file.
#include "core/io/gguf.h"
#include "tests/core/io/gguf_bytes.h"
#include "tests/fuzz/fuzz.h"

namespace cadre::fuzz {
namespace {

template <typename Read>
void attempt(Read&& read) {
  try {
    read();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) throw;
  }
}

}  // namespace

void read_input(std::string_view bytes) {
  const InputFile input(bytes, "model.gguf");
  const auto file = io::GgufFile::open(input.path());
  uint64_t sum = 0;
  for (const std::string& key : file->keys()) {
    attempt([&] { sum += static_cast<uint64_t>(file->integer(key)); });
    attempt([&] { sum += file->string(key).size(); });
    attempt([&] { sum += file->numbers(key).size(); });
    attempt([&] { sum += file->integers(key).size(); });
    attempt([&] {
      for (const std::string_view text : file->strings(key)) sum += text.size();
    });
  }
  for (const io::GgufTensor& tensor : file->tensors()) {
    for (const std::byte byte : file->bytes(tensor)) sum += std::to_integer<uint64_t>(byte);
    attempt([&] { sum += static_cast<uint64_t>(file->tensor(tensor).elements()); });
  }
  // Keeps the loops above from being removed: reading is what a sanitizer watches.
  if (sum == ~uint64_t{0}) fail(ErrorKind::exhausted, "an improbable sum");
}

std::vector<std::string> seeds() {
  const std::string words = raw(uint32_t{8}) + raw(uint64_t{2}) + gguf_text("<s>") + gguf_text("a");
  const std::string nested =
      raw(uint32_t{9}) + raw(uint64_t{1}) + raw(uint32_t{0}) + raw(uint64_t{3}) + "abc";
  const std::string metadata = gguf_pair("general.architecture", 8, gguf_text("llama")) +
                               gguf_pair("llama.block_count", 4, raw(uint32_t{2})) +
                               gguf_pair("general.alignment", 4, raw(uint32_t{16})) +
                               gguf_pair("llama.eps", 6, raw(1e-5f)) + gguf_pair("flag", 7, "\1") +
                               gguf_pair("tokens", 9, words) + gguf_pair("nested", 9, nested) +
                               gguf_pair("big", 10, raw(~uint64_t{0}));
  const std::string infos = gguf_info("token_embd.weight", {4, 2}, 0, 0) +
                            gguf_info("blk.0.attn_q.weight", {32, 1}, 8, 32) +
                            gguf_info("empty", {0}, 30, 80);
  return {gguf_header(0, 0), gguf_header(0, 8) + metadata,
          gguf_padded(gguf_header(3, 8) + metadata + infos, std::string(80, 'd'), 16)};
}

}  // namespace cadre::fuzz
