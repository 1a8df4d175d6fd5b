// The speed of products with quantised weights: for few tokens beside the bandwidth of memory, for
// many in operations.
//
//   quantised_gemm_bench [--table NAME] [--threads N] [--k K] [--n N] [--processor-time 1]
//
// Weights are 512 MiB that every pass reads once, tiles divided among threads. Each figure is the
// median of several passes. Operations count a multiplication and an addition each.
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/thread_pool.h"
#include "core/kernels/table.h"
#include "core/tensor/storage.h"

namespace cadre::kernels {
namespace {

struct Options {
  std::string table = "auto";
  int threads = 0;
  bool processor_time = false;
  int64_t k = 2048;
  int64_t n = 2048;
};

struct NamedFormat {
  PackedFormat format;
  const char* name;
};
constexpr NamedFormat kFormats[] = {{PackedFormat::q8_0, "q8_0"},
                                    {PackedFormat::q4_0, "q4_0"},
                                    {PackedFormat::q4_k, "q4_k"},
                                    {PackedFormat::q5_k, "q5_k"},
                                    {PackedFormat::q6_k, "q6_k"}};

// Time that passed; or, on a machine with other work, that the processors gave to this program.
double seconds(const Options& options) {
  if (options.processor_time) {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    const double all = static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
    return all / (options.threads > 0 ? options.threads : ThreadPool::hardware_threads());
  }
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Bytes of a second that all threads read together.
double bandwidth(const Options& options, const KernelTable& table, ThreadPool& pool,
                 const Storage& memory) {
  std::vector<double> times;
  const int64_t share = memory.size / pool.num_threads() / 4096 * 4096;
  for (int i = 0; i < 7; ++i) {
    const double start = seconds(options);
    pool.run(pool.num_threads(),
             [&](int64_t part, int) { table.read_memory(memory.data + part * share, share); });
    times.push_back(seconds(options) - start);
  }
  return static_cast<double>(share * pool.num_threads()) / median(times);
}

void run(const Options& options) {
  const KernelTable& table = choose_table(detect_cpu_features(), options.table);
  ThreadPool pool(options.threads > 0 ? options.threads : ThreadPool::hardware_threads());
  const auto allocator = Allocator::create();
  const auto weights = allocator->allocate(int64_t{512} << 20);
  RandomStream random(1);
  for (int64_t i = 0; i < weights->size; i += 8) {
    // Halves of magnitude about 1 and any quants.
    const uint64_t word = (random.next() & 0x83ff83ff83ff83ffull) | 0x2c002c002c002c00ull;
    std::memcpy(weights->data + i, &word, sizeof(word));
  }
  const double limit = bandwidth(options, table, pool, *weights);
  fmt::print("table {}, {} threads, reads {:.1f} GB/s\n", table.name, pool.num_threads(),
             limit / 1e9);
  constexpr int64_t kMost = 512;
  const int64_t k = options.k;
  std::vector<float> values(static_cast<size_t>(kMost * k));
  for (float& x : values) x = static_cast<float>(random.normal());
  std::vector<int8_t> quants(values.size());
  std::vector<float> scales(values.size() / 32), minimums(values.size() / 32);
  std::vector<int32_t> sums(values.size() / 16);
  table.quantise_rows({.x = values.data(),
                       .type = DType::f32,
                       .k = k,
                       .quants = quants.data(),
                       .scales = scales.data(),
                       .sums = sums.data(),
                       .x_minimums = minimums.data()},
                      {0, kMost});
  std::vector<std::shared_ptr<Storage>> scratch;
  for (int i = 0; i < pool.num_threads(); ++i) {
    scratch.push_back(allocator->allocate(quantised_gemm_scratch(k)));
  }
  std::vector<float> y(static_cast<size_t>(kMost * options.n));
  for (const NamedFormat& f : kFormats) {
    const int64_t tile_bytes = packed_tile_bytes(f.format, k);
    const int64_t matrix_tiles = packed_tiles(options.n);
    const int64_t matrices = weights->size / (tile_bytes * matrix_tiles);
    for (const int64_t m : {1, 2, 4, 6, 8, 16, 32, 64, 512}) {
      const int64_t task_tiles = m < 16 ? 8 : 64;
      // About 2^36 operations, or all the memory once.
      const int64_t count =
          std::clamp<int64_t>((int64_t{1} << 36) / (2 * m * options.n * k), 1, matrices);
      std::vector<double> times;
      for (int pass = 0; pass < 5; ++pass) {
        const int64_t tasks = count * matrix_tiles / task_tiles;
        const double start = seconds(options);
        pool.run(tasks, [&](int64_t task, int worker) {
          const int64_t tile = task * task_tiles;
          table.quantised_gemm({.x = {quants.data(), scales.data(), sums.data(), minimums.data()},
                                .m = m,
                                .k = k,
                                .format = f.format,
                                .tiles = weights->data + tile * tile_bytes,
                                .n = task_tiles * kPackedRows,
                                .y = y.data() + tile % matrix_tiles * kPackedRows,
                                .y_stride = options.n,
                                .scratch = scratch[static_cast<size_t>(worker)]->data});
        });
        times.push_back(seconds(options) - start);
      }
      const double time = median(times);
      const double bytes = static_cast<double>(count * matrix_tiles * tile_bytes);
      const double operations = 2.0 * static_cast<double>(m * options.n * k * count);
      fmt::print("{}  {:4} tokens  {:7.2f} GB/s ({:3.0f} % of reads)  {:8.1f} GOP/s\n", f.name, m,
                 bytes / time / 1e9, 100 * bytes / time / limit, operations / time / 1e9);
    }
  }
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--table") {
      options.table = argv[i + 1];
    } else if (flag == "--threads") {
      options.threads = std::atoi(argv[i + 1]);
    } else if (flag == "--processor-time") {
      options.processor_time = std::atoi(argv[i + 1]) != 0;
    } else if (flag == "--k") {
      options.k = std::atoll(argv[i + 1]) / 256 * 256;
    } else if (flag == "--n") {
      options.n = std::atoll(argv[i + 1]) / 128 * 128;
    } else {
      fail(ErrorKind::invalid_input, "unknown flag {}", flag);
    }
  }
  return options;
}

}  // namespace
}  // namespace cadre::kernels

int main(int argc, char** argv) {
  try {
    cadre::kernels::run(cadre::kernels::parse(argc, argv));
  } catch (const cadre::Error& error) {
    fmt::print(stderr, "quantised_gemm_bench: {}\n", error.what());
    return cadre::exit_code(error.kind());
  }
  return 0;
}
