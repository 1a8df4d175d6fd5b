#include "text/word_counter.h"

#include <algorithm>
#include <unordered_map>

#include "text/gpt2_scanner.h"
#include "text/utf8.h"

namespace cadre::text {
namespace {

constexpr size_t kBatchBytes = 16 << 20;
constexpr size_t kChunkBytes = 256 << 10;

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
};
using Counts = std::unordered_map<std::string, int64_t, StringHash, std::equal_to<>>;

// Where text may be cut at or after `from` so that the words on both sides are those of the whole:
// before a white-space character behind a visible one, for no word of GPT-2's pattern has white
// space inside or at its end behind something else.
size_t safe_cut(std::string_view text, size_t from) {
  for (size_t at = std::max<size_t>(from, 1); at < text.size(); ++at) {
    const char before = text[at - 1];
    if ((text[at] == ' ' || text[at] == '\n') && before > ' ' && before < 0x7f) return at;
  }
  return text.size();
}

void count_chunk(const CharClasses& classes, std::string_view chunk, Counts& counts) {
  std::string repaired;
  if (!is_valid_utf8(chunk)) {
    append_repaired(chunk, repaired);
    chunk = repaired;
  }
  for (size_t at = 0; at < chunk.size();) {
    const size_t end = gpt2_word_end(classes, chunk, at);
    const std::string_view word = chunk.substr(at, end - at);
    const auto found = counts.find(word);
    if (found != counts.end()) {
      ++found->second;
    } else {
      counts.emplace(word, 1);
    }
    at = end;
  }
}

}  // namespace

std::vector<WordCount> count_words(
    const std::function<std::optional<std::string_view>()>& next_document, ThreadPool& pool,
    const std::function<void(int64_t bytes)>& report) {
  const CharClasses classes;
  std::vector<Counts> counts(pool.num_threads());
  std::string batch;
  std::vector<size_t> cuts = {0};  // chunks are batch[cuts[i], cuts[i + 1])
  int64_t bytes_read = 0;
  const auto count_batch = [&] {
    pool.run(static_cast<int64_t>(cuts.size()) - 1, [&](int64_t i, int worker) {
      const std::string_view text = batch;
      count_chunk(classes, text.substr(cuts[i], cuts[i + 1] - cuts[i]), counts[worker]);
    });
    bytes_read += static_cast<int64_t>(batch.size());
    if (report) report(bytes_read);
    batch.clear();
    cuts = {0};
  };
  while (const std::optional<std::string_view> document = next_document()) {
    const size_t begin = batch.size();
    batch += *document;
    const std::string_view text = std::string_view(batch).substr(begin);
    for (size_t done = 0; done < text.size();) {
      done = safe_cut(text, done + kChunkBytes);
      cuts.push_back(begin + done);
    }
    if (batch.size() >= kBatchBytes) count_batch();
  }
  count_batch();

  for (size_t i = 1; i < counts.size(); ++i) {
    for (const auto& [word, count] : counts[i]) counts[0][word] += count;
    counts[i].clear();
  }
  std::vector<WordCount> words;
  words.reserve(counts[0].size());
  for (auto& [word, count] : counts[0]) words.push_back({word, count});
  std::sort(words.begin(), words.end(),
            [](const WordCount& a, const WordCount& b) { return a.word < b.word; });
  return words;
}

}  // namespace cadre::text
