#include "text/grammar/token_trie.h"

#include <algorithm>
#include <limits>
#include <string_view>

namespace cadre::text::grammar {
namespace {

// A longer token is never proposed; no published vocabulary has one.
constexpr size_t kMaxTokenBytes = 2048;

}  // namespace

TokenTrie::TokenTrie(const Tokenizer& tokenizer) : vocab_size_(tokenizer.vocab_size()) {
  struct Token {
    std::string_view bytes;
    int32_t id;
  };
  std::vector<Token> sorted;
  for (int32_t id = 0; id < vocab_size_; ++id) {
    const std::string_view bytes = tokenizer.token_bytes(id);
    if (bytes.empty() || bytes.size() > kMaxTokenBytes || tokenizer.is_special(id)) continue;
    sorted.push_back({bytes, id});
  }
  std::ranges::sort(sorted, [](const Token& a, const Token& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.id < b.id;
  });
  nodes_.push_back({0, 0, 0, 0, 0});
  std::vector<uint32_t> way = {0};  // from the root to where the last token ended
  const auto close_to = [&](size_t depth) {
    while (way.size() > depth + 1) {
      nodes_[way.back()].end = static_cast<uint32_t>(nodes_.size());
      way.pop_back();
    }
  };
  std::string_view last;
  for (const Token& token : sorted) {
    const auto [at, ignored] = std::ranges::mismatch(last, token.bytes);
    const auto common = static_cast<size_t>(at - last.begin());
    close_to(common);
    for (size_t i = common; i < token.bytes.size(); ++i) {
      way.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({0, static_cast<uint32_t>(tokens_.size()), static_cast<uint16_t>(i + 1),
                        static_cast<uint8_t>(token.bytes[i]), 0});
    }
    tokens_.push_back(token.id);
    last = token.bytes;
  }
  close_to(0);
  nodes_[0].end = static_cast<uint32_t>(nodes_.size());
  // Heights from below.
  for (size_t i = nodes_.size(); i-- > 1;) {
    uint32_t height = is_plain(nodes_[i].byte) ? 1 : 0;
    uint32_t below = 0;
    for (uint32_t child = static_cast<uint32_t>(i) + 1; child < nodes_[i].end && height > 0;
         child = nodes_[child].end) {
      if (nodes_[child].plain_height == 0) height = 0;
      below = std::max<uint32_t>(below, nodes_[child].plain_height);
    }
    height = height > 0 ? height + below : 0;
    nodes_[i].plain_height = static_cast<uint8_t>(height > 255 ? 0 : height);
  }
  nodes_.push_back(
      {static_cast<uint32_t>(nodes_.size()), static_cast<uint32_t>(tokens_.size()), 0, 0, 0});
}

}  // namespace cadre::text::grammar
