// Whether a tokenizer survived its way into a GGUF file.
#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/io/json_value.h"
#include "text/gguf_tokenizer.h"

namespace cadre::text {
namespace {

// In composed form, for GGUF knows no other. None begins with a space or has special tokens within:
// there programs differ in whether they put one more.
constexpr std::string_view kTexts[] = {
    "Hello, world! It's 2024: 3.14159 and 1,000,000.",
    "two   spaces,\ttabs\n\n\nand lines \r\n end ",
    "def f(x):\n    return x ** 2  # {\"a\": [1, 2]}",
    "na\u00efve caf\u00e9, Gr\u00f6\u00dfe, \u0440\u0443\u0441\u0441\u043a\u0438\u0439, "
    "\u5c11\u6570\u4e13\u5bb6, \ud55c\uad6d\uc5b4, \U0001f600",
};

}  // namespace

void expect_same_gguf_tokenizer(const std::filesystem::path& place, const io::GgufFile& written) {
  if (io::is_gguf_file(place) || !has_gguf_tokenizer(written)) return;
  const Tokenizer source = Tokenizer::load(tokenizer_folder(place));
  const Tokenizer found = read_gguf_tokenizer(written);
  for (const std::string_view text : kTexts) {
    const std::vector<int32_t> expected = source.encode(text);
    const std::vector<int32_t> ids = found.encode(text);
    if (ids == expected) continue;
    const auto differ = std::ranges::mismatch(expected, ids);
    const auto name = [](const Tokenizer& tokenizer, const std::vector<int32_t>& all, auto at) {
      return at == all.end() ? "nothing" : io::json_quote(tokenizer.id_to_token(*at));
    };
    fail(ErrorKind::unsupported,
         "{}: GGUF cannot express this tokenizer: of {}, token {} is {}, and {} when it comes back",
         place.string(), io::json_quote(text), differ.in1 - expected.begin(),
         name(source, expected, differ.in1), name(found, ids, differ.in2));
  }
}

}  // namespace cadre::text
