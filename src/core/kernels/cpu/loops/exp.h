// exp(x) within 0.9 ulp (measured over all f32), 0 for -inf and inf above 88.73; a NaN stays one.
//
// x = n log 2 + r with whole n and |r| <= log(2) / 2, so exp(x) = 2^n exp(r). log 2 is subtracted
// in two parts, and exp(r) = 1 + r + r^2 q(r) with q of degree 4, fitted to minimise the largest
// relative error (3.1e-9).
#pragma once

namespace cadre::kernels::loops {

template <class V>
[[gnu::always_inline]] inline V exp(V x) {
  // Outside of these bounds the result has long been 0 or inf; max and min let a NaN through.
  x = V::max(V::all(-104.0f), V::min(V::all(89.0f), x));
  // Adding 1.5 * 2^23 leaves no room for a fraction: cheaper than an instruction that rounds.
  const V shift = V::all(0x1.8p23f);
  const V n = V::fma(x, V::all(0x1.715476p+0f), shift) - shift;
  V r = V::fma(n, V::all(-0x1.62e43p-1f), x);
  r = V::fma(n, V::all(0x1.05c61p-29f), r);
  V y = V::fma(V::all(0x1.6a23d0p-10f), r, V::all(0x1.123a20p-7f));
  y = V::fma(y, r, V::all(0x1.5558f2p-5f));
  y = V::fma(y, r, V::all(0x1.555492p-3f));
  y = V::fma(y, r, V::all(0x1.fffffcp-2f));
  y = V::fma(y, r, V::all(1.0f));
  y = V::fma(y, r, V::all(1.0f));
  return V::scale(y, n);
}

}  // namespace cadre::kernels::loops
