// The best scale, or scale and minimum, for up to 32 values that share them.
#pragma once

namespace cadre::kernels::loops {

// Integers that a format offers: values are scale * q - minimum with lowest <= q <= highest.
struct Integers {
  float lowest;
  float highest;
};

// The error of a choice, and the sums over its quants from which least squares makes a better one:
// of w q, w q q and w x q.
struct Fit {
  float error;
  float q;
  float qq;
  float xq;
};

struct PartScale {
  float scale;
  float minimum;
  float error;
};

// V is a vector of eight f32. Everything is a template over it: see section 5 of the style guide.
template <typename V>
struct RoundPart {
  static constexpr int kWidth = 8;
  static constexpr float kHuge = 3.0e38f;

  V x[4];
  V w[4];
  int vectors;
  float sum_w;
  float sum_wx;

  // Weights may be null.
  void load(const float* values, const float* weights, int count) {
    vectors = count / kWidth;
    V total = V::all(0.0f);
    V products = V::all(0.0f);
    for (int v = 0; v < vectors; ++v) {
      x[v] = V::load(values + v * kWidth, typename V::All{});
      w[v] = weights == nullptr ? V::all(1.0f) : V::load(weights + v * kWidth, typename V::All{});
      total = total + w[v];
      products = products + w[v] * x[v];
    }
    sum_w = total.sum();
    sum_wx = products.sum();
  }

  // The integers next to (x + minimum) / scale, ties to even.
  static V nearest(V value, V minimum, V inverse, const Integers& range) {
    // Adding 1.5 * 2^23 leaves no bits for a fraction; clamped values are far below it.
    const V shift = V::all(12582912.0f);
    const V clamped =
        V::min(V::max((value + minimum) * inverse, V::all(range.lowest)), V::all(range.highest));
    return (clamped + shift) - shift;
  }
  static float inverse_of(float scale) {
    const float magnitude = scale < 0.0f ? -scale : scale;
    return magnitude > 1e-37f ? 1.0f / scale : 0.0f;
  }

  Fit fit(float scale, float minimum, const Integers& range) const {
    const V s = V::all(scale);
    const V m = V::all(minimum);
    const V inverse = V::all(inverse_of(scale));
    V error = V::all(0.0f);
    V sum_q = V::all(0.0f);
    V sum_qq = V::all(0.0f);
    V sum_xq = V::all(0.0f);
    for (int v = 0; v < vectors; ++v) {
      const V q = nearest(x[v], m, inverse, range);
      const V rest = (s * q - m) - x[v];
      const V wq = w[v] * q;
      error = error + (w[v] * rest) * rest;
      sum_q = sum_q + wq;
      sum_qq = sum_qq + wq * q;
      sum_xq = sum_xq + wq * x[v];
    }
    return {error.sum(), sum_q.sum(), sum_qq.sum(), sum_xq.sum()};
  }

  // The quants of a choice, plus what the format adds to them.
  void quants(float scale, float minimum, const Integers& range, int offset, int* out) const {
    const V m = V::all(minimum);
    const V inverse = V::all(inverse_of(scale));
    alignas(32) float lanes[kWidth];
    for (int v = 0; v < vectors; ++v) {
      nearest(x[v], m, inverse, range).store(lanes, typename V::All{});
      for (int i = 0; i < kWidth; ++i) out[v * kWidth + i] = static_cast<int>(lanes[i]) + offset;
    }
  }

  // --- formats with a scale alone

  // Descends from one scale; keeps the better of what it finds and `best`.
  void descend(float scale, const Integers& range, PartScale& best) const {
    float last = kHuge;
    for (int turn = 0; turn < 6; ++turn) {
      const Fit now = fit(scale, 0.0f, range);
      if (now.error < best.error) best = {scale, 0.0f, now.error};
      if (!(now.error < last) || !(now.qq > 0.0f)) return;
      last = now.error;
      scale = now.xq / now.qq;
    }
  }

  PartScale search(const Integers& range) const {
    alignas(32) float values[kWidth];
    float largest = 0.0f;
    for (int v = 0; v < vectors; ++v) {
      x[v].store(values, typename V::All{});
      for (const float value : values) {
        const float magnitude = value < 0.0f ? -value : value;
        if (magnitude > largest) largest = magnitude;
      }
    }
    PartScale best = {0.0f, 0.0f, fit(0.0f, 0.0f, range).error};
    if (!(largest > 0.0f)) return best;
    // Integers reach further on one side, so both signs of the scale are tried.
    constexpr int kStarts = 9;
    for (int start = 0; start < kStarts; ++start) {
      const float reach = -range.lowest - 2.0f + 0.5f * static_cast<float>(start);
      descend(largest / reach, range, best);
      descend(-largest / reach, range, best);
    }
    return best;
  }

  // --- formats with a minimum

  void descend(float scale, float minimum, bool any_sign, const Integers& range,
               PartScale& best) const {
    float last = kHuge;
    for (int turn = 0; turn < 6; ++turn) {
      const Fit now = fit(scale, minimum, range);
      if (now.error < best.error) best = {scale, minimum, now.error};
      if (!(now.error < last)) return;
      last = now.error;
      const float determinant = sum_w * now.qq - now.q * now.q;
      if (!(determinant > 1e-7f * (sum_w * now.qq))) return;
      scale = (sum_w * now.xq - sum_wx * now.q) / determinant;
      minimum = (now.q * now.xq - now.qq * sum_wx) / determinant;
      if (minimum < 0.0f && !any_sign) {
        minimum = 0.0f;
        scale = now.xq / now.qq;
      }
      if (!(scale > 0.0f)) return;
    }
  }

  // Minimums are at least 0 unless they may be of any sign.
  PartScale search(bool any_sign, const Integers& range) const {
    alignas(32) float values[kWidth];
    float low = any_sign ? kHuge : 0.0f;
    float high = -kHuge;
    for (int v = 0; v < vectors; ++v) {
      x[v].store(values, typename V::All{});
      for (const float value : values) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (!(high > low)) {  // one value, none above zero
      const float only = low < kHuge ? low : 0.0f;
      return {0.0f, -only, fit(0.0f, -only, range).error};
    }
    PartScale best = {0.0f, 0.0f, kHuge};
    constexpr int kStarts = 16;
    for (int start = 0; start < kStarts; ++start) {
      const float steps = range.highest - 1.5f + 0.25f * static_cast<float>(start);
      descend((high - low) / steps, -low, any_sign, range, best);
    }
    // A range that loses something at both ends.
    for (int start = 1; start <= 3; ++start) {
      const float cut = 0.03f * static_cast<float>(start) * (high - low);
      const float minimum = -(low + cut);
      descend((high - low - 2.0f * cut) / range.highest,
              minimum < 0.0f && !any_sign ? 0.0f : minimum, any_sign, range, best);
    }
    return best;
  }
};

}  // namespace cadre::kernels::loops
