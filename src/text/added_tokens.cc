#include "text/added_tokens.h"

#include <algorithm>
#include <cstring>

#include "core/base/error.h"
#include "text/char_classes.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

bool word_before(std::string_view text, size_t at) {
  return at > 0 && is_word_character(decode_at(text, previous_boundary(text, at)).value);
}

bool word_after(std::string_view text, size_t at) {
  return at < text.size() && is_word_character(decode_at(text, at).value);
}

size_t skip_space_back(std::string_view text, size_t at, size_t limit) {
  while (at > limit) {
    const size_t before = previous_boundary(text, at);
    if (!is_white_space(decode_at(text, before).value)) break;
    at = before;
  }
  return at;
}

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size()) {
    const CodePoint c = decode_at(text, at);
    if (!is_white_space(c.value)) break;
    at += c.size;
  }
  return at;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<Needle> needles, std::string_view where) {
  roots_.fill(-1);
  for (Needle& needle : needles) {
    if (needle.text.size() > kMaxBytes) {
      fail(ErrorKind::unsupported, "{}: token {} has {} bytes, at most {} are supported", where,
           needle.token.id, needle.text.size(), kMaxBytes);
    }
    if (needle.text.empty()) continue;
    int32_t node = -1;
    for (char c : needle.text) {
      const auto byte = static_cast<uint8_t>(c);
      int32_t next = node < 0 ? roots_[byte] : child_of(node, byte);
      if (next < 0) {
        next = static_cast<int32_t>(nodes_.size());
        nodes_.push_back({.sibling = node < 0 ? -1 : nodes_[node].child, .byte = byte});
        (node < 0 ? roots_[byte] : nodes_[node].child) = next;
      }
      node = next;
    }
    if (nodes_[node].token >= 0) {
      fail(ErrorKind::corrupt_data, "{}: tokens {} and {} are both \"{}\"", where,
           tokens_[nodes_[node].token].id, needle.token.id, needle.text);
    }
    nodes_[node].token = static_cast<int32_t>(tokens_.size());
    tokens_.push_back(std::move(needle.token));
  }
  const auto is_used = [](int32_t root) { return root >= 0; };
  if (std::ranges::count_if(roots_, is_used) == 1) {
    only_first_byte_ = static_cast<int>(std::ranges::find_if(roots_, is_used) - roots_.begin());
  }
}

int32_t AddedTokenMatcher::child_of(int32_t node, uint8_t byte) const {
  int32_t child = nodes_[node].child;
  while (child >= 0 && nodes_[child].byte != byte) child = nodes_[child].sibling;
  return child;
}

bool AddedTokenMatcher::find(std::string_view text, size_t from, Found& found) const {
  for (size_t at = from; at < text.size(); ++at) {
    if (only_first_byte_ >= 0) {
      const void* next = std::memchr(text.data() + at, only_first_byte_, text.size() - at);
      if (next == nullptr) return false;
      at = static_cast<size_t>(static_cast<const char*>(next) - text.data());
    }
    found.token = -1;
    int32_t node = roots_[static_cast<uint8_t>(text[at])];
    for (size_t end = at + 1; node >= 0; ++end) {
      if (nodes_[node].token >= 0) found = {at, end, nodes_[node].token};
      node = end < text.size() ? child_of(node, static_cast<uint8_t>(text[end])) : -1;
    }
    if (found.token >= 0) return true;
  }
  return false;
}

void AddedTokenMatcher::cut(std::string_view text, bool match_special,
                            std::vector<Piece>& pieces) const {
  pieces.clear();
  size_t done = 0;
  size_t run_begin = 1;  // the white space skipped last; none yet
  size_t run_end = 0;
  Found found{};
  for (size_t from = 0; find(text, from, found); from = found.end) {
    const AddedToken& token = tokens_[found.token];
    if (token.special && !match_special) continue;
    if (token.single_word && (word_before(text, found.begin) || word_after(text, found.end))) {
      continue;
    }
    size_t begin = found.begin;
    size_t end = found.end;
    if (token.lstrip) begin = std::max(skip_space_back(text, begin, done), done);
    if (token.rstrip) {
      // Tokens that are white space themselves may end inside the run skipped last.
      if (end < run_begin || end > run_end) run_end = skip_space(text, run_begin = end);
      end = run_end;
    }
    end = std::max(begin, end);
    if (done < begin) pieces.push_back({text.substr(done, begin - done), -1});
    pieces.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  if (done < text.size()) pieces.push_back({text.substr(done), -1});
}

}  // namespace cadre::text
