// Speed of the tokenizer on one thread, and a door for scripts that compare it with others.
//
//   tokenizer_bench speed TOKENIZER TEXT [REPEATS]   MB/s of encoding the file, by processor
//                                                    time, median of REPEATS
//   tokenizer_bench train TEXT VOCAB_SIZE THREADS [MIN_FREQUENCY [OUT]]    seconds to train
//   tokenizer_bench encode TOKENIZER                 JSON strings on stdin, one a line, to ids
//   tokenizer_bench decode TOKENIZER                 JSON lists of ids on stdin to JSON strings
//
// encode and decode take the flags --plain-special (special tokens in the text stay text), --bare
// (nothing added before and after) and --skip-special.
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/thread_pool.h"
#include "text/bpe_trainer.h"
#include "text/tokenizer.h"

namespace cadre::text {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Of the processor, which a shared machine does not change as much.
double cpu_seconds_of(const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  work();
  return now() - start;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Documents of a few kilobytes, cut at line ends, as training data has them.
std::vector<std::string_view> documents_of(std::string_view text) {
  constexpr size_t kBytes = 4096;
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    const size_t newline = text.find('\n', std::min(kBytes, text.size()));
    const size_t size = newline == std::string_view::npos ? text.size() : newline + 1;
    documents.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return documents;
}

void speed(const std::string& tokenizer_file, const std::string& text_file, int repeats) {
  std::optional<Tokenizer> tokenizer;
  const double load = cpu_seconds_of([&] { tokenizer = Tokenizer::load(tokenizer_file); });
  const std::string text = read_text_file(text_file);
  const std::vector<std::string_view> documents = documents_of(text);
  std::vector<double> whole;
  std::vector<double> split;
  std::vector<int32_t> ids;
  for (int i = 0; i < repeats; ++i) {
    whole.push_back(cpu_seconds_of([&] { ids = tokenizer->encode(text); }));
    split.push_back(cpu_seconds_of([&] {
      EncodeWorkspace workspace;
      for (std::string_view document : documents) {
        ids.clear();
        tokenizer->encode(document, {}, workspace, ids);
      }
    }));
  }
  const double megabytes = static_cast<double>(text.size()) / 1e6;
  ids = tokenizer->encode(text);
  const double decode = cpu_seconds_of([&] { static_cast<void>(tokenizer->decode(ids)); });
  fmt::print(
      "load {:.1f} ms; encode {:.1f} MB/s as one text, {:.1f} MB/s in {} documents; "
      "decode {:.1f} MB/s; {} tokens, {:.2f} bytes each\n",
      load * 1e3, megabytes / median(whole), megabytes / median(split), documents.size(),
      megabytes / decode, ids.size(), static_cast<double>(text.size()) / ids.size());
}

Tokenizer train(const std::string& text_file, const BpeTrainerOptions& options, int threads) {
  const std::string text = read_text_file(text_file);
  ThreadPool pool(threads);
  bool given = false;
  const auto source = [&]() -> std::optional<std::string_view> {
    if (given) return std::nullopt;
    given = true;
    return text;
  };
  std::optional<Tokenizer> tokenizer;
  const double seconds = seconds_of([&] { tokenizer = train_bpe(source, options, pool); });
  fmt::print("{:.1f} MB, {} tokens, {} threads: {:.2f} s\n", static_cast<double>(text.size()) / 1e6,
             tokenizer->vocab_size(), threads, seconds);
  return *tokenizer;
}

void encode_lines(const Tokenizer& tokenizer, EncodeOptions options) {
  EncodeWorkspace workspace;
  std::vector<int32_t> ids;
  for (std::string line; std::getline(std::cin, line);) {
    ids.clear();
    const auto text = nlohmann::json::parse(line).get<std::string>();
    tokenizer.encode(text, options, workspace, ids);
    std::cout << nlohmann::json(ids).dump() << "\n";
  }
}

void decode_lines(const Tokenizer& tokenizer, bool skip_special) {
  for (std::string line; std::getline(std::cin, line);) {
    const auto ids = nlohmann::json::parse(line).get<std::vector<int32_t>>();
    std::cout << nlohmann::json(tokenizer.decode(ids, skip_special)).dump() << "\n";
  }
}

void run(std::vector<std::string> arguments) {
  const auto take_flag = [&](const std::string& name) { return std::erase(arguments, name) > 0; };
  const EncodeOptions options = {.add_special_tokens = !take_flag("--bare"),
                                 .parse_special = !take_flag("--plain-special")};
  const bool skip_special = take_flag("--skip-special");
  const std::string job = arguments.empty() ? "" : arguments[0];
  if (job == "speed" && arguments.size() >= 3) {
    speed(arguments[1], arguments[2], arguments.size() > 3 ? std::stoi(arguments[3]) : 5);
  } else if (job == "train" && arguments.size() >= 4) {
    BpeTrainerOptions trainer;
    trainer.vocab_size = std::stoll(arguments[2]);
    if (arguments.size() > 4) trainer.min_frequency = std::stoll(arguments[4]);
    const Tokenizer trained = train(arguments[1], trainer, std::stoi(arguments[3]));
    if (arguments.size() > 5) trained.save(arguments[5]);
  } else if (job == "encode" && arguments.size() == 2) {
    encode_lines(Tokenizer::load(arguments[1]), options);
  } else if (job == "decode" && arguments.size() == 2) {
    decode_lines(Tokenizer::load(arguments[1]), skip_special);
  } else {
    fail(ErrorKind::invalid_input, "tokenizer_bench: expected speed, train, encode or decode");
  }
}

}  // namespace
}  // namespace cadre::text

int main(int argc, char** argv) {
  try {
    cadre::text::run({argv + 1, argv + argc});
  } catch (const cadre::Error& error) {
    std::cerr << error.what() << "\n";
    return cadre::exit_code(error.kind());
  } catch (const std::exception& error) {
    std::cerr << "tokenizer_bench: " << error.what() << "\n";
    return 2;
  }
}
