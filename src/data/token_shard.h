// A file of token ids with the ends of its documents, mapped into memory.
//
// All numbers are little endian; checksums are XXH3 (64 bits):
//
//    0  "CADRTOK1"
//    8  u32 version, 1
//   12  u32 bytes of a token, 2 or 4
//   16  u64 tokens
//   24  u64 documents
//   32  u32 vocab_size: every token is below it
//   36  u32 0
//   40  u64 bytes of text in all documents
//   48  u64 checksum of everything after the header
//   56  u64 checksum of bytes 0 to 55
//   64  tokens, padded with zeros to a multiple of 8 bytes
//       one DocumentRecord for each document, 16 bytes
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/file.h"

namespace cadre::data {

struct DocumentRecord {
  uint64_t end;         // position after its last token, the end-of-text token
  uint32_t text_bytes;  // of its text
  // Of the text that its first token stands for: nothing before it predicts that token, so bits
  // per byte must not count these bytes.
  uint32_t first_token_bytes;
};
static_assert(sizeof(DocumentRecord) == 16);

// The documents of one shard while it is filled.
struct TokenShardContent {
  std::vector<int32_t> tokens;
  std::vector<DocumentRecord> documents;

  void add(std::span<const int32_t> document, int64_t text_bytes, int64_t first_token_bytes);
};

struct TokenShardInfo {
  int64_t tokens = 0;
  int64_t documents = 0;
  int64_t text_bytes = 0;
  uint64_t checksum = 0;  // of the whole file
};

// Writes a shard under a temporary name and renames it. Tokens take two bytes if the vocabulary
// allows it. Throws the errors of FileWriter; Error(internal) for a token outside the vocabulary.
TokenShardInfo write_token_shard(const std::filesystem::path& path,
                                 const TokenShardContent& content, int64_t vocab_size);

// Immutable, so threads may share it.
class TokenShard {
 public:
  // Checks the header, the size of the file and the order of document ends. Throws
  // Error(corrupt_data) that names the file and the field; Error(unsupported) for another version.
  static std::shared_ptr<const TokenShard> open(const std::filesystem::path& path);
  // Reads everything: the checksum of the data and every token against vocab_size. Returns the
  // checksum of the whole file. Throws Error(corrupt_data).
  uint64_t verify() const;

  const std::filesystem::path& path() const { return file_->path(); }
  int64_t num_tokens() const { return num_tokens_; }
  int64_t num_documents() const { return static_cast<int64_t>(documents_.size()); }
  int64_t text_bytes() const { return text_bytes_; }
  int64_t vocab_size() const { return vocab_size_; }
  std::span<const DocumentRecord> documents() const { return documents_; }
  // Copies tokens [begin, begin + out.size()), which must lie within the shard.
  void copy_tokens(int64_t begin, std::span<int32_t> out) const;
  // The document that holds the token; position must lie within the shard.
  int64_t document_of(int64_t position) const;

 private:
  explicit TokenShard(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

  std::shared_ptr<const MappedFile> file_;
  int64_t num_tokens_ = 0;
  int64_t text_bytes_ = 0;
  int64_t vocab_size_ = 0;
  int token_bytes_ = 0;
  uint64_t data_checksum_ = 0;
  std::span<const DocumentRecord> documents_;
};

}  // namespace cadre::data
