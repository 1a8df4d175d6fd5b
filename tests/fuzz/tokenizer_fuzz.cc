// The tokenizer: any bytes as tokenizer.json, any bytes as text.
//
// An input that begins with a brace is a file; if it loads, it also is the text. Any other input is
// a text for tokenizers that are known to be good. What must hold for all texts is checked.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "tests/fuzz/fuzz.h"
#include "text/byte_level.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace cadre::fuzz {
namespace {

using namespace cadre::text;

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// A file with the bytes, some merges, and added tokens with every flag.
std::string file_with(const std::string& normalizer, const std::string& pre_tokenizer) {
  std::string vocab;
  int id = 0;
  const auto add = [&](const std::string& written) {
    if (id != 0) vocab += ',';
    vocab += json_string(written);
    vocab += ':';
    vocab += std::to_string(id++);
  };
  for (int byte = 0; byte < 256; ++byte) {
    add(bytes_to_written(std::string(1, static_cast<char>(byte))));
  }
  for (const char* token : {"aa", "aaaa", "th", "the", "\u0120the", "\u00c3\u00a9"}) add(token);
  std::string added;
  const auto add_token = [&](const std::string& content, const char* flags) {
    if (!added.empty()) added += ',';
    added += "{\"id\":" + std::to_string(id++) + ",\"content\":";
    added += json_string(content);
    added += ',';
    added += flags;
    added += '}';
  };
  add_token("<|end|>",
            R"("single_word":false,"lstrip":true,"rstrip":true,"normalized":false,"special":true)");
  add_token(
      "word",
      R"("single_word":true,"lstrip":false,"rstrip":false,"normalized":true,"special":false)");
  add_token("  ",
            R"("single_word":false,"lstrip":true,"rstrip":true,"normalized":true,"special":false)");
  const std::string byte_level =
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
  return R"({"version":"1.0","added_tokens":[)" + added + R"(],"normalizer":)" + normalizer +
         R"(,"pre_tokenizer":)" + pre_tokenizer + R"(,"post_processor":null,"decoder":)" +
         byte_level + R"(,"model":{"type":"BPE","vocab":{)" + vocab +
         R"(},"merges":["a a","aa aa","t h","th e",")" + "\u0120 the\",\"\u00c3 \u00a9\"]}}";
}

// As GPT-2's, as GPT-NeoX's, and with a pattern of its own.
std::vector<std::string> known_files() {
  const std::string gpt2 =
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
  const std::string split =
      R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)"
      R"("[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|)"
      R"(\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},)"
      R"({"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":true,)"
      R"("trim_offsets":true,"use_regex":false}]})";
  return {file_with("null", gpt2), file_with(R"({"type":"NFC"})", gpt2),
          file_with(R"({"type":"NFKD"})", split)};
}

void require(bool holds, std::string_view what) {
  if (!holds) fail(ErrorKind::internal, "{}", what);
}

void check_text(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options) {
  const std::vector<int32_t> ids = tokenizer.encode(text, options);
  for (int32_t id : ids) require(id >= 0 && id < tokenizer.vocab_size(), "an id is out of range");
  EncodeWorkspace workspace;
  std::vector<int32_t> again;
  tokenizer.encode(text, options, workspace, again);
  require(again == ids, "a workspace changes ids");
  const std::string decoded = tokenizer.decode(ids);
  require(is_valid_utf8(decoded), "decoded text is not UTF-8");
  StreamDecoder decoder(tokenizer);
  std::string streamed;
  for (int32_t id : ids) streamed += decoder.push(id);
  // The one difference is allowed where a run of byte tokens breaks off.
  streamed += decoder.finish();
  require(streamed == decoded || decoded.find("\ufffd") != std::string::npos,
          "streaming changes the text");
}

// As Llama's, and as T5's: characters with byte fallback, and scores.
std::vector<std::string> more_files() {
  const std::string frame =
      R"({"version":"1.0","added_tokens":[{"id":0,"content":"<s>","single_word":false,"lstrip":true,)"
      R"("rstrip":true,"normalized":false,"special":true}],"post_processor":null,)";
  const std::string marks =
      R"("decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},)"
      R"("content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ",)"
      R"("start":1,"stop":0}]},)";
  const std::string metaspace =
      R"({"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true})";
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    const char* digits = "0123456789ABCDEF";
    bytes += std::string(",\"<0x") + digits[byte / 16] + digits[byte % 16] +
             ">\":" + std::to_string(byte + 8);
  }
  return {
      frame + marks +
          R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},)"
          R"({"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]},"pre_tokenizer":null,)"
          R"("model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,)"
          R"("vocab":{"<s>":0,"<unk>":1,"\u2581":2,"a":3,"\u2581a":4,"aa":5,"\u2581\u2581":6,)"
          R"("\u00e9":7)" +
          bytes + R"(},"merges":["a a","\u2581 a","\u2581 \u2581"]}})",
      frame +
          R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Nmt"},{"type":"NFKC"},)"
          R"({"type":"StripAccents"},{"type":"Lowercase"},{"type":"Strip","strip_left":true,)"
          R"("strip_right":true},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]},)"
          R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Punctuation"},)"
          R"({"type":"WhitespaceSplit"},)" +
          metaspace + R"(]},"decoder":)" + metaspace +
          R"(,"model":{"type":"Unigram","unk_id":1,"vocab":[["<s>",0],["<unk>",0],["\u2581",-2],)"
          R"(["a",-3],["\u2581a",-2.5],["aa",-5.5],["word",-8]]}})"};
}

}  // namespace

void read_input(std::string_view bytes) {
  if (bytes.starts_with('{')) {
    check_text(Tokenizer::from_json(std::string(bytes), "tokenizer.json"), bytes, {});
    return;
  }
  static const std::vector<Tokenizer> tokenizers = [] {
    std::vector<Tokenizer> made;
    for (const std::string& file : known_files())
      made.push_back(Tokenizer::from_json(file, "known"));
    for (const std::string& file : more_files()) {
      made.push_back(Tokenizer::from_json(file, "known"));
    }
    return made;
  }();
  for (const Tokenizer& tokenizer : tokenizers) {
    check_text(tokenizer, bytes, {});
    check_text(tokenizer, bytes, {.parse_special = false});
  }
}

std::vector<std::string> seeds() {
  std::vector<std::string> seeds = known_files();
  for (std::string& file : more_files()) seeds.push_back(std::move(file));
  seeds.emplace_back(
      R"({"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Sequence",)"
      R"("pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{L}+|\\s+(?!\\S)|[^a-c]"},)"
      R"("behavior":"MergedWithNext","invert":true},{"type":"ByteLevel","add_prefix_space":false,)"
      R"("trim_offsets":true,"use_regex":false}]},"post_processor":null,"decoder":{"type":)"
      R"("ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}})");
  seeds.emplace_back("the word aaaaaaaa  <|end|> it's 1234\n\n e\u0301 \u1100\u1161 \xff");
  return seeds;
}

}  // namespace cadre::fuzz
