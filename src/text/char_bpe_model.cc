#include "text/char_bpe_model.h"

#include <fmt/core.h>

#include "core/base/error.h"
#include "text/utf8.h"

namespace cadre::text {

std::string byte_token(int byte) { return fmt::format("<0x{:02X}>", byte); }

int byte_of_token(std::string_view token) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  const int high = digit(token[3]);
  const int low = digit(token[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void CharBpeModel::encode(std::string_view word, ModelScratch& scratch,
                          std::vector<int32_t>& ids) const {
  if (spec_.ignore_merges) {
    const auto found = spec_.words.find(std::string(word));
    if (found != spec_.words.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  CADRE_CHECK(word.size() < 0x7fffffff);
  std::vector<int32_t>& symbols = scratch.merge.ids;
  symbols.clear();
  bool unknown = false;  // one unknown token waits to be written
  for (size_t at = 0; at < word.size();) {
    const CodePoint c = decode_at(word, at);
    const std::string_view bytes = word.substr(at, c.size);
    at += c.size;
    if (const int32_t id = spec_.char_ids[c.value]; id >= 0) {
      if (unknown) symbols.push_back(spec_.unknown_id);
      unknown = false;
      symbols.push_back(id);
      continue;
    }
    bool all_bytes = true;
    for (char byte : bytes) all_bytes &= spec_.byte_ids[static_cast<uint8_t>(byte)] >= 0;
    if (all_bytes) {
      // An unknown token that waits is written behind them: so does the reference.
      for (char byte : bytes) symbols.push_back(spec_.byte_ids[static_cast<uint8_t>(byte)]);
      continue;
    }
    if (spec_.unknown_id < 0) continue;
    if (unknown && !spec_.fuse_unknown) symbols.push_back(spec_.unknown_id);
    unknown = true;
  }
  if (unknown) symbols.push_back(spec_.unknown_id);
  merge_symbols(merges_, scratch.merge);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace cadre::text
