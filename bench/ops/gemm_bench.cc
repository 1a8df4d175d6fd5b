// The speed of matrix products beside the peak of the multiplier, for the three products of a
// linear layer in the shapes of mixture models.
//
//   gemm_bench [--json] [--table NAME] [--threads N] [--quick] [m n k]
//
// The best of several runs, each over other memory than the one before, so that weights come from
// memory and not from a cache.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/ops/gemm_tasks.h"
#include "core/ops/roofline.h"

namespace cadre::ops {
namespace {

using kernels::GemmArgs;
using kernels::KernelTable;

struct Shape {
  int64_t tokens, out, in;
};

struct Options {
  bool json = false;
  bool quick = false;
  std::string table = "auto";
  int threads = 0;  // 0: one, then all
  std::vector<Shape> shapes;
};

enum class Kind { forward, backward_input, backward_weight };
constexpr const char* kKindNames[] = {"y = x w^T", "dx = dy w", "dw = dy^T x"};

double seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Memory for operands, larger than the caches, filled with bf16 or f32 of magnitude about 1.
class Arena {
 public:
  explicit Arena(std::shared_ptr<Allocator> allocator, int64_t bytes)
      : storage_(allocator->allocate(bytes)) {
    RandomStream random(1);
    for (int64_t i = 0; i < bytes; i += 8) {
      const uint64_t word = (random.next() & 0x80ff80ff80ff80ffull) | 0x3f003f003f003f00ull;
      std::memcpy(storage_->data + i, &word, sizeof(word));
    }
  }

  std::byte* take(int64_t bytes) {
    bytes = (bytes + 4095) / 4096 * 4096;
    if (used_ + bytes > storage_->size) used_ = 0;
    std::byte* start = storage_->data + used_;
    used_ += bytes;
    return start;
  }

 private:
  std::shared_ptr<Storage> storage_;
  int64_t used_ = 0;
};

class Bench {
 public:
  Bench(const kernels::KernelTable& table, int threads, std::shared_ptr<Allocator> allocator)
      : pool_(threads), ctx_(pool_, table, std::move(allocator)) {}

  double peak(DType type) { return measure_peak_flops(ctx_, type, 10); }

  double product(Kind kind, DType type, const Shape& s, Arena& arena) {
    const double flops = 2.0 * s.tokens * s.out * s.in;
    double best = 1e30;
    double total = 0;
    for (int repeat = 0; repeat < 30 && (repeat < 4 || total < 0.3); ++repeat) {
      const GemmArgs args = arguments(kind, type, s, arena);
      const double start = seconds();
      run_gemms(ctx_, {&args, 1});
      const double elapsed = seconds() - start;
      best = std::min(best, elapsed);
      total += elapsed;
    }
    return flops / best;
  }

 private:
  static GemmArgs arguments(Kind kind, DType type, const Shape& s, Arena& arena) {
    GemmArgs args;
    args.type = type;
    const auto take = [&](int64_t rows, int64_t columns) {
      return arena.take(rows * columns * dtype_size(type));
    };
    args.c_type = kind == Kind::backward_weight ? DType::f32 : type;
    if (kind == Kind::forward) {
      args.m = s.tokens, args.n = s.out, args.k = s.in;
      args.a = take(s.tokens, s.in), args.a_stride = s.in;
      args.b = take(s.out, s.in), args.b_stride = s.in, args.b_transposed = true;
    } else if (kind == Kind::backward_input) {
      args.m = s.tokens, args.n = s.in, args.k = s.out;
      args.a = take(s.tokens, s.out), args.a_stride = s.out;
      args.b = take(s.out, s.in), args.b_stride = s.in;
    } else {
      args.m = s.out, args.n = s.in, args.k = s.tokens;
      args.a = take(s.tokens, s.out), args.a_stride = s.out, args.a_transposed = true;
      args.b = take(s.tokens, s.in), args.b_stride = s.in;
    }
    args.c = arena.take(args.m * args.n * dtype_size(args.c_type));
    args.c_stride = args.n;
    return args;
  }

  ThreadPool pool_;
  Context ctx_;
};

Options parse(int count, char** words) {
  Options options;
  std::vector<int64_t> numbers;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--json") {
      options.json = true;
    } else if (word == "--quick") {
      options.quick = true;
    } else if (word == "--table" && i + 1 < count) {
      options.table = words[++i];
    } else if (word == "--threads" && i + 1 < count) {
      options.threads = std::atoi(words[++i]);
    } else {
      numbers.push_back(std::atoll(words[i]));
    }
  }
  if (numbers.size() == 3) {
    options.shapes = {{numbers[0], numbers[1], numbers[2]}};
  } else if (options.quick) {
    options.shapes = {{64, 1024, 1024}, {256, 2048, 2048}, {512, 512, 512}, {2048, 2048, 1024}};
  } else {
    for (const int64_t tokens : {64, 128, 256, 512, 2048, 4096}) {
      for (const Shape& w : {Shape{0, 512, 256}, Shape{0, 512, 512}, Shape{0, 2048, 1024},
                             Shape{0, 2048, 2048}, Shape{0, 8192, 2048}}) {
        options.shapes.push_back({tokens, w.out, w.in});
      }
    }
  }
  return options;
}

int run(const Options& options) {
  const KernelTable& table = kernels::choose_table(detect_cpu_features(), options.table);
  const std::shared_ptr<Allocator> allocator = Allocator::create();
  Arena arena(allocator, int64_t{512} << 20);
  std::vector<int> thread_counts = {1};
  if (ThreadPool::hardware_threads() > 1) thread_counts.push_back(ThreadPool::hardware_threads());
  if (options.threads > 0) thread_counts = {options.threads};
  for (const int threads : thread_counts) {
    Bench bench(table, threads, allocator);
    for (const DType type : {DType::bf16, DType::f32}) {
      const double peak = bench.peak(type);
      if (!options.json) {
        fmt::print("\n{}, {}, {} thread(s): peak {:.0f} GFLOP/s\n", table.name, dtype_name(type),
                   threads, peak * 1e-9);
        fmt::print("{:>7} {:>6} {:>6}", "tokens", "out", "in");
        for (const char* name : kKindNames) fmt::print(" {:>18}", name);
        fmt::print("\n");
      }
      for (const Shape& s : options.shapes) {
        double speed[3];
        for (int kind = 0; kind < 3; ++kind) {
          speed[kind] = bench.product(static_cast<Kind>(kind), type, s, arena);
        }
        if (options.json) {
          fmt::print(
              "{{\"table\": \"{}\", \"dtype\": \"{}\", \"threads\": {}, \"peak\": {:.4g}, "
              "\"tokens\": {}, \"out\": {}, \"in\": {}, \"y\": {:.4g}, \"dx\": {:.4g}, "
              "\"dw\": {:.4g}}}\n",
              table.name, dtype_name(type), threads, peak, s.tokens, s.out, s.in, speed[0],
              speed[1], speed[2]);
        } else {
          fmt::print("{:>7} {:>6} {:>6}", s.tokens, s.out, s.in);
          for (const double x : speed)
            fmt::print(" {:>10.0f} ({:3.0f} %)", x * 1e-9, 100 * x / peak);
          fmt::print("\n");
        }
        std::fflush(stdout);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace cadre::ops

int main(int count, char** words) {
  try {
    return cadre::ops::run(cadre::ops::parse(count, words));
  } catch (const cadre::Error& error) {
    fmt::print(stderr, "gemm_bench: {}\n", error.what());
    return cadre::exit_code(error.kind());
  }
}
