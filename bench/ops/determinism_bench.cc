// What it costs that results do not depend on the number of threads: both ways of
// determinism_cases.h, in interleaved pairs.
//
//   determinism_bench [--threads N] [--pairs N]
//
// Times are medians of processor time, which other programs on the machine disturb less than time
// that passes; a ratio above 1 is the price of the promise. What the whole step pays at most is the
// sum of the cases that pay, each as often as it occurs in a step.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>

#include "bench/ops/determinism_cases.h"
#include "core/base/cpu_features.h"
#include "core/base/error.h"

namespace cadre::ops {
namespace {

struct Options {
  int threads = ThreadPool::hardware_threads();
  int pairs = 101;
};

struct Seconds {
  double processor;
  double passed;
};

Seconds now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  const std::chrono::duration<double> clock = std::chrono::steady_clock::now().time_since_epoch();
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime), clock.count()};
}

// Repeats a run until it is long enough for the clock of processor time.
class Timer {
 public:
  explicit Timer(const std::function<Tensor()>& run) : run_(run) {
    const Seconds start = now();
    run_();
    repeats_ = std::max(1, static_cast<int>(0.01 / std::max(1e-6, now().passed - start.passed)));
  }
  Seconds measure() const {
    const Seconds start = now();
    for (int i = 0; i < repeats_; ++i) run_();
    const Seconds end = now();
    return {(end.processor - start.processor) / repeats_, (end.passed - start.passed) / repeats_};
  }

 private:
  const std::function<Tensor()>& run_;
  int repeats_;
};

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

// Both ways compute the same but for rounding, or the comparison means nothing.
void expect_agreement(const DeterminismCase& one) {
  const Tensor x = one.with();
  const Tensor y = one.without();
  double difference = 0, size = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    const double a = x.data<float>()[i];
    difference += std::pow(a - y.data<float>()[i], 2);
    size += a * a;
  }
  if (x.elements() != y.elements() || !(difference <= 1e-10 * size)) {
    fail(ErrorKind::internal, "{}: the two ways differ by {:.1e}, expected 1e-5", one.name,
         std::sqrt(difference / size));
  }
}

int run(const Options& options) {
  ThreadPool pool(options.threads);
  const kernels::KernelTable& table = kernels::choose_table(detect_cpu_features(), "auto");
  Context ctx(pool, table, Allocator::create());
  fmt::print("{} threads, {} kernels, {} pairs; ms of processor time\n\n", options.threads,
             table.name, options.pairs);
  fmt::print("{:<38} {:>8} {:>9} {:>9} {:>7} {:>13} {:>9}\n", "", "per step", "with", "without",
             "ratio", "quartiles", "elapsed");
  double price = 0, all = 0;
  for (const DeterminismCase& one : determinism_cases(ctx)) {
    expect_agreement(one);
    const Timer with(one.with), without(one.without);
    std::vector<double> with_times, without_times, ratios, passed_ratios;
    for (int pair = 0; pair < options.pairs; ++pair) {
      Seconds a{}, b{};
      if (pair % 2 == 0) a = with.measure();
      b = without.measure();
      if (pair % 2 == 1) a = with.measure();
      with_times.push_back(a.processor);
      without_times.push_back(b.processor);
      ratios.push_back(a.processor / b.processor);
      passed_ratios.push_back(a.passed / b.passed);
    }
    const double a = quantile(with_times, 0.5), b = quantile(without_times, 0.5);
    fmt::print("{:<38} {:>8} {:>9.3f} {:>9.3f} {:>7.2f} {:>6.2f} {:>6.2f} {:>9.2f}\n", one.name,
               one.per_step, 1e3 * a, 1e3 * b, quantile(ratios, 0.5), quantile(ratios, 0.25),
               quantile(ratios, 0.75), quantile(passed_ratios, 0.5));
    const auto times = static_cast<double>(one.per_step);
    all += times * a;
    price += times * std::max(0.0, a - b);
  }
  fmt::print(
      "\nA step spends {:.1f} ms of processor time here, of which the promise costs {:.1f}.\n",
      1e3 * all, 1e3 * price);
  return 0;
}

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    const int value = i + 1 < count ? std::atoi(words[i + 1]) : 0;
    int* field = word == "--threads" ? &options.threads : &options.pairs;
    if ((word != "--threads" && word != "--pairs") || value < 1) {
      fail(ErrorKind::invalid_input, "\"{}\", expected --threads N or --pairs N", word);
    }
    *field = value;
    ++i;
  }
  return options;
}

}  // namespace
}  // namespace cadre::ops

int main(int count, char** words) {
  try {
    return cadre::ops::run(cadre::ops::parse(count, words));
  } catch (const cadre::Error& error) {
    fmt::print(stderr, "determinism_bench: {}\n", error.what());
    return cadre::exit_code(error.kind());
  }
}
