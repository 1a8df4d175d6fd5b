#include <doctest/doctest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "text/byte_level.h"
#include "text/text_cases.h"
#include "text/tokenizer.h"

namespace cadre::text {
namespace {

using nlohmann::json;

// A file with all parts in their plainest form: the bytes, three merges, one added token.
json plain_file() {
  json vocab;
  int id = 0;
  for (int byte = 0; byte < 256; ++byte) {
    vocab[bytes_to_written(std::string(1, static_cast<char>(byte)))] = id++;
  }
  for (const char* token : {"th", "the", "\u0120the"}) vocab[token] = id++;
  const json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens",
           {{{"id", id},
             {"content", "<|end|>"},
             {"single_word", false},
             {"lstrip", false},
             {"rstrip", false},
             {"normalized", false},
             {"special", true}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", nullptr},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"vocab", vocab},
            {"merges", {"t h", "th e", "\u0120 the"}}}}};
}

std::vector<int32_t> encode(const json& file, std::string_view text) {
  return Tokenizer::from_json(file.dump(), "file.json").encode(text);
}

struct Refusal {
  ErrorKind kind;
  std::string message;
};

Refusal refusal(const std::string& text) {
  try {
    static_cast<void>(Tokenizer::from_json(text, "file.json"));
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {ErrorKind::internal, "accepted"};
}

struct Case {
  std::string field;  // must appear in the message
  std::function<void(json&)> change;
};

}  // namespace

TEST_CASE("tokenizer.json: merges as strings and as pairs are the same") {
  json file = plain_file();
  const std::vector<int32_t> expected = {258, 257};
  CHECK(encode(file, " thethe") == expected);
  file["model"]["merges"] = json::array(
      {json::array({"t", "h"}), json::array({"th", "e"}), json::array({"\u0120", "the"})});
  CHECK(encode(file, " thethe") == expected);
  file["model"].erase("type");
  file["model"]["continuing_subword_prefix"] = "";
  CHECK(encode(file, " thethe") == expected);
}

TEST_CASE("tokenizer.json: ignore_merges takes whole words from the vocabulary") {
  json file = plain_file();
  file["model"]["vocab"]["xyz"] = 259;
  file["added_tokens"] = json::array();
  CHECK(encode(file, "xyz").size() == 3);
  file["model"]["ignore_merges"] = true;
  CHECK(encode(file, "xyz") == std::vector<int32_t>{259});
}

TEST_CASE("tokenizer.json: an added token of another id than its own is noted") {
  json file = plain_file();
  file["added_tokens"][0]["id"] = 300;
  const Tokenizer tokenizer = Tokenizer::from_json(file.dump(), "file.json");
  CHECK(tokenizer.required_id("<|end|>") == 259);
  REQUIRE(tokenizer.notes().size() == 1);
  CHECK(tokenizer.notes()[0].find("added_tokens[0]") != std::string::npos);
}

TEST_CASE("tokenizer.json: a template puts tokens around the text, on request") {
  json file = plain_file();
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<|end|>"}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", json::array()},
      {"special_tokens",
       {{"<|end|>", {{"id", "<|end|>"}, {"ids", {259}}, {"tokens", {"<|end|>"}}}}}}};
  const Tokenizer tokenizer = Tokenizer::from_json(file.dump(), "file.json");
  CHECK(tokenizer.encode("the") == std::vector<int32_t>{259, 257});
  CHECK(tokenizer.encode("the", {.add_special_tokens = false}) == std::vector<int32_t>{257});
}

TEST_CASE("tokenizer.json: a small file makes no huge token, and no endless chain of steps") {
  const json step = {
      {"type", "Replace"}, {"pattern", {{"String", "e"}}}, {"content", std::string(64, 'e')}};
  json file = plain_file();
  file["added_tokens"][0]["normalized"] = true;
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
  json& steps = file["normalizer"]["normalizers"];
  for (int i = 0; i < 6; ++i) steps.push_back(step);
  const Refusal grown = refusal(file.dump());
  CHECK(grown.kind == ErrorKind::exhausted);
  CHECK(grown.message.find("added_tokens: \"<|end|>\"") != std::string::npos);
  while (steps.size() < 129) steps.push_back({{"type", "Lowercase"}});
  const Refusal many = refusal(file.dump());
  CHECK(many.kind == ErrorKind::unsupported);
  CHECK(many.message.find("normalizers[128]: more than 128") != std::string::npos);
}

