#include "text/tokenizer_config.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/file.h"
#include "text/bpe_trainer.h"

namespace cadre::text {
namespace {

// A folder that is gone at the end.
class Folder {
 public:
  Folder() {
    path_ = std::filesystem::temp_directory_path() / fmt::format("cadre-text-{}", ::getpid());
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Tokenizer bytes_only() {
  ThreadPool pool(1);
  return train_bpe([]() -> std::optional<std::string_view> { return std::nullopt; }, {}, pool);
}

}  // namespace

TEST_CASE("tokenizer_config.json: reading undoes writing") {
  const Folder folder;
  const Tokenizer tokenizer = bytes_only();
  TokenizerConfig config;
  config.eos_token = "<|endoftext|>";
  config.pad_token = "<|padding|>";
  config.model_max_length = 4096;
  config.chat_template = "{{ messages }}";
  write_tokenizer_config(folder.path(), tokenizer, config);
  const TokenizerConfig again = read_tokenizer_config(folder.path());
  CHECK(again.bos_token.empty());
  CHECK(again.eos_token == config.eos_token);
  CHECK(again.pad_token == config.pad_token);
  CHECK(again.model_max_length == 4096);
  CHECK(again.chat_template == config.chat_template);
  const auto document =
      nlohmann::json::parse(read_text_file(folder.path() / "tokenizer_config.json"));
  CHECK(document.at("added_tokens_decoder").at("1").at("content") == "<|padding|>");
  config.bos_token = "<s>";
  CHECK_THROWS_AS(write_tokenizer_config(folder.path(), tokenizer, config), Error);
}

TEST_CASE("tokenizer_config.json: published forms of tokens, lengths and templates") {
  const Folder folder;
  CHECK(read_tokenizer_config(folder.path()).eos_token.empty());
  write_file_atomically(
      folder.path() / "tokenizer_config.json",
      R"({"bos_token": {"content": "<s>", "special": true}, "eos_token": null, "other": [1],
          "model_max_length": 1000000000000000019884624838656,
          "chat_template": [{"name": "tool_use", "template": "a"},
                            {"name": "default", "template": "b"}]})");
  write_file_atomically(folder.path() / "special_tokens_map.json",
                        R"({"bos_token": "<t>", "eos_token": {"content": "</s>"}})");
  const TokenizerConfig config = read_tokenizer_config(folder.path());
  CHECK(config.bos_token == "<s>");
  CHECK(config.eos_token == "</s>");
  CHECK(config.model_max_length == 0);
  CHECK(config.chat_template == "b");
  write_file_atomically(folder.path() / "tokenizer_config.json", R"({"eos_token": 5})");
  try {
    static_cast<void>(read_tokenizer_config(folder.path()));
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt_data);
    CHECK(std::string(error.what()).find("tokenizer_config.json: eos_token") != std::string::npos);
  }
}

}  // namespace cadre::text
