#include "data/encoder.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "data/build.h"
#include "data/loader.h"
#include "tests/data/byte_dataset.h"
#include "tests/expect_error.h"
#include "text/bpe_trainer.h"
#include "text/tokenizer_config.h"

namespace cadre::data {
namespace {

text::Tokenizer trained_on(const std::vector<std::string>& texts) {
  ThreadPool pool(1);
  text::BpeTrainerOptions options;
  options.vocab_size = 400;
  size_t next = 0;
  return text::train_bpe(
      [&]() -> std::optional<std::string_view> {
        if (next == texts.size()) return std::nullopt;
        return texts[next++];
      },
      options, pool);
}

}  // namespace

TEST_CASE("encoder: special tokens written in a document stay text") {
  const text::Tokenizer tokenizer = trained_on(numbered_texts("word", 50));
  const int32_t eos = end_of_text_id(tokenizer);
  const TokenEncoder encoder = make_encoder(tokenizer, eos, 2);
  CHECK(encoder.vocab_size == tokenizer.vocab_size());
  const std::string text = "a word <|endoftext|> and more";
  for (const int worker : {0, 1}) {
    std::vector<int32_t> ids = {7};
    encoder.encode(text, worker, ids);
    CHECK(ids[0] == 7);
    CHECK(std::count(ids.begin(), ids.end(), eos) == 0);
    int64_t bytes = 0;
    for (size_t i = 1; i < ids.size(); ++i) bytes += encoder.token_bytes(ids[i]);
    CHECK(bytes == static_cast<int64_t>(text.size()));
  }
  error_of(ErrorKind::invalid_input, [&] { make_encoder(tokenizer, -1, 1); });
  error_of(ErrorKind::invalid_input, [&] { make_encoder(tokenizer, 400, 1); });
}

TEST_CASE("encoder: the bytes that an evaluation reports are those its targets stand for") {
  const ScratchFolder scratch;
  const std::vector<std::string> texts = numbered_texts("word", 100);
  const text::Tokenizer tokenizer = trained_on(texts);
  const TokenEncoder encoder = make_encoder(tokenizer, end_of_text_id(tokenizer), 3);
  ThreadPool pool(3);
  BuildOptions options;
  options.held_out = 0.3;
  build_dataset({{"a", {write_texts(scratch, "a", texts)}}}, options, encoder, scratch / "out",
                pool);
  CHECK(file_content(scratch / "out/tokenizer.json") == tokenizer.to_json());
  CHECK(text::read_tokenizer_config(scratch / "out").eos_token == "<|endoftext|>");
  const PackedLoader loader = PackedLoader::open(
      scratch / "out", {.sequence_length = 24, .batch_size = 2, .max_held_out_tokens = 1 << 20});
  int64_t reported = 0;
  int64_t counted = 0;
  for (int64_t i = 0; i < loader.num_validation_batches(0); ++i) {
    const Batch batch = loader.validation_batch(0, i);
    reported += batch.text_bytes;
    for (const int32_t target : batch.targets) {
      if (target >= 0 && target != encoder.eos_id) counted += encoder.token_bytes(target);
    }
  }
  CHECK(reported > 0);
  CHECK(reported == counted);
}

}  // namespace cadre::data
