#include "text/bpe_trainer.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "core/base/error.h"
#include "text/byte_level.h"
#include "text/merge_table.h"
#include "text/pair_counts.h"
#include "text/tokenizer_writer.h"
#include "text/utf8.h"
#include "text/word_counter.h"

namespace cadre::text {
namespace {

// The words as sequences of tokens, which merges shorten in place.
class Words {
 public:
  explicit Words(const std::vector<WordCount>& counted, const std::array<int32_t, 256>& byte_ids) {
    CADRE_CHECK(counted.size() < UINT32_MAX);
    words_.reserve(counted.size());
    for (const WordCount& entry : counted) {
      words_.push_back({symbols_.size(), entry.word.size(), entry.count});
      for (char byte : entry.word) symbols_.push_back(byte_ids[static_cast<uint8_t>(byte)]);
    }
  }

  uint32_t size() const { return static_cast<uint32_t>(words_.size()); }
  int64_t count(uint32_t word) const { return words_[word].count; }

  void for_each_pair(uint32_t word, auto&& visit) const {
    const int32_t* symbols = symbols_.data() + words_[word].begin;
    for (size_t i = 0; i + 1 < words_[word].size; ++i) visit(symbols[i], symbols[i + 1]);
  }

  // Replaces each (left, right), from the left, by merged; calls change(left, right, +1 or -1) for
  // the pairs with its neighbours that come and go. The pair itself is not reported as gone.
  void merge(uint32_t word, int32_t left, int32_t right, int32_t merged, auto&& change) {
    int32_t* symbols = symbols_.data() + words_[word].begin;
    const size_t size = words_[word].size;
    size_t out = 0;
    for (size_t in = 0; in < size; ++out) {
      if (symbols[in] != left || in + 1 == size || symbols[in + 1] != right) {
        symbols[out] = symbols[in++];
        continue;
      }
      in += 2;
      if (out > 0) {
        change(symbols[out - 1], left, -1);
        change(symbols[out - 1], merged, +1);
      }
      if (in < size) {
        change(right, symbols[in], -1);
        change(merged, symbols[in], +1);
      }
      symbols[out] = merged;
    }
    words_[word].size = out;
  }

