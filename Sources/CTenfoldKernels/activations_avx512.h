// The activation functions of epilogues on AVX-512, 16 at a time (private to this target).
// gelu    a table of polynomials of degree 5, error 7e-8 times max(1, |x|); half the instructions of erf by exp
// exp     2^n * p(r), |r| <= ln 2 / 2, degree 6, relative error 2e-7
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "avx512.h"

#if defined(__x86_64__)

TENFOLD_INLINE TENFOLD_AVX512_VNNI __m512 exponential(__m512 x) {
  x = _mm512_min_ps(_mm512_set1_ps(88.7f), _mm512_max_ps(_mm512_set1_ps(-103.0f), x));
  __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 720);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

/// 1 - Phi, the upper tail of the normal distribution, on the 16 points 0, h, 2 h ... with h = 25 / 64: coefficient d of point i
/// makes sum_d [d][i] r^d with r = x / h - i in -1/2...1/2. The last point is 0. Fitted for the least largest error (Lawson 1961).
static const float normal_tail[6][16] __attribute__((aligned(64))) = {
  {5e-1f, 3.480372e-1f, 2.1732774e-1f, 1.20623626e-1f, 5.9085123e-2f, 2.540239e-2f, 9.54548e-3f,
   3.1249407e-3f, 8.8902557e-4f, 2.193604e-4f, 4.686994e-5f, 8.66121e-6f, 1.382835e-6f, 1.905942e-7f,
   2.2662073e-8f, 0},
  {-1.5583682e-1f, -1.4438964e-1f, -1.1485078e-1f, -7.842667e-2f, -4.59754e-2f, -2.3137642e-2f,
   -9.9964235e-3f, -3.7076785e-3f, -1.1805694e-3f, -3.2271046e-4f, -7.57298e-5f, -1.5256437e-5f,
   -2.6385926e-6f, -3.9176442e-7f, -4.993577e-8f, 0},
  {0, 1.1015721e-2f, 1.7524472e-2f, 1.7950311e-2f, 1.4030686e-2f, 8.826482e-3f, 4.5761014e-3f,
   1.980132e-3f, 7.205419e-4f, 2.2156544e-4f, 5.7764635e-5f, 1.2798644e-5f, 2.4141393e-6f, 3.8817527e-7f,
   5.326009e-8f, 0},
  {3.963046e-3f, 3.1116495e-3f, 1.1381299e-3f, -7.444406e-4f, -1.6852656e-3f, -1.6562332e-3f,
   -1.1422905e-3f, -6.107248e-4f, -2.6317884e-4f, -9.322553e-5f, -2.745819e-5f, -6.7739193e-6f,
   -1.4067099e-6f, -2.467818e-7f, -3.6670176e-8f, 0},
  {0, -3.9526896e-4f, -5.285863e-4f, -3.6992697e-4f, -1.0082093e-4f, 8.9603476e-5f, 1.4398708e-4f,
   1.12530965e-4f, 6.220948e-5f, 2.6608739e-5f, 9.13985e-6f, 2.5709203e-6f, 5.991975e-7f, 1.16606735e-7f,
   1.9049208e-8f, 0},
  {-8.9991605e-5f, -5.8619757e-5f, 6.167858e-6f, 5.045452e-5f, 5.0415572e-5f, 2.400455e-5f, -2.2715464e-7f,
   -9.972222e-6f, -9.0792155e-6f, -5.124921e-6f, -2.1394264e-6f, -7.007809e-7f, -1.8526667e-7f,
   -4.017184e-8f, -7.2174693e-9f, 0},
};

/// x Phi(x) = max(x, 0) - |x| (1 - Phi(|x|)). Of -infinity, whose limit is 0, it makes 0.
TENFOLD_INLINE TENFOLD_AVX512_VNNI __m512 gelu(__m512 x) {
  // The second operand is what a minimum or maximum with NaN gives, so that NaN stays NaN.
  __m512 size = _mm512_min_ps(_mm512_set1_ps(15 * 0.390625f), _mm512_abs_ps(x));
  // So large a sum has room for the whole part alone, and holds it in its lowest bits, of which a permutation takes four.
  __m512 large = _mm512_set1_ps(12582912.0f), inverse = _mm512_set1_ps(2.56f);
  __m512 sum = _mm512_fmadd_ps(size, inverse, large), rest = _mm512_fmadd_ps(size, inverse, _mm512_sub_ps(large, sum));
  __m512i point = _mm512_castps_si512(sum);
  __m512 tail = _mm512_permutexvar_ps(point, _mm512_load_ps(normal_tail[5]));
#pragma clang loop unroll(full)
  for (int d = 4; d >= 0; d--)
    tail = _mm512_fmadd_ps(tail, rest, _mm512_permutexvar_ps(point, _mm512_load_ps(normal_tail[d])));
  return _mm512_fnmadd_ps(size, tail, _mm512_max_ps(_mm512_setzero_ps(), x));
}

TENFOLD_INLINE TENFOLD_AVX512_VNNI __m512 silu(__m512 s) {
  __m512 e = exponential(_mm512_sub_ps(_mm512_setzero_ps(), s));
  return _mm512_div_ps(s, _mm512_add_ps(_mm512_set1_ps(1.0f), e));
}

#endif
