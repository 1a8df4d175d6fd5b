// GB/s of the kernels that are bound by memory rather than by arithmetic, on the shapes of a small
// (hidden size 512, vocabulary 8192) and of an OLMoE-sized model (2048, 50304), as a share of what
// this machine copies. Small cases stay in the caches and may exceed it.
//
//   elementwise_bench [--kernels NAME] [--repeats N] [FILTER]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/thread_pool.h"
#include "core/kernels/table.h"

namespace cadre::kernels {
namespace {

// Page-aligned memory, its pages touched.
class Memory {
 public:
  explicit Memory(int64_t bytes)
      : bytes_((bytes + 4095) / 4096 * 4096), data_(std::aligned_alloc(4096, bytes_), std::free) {
    std::memset(data_.get(), 0, bytes_);
  }
  static Memory normal(DType type, int64_t count, uint64_t seed) {
    Memory memory(count * dtype_size(type));
    const RandomStream random(seed);
    std::vector<float> period(65536);  // the rest repeats it: quick to fill, and just as random
    for (size_t i = 0; i < period.size(); ++i) period[i] = static_cast<float>(random.normal_at(i));
    for (int64_t i = 0; i < count; ++i) {
      const float value = period[i % 65536];
      if (type == DType::bf16) {
        memory.as<bf16>()[i] = to_bf16(value);
      } else {
        memory.as<float>()[i] = value;
      }
    }
    return memory;
  }
  template <class T = void>
  T* as() const {
    return static_cast<T*>(data_.get());
  }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_;
  std::unique_ptr<void, void (*)(void*)> data_;
};

struct Case {
  std::string name;
  int64_t rows;
  double bytes;  // read and written by one run
  std::function<void(const KernelTable&, Range)> run;
};

// The best of the repeats: whoever shares the machine can only make a run slower.
double best_seconds(const std::function<void()>& run, int repeats) {
  run();
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

// Divides the rows among the threads in whole pieces of a multiple of 64.
void run_on(ThreadPool& pool, int64_t rows, const std::function<void(Range)>& work) {
  const int64_t threads = pool.num_threads();
  const int64_t piece = (rows / threads + 63) / 64 * 64;
  pool.run(threads, [&](int64_t i, int) {
    work({std::min(i * piece, rows), std::min((i + 1) * piece, rows)});
  });
}

const char* short_name(DType type) { return type == DType::bf16 ? "bf16" : "f32"; }

Case rms_norm_case(DType type, int64_t rows, int64_t width) {
  auto x = std::make_shared<Memory>(Memory::normal(type, rows * width, 1));
  auto weight = std::make_shared<Memory>(Memory::normal(DType::f32, width, 2));
  auto y = std::make_shared<Memory>(rows * width * dtype_size(type));
  auto r = std::make_shared<Memory>(rows * 4);
  return {fmt::format("rms_norm {} {}x{}", short_name(type), rows, width), rows,
          2.0 * rows * width * dtype_size(type), [=](const KernelTable& table, Range range) {
            table.rms_norm(
                {x->as(), type, weight->as<float>(), y->as(), type, r->as<float>(), width, 1e-5f},
                range);
          }};
}

Case rms_norm_backward_case(DType type, int64_t rows, int64_t width) {
  auto x = std::make_shared<Memory>(Memory::normal(type, rows * width, 1));
  auto dy = std::make_shared<Memory>(Memory::normal(type, rows * width, 3));
  auto weight = std::make_shared<Memory>(Memory::normal(DType::f32, width, 2));
  auto dx = std::make_shared<Memory>(rows * width * dtype_size(type));
  auto r = std::make_shared<Memory>(Memory::normal(DType::f32, rows, 4));
  return {fmt::format("rms_norm_backward {} {}x{}", short_name(type), rows, width), rows,
          3.0 * rows * width * dtype_size(type), [=](const KernelTable& table, Range range) {
            table.rms_norm_backward({dy->as(), type, x->as(), type, weight->as<float>(),
                                     r->as<float>(), dx->as(), false, nullptr, false, rows, width},
                                    range);
          }};
}

Case rms_norm_weight_case(DType type, int64_t rows, int64_t width) {
  auto x = std::make_shared<Memory>(Memory::normal(type, rows * width, 1));
  auto dy = std::make_shared<Memory>(Memory::normal(type, rows * width, 3));
  auto r = std::make_shared<Memory>(Memory::normal(DType::f32, rows, 4));
  auto dweight = std::make_shared<Memory>(width * 4);
  return {fmt::format("rms_norm_backward_weight {} {}x{}", short_name(type), rows, width), width,
          2.0 * rows * width * dtype_size(type), [=](const KernelTable& table, Range range) {
            table.rms_norm_backward_weight(
                {dy->as(), type, x->as(), type, nullptr, r->as<float>(), nullptr, false,
                 dweight->as<float>(), false, rows, width},
                range);
          }};
}

Case swiglu_case(DType type, int64_t rows, int64_t width, bool backward) {
  auto x = std::make_shared<Memory>(Memory::normal(type, rows * 2 * width, 1));
  auto y = std::make_shared<Memory>(Memory::normal(type, rows * width, 2));
  auto dx = std::make_shared<Memory>(rows * 2 * width * dtype_size(type));
  return {
      fmt::format("swiglu{} {} {}x{}", backward ? "_backward" : "", short_name(type), rows, width),
      rows, (backward ? 5.0 : 3.0) * rows * width * dtype_size(type),
      [=](const KernelTable& table, Range range) {
        const SwigluArgs args = {x->as(), y->as(), y->as(), dx->as(), type, width};
        (backward ? table.swiglu_backward : table.swiglu)(args, range);
      }};
}

Case softmax_case(int64_t rows, int64_t width) {
  auto z = std::make_shared<Memory>(Memory::normal(DType::f32, rows * width, 1));
  auto p = std::make_shared<Memory>(rows * width * 4);
  return {fmt::format("softmax f32 {}x{}", rows, width), rows, 8.0 * rows * width,
          [=](const KernelTable& table, Range range) {
            table.softmax({z->as<float>(), p->as<float>(), nullptr, width}, range);
          }};
}

Case attention_case(DType type, int64_t rows, int64_t width, bool backward) {
  auto scores = std::make_shared<Memory>(Memory::normal(DType::f32, rows * width, 1));
  auto p = std::make_shared<Memory>(rows * width * dtype_size(type));
  auto ds = std::make_shared<Memory>(rows * width * dtype_size(type));
  auto row = std::make_shared<Memory>(rows * 4);
  auto keys = std::make_shared<Memory>(rows * 4);
  auto output = std::make_shared<Memory>(rows * 64 * 4);
  std::fill_n(keys->as<int32_t>(), rows, static_cast<int32_t>(width));
  const double types = dtype_size(type);
  return {fmt::format("attention_tile{} {} {}x{}", backward ? "_backward" : "", short_name(type),
                      rows, width),
          rows, rows * width * (backward ? 8 + 2 * types : 4 + types),
          [=](const KernelTable& table, Range range) {
            if (backward) {
              table.attention_tile_backward(
                  {scores->as<float>(), scores->as<float>(), width, width, row->as<int32_t>(),
                   keys->as<int32_t>(), 0.1f, row->as<float>(), row->as<float>(), p->as(), ds->as(),
                   type, width},
                  range);
              return;
            }
            std::vector<float> top(range.end, -1e30f), sum(range.end, 0.0f);
            table.attention_tile(
                {scores->as<float>(), width, width, row->as<int32_t>(), keys->as<int32_t>(), 0.1f,
                 top.data(), sum.data(), output->as<float>(), 64, p->as(), type, width},
                range);
          }};
}

Case cross_entropy_case(DType type, int64_t rows, int64_t width) {
  auto z = std::make_shared<Memory>(Memory::normal(DType::f32, rows * width, 1));
  auto dz = std::make_shared<Memory>(rows * width * dtype_size(type));
  auto row = std::make_shared<Memory>(rows * 4);
  auto weight = std::make_shared<Memory>(Memory::normal(DType::f32, rows, 2));
  auto loss = std::make_shared<Memory>(rows * 4);
  return {fmt::format("cross_entropy {} {}x{}", short_name(type), rows, width), rows,
          rows * width * (4.0 + dtype_size(type)), [=](const KernelTable& table, Range range) {
            table.cross_entropy({z->as<float>(), width, row->as<int32_t>(), loss->as<float>(),
                                 nullptr, weight->as<float>(), dz->as(), type, width, width},
                                range);
          }};
}

Case combine_case(DType type, int64_t rows, int64_t k, int64_t width, bool backward) {
  auto x = std::make_shared<Memory>(Memory::normal(type, rows * k * width, 1));
  auto y = std::make_shared<Memory>(Memory::normal(type, rows * width, 2));
  auto dx = std::make_shared<Memory>(rows * k * width * dtype_size(type));
  auto weight = std::make_shared<Memory>(Memory::normal(DType::f32, rows * k, 3));
  auto dweight = std::make_shared<Memory>(rows * k * 4);
  auto slot = std::make_shared<Memory>(rows * k * 4);
  // Token n's j-th expert is (n + j) modulo 64, and experts hold their tokens in order.
  const int64_t stride = rows * k / 64;
  for (int64_t i = 0; i < rows * k; ++i) {
    const int64_t n = i / k;
    slot->as<int32_t>()[i] = static_cast<int32_t>((n + i % k) % 64 * stride + n / 64 * k + i % k);
  }
  const double rows_moved = backward ? 2.0 * k + 1 : k + 1.0;
  return {fmt::format("combine{} {} {}x{} top {}", backward ? "_backward" : "", short_name(type),
                      rows, width, k),
          rows, rows_moved * rows * width * dtype_size(type),
          [=](const KernelTable& table, Range range) {
            if (backward) {
              table.combine_backward({x->as(), y->as(), weight->as<float>(), slot->as<int32_t>(),
                                      dx->as(), dweight->as<float>(), type, type, k, width},
                                     range);
              return;
            }
            table.combine({x->as(), weight->as<float>(), slot->as<int32_t>(), y->as(), type, type,
                           false, k, width},
                          range);
          }};
}

Case adamw_case(int64_t count) {
  auto weight = std::make_shared<Memory>(Memory::normal(DType::f32, count, 1));
  auto gradient = std::make_shared<Memory>(Memory::normal(DType::f32, count, 2));
  auto m = std::make_shared<Memory>(count * 4);
  auto v = std::make_shared<Memory>(count * 4);
  auto copy = std::make_shared<Memory>(count * 2);
  return {fmt::format("adamw with bf16 copy {}M", count >> 20), count, 30.0 * count,
          [=](const KernelTable& table, Range range) {
            table.adamw(
                {weight->as<float>(), gradient->as<float>(), m->as<float>(), v->as<float>(),
                 copy->as(), DType::bf16, 1.0f, 1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.1f, 0.05f},
                range);
          }};
}

Case sum_squares_case(int64_t count) {
  auto x = std::make_shared<Memory>(Memory::normal(DType::f32, count, 1));
  return {fmt::format("sum_squares {}M", count >> 20), count, 4.0 * count,
          [=](const KernelTable& table, Range range) {
            volatile double sum = table.sum_squares(x->as<float>(), range);
            static_cast<void>(sum);
          }};
}

Case cast_case(DType from, DType to, int64_t count) {
  auto x = std::make_shared<Memory>(Memory::normal(from, count, 1));
  auto y = std::make_shared<Memory>(count * dtype_size(to));
  return {fmt::format("cast {} to {} {}M", short_name(from), short_name(to), count >> 20), count,
          double(count) * (dtype_size(from) + dtype_size(to)),
          [=](const KernelTable& table, Range range) {
            table.cast({x->as(), from, y->as(), to}, range);
          }};
}

Case dropout_case(int64_t count) {
  auto x = std::make_shared<Memory>(Memory::normal(DType::bf16, count, 1));
  auto y = std::make_shared<Memory>(count * 2);
  return {fmt::format("dropout bf16 {}M", count >> 20), count, 4.0 * count,
          [=](const KernelTable& table, Range range) {
            table.dropout({x->as(), y->as(), DType::bf16, 1, 2, 3, 0.1f}, range);
          }};
}

Case top_k_case(int64_t rows, int64_t experts, int64_t k) {
  auto scores = std::make_shared<Memory>(Memory::normal(DType::f32, rows * experts, 1));
  auto chosen = std::make_shared<Memory>(rows * k * 4);
  auto values = std::make_shared<Memory>(rows * k * 4);
  return {fmt::format("top_k {} of {}, {} rows", k, experts, rows), rows,
          rows * (4.0 * experts + 8.0 * k), [=](const KernelTable& table, Range range) {
            table.top_k(
                {scores->as<float>(), experts, k, chosen->as<int32_t>(), values->as<float>()},
                range);
          }};
}

Case rope_case(DType type, int64_t rows, int64_t heads, int64_t head_dim) {
  const int64_t width = heads * head_dim;
  auto x = std::make_shared<Memory>(Memory::normal(type, rows * width, 1));
  auto y = std::make_shared<Memory>(rows * width * dtype_size(type));
  auto table_values = std::make_shared<Memory>(Memory::normal(DType::f32, 1024 * head_dim / 2, 2));
  auto positions = std::make_shared<Memory>(rows * 4);
  for (int64_t n = 0; n < rows; ++n) positions->as<int32_t>()[n] = static_cast<int32_t>(n % 1024);
  return {fmt::format("rope {} {}x{}x{}", short_name(type), rows, heads, head_dim), rows,
          2.0 * rows * width * dtype_size(type), [=](const KernelTable& table, Range range) {
            table.rope({x->as(), y->as(), type, positions->as<int32_t>(), table_values->as<float>(),
                        table_values->as<float>(), heads, head_dim, head_dim, false},
                       range);
          }};
}

std::vector<std::function<Case()>> cases() {
  constexpr DType kBf16 = DType::bf16, kF32 = DType::f32;
  std::vector<std::function<Case()>> list;
  for (const auto& [rows, width] : {std::pair{4096, 512}, {2048, 2048}}) {
    list.push_back([=] { return rms_norm_case(kBf16, rows, width); });
    list.push_back([=] { return rms_norm_backward_case(kBf16, rows, width); });
    list.push_back([=] { return rms_norm_weight_case(kBf16, rows, width); });
    list.push_back([=] { return rope_case(kBf16, rows, width / 64, 64); });
  }
  for (bool backward : {false, true}) {
    list.push_back([=] { return swiglu_case(kBf16, 16384, 256, backward); });
    list.push_back([=] { return swiglu_case(kBf16, 16384, 1024, backward); });
    list.push_back([=] { return combine_case(kBf16, 4096, 4, 512, backward); });
    list.push_back([=] { return combine_case(kBf16, 2048, 8, 2048, backward); });
    list.push_back([=] { return attention_case(kBf16, 4096, 256, backward); });
  }
  list.push_back([] { return softmax_case(4096, 32); });
  list.push_back([] { return softmax_case(2048, 64); });
  list.push_back([] { return softmax_case(512, 8192); });
  for (DType type : {kBf16, kF32}) {
    list.push_back([=] { return cross_entropy_case(type, 1024, 8192); });
    list.push_back([=] { return cross_entropy_case(type, 512, 50304); });
  }
  list.push_back([] { return adamw_case(32 << 20); });
  list.push_back([] { return sum_squares_case(64 << 20); });
  list.push_back([] { return cast_case(kF32, kBf16, 64 << 20); });
  list.push_back([] { return cast_case(kBf16, kF32, 64 << 20); });
  list.push_back([] { return dropout_case(8 << 20); });
  list.push_back([] { return top_k_case(4096, 32, 4); });
  list.push_back([] { return top_k_case(4096, 64, 8); });
  list.push_back([] { return top_k_case(4096, 2048, 8); });
  return list;
}

int run_all(const KernelTable& table, int repeats, const std::string& filter) {
  ThreadPool one(1), two(2);
  double limit[2];
  {
    const Memory from(int64_t{256} << 20), to(int64_t{256} << 20);
    for (ThreadPool* pool : {&one, &two}) {
      const double seconds = best_seconds(
          [&] {
            run_on(*pool, from.bytes() / 4096, [&](Range pages) {
              table.copy_memory(from.as<std::byte>() + pages.begin * 4096,
                                to.as<std::byte>() + pages.begin * 4096, pages.size() * 4096);
            });
          },
          repeats);
      limit[pool->num_threads() - 1] = 2.0 * from.bytes() / seconds / 1e9;
    }
  }
  fmt::print("kernels: {}; copy: {:.1f} GB/s with one thread, {:.1f} with two\n", table.name,
             limit[0], limit[1]);
  for (const auto& make : cases()) {
    const Case c = make();
    if (c.name.find(filter) == std::string::npos) continue;
    fmt::print("{:44}", c.name);
    for (ThreadPool* pool : {&one, &two}) {
      const double seconds = best_seconds(
          [&] { run_on(*pool, c.rows, [&](Range rows) { c.run(table, rows); }); }, repeats);
      const double rate = c.bytes / seconds / 1e9;
      fmt::print("  {:9.3f} ms {:6.1f} GB/s {:4.0f} %", seconds * 1e3, rate,
                 100 * rate / limit[pool->num_threads() - 1]);
    }
    fmt::print("\n");
  }
  return 0;
}

}  // namespace
}  // namespace cadre::kernels

int main(int argc, char** argv) {
  std::string kernels = "auto", filter;
  int repeats = 11;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--kernels" && i + 1 < argc) {
      kernels = argv[++i];
    } else if (flag == "--repeats" && i + 1 < argc) {
      repeats = std::max(1, std::stoi(argv[++i]));
    } else {
      filter = flag;
    }
  }
  try {
    const cadre::CpuFeatures features = cadre::detect_cpu_features();
    return cadre::kernels::run_all(cadre::kernels::choose_table(features, kernels), repeats,
                                   filter);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
