#include "data/encoder.h"

#include <fmt/ranges.h>

#include <array>
#include <memory>

#include "core/base/error.h"
#include "text/tokenizer_config.h"

namespace cadre::data {
namespace {

text::TokenizerConfig roles_of(const text::Tokenizer& tokenizer, int32_t eos_id) {
  text::TokenizerConfig config;
  config.eos_token = tokenizer.id_to_token(eos_id);
  for (const std::string_view name : {"<|padding|>", "<pad>", "[PAD]"}) {
    if (tokenizer.token_to_id(name) >= 0) config.pad_token = name;
  }
  return config;
}

}  // namespace

TokenEncoder make_encoder(const text::Tokenizer& tokenizer, int32_t eos_id, int num_workers) {
  if (eos_id < 0 || eos_id >= tokenizer.vocab_size()) {
    fail(ErrorKind::invalid_input, "end-of-text token is {}, expected 0 to {}", eos_id,
         tokenizer.vocab_size() - 1);
  }
  TokenEncoder encoder;
  // std::function copies its target, and workspaces do not copy; hence the shared_ptr.
  const auto workspaces =
      std::make_shared<std::vector<text::EncodeWorkspace>>(static_cast<size_t>(num_workers));
  encoder.encode = [tokenizer, workspaces](std::string_view text, int worker,
                                           std::vector<int32_t>& ids) {
    tokenizer.encode(text, {.add_special_tokens = false, .parse_special = false},
                     workspaces->at(static_cast<size_t>(worker)), ids);
  };
  encoder.token_bytes = [tokenizer](int32_t id) {
    return static_cast<int64_t>(tokenizer.token_bytes(id).size());
  };
  encoder.vocab_size = tokenizer.vocab_size();
  encoder.eos_id = eos_id;
  if (tokenizer.files().empty()) {
    fail(ErrorKind::unsupported, "the tokenizer has no file of its own that a dataset could keep");
  }
  encoder.tokenizer_json = tokenizer.files()[0].content;
  encoder.tokenizer_file = tokenizer.files()[0].name;
  encoder.write_roles = [tokenizer, eos_id](const std::filesystem::path& folder) {
    text::write_tokenizer_config(folder, tokenizer, roles_of(tokenizer, eos_id));
  };
  return encoder;
}

int32_t end_of_text_id(const text::Tokenizer& tokenizer) {
  constexpr std::array kNames = {"<|endoftext|>", "<|end_of_text|>", "<eod>", "</s>", "<eos>"};
  for (const char* name : kNames) {
    if (const int32_t id = tokenizer.token_to_id(name); id >= 0) return id;
  }
  fail(ErrorKind::invalid_input, "the tokenizer has no token that ends a text; looked for {}",
       fmt::join(kNames, ", "));
}

}  // namespace cadre::data
