// The shards of one part of one source as one run of tokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "data/manifest.h"
#include "data/token_shard.h"

namespace cadre::data {

// Immutable, so threads may share it.
class TokenStream {
 public:
  // Maps the shards and checks them against the manifest, to the last byte if `verify` is set.
  // Throws Error(not_found) and Error(corrupt_data), naming the file.
  static TokenStream open(const std::filesystem::path& folder, const SplitEntry& split,
                          int64_t vocab_size, bool verify);

  int64_t num_tokens() const { return token_begin_.back(); }
  int64_t num_documents() const { return document_begin_.back(); }

  struct DocumentSpan {
    int64_t begin;  // tokens of the stream
    int64_t end;
    int64_t scored_bytes;  // of text that tokens after the first stand for
  };
  // index in [0, num_documents()).
  DocumentSpan document(int64_t index) const;
  // The document that holds the token at position, in [0, num_tokens()).
  int64_t document_of(int64_t position) const;
  // Copies tokens [begin, begin + out.size()), which must lie within the stream.
  void copy_tokens(int64_t begin, std::span<int32_t> out) const;

 private:
  std::vector<std::shared_ptr<const TokenShard>> shards_;
  std::vector<int64_t> token_begin_ = {0};     // of each shard, and the end
  std::vector<int64_t> document_begin_ = {0};  // likewise
};

}  // namespace cadre::data
