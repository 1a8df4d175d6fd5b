// Strings to tokens and back, exactly as the `tokenizers` library does it for tokenizer.json and
// SentencePiece for tokenizer.model.
//
// A text goes through these stations, each described by a part of tokenizer.json:
//
//   added tokens     known strings (<|endoftext|>) are cut out, first in the raw text, then, those
//                    marked "normalized", in the normalised text
//   normalizer       Unicode normal forms, rewritten characters, spaces
//   pre_tokenizer    words, of which a token is always a part
//   model            BPE or unigram on each word
//   post_processor   tokens before and after the whole, such as a beginning of sequence
//   decoder          tokens to bytes to text
//
// A SentencePiece model has the same stations: its normaliser, no words, its model.
//
// What a file asks for and Cadre does not have is refused with Error(unsupported), what contradicts
// itself with Error(corrupt_data); both name the file and the field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cadre::text {

class TokenDecoder;

struct EncodeOptions {
  bool add_special_tokens = true;  // what the post-processor puts before and after
  bool parse_special = true;  // special tokens written in the text become those tokens; off for
                              // text from strangers and for training documents
};

// What encode() may keep between calls: words and their tokens, buffers. It changes speed, never a
// result. For one thread at a time; it serves one tokenizer and starts afresh with another.
class EncodeWorkspace {
 public:
  EncodeWorkspace();
  ~EncodeWorkspace();
  EncodeWorkspace(EncodeWorkspace&&) noexcept;
  EncodeWorkspace& operator=(EncodeWorkspace&&) noexcept;

 private:
  friend class Tokenizer;
  struct State;
  std::unique_ptr<State> state_;
};

// A file that a tokenizer was made from.
struct TokenizerFile {
  std::string name;
  std::string content;
};

// What the parts are, for people: "BPE with byte fallback", "NFC", "Split, ByteLevel".
struct TokenizerSummary {
  std::string model;
  std::string normalizer;
  std::string pre_tokenizer;
};

// Immutable and cheap to copy (copies share everything); threads may share it.
class Tokenizer {
 public:
  // From tokenizer.json, tokenizer.model or a GGUF file, told apart by content, or from the folder
  // of a model: its tokenizer.json, or else its tokenizer.model with what tokenizer_config.json and
  // added_tokens.json say about added tokens and about those before and after the text. Throws
  // Error(not_found), and as above.
  static Tokenizer load(const std::filesystem::path& place);
  // `where` begins the messages of errors.
  static Tokenizer from_json(std::string json, std::string_view where);

  // The files that it was made from, the one with the vocabulary first.
  const std::vector<TokenizerFile>& files() const;
  // The text of tokenizer.json. Throws Error(unsupported) if it was made from a file of another
  // kind.
  const std::string& to_json() const;
  // Writes all files into a folder, from which load() makes the same tokenizer.
  void save_into(const std::filesystem::path& folder) const;
  // Writes the first file under any name.
  void save(const std::filesystem::path& file) const;

  const TokenizerSummary& summary() const;

  // Bytes that are not UTF-8 count as U+FFFD, one for each maximal broken part. Time is linear in
  // the text, n log n in its longest word.
  std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const;
  void encode(std::string_view text, EncodeOptions options, EncodeWorkspace& workspace,
              std::vector<int32_t>& ids) const;  // appends

  // Always valid UTF-8: broken sequences become U+FFFD as the reference has it. Ids without a token
  // (models pad their vocabulary) give nothing.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;

  // The bytes that a token adds to decoded text, if it is not the first; empty for ids without a
  // token.
  std::string_view token_bytes(int32_t id) const;

  int64_t vocab_size() const;  // largest id + 1
  // The written form, as in the file; -1 and "" for what is not there.
  int32_t token_to_id(std::string_view token) const;
  std::string_view id_to_token(int32_t id) const;
  bool is_special(int32_t id) const;
  // As token_to_id; throws Error(not_found) that names the token.
  int32_t required_id(std::string_view token) const;
  // All special tokens, by ascending id.
  std::vector<int32_t> special_ids() const;

  // What the file contains that was resolved rather than refused, one sentence each: an added token
  // whose id is not that of the vocabulary, for example.
  const std::vector<std::string>& notes() const;

  struct Data;  // tokenizer_data.h

 private:
  explicit Tokenizer(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  friend class StreamDecoder;
  std::shared_ptr<const Data> data_;
};

// Decodes token by token, for showing text while it is made: whole characters come out as soon as
// they are complete, also those of several byte tokens. All that push() and finish() return, put
// together, is decode() of all ids; except that where the `tokenizers` library gives up a whole run
// of byte tokens (<0xF0>) because it breaks off, characters that were complete by then have come
// out.
class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, bool skip_special = false);
  StreamDecoder(StreamDecoder&&) noexcept;
  StreamDecoder& operator=(StreamDecoder&&) noexcept;
  ~StreamDecoder();

  std::string push(int32_t id);
  // What is left of a character that never became whole, as U+FFFD; starts over.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  bool skip_special_;
  std::unique_ptr<TokenDecoder> decoder_;
};

}  // namespace cadre::text
