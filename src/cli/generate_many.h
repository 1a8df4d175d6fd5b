// `cadre generate --prompts`: many prompts at once, one line of JSON for each text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/io/json_value.h"
#include "core/ops/context.h"
#include "infer/engine.h"
#include "model/decoder.h"
#include "text/tokenizer.h"

namespace cadre::cli {

// One entry of a file of prompts.
struct PromptLine {
  std::string text;
  io::JsonValue id;        // null if the line has none
  int64_t max_tokens = 0;  // 0: as for all
  int64_t seed = -1;       // below 0: as for all
};

// A .txt file: a prompt a line, empty ones left out. Any other: JSON a line, each a string, or an
// object with "prompt" and perhaps "id", "max_tokens" and "seed". Throws Error(corrupt_data),
// naming file and line, for a line that is neither, and Error(invalid_input) if there is no prompt.
std::vector<PromptLine> read_prompts(const std::filesystem::path& file);

// As "logprobs" of the chat completions that servers speak, with ids: [{"id", "token", "bytes",
// "logprob", "top": [{"id", ...}, ...]}, ...]. Without a tokenizer (null) there are no "token", the
// text with what is no UTF-8 replaced, and no "bytes".
io::JsonValue logprobs_json(const std::vector<infer::TokenLogprobs>& logprobs,
                            const text::Tokenizer* tokenizer);

// A line of standard error, if there was one.
void report_draft_failures(const infer::EngineStatistics& now);

struct GenerateMany {
  infer::EngineOptions engine;
  infer::TextOptions text;
  int64_t answers = 1;
  std::vector<std::string> stop;
  bool skip_special = false;  // in the text that is written
  // The tokens of a prompt.
  std::function<std::vector<int32_t>(const std::string&)> encode;
  // Asked after each pass: false ends what is not finished, which is written as far as it came.
  std::function<bool()> keep_going;
};

// Writes {"index", "id", "answer", "text", "tokens", "prompt_tokens", "stop_reason"} for each text,
// and "logprobs" if asked for, to standard output, in the order of the prompts, each as soon as it
// and all before it are finished; what the engine did to standard error. A text that failed has
// "error", and the first such error is thrown when all is written.
void generate_many(Context& ctx, const model::Decoder& decoder, const model::Decoder* draft,
                   const text::Tokenizer& tokenizer, const std::vector<PromptLine>& prompts,
                   const GenerateMany& options);

}  // namespace cadre::cli
