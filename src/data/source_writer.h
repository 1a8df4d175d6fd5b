// One source on its way to disk: training and held-out documents into shards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/manifest.h"
#include "data/token_shard.h"

namespace cadre::data {

// A document with its tokens, the end-of-text token included.
struct TokenisedDocument {
  std::string text;
  std::vector<int32_t> tokens;
  int64_t first_token_bytes = 0;
};

// Decides by the hash of a document's text whether it is held out, so a document stays on its side
// whatever else the source holds and whoever shuffles it. Documents come in a fixed order.
class SourceWriter {
 public:
  struct Options {
    double held_out = 0.01;  // the share of documents; 0 holds out none
    int64_t max_shard_tokens = 0;
    int64_t vocab_size = 0;
  };

  SourceWriter(std::filesystem::path folder, std::string name, const Options& options)
      : folder_(std::move(folder)), name_(std::move(name)), options_(options) {}

  void add(TokenisedDocument document);

  // Writes what is left. If chance held out nothing, the document with the smallest hash is; if the
  // source has a single document, its tail is, cut off at the end of a line and tokenised anew.
  using Tokenise = std::function<TokenisedDocument(std::string text)>;
  void finish(const Tokenise& tokenise, SplitEntry& train, SplitEntry& held_out);

 private:
  struct Split {
    const char* name;
    TokenShardContent content;
    SplitEntry entry;
  };
  void put(Split& split, const TokenisedDocument& document);
  void close_shard(Split& split);
  void cut_single(const Tokenise& tokenise);

  std::filesystem::path folder_;
  std::string name_;
  Options options_;
  Split train_{"train", {}, {}};
  Split held_out_{"held_out", {}, {}};
  // The document with the smallest hash, as long as none was held out.
  std::optional<TokenisedDocument> candidate_;
  uint64_t candidate_hash_ = 0;
};

}  // namespace cadre::data