 private:
  struct Word {
    size_t begin;
    size_t size;
    int64_t count;
  };
  std::vector<Word> words_;
  std::vector<int32_t> symbols_;
};

// A pair that may be merged next. The count may be out of date; then it is corrected when the
// candidate comes up. A pair has as many candidates as steps in which it newly appeared, each
// with the words of that step.
struct Candidate {
  int64_t count;
  uint64_t pair;
  std::vector<uint32_t> words;

  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Trainer {
 public:
  explicit Trainer(const BpeTrainerOptions& options) : options_(options) {
    for (const std::string& token : options.special_tokens) add(token);
    // Bytes in the order of their characters in files, which is the order of the reference.
    std::array<std::pair<char32_t, int>, 256> order;
    const auto alphabet = byte_level_alphabet();
    for (int byte = 0; byte < 256; ++byte) order[byte] = {alphabet[byte], byte};
    std::sort(order.begin(), order.end());
    for (const auto& [character, byte] : order) {
      std::string written;
      append_utf8(character, written);
      byte_ids_[byte] = add(written);
    }
    if (options.vocab_size < static_cast<int64_t>(tokens_.size())) {
      fail(ErrorKind::invalid_input,
           "tokenizer: vocab_size = {}, expected at least {} for {} special tokens and the bytes",
           options.vocab_size, tokens_.size(), options.special_tokens.size());
    }
  }

  void run(const std::vector<WordCount>& counted, const BpeTrainerProgressFn& progress) {
    Words words(counted, byte_ids_);
    count_pairs(words);
    const int64_t report_every = std::max<int64_t>(1, options_.vocab_size / 100);
    int64_t next_report = 0;
    while (static_cast<int64_t>(tokens_.size()) < options_.vocab_size && !heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      Candidate top = std::move(heap_.back());
      heap_.pop_back();
      if (const int64_t count = pairs_.at(top.pair).count; count != top.count) {
        top.count = count;
        push(std::move(top));
        continue;
      }
      if (top.count < std::max<int64_t>(1, options_.min_frequency)) break;
      merge(top, words);
      if (progress && static_cast<int64_t>(tokens_.size()) >= next_report) {
        next_report = static_cast<int64_t>(tokens_.size()) + report_every;
        progress({.phase = BpeTrainerProgress::Phase::merging,
                  .done = static_cast<int64_t>(tokens_.size()),
                  .total = options_.vocab_size});
      }
    }
  }

  Tokenizer finish() const {
    TrainedBpe trained = {options_.special_tokens, tokens_, {}};
    // A pair that was merged twice counts at its later place, as in the reference.
    std::unordered_map<uint64_t, size_t> last;
    for (size_t i = 0; i < merges_.size(); ++i) last[merges_[i]] = i;
    for (size_t i = 0; i < merges_.size(); ++i) {
      if (last[merges_[i]] == i) trained.merges.push_back({left(merges_[i]), right(merges_[i])});
    }
    return Tokenizer::from_json(tokenizer_json(trained), "trained tokenizer");
  }

 private:
  static int32_t left(uint64_t pair) { return static_cast<int32_t>(pair >> 32); }
  static int32_t right(uint64_t pair) { return static_cast<int32_t>(pair & 0xffffffff); }

  int32_t add(const std::string& written) {
    const auto [place, is_new] = ids_.emplace(written, static_cast<int32_t>(tokens_.size()));
    if (is_new) tokens_.push_back(written);
    return place->second;
  }

  void push(Candidate candidate) {
    heap_.push_back(std::move(candidate));
    std::push_heap(heap_.begin(), heap_.end());
  }

  void count_pairs(const Words& words) {
    for (uint32_t word = 0; word < words.size(); ++word) {
      words.for_each_pair(word, [&](int32_t a, int32_t b) {
        add_occurrence(pair_key(a, b), word, words.count(word));
      });
    }
    for (PairCounts::Entry& entry : pairs_.entries()) {
      heap_.push_back({entry.count, entry.pair, std::move(entry.new_words)});
      entry.new_words = {};
    }
    std::make_heap(heap_.begin(), heap_.end());
  }

  // Returns whether the pair is the first of its kind since new_words was emptied.
  bool add_occurrence(uint64_t pair, uint32_t word, int64_t count) {
    PairCounts::Entry& entry = pairs_.at(pair);
    entry.count += count;
    const bool first = entry.new_words.empty();
    if (first || entry.new_words.back() != word) entry.new_words.push_back(word);
    return first;
  }

  void merge(const Candidate& top, Words& words) {
    const int32_t a = left(top.pair);
    const int32_t b = right(top.pair);
    const int32_t merged = add(tokens_[a] + tokens_[b]);
    merges_.push_back(top.pair);
    std::vector<uint64_t> appeared;
    for (uint32_t word : top.words) {
      const int64_t count = words.count(word);
      words.merge(word, a, b, merged, [&](int32_t x, int32_t y, int sign) {
        const uint64_t pair = pair_key(x, y);
        if (sign < 0) {
          pairs_.at(pair).count -= count;
        } else if (add_occurrence(pair, word, count)) {
          appeared.push_back(pair);
        }
      });
    }
    for (uint64_t pair : appeared) {
      PairCounts::Entry& entry = pairs_.at(pair);
      if (entry.count > 0) push({entry.count, pair, std::move(entry.new_words)});
      entry.new_words = {};
    }
  }

  const BpeTrainerOptions& options_;
  std::array<int32_t, 256> byte_ids_;
  std::vector<std::string> tokens_;  // written forms by id
  std::unordered_map<std::string, int32_t> ids_;
  PairCounts pairs_;
  std::vector<Candidate> heap_;
  std::vector<uint64_t> merges_;
};

void check_special_tokens(const std::vector<std::string>& tokens) {
  std::unordered_set<std::string> seen;
  for (const std::string& token : tokens) {
    if (token.empty() || !is_valid_utf8(token)) {
      fail(ErrorKind::invalid_input, "tokenizer: special token {} is empty or not UTF-8",
           seen.size());
    }
    if (!seen.insert(token).second) {
      fail(ErrorKind::invalid_input, "tokenizer: special token \"{}\" is given twice", token);
    }
  }
}

}  // namespace

Tokenizer train_bpe(const DocumentSource& next_document, const BpeTrainerOptions& options,
                    ThreadPool& pool, const BpeTrainerProgressFn& progress) {
  check_special_tokens(options.special_tokens);
  Trainer trainer(options);
  std::function<void(int64_t)> report;
  if (progress) {
    report = [&](int64_t bytes) {
      progress({.phase = BpeTrainerProgress::Phase::reading, .done = bytes, .total = 0});
    };
  }
  trainer.run(count_words(next_document, pool, report), progress);
  return trainer.finish();
}

}  // namespace cadre::text
