#include "text/gguf_tokenizer.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/file.h"
#include "tests/core/io/gguf_bytes.h"
#include "tests/expect_error.h"
#include "tests/scratch_folder.h"
#include "tests/text/text_cases.h"
#include "text/gguf_pre_types.h"
#include "text/sentencepiece_model.h"
#include "text/sentencepiece_writer.h"

namespace cadre::text {
namespace {

using Strings = std::vector<std::string>;

std::shared_ptr<const io::GgufFile> with_metadata(const ScratchFolder& folder,
                                                  const io::GgufMetadata& metadata) {
  io::GgufWriter(folder / "m.gguf", metadata, {}).finish();
  return io::GgufFile::open(folder / "m.gguf");
}

// Bytes "a" to "c" and space, two merges, a control token and a piece found before the model runs.
io::GgufMetadata byte_level() {
  io::GgufMetadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", std::string("gpt-2"));
  metadata.set("tokenizer.ggml.tokens",
               Strings{"a", "b", "c", "\u0120", "ab", "\u0120ab", "<end>", "<user>"});
  metadata.set("tokenizer.ggml.token_type", std::vector<int32_t>{1, 1, 1, 1, 1, 1, 3, 4});
  metadata.set("tokenizer.ggml.merges", Strings{"a b", "\u0120 ab"});
  metadata.set("tokenizer.ggml.eos_token_id", uint32_t{6});
  metadata.set("tokenizer.ggml.bos_token_id", uint32_t{6});
  return metadata;
}

io::GgufMetadata sentencepiece() {
  io::GgufMetadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("llama"));
  metadata.set("tokenizer.ggml.tokens",
               Strings{"<unk>", "<s>", "</s>", "\u2581", "a", "b", "ab", "\u2581ab", "[INST]"});
  metadata.set("tokenizer.ggml.scores", std::vector<float>{0, 0, 0, -3, -4, -5, -1, -2, 0});
  metadata.set("tokenizer.ggml.token_type", std::vector<int32_t>{2, 3, 3, 1, 1, 1, 1, 1, 4});
  return metadata;
}

using Ids = std::vector<int32_t>;

TEST_CASE("gguf tokenizer: byte-level BPE with its special tokens") {
  const ScratchFolder folder;
  const Tokenizer tokenizer = read_gguf_tokenizer(*with_metadata(folder, byte_level()));
  CHECK(tokenizer.encode("ab abc") == Ids{4, 5, 2});
  CHECK(tokenizer.encode("a<end>b<user>") == Ids{0, 6, 1, 7});
  CHECK(tokenizer.encode("<user>", {.parse_special = false}) == Ids{7});
  CHECK(tokenizer.decode(Ids{4, 5, 2}) == "ab abc");
  CHECK(tokenizer.is_special(6));
  CHECK(!tokenizer.is_special(7));

  io::GgufMetadata around = byte_level();
  around.set("tokenizer.ggml.add_bos_token", true);
  around.set("tokenizer.ggml.add_eos_token", true);
  CHECK(read_gguf_tokenizer(*with_metadata(folder, around)).encode("ab") == Ids{6, 4, 6});
}

TEST_CASE("gguf tokenizer: SentencePiece with scores") {
  const ScratchFolder folder;
  const auto file = with_metadata(folder, sentencepiece());
  const Tokenizer tokenizer = read_gguf_tokenizer(*file);
  CHECK(tokenizer.encode("ab ab") == Ids{1, 7, 7});
  CHECK(tokenizer.encode("ba", {.add_special_tokens = false}) == Ids{3, 5, 4});
  CHECK(tokenizer.decode(Ids{1, 7, 7}, /*skip_special=*/true) == "ab ab");
  CHECK(tokenizer.encode("a[INST]") == Ids{1, 3, 4, 8});
  const TokenizerConfig config = read_gguf_tokenizer_config(*file);
  CHECK(config.bos_token == "<s>");
  CHECK(config.eos_token == "</s>");
  CHECK(config.unk_token == "<unk>");
}

TEST_CASE("gguf tokenizer: roles and the chat template are read") {
  const ScratchFolder folder;
  io::GgufMetadata metadata = byte_level();
  metadata.set("tokenizer.chat_template", std::string("{{ bos_token }}"));
  const TokenizerConfig config = read_gguf_tokenizer_config(*with_metadata(folder, metadata));
  CHECK(config.eos_token == "<end>");
  CHECK(config.pad_token.empty());
  CHECK(config.chat_template == "{{ bos_token }}");
}

TEST_CASE("gguf tokenizer: lists that contradict each other are refused by key") {
  const ScratchFolder folder;
  const auto refused = [&](ErrorKind kind, io::GgufMetadata metadata, const char* key,
                           io::GgufMetadata::Value value) {
    metadata.set(key, std::move(value));
    const auto file = with_metadata(folder, metadata);
    const std::string message = error_of(kind, [&] { read_gguf_tokenizer(*file); });
    CHECK(contains(message, "m.gguf"));
    return message;
  };
  const auto corrupt = ErrorKind::corrupt_data;
  const auto unsupported = ErrorKind::unsupported;
  CHECK(contains(
      refused(corrupt, byte_level(), "tokenizer.ggml.token_type", std::vector<int32_t>{1, 1}),
      "\"tokenizer.ggml.token_type\" has 2 entries, expected 8"));
  CHECK(contains(refused(corrupt, byte_level(), "tokenizer.ggml.token_type",
                         std::vector<int32_t>{1, 1, 1, 1, 1, 1, 9, 1}),
                 "\"tokenizer.ggml.token_type\"[6] is 9"));
  CHECK(contains(refused(corrupt, byte_level(), "tokenizer.ggml.tokens", Strings(8, "a")),
                 "tokens 0 and 1 are both \"a\""));
  CHECK(contains(refused(corrupt, byte_level(), "tokenizer.ggml.merges", Strings{"a b", "ab"}),
                 "\"tokenizer.ggml.merges\"[1] is not two tokens"));
  CHECK(contains(refused(corrupt, byte_level(), "tokenizer.ggml.merges", Strings{"a c"}), "ac"));
  CHECK(contains(refused(corrupt, byte_level(), "tokenizer.ggml.bos_token_id", uint32_t{8}),
                 "\"tokenizer.ggml.bos_token_id\" = 8, expected less than the 8 tokens"));
  CHECK(contains(refused(unsupported, byte_level(), "tokenizer.ggml.pre", std::string("viking")),
                 "\"viking\", which is not known; known: gpt-2, olmo"));
  CHECK(contains(refused(unsupported, byte_level(), "tokenizer.ggml.model", std::string("bert")),
                 "\"bert\", only gpt2 and llama are supported"));
  CHECK(
      contains(refused(corrupt, sentencepiece(), "tokenizer.ggml.scores", std::vector<float>{1.0f}),
               "\"tokenizer.ggml.scores\" has 1 entries, expected 9"));
  io::GgufMetadata none;
  none.set("tokenizer.ggml.model", std::string("no_vocab"));
  const auto file = with_metadata(folder, none);
  CHECK(!has_gguf_tokenizer(*file));
  CHECK(contains(error_of(ErrorKind::not_found, [&] { read_gguf_tokenizer(*file); }),
                 "holds no tokenizer"));
}

TEST_CASE("gguf tokenizer: what is read is written again by copying") {
  const ScratchFolder folder;
  for (io::GgufMetadata metadata : {byte_level(), sentencepiece()}) {
    metadata.set("tokenizer.chat_template", std::string("x"));
    metadata.set("tokenizer.ggml.add_bos_token", false);
    metadata.set("tokenizer.ggml.eot_ids", std::vector<uint32_t>{6, 4000000000u});
    const auto file = with_metadata(folder, metadata);
    io::GgufMetadata copy;
    write_gguf_tokenizer(file->path(), 0, copy);
    CHECK(copy.pairs() == metadata.pairs());
  }
  // tokenizer.ggml.flags = [true], a list of a kind that is not known.
  const std::string list = raw(uint32_t{7}) + raw(uint64_t{1}) + '\1';
  const auto file = io::GgufFile::open(folder.write(
      "flags.gguf",
      gguf_padded(gguf_header(0, 2) + gguf_pair("tokenizer.ggml.model", 8, gguf_text("gpt2")) +
                      gguf_pair("tokenizer.ggml.flags", 9, list),
                  "")));
  io::GgufMetadata copy;
  CHECK(contains(
      error_of(ErrorKind::unsupported, [&] { write_gguf_tokenizer(file->path(), 0, copy); }),
      "\"tokenizer.ggml.flags\" is of a kind that is not copied"));
}

TEST_CASE("gguf tokenizer: saved into a folder it gives the same ids") {
  const ScratchFolder folder;
  for (const io::GgufMetadata& metadata : {byte_level(), sentencepiece()}) {
    const ScratchFolder saved;
    const auto file = with_metadata(folder, metadata);
    save_gguf_tokenizer(*file, saved.path());
    const Tokenizer expected = Tokenizer::load(file->path());
    const Tokenizer found = Tokenizer::load(saved.path());
    for (const std::string text : {"ab abc", "cab<end>b", "a<user>b", " [INST]ab", "<s>b"}) {
      CAPTURE(text);
      CHECK(found.encode(text) == expected.encode(text));
    }
    CHECK(read_tokenizer_config(saved.path()).eos_token ==
          read_tokenizer_config(file->path()).eos_token);
  }
}

TEST_CASE("gguf tokenizer: every name of a way to cut finds its words again") {
  for (const char* name : {"gpt-2", "starcoder", "llama-bpe", "dbrx", "qwen2", "default"}) {
    const GgufPreType* type = find_gguf_pre_type(name);
    REQUIRE(type != nullptr);
    const auto json = nlohmann::json::parse(type->pre_tokenizer);
    CHECK(find_gguf_pre_type(json, type->ignore_merges) == type);
  }
  CHECK(find_gguf_pre_type("") == nullptr);
}

// A folder's tokenizer and the one in a GGUF file made of it give the same ids.
void check_round_trip(const std::filesystem::path& folder, int64_t vocab_size) {
  const ScratchFolder scratch;
  io::GgufMetadata metadata;
  write_gguf_tokenizer(folder, vocab_size, metadata);
  const auto file = with_metadata(scratch, metadata);
  CHECK(static_cast<int64_t>(file->strings("tokenizer.ggml.tokens").size()) == vocab_size);
  expect_same_gguf_tokenizer(folder, *file);
  const Tokenizer ours = Tokenizer::load(folder);
  const Tokenizer theirs = read_gguf_tokenizer(*file);
  RandomStream random(/*seed=*/3, /*stream=*/0);
  for (int i = 0; i < 300; ++i) {
    const std::string text = random_text(random, 1 + static_cast<int64_t>(random.below(60)));
    CAPTURE(text);
    REQUIRE(theirs.encode(text) == ours.encode(text));
  }
  for (const int32_t id : ours.special_ids()) {
    const std::string token(ours.id_to_token(id));
    CAPTURE(token);
    CHECK(theirs.encode("x" + token) == ours.encode("x" + token));
  }
}

TEST_CASE("gguf tokenizer: the tokenizer of a folder comes back from a file") {
  const ScratchFolder folder;
  const ScratchFolder other;
  io::GgufMetadata metadata = byte_level();
  metadata.set("tokenizer.ggml.add_eos_token", true);
  const Tokenizer tokenizer = read_gguf_tokenizer(*with_metadata(other, metadata));
  tokenizer.save(folder / "tokenizer.json");
  folder.write("tokenizer_config.json", R"({"eos_token": "<end>", "chat_template": "x"})");
  check_round_trip(folder.path(), tokenizer.vocab_size() + 3);
  CHECK(contains(error_of(ErrorKind::invalid_input, [&] { check_round_trip(folder.path(), 7); }),
                 "more than the model's vocabulary of 7"));
}

const std::string kSmall = "tests/golden/tokenizer/small/";

TEST_CASE("gguf tokenizer: what puts a space before the text is told from what does not") {
  for (const auto& [name, prefix] :
       {std::pair("llama_prepend", true), std::pair("llama_metaspace", true),
        std::pair("gemma", false)}) {
    CAPTURE(name);
    const ScratchFolder folder;
    const ScratchFolder out;
    folder.write("tokenizer.json", read_text_file(kSmall + name + ".json"));
    folder.write("tokenizer_config.json", R"({"bos_token": "<s>"})");
    io::GgufMetadata metadata;
    // Of a file in the folder, as of the folder.
    write_gguf_tokenizer(folder.write("config.json", "{}"), 1000, metadata);
    REQUIRE(metadata.find("tokenizer.ggml.add_space_prefix") != nullptr);
    CHECK(std::get<bool>(*metadata.find("tokenizer.ggml.add_space_prefix")) == prefix);
    expect_same_gguf_tokenizer(folder.path(), *with_metadata(out, metadata));
    metadata.set("tokenizer.ggml.add_space_prefix", !prefix);
    const auto other = with_metadata(out, metadata);
    CHECK(contains(error_of(ErrorKind::unsupported,
                            [&] { expect_same_gguf_tokenizer(folder.path(), *other); }),
                   "GGUF cannot express this tokenizer: of \"Hello"));
  }
}

TEST_CASE("gguf tokenizer: steps that rewrite text are not left out in silence") {
  const ScratchFolder other;
  read_gguf_tokenizer(*with_metadata(other, byte_level())).save(other / "bytes.json");
  const auto refusal = [](const std::filesystem::path& name, const nlohmann::json& normalizer) {
    const ScratchFolder folder;
    auto file = nlohmann::json::parse(read_text_file(name));
    file["normalizer"] = normalizer;
    folder.write("tokenizer.json", file.dump());
    folder.write("tokenizer_config.json", R"({"bos_token": "<s>"})");
    io::GgufMetadata metadata;
    return error_of(ErrorKind::unsupported,
                    [&] { write_gguf_tokenizer(folder.path(), 1000, metadata); });
  };
  const nlohmann::json lower = {{"type", "Lowercase"}};
  CHECK(contains(refusal(other / "bytes.json", lower),
                 "normalizer: \"Lowercase\" has no place in GGUF"));
  CHECK(contains(refusal(kSmall + "llama_metaspace.json", lower), "\"Lowercase\""));
  CHECK(contains(refusal(kSmall + "llama_metaspace.json",
                         {{"type", "Sequence"}, {"normalizers", {{{"type", "NFKC"}}}}}),
                 "normalizer.normalizers[0]: \"NFKC\""));
  SentencePieceModel model =
      read_sentencepiece_model(read_text_file(kSmall + "bpe_fallback.model"), "x");
  model.charsmap = read_sentencepiece_model(read_text_file(kSmall + "unigram.model"), "x").charsmap;
  REQUIRE(!model.charsmap.empty());
  const ScratchFolder folder;
  folder.write("tokenizer.model", sentencepiece_bytes(model));
  io::GgufMetadata metadata;
  CHECK(contains(error_of(ErrorKind::unsupported,
                          [&] { write_gguf_tokenizer(folder.path(), 1000, metadata); }),
                 "tokenizer.model: rewrites characters"));
}

// The reader gives no NFC, which llama.cpp does not know either, so OLMo's own text is left out.
TEST_CASE("gguf tokenizer: published SentencePiece vocabularies come back from a file") {
  for (const char* name : {"mistral-v1", "mistral-v3"}) {
    const auto folder = real_file(std::string("tokenizers/") + name);
    if (!folder) {
      MESSAGE("skipped: no tokenizers/", name, " in CADRE_TEST_DATA or ../shared/data");
      continue;
    }
    CAPTURE(name);
    check_round_trip(*folder, std::string_view(name) == "mistral-v1" ? 32000 : 32768);
  }
}

std::vector<std::string> split_at_marks(const std::string& text) {
  constexpr std::string_view kMark = "\n__ggml_vocab_test__\n";
  std::vector<std::string> parts;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(kMark, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + kMark.size();
  }
  return parts;
}

TEST_CASE("gguf tokenizer: vocabularies of llama.cpp give the ids that it expects") {
  for (const char* name : {"gpt-2", "phi-3"}) {
    const auto file = real_file(fmt::format("tokenizers/llama.cpp-vocab/ggml-vocab-{}.gguf", name));
    if (!file) {
      MESSAGE("skipped: no ggml-vocab-", name, ".gguf in CADRE_TEST_DATA or ../shared/data");
      continue;
    }
    CAPTURE(name);
    const Tokenizer tokenizer = read_gguf_tokenizer(*io::GgufFile::open(*file));
    const std::vector<std::string> texts = split_at_marks(file_content(file->string() + ".inp"));
    std::istringstream lines(file_content(file->string() + ".out"));
    size_t at = 0;
    for (std::string line; std::getline(lines, line); ++at) {
      std::istringstream numbers(line);
      const Ids expected{std::istream_iterator<int32_t>(numbers), {}};
      REQUIRE(at < texts.size());
      CAPTURE(texts[at]);
      CHECK(tokenizer.encode(texts[at], {.add_special_tokens = false, .parse_special = false}) ==
            expected);
    }
    CHECK(at == texts.size());
  }
}

}  // namespace
}  // namespace cadre::text
