#include "cli/generate_many.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <sstream>

#include "cli/human.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/io/json.h"
#include "infer/stop_strings.h"
#include "text/utf8.h"

namespace cadre::cli {
namespace {

using io::JsonValue;

PromptLine parse_line(const std::string& line, const std::string& where) {
  const io::JsonView view = io::JsonView::parse(line, where);
  if (const auto* text = view.value().get_if<std::string>()) return {.text = *text, .id = {}};
  view.expect_object();
  PromptLine prompt = {.text = view.string("prompt"), .id = {}};
  view.expect_keys({"prompt", "id", "max_tokens", "seed"});
  if (!view.is_null("id")) prompt.id = view.at("id").value();
  prompt.max_tokens = view.integer_or("max_tokens", 0);
  prompt.seed = view.integer_or("seed", -1);
  if (prompt.max_tokens < 0) {
    fail(ErrorKind::corrupt_data, "{}: max_tokens = {}, expected at least 1", where,
         prompt.max_tokens);
  }
  return prompt;
}

// One text as it comes.
struct TextLine {
  infer::TextStream stream;
  std::string text;
  int64_t num_tokens = 0;
  std::vector<infer::TokenLogprobs> logprobs = {};  // of each token, if asked for
  std::optional<infer::AnswerSummary> end = {};
};

class Writer {
 public:
  Writer(const text::Tokenizer& tokenizer, const std::vector<PromptLine>& prompts,
         const GenerateMany& options)
      : tokenizer_(tokenizer),
        prompts_(prompts),
        answers_(options.answers),
        bar_("generating", "texts", std::ssize(prompts) * options.answers) {
    for (int64_t i = 0; i < std::ssize(prompts) * answers_; ++i) {
      lines_.push_back(std::make_unique<TextLine>(
          TextLine{infer::TextStream(tokenizer, options.skip_special, options.stop), ""}));
    }
  }

  // True if the text has come to one of the stop strings with this event.
  bool take(const infer::Event& event) {
    TextLine& line = *lines_[static_cast<size_t>(event.request * answers_ + event.answer)];
    if (event.finished) {
      line.end = event.summary;
      line.text += line.stream.finish();
      if (line.stream.stopped()) line.end->reason = infer::StopReason::stop_string;
      if (line.end->error && !error_) error_ = line.end->error;
      ++finished_;
      write_ready();
      return false;
    }
    if (line.stream.stopped()) return false;
    line.text += line.stream.push(event.token);
    ++line.num_tokens;
    if (event.logprobs) line.logprobs.push_back(*event.logprobs);
    return line.stream.stopped();
  }

  void show_progress(const infer::EngineStatistics& now) {
    bar_.update(
        finished_,
        fmt::format("{} running, {} tokens, {}% of the cache", now.running, grouped(now.new_tokens),
                    100 * now.pages.in_use / std::max<int64_t>(1, now.pages.pages)));
  }

