#include "core/ops/attention.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/core/ops/op_testing.h"

namespace cadre::ops {
namespace {

struct Case {
  int64_t heads;
  int64_t kv_heads;
  int64_t head_dim;
  int64_t window;
  std::vector<AttentionSegment> segments;
  int64_t num_queries;
  int64_t num_keys;

  AttentionOptions options() const {
    return {.num_heads = heads,
            .num_kv_heads = kv_heads,
            .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim))),
            .window = window};
  }
  AttentionSegments shared_segments() const {
    return std::make_shared<const std::vector<AttentionSegment>>(segments);
  }
};

struct Tensors {
  Tensor q, k, v;
};

Tensors random_tensors(const Case& c, DType type) {
  return {random_tensor({c.num_queries, c.heads * c.head_dim}, type, 1, 2.0),
          random_tensor({c.num_keys, c.kv_heads * c.head_dim}, type, 2),
          random_tensor({c.num_keys, c.kv_heads * c.head_dim}, type, 3)};
}

// The definition in double: one query and head after the other.
std::vector<double> naive_attention(const Case& c, const Tensors& t) {
  const std::vector<double> q = values_of(t.q), k = values_of(t.k), v = values_of(t.v);
  std::vector<double> out(q.size(), 0.0);
  const auto at = [&](const std::vector<double>& x, int64_t row, int64_t heads, int64_t h,
                      int64_t i) {
    return x[static_cast<size_t>((row * heads + h) * c.head_dim + i)];
  };
  for (const AttentionSegment& s : c.segments) {
    for (int64_t i = 0; i < s.num_queries; ++i) {
      const int64_t position = s.num_keys - s.num_queries + i;
      const int64_t first = c.window > 0 ? std::max<int64_t>(0, position + 1 - c.window) : 0;
      for (int64_t h = 0; h < c.heads; ++h) {
        const int64_t kv = h / (c.heads / c.kv_heads);
        std::vector<double> p;
        double sum = 0;
        for (int64_t j = first; j <= position; ++j) {
          double z = 0;
          for (int64_t d = 0; d < c.head_dim; ++d) {
            z +=
                at(q, s.query_begin + i, c.heads, h, d) * at(k, s.key_begin + j, c.kv_heads, kv, d);
          }
          p.push_back(std::exp(z * double{c.options().scale}));
          sum += p.back();
        }
        for (int64_t j = first; j <= position; ++j) {
          for (int64_t d = 0; d < c.head_dim; ++d) {
            out[static_cast<size_t>(((s.query_begin + i) * c.heads + h) * c.head_dim + d)] +=
                p[static_cast<size_t>(j - first)] / sum * at(v, s.key_begin + j, c.kv_heads, kv, d);
          }
        }
      }
    }
  }
  return out;
}

double worst_difference(const Tensor& x, const std::vector<double>& expected) {
  const std::vector<double> values = values_of(x);
  double worst = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    worst = std::max(worst, std::abs(values[i] - expected[i]));
  }
  return worst;
}

// Lengths around the tile of 128 keys, packed documents with gaps, cached keys, windows.
std::vector<Case> cases() {
  return {
      {1, 1, 8, 0, {{0, 1, 0, 1}}, 1, 1},
      {2, 2, 16, 0, {{0, 127, 0, 127}}, 127, 127},
      {4, 2, 16, 0, {{0, 129, 0, 129}}, 129, 129},
      {8, 1, 8, 0, {{0, 300, 0, 300}}, 300, 300},
      {4, 4, 20, 0, {{2, 40, 2, 40}, {42, 1, 42, 1}, {45, 200, 45, 200}}, 250, 250},
      {4, 2, 16, 0, {{0, 5, 0, 133}, {5, 1, 140, 257}}, 6, 400},
      {4, 2, 16, 3, {{0, 140, 0, 140}}, 140, 140},
      {2, 1, 16, 128, {{0, 400, 0, 400}}, 400, 400},
      {2, 1, 16, 100, {{0, 3, 7, 390}}, 3, 400},
  };
}

TEST_CASE("attention: every table agrees with the definition in double") {
  for (const kernels::KernelTable* table : supported_tables()) {
    Machine machine(*table);
    int index = 0;
    for (const Case& c : cases()) {
      CAPTURE(index++);
      CAPTURE(std::string(table->name));
      for (const DType type : {DType::f32, DType::bf16}) {
        const Tensors t = random_tensors(c, type);
        const Tensor out = attention(machine.ctx, t.q, t.k, t.v, c.shared_segments(), c.options());
        // Values are of order one. bf16 rounds p and the result to 2^-9 each.
        CHECK(worst_difference(out, naive_attention(c, t)) < (type == DType::f32 ? 1e-5 : 2e-2));
      }
    }
  }
}

