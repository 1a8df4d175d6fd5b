// Speed of the sampler: microseconds of processor time for each token, median of REPEATS.
//
//   sampler_bench [V [REPEATS]]
//
// Logits are normal with a deviation of 3 and a few likely tokens, about what models give.
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "infer/sampler.h"

namespace cadre::infer {
namespace {

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Case {
  std::string name;
  SamplerOptions options;
  bool constrained = false;
};

void run(int64_t vocab_size, int repeats) {
  std::vector<Case> cases = {
      {"temperature 0", {.temperature = 0.0}},
      {"temperature 0.8", {}},
      {"top_k 40", {.top_k = 40}},
      {"top_p 0.95", {.top_p = 0.95}},
      {"min_p 0.05", {.min_p = 0.05}},
      {"top_k 40, top_p 0.95, min_p 0.05", {.top_k = 40, .top_p = 0.95, .min_p = 0.05}},
      {"typical_p 0.9", {.typical_p = 0.9}},
      {"top_p 0.95, all penalties",
       {.top_p = 0.95, .repeat_penalty = 1.1, .frequency_penalty = 0.1, .presence_penalty = 0.1}},
      {"top_p 0.95, 100 tokens allowed", {.top_p = 0.95}, true}};
  constexpr int kRows = 8;
  RandomStream random(1);
  std::vector<std::vector<float>> rows(kRows, std::vector<float>(static_cast<size_t>(vocab_size)));
  for (std::vector<float>& row : rows) {
    for (float& logit : row) logit = static_cast<float>(3.0 * random.normal());
    for (int i = 0; i < 5; ++i) row[random.below(row.size())] = static_cast<float>(14 - i);
  }
  std::vector<int32_t> history(2000);
  for (int32_t& token : history)
    token = static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab_size)));
  std::vector<uint64_t> allowed(static_cast<size_t>(vocab_size + 63) / 64, 0);
  for (int i = 0; i < 100; ++i) {
    const uint64_t id = random.below(static_cast<uint64_t>(vocab_size));
    allowed[id / 64] |= uint64_t{1} << (id % 64);
  }
  fmt::print("{} candidates\n", vocab_size);
  for (const Case& one : cases) {
    Sampler sampler(one.options);
    std::vector<double> times;
    int64_t position = 0;
    for (int round = 0; round < repeats; ++round) {
      const double start = cpu_seconds();
      for (const std::vector<float>& row : rows) {
        SampleInput input = {
            .logits = row, .position = position++, .history = history, .prompt_length = 1000};
        if (one.constrained) input.allowed = allowed;
        static_cast<void>(sampler.sample(input));
      }
      times.push_back((cpu_seconds() - start) / kRows);
    }
    std::sort(times.begin(), times.end());
    fmt::print("{:<36} {:7.1f} us\n", one.name, times[times.size() / 2] * 1e6);
  }
}

}  // namespace
}  // namespace cadre::infer

int main(int argc, char** argv) {
  cadre::infer::run(argc > 1 ? std::stoll(argv[1]) : 50'280, argc > 2 ? std::stoi(argv[2]) : 31);
  return 0;
}
