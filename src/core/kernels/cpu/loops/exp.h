// exp(x) within 1.01 ulp (measured over all f32), 0 for -inf and inf above 88.73; a NaN stays one.
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
  const V n = V::round(x * V::all(0x1.715476p+0f));
  V r = V::fma(n, V::all(-0x1.62e43p-1f), x);
  r = V::fma(n, V::all(0x1.05c61p-29f), r);
  V q = V::fma(V::all(0x1.6a23d0p-10f), r, V::all(0x1.123a20p-7f));
  q = V::fma(q, r, V::all(0x1.5558f2p-5f));
  q = V::fma(q, r, V::all(0x1.555492p-3f));
  q = V::fma(q, r, V::all(0x1.fffffcp-2f));
  return V::scale(V::fma(r * r, q, r) + V::all(1.0f), n);
}

}  // namespace cadre::kernels::loops