  void finish() {
    bar_.finish();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void write_ready() {
    for (; written_ < lines_.size() && lines_[written_]->end; ++written_) {
      write(static_cast<int64_t>(written_));
      lines_[written_].reset();
    }
    flush_output();
  }

  void write(int64_t at) {
    const TextLine& line = *lines_[static_cast<size_t>(at)];
    const PromptLine& prompt = prompts_[static_cast<size_t>(at / answers_)];
    JsonValue json = JsonValue::object();
    json.set("index", at / answers_);
    if (!prompt.id.is_null()) json.set("id", prompt.id);
    if (answers_ > 1) json.set("answer", at % answers_);
    json.set("text", line.text)
        .set("tokens", line.num_tokens)
        .set("prompt_tokens", line.end->prompt_tokens)
        .set("stop_reason", infer::stop_reason_name(line.end->reason));
    if (!line.logprobs.empty()) json.set("logprobs", logprobs_json(line.logprobs, &tokenizer_));
    if (line.end->error) {
      try {
        std::rethrow_exception(line.end->error);
      } catch (const std::exception& error) {
        json.set("error", error.what());
      }
    }
    print("{}\n", json.dump());
  }

  const text::Tokenizer& tokenizer_;
  const std::vector<PromptLine>& prompts_;
  int64_t answers_;
  ProgressBar bar_;
  std::vector<std::unique_ptr<TextLine>> lines_;
  size_t written_ = 0;
  int64_t finished_ = 0;
  std::exception_ptr error_;
};

void report(const infer::EngineStatistics& now, double seconds) {
  print_error(fmt::format(
      "{} tokens in {}, {:.1f} tokens/s; {} of prompts computed, {} shared; {} preemptions",
      grouped(now.new_tokens), human_duration(seconds),
      seconds > 0 ? static_cast<double>(now.new_tokens) / seconds : 0.0,
      grouped(now.prefill_tokens), grouped(now.reused_tokens), grouped(now.preemptions)));
  if (now.drafted_tokens > 0) {
    print_error(fmt::format("{} guesses, {} of them right", grouped(now.drafted_tokens),
                            grouped(now.accepted_tokens)));
  }
  report_draft_failures(now);
}

}  // namespace

io::JsonValue logprobs_json(const std::vector<infer::TokenLogprobs>& logprobs,
                            const text::Tokenizer* tokenizer) {
  const auto entry = [&](const infer::TokenLogprob& token) {
    JsonValue json = JsonValue::object();
    json.set("id", token.id);
    if (tokenizer != nullptr) {
      const std::string_view raw = tokenizer->token_bytes(token.id);
      std::string readable;
      text::append_repaired(raw, readable);
      JsonValue bytes = JsonValue::array();
      for (const char c : raw) bytes.push(int64_t{static_cast<uint8_t>(c)});
      json.set("token", readable).set("bytes", std::move(bytes));
    }
    return json.set("logprob", token.logprob);
  };
  JsonValue list = JsonValue::array();
  for (const infer::TokenLogprobs& place : logprobs) {
    JsonValue top = JsonValue::array();
    for (const infer::TokenLogprob& token : place.top) top.push(entry(token));
    list.push(entry(place.chosen).set("top", std::move(top)));
  }
  return list;
}

void report_draft_failures(const infer::EngineStatistics& now) {
  if (now.draft_failures == 0) return;
  print_error(fmt::format("the draft model failed at {} texts, which went on without its guesses",
                          grouped(now.draft_failures)));
}

std::vector<PromptLine> read_prompts(const std::filesystem::path& file) {
  std::istringstream text(read_text_input(file.string()));
  std::vector<PromptLine> prompts;
  std::string line;
  for (int64_t number = 1; std::getline(text, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    if (file.extension() == ".txt") {
      prompts.push_back({.text = line, .id = {}});
    } else {
      prompts.push_back(parse_line(line, fmt::format("{}:{}", file.string(), number)));
    }
  }
  if (prompts.empty()) fail(ErrorKind::invalid_input, "{}: has no prompt", file.string());
  return prompts;
}

void generate_many(Context& ctx, const model::Decoder& decoder, const model::Decoder* draft,
                   const text::Tokenizer& tokenizer, const std::vector<PromptLine>& prompts,
                   const GenerateMany& options) {
  infer::Engine engine(decoder, options.engine, draft);
  for (size_t i = 0; i < prompts.size(); ++i) {
    infer::Request request = {.prompt = options.encode(prompts[i].text),
                              .text = options.text,
                              .num_answers = options.answers};
    if (prompts[i].max_tokens > 0) request.text.max_tokens = prompts[i].max_tokens;
    if (prompts[i].seed >= 0) request.text.sampler.seed = prompts[i].seed;
    try {
      engine.submit(std::move(request));
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("prompt {}: {}", i, error.what()));
    }
  }
  const auto start = std::chrono::steady_clock::now();
  Writer writer(tokenizer, prompts, options);
  std::vector<std::pair<int64_t, int64_t>> stopped;
  while (!engine.idle()) {
    stopped.clear();
    for (const infer::Event& event : engine.step(ctx)) {
      if (writer.take(event)) stopped.emplace_back(event.request, event.answer);
    }
    for (const auto& [request, answer] : stopped) engine.cancel(request, answer);
    if (!options.keep_going()) engine.cancel_all();
    writer.show_progress(engine.statistics());
  }
  writer.finish();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  report(engine.statistics(), elapsed.count());
}

}  // namespace cadre::cli
