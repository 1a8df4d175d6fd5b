// How often each word occurs in a collection of documents.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/thread_pool.h"

namespace cadre::text {

struct WordCount {
  std::string word;
  int64_t count;
};

// Counts the words of GPT-2's pre-tokenizer, in ascending order of their bytes, whatever the order
// of documents and the number of threads. Bytes that are not UTF-8 count as U+FFFD. next_document
// gives views that are read before its next call; report, if given, is called between batches with
// the number of bytes read so far. Memory: the distinct words once for each thread.
std::vector<WordCount> count_words(
    const std::function<std::optional<std::string_view>()>& next_document, ThreadPool& pool,
    const std::function<void(int64_t bytes)>& report);

}  // namespace cadre::text