TEST_CASE("attention: a sequence in pieces or token by token has the bits of the whole") {
  for (const kernels::KernelTable* table : supported_tables()) {
    Machine machine(*table);
    for (const DType type : {DType::f32, DType::bf16}) {
      for (const int64_t window : {0, 50}) {
        const int64_t length = 300;
        const Case whole = {4, 2, 16, window, {{0, length, 0, length}}, length, length};
        const Tensors t = random_tensors(whole, type);
        const Tensor expected =
            attention(machine.ctx, t.q, t.k, t.v, whole.shared_segments(), whole.options());
        for (const int64_t piece : {int64_t{1}, int64_t{7}, int64_t{128}, int64_t{131}}) {
          bool same = true;
          for (int64_t begin = 0; begin < length; begin += piece) {
            const int64_t end = std::min(length, begin + piece);
            Case part = whole;
            part.segments = {{0, end - begin, 0, end}};
            const Tensor out = attention(machine.ctx, t.q.slice(begin, end), t.k.slice(0, end),
                                         t.v.slice(0, end), part.shared_segments(), part.options());
            same = same && same_bits(out, expected.slice(begin, end));
          }
          CAPTURE(piece);
          CAPTURE(window);
          CAPTURE(std::string(table->name));
          CHECK(same);
        }
      }
    }
  }
}

TEST_CASE("attention: a sequence has the same bits alone and in company, forward and backward") {
  Machine machine(kernels::choose_table(detect_cpu_features(), "auto"));
  const int64_t length = 150;
  const int64_t total = 400;
  for (const DType type : {DType::f32, DType::bf16}) {
    const Case packed = {4, 2, 16, 0, {{0, 90, 0, 90}, {200, length, 200, length}}, total, total};
    const Case alone = {4, 2, 16, 0, {{0, length, 0, length}}, length, length};
    const Tensors t = random_tensors(packed, type);
    const auto run = [&](const Case& c, const Tensors& from, const Tensor& dy) {
      Tape tape;
      std::vector<Tensor> out;
      for (const Tensor* x : {&from.q, &from.k, &from.v}) {
        out.push_back(machine.ctx.empty_like(*x));
        tape.watch(*x, out.back(), true);
      }
      const Context::TapeScope scope(machine.ctx, &tape);
      const Tensor y =
          attention(machine.ctx, from.q, from.k, from.v, c.shared_segments(), c.options());
      out.push_back(y);
      tape.backward(machine.ctx, y, dy);
      return out;
    };
    const Tensor dy = random_tensor({total, 64}, type, 8);
    const auto cut = [&](const Tensor& x) {
      Tensor copy = Tensor::empty({length, x.dim(1)}, x.dtype());
      const Tensor rows = x.slice(200, 200 + length);
      std::copy_n(static_cast<const std::byte*>(rows.raw()), rows.bytes(),
                  static_cast<std::byte*>(copy.raw()));
      return copy;
    };
    const std::vector<Tensor> expected = run(packed, t, dy);
    const std::vector<Tensor> found = run(alone, {cut(t.q), cut(t.k), cut(t.v)}, cut(dy));
    for (size_t i = 0; i < found.size(); ++i) {
      CAPTURE(i);
      CHECK(same_bits(found[i], cut(expected[i])));
    }
    // Rows of no segment: no output and no gradient.
    for (const Tensor& x : expected) {
      CHECK(distance(x.slice(90, 200), Tensor::zeros({110, x.dim(1)}, type)) == 0);
    }
  }
}

TEST_CASE("attention: refuses segments that do not fit") {
  Machine machine;
  const Case c = {2, 1, 4, 0, {}, 10, 12};
  const Tensors t = random_tensors(c, DType::f32);
  const std::vector<std::vector<AttentionSegment>> wrong = {
      {{0, 11, 0, 12}},               // more queries than rows
      {{0, 5, 8, 5}},                 // keys beyond the end
      {{0, 5, 0, 4}},                 // more queries than keys
      {{-1, 2, 0, 2}},                // before the start
      {{0, 5, 0, 5}, {4, 2, 6, 2}},   // a query twice
      {{0, 1, 0, int64_t{1} << 62}},  // a length that overflows when added
  };
  for (const auto& segments : wrong) {
    const auto shared = std::make_shared<const std::vector<AttentionSegment>>(segments);
    CHECK_THROWS_AS(attention(machine.ctx, t.q, t.k, t.v, shared, c.options()), Error);
  }
  AttentionOptions options = c.options();
  options.num_kv_heads = 3;
  CHECK_THROWS_AS(attention(machine.ctx, t.q, t.k, t.v, c.shared_segments(), options), Error);
}

}  // namespace
}  // namespace cadre::ops