TEST_CASE("tokenizer.json: what Cadre does not have is unsupported, by name of file and field") {
  const std::vector<Case> cases = {
      {"truncation",
       [](json& f) {
         f["truncation"] = {{"max_length", 5}};
       }},
      {"padding", [](json& f) { f["padding"] = json::object(); }},
      {"version", [](json& f) { f["version"] = "2.0"; }},
      {"surprise", [](json& f) { f["surprise"] = 1; }},
      {"normalizer",
       [](json& f) {
         f["normalizer"] = {{"type", "BertNormalizer"}};
       }},
      {"normalizer.normalizers[1]",
       [](json& f) {
         f["normalizer"] = {{"type", "Sequence"},
                            {"normalizers", {{{"type", "NFC"}}, {{"type", "ByteLevel"}}}}};
       }},
      {"pre_tokenizer",
       [](json& f) {
         f["pre_tokenizer"] = {{"type", "UnicodeScripts"}};
       }},
      {"decoder", [](json& f) { f["pre_tokenizer"] = nullptr; }},
      {"pre_tokenizer", [](json& f) { f["pre_tokenizer"]["trim"] = 1; }},
      {"decoder",
       [](json& f) {
         f["decoder"] = {{"type", "WordPiece"}};
       }},
      {"decoder", [](json& f) { f["decoder"] = nullptr; }},
      {"post_processor",
       [](json& f) {
         f["post_processor"] = {{"type", "Surprise"}};
       }},
      {"model",
       [](json& f) {
         f["model"] = {{"type", "WordPiece"}};
       }},
      {"model.dropout", [](json& f) { f["model"]["dropout"] = 0.1; }},
      {"model.byte_fallback",
       [](json& f) {
         f["model"]["byte_fallback"] = true;
         f["model"]["vocab"].erase("q");
       }},
      {"model.end_of_word_suffix", [](json& f) { f["model"]["end_of_word_suffix"] = "</w>"; }},
      {"model.vocab", [](json& f) { f["model"]["vocab"]["far"] = 2000000000; }},
  };
  for (const Case& c : cases) {
    json file = plain_file();
    c.change(file);
    const Refusal found = refusal(file.dump());
    CAPTURE(c.field);
    CAPTURE(found.message);
    CHECK(found.kind == ErrorKind::unsupported);
    CHECK(found.message.starts_with("file.json"));
    CHECK(found.message.find(c.field) != std::string::npos);
  }
}

TEST_CASE("tokenizer.json: what is malformed is corrupt, by name of file and field") {
  const std::vector<Case> cases = {
      {"model", [](json& f) { f.erase("model"); }},
      {"vocab", [](json& f) { f["model"].erase("vocab"); }},
      {"model.vocab", [](json& f) { f["model"]["vocab"] = 3; }},
      {"model.vocab", [](json& f) { f["model"]["vocab"]["th"] = "x"; }},
      {"model.vocab", [](json& f) { f["model"]["vocab"]["th"] = -1; }},
      {"model.vocab", [](json& f) { f["model"]["vocab"]["th"] = 18446744073709551615ull; }},
      {"model.vocab", [](json& f) { f["model"]["vocab"]["th"] = 0; }},
      {"model.merges: [0]", [](json& f) { f["model"]["merges"][0] = "th"; }},
      {"model.merges: [1]", [](json& f) { f["model"]["merges"][1] = "q zz"; }},
      {"model.merges: [2]",
       [](json& f) {
         f["model"]["merges"][2] = {"t", "h", "e"};
       }},
      {"model.merges", [](json& f) { f["model"]["merges"] = nullptr; }},
      {"model.unk_token", [](json& f) { f["model"]["unk_token"] = "<unk>"; }},
      {"added_tokens", [](json& f) { f["added_tokens"] = "x"; }},
      {"added_tokens[0]", [](json& f) { f["added_tokens"][0].erase("special"); }},
      {"added_tokens[0].id", [](json& f) { f["added_tokens"][0]["id"] = -5; }},
      {"pre_tokenizer", [](json& f) { f["pre_tokenizer"] = json::array(); }},
      {"pre_tokenizer.add_prefix_space",
       [](json& f) { f["pre_tokenizer"]["add_prefix_space"] = "no"; }},
  };
  for (const Case& c : cases) {
    json file = plain_file();
    c.change(file);
    const Refusal found = refusal(file.dump());
    CAPTURE(c.field);
    CAPTURE(found.message);
    CHECK(found.kind == ErrorKind::corrupt_data);
    CHECK(found.message.starts_with("file.json"));
    CHECK(found.message.find(c.field) != std::string::npos);
  }
}

TEST_CASE("tokenizer.json: truncated, flipped and nested files end in an error or in a tokenizer") {
  const std::string good = plain_file().dump();
  for (size_t size = 0; size < good.size(); size += 97) {
    CHECK(refusal(good.substr(0, size)).kind == ErrorKind::corrupt_data);
  }
  RandomStream random(10);
  for (int i = 0; i < 500; ++i) {
    std::string bad = good;
    bad[random.below(bad.size())] = static_cast<char>(random.below(256));
    const Refusal found = refusal(bad);
    CHECK((found.message == "accepted" || found.kind == ErrorKind::corrupt_data ||
           found.kind == ErrorKind::unsupported));
  }
  CHECK(refusal(std::string(100000, '[')).kind == ErrorKind::corrupt_data);
  std::string nested = R"({"type":"NFC"})";
  for (int i = 0; i < 1000; ++i) {
    nested = R"({"type":"Sequence","normalizers":[)" + nested + "]}";
  }
  CHECK(refusal(R"({"normalizer":)" + nested + "}").kind == ErrorKind::unsupported);
}

}  // namespace cadre::text
