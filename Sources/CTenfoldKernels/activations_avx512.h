// The activation functions of epilogues on AVX-512, 16 at a time (private to this target).
// erf     Abramowitz and Stegun 7.1.26, absolute error 1.5e-7
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

TENFOLD_INLINE TENFOLD_AVX512_VNNI __m512 gelu(__m512 s) {
  __m512 one = _mm512_set1_ps(1.0f), z = _mm512_abs_ps(_mm512_mul_ps(s, _mm512_set1_ps(0.70710678f)));
  // 1 / d by one step of Newton's from 14 bits: a division takes the time of ten products.
  __m512 d = _mm512_fmadd_ps(_mm512_set1_ps(0.3275911f), z, one), t = _mm512_rcp14_ps(d);
  t = _mm512_fmadd_ps(t, _mm512_fnmadd_ps(d, t, one), t);
  __m512 p = _mm512_set1_ps(1.061405429f);
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-1.453152027f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.421413741f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.284496736f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.254829592f));
  // q = 1 - erf(|z|); gelu = s - s q / 2 for s > 0 and s q / 2 below.
  __m512 q = _mm512_mul_ps(_mm512_mul_ps(p, t), exponential(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(z, z))));
  __m512 tail = _mm512_mul_ps(_mm512_mul_ps(s, _mm512_set1_ps(0.5f)), q);
  __mmask16 positive = _mm512_cmp_ps_mask(s, _mm512_setzero_ps(), _CMP_GT_OQ);
  return _mm512_mask_sub_ps(tail, positive, s, tail);
}

TENFOLD_INLINE TENFOLD_AVX512_VNNI __m512 silu(__m512 s) {
  __m512 e = exponential(_mm512_sub_ps(_mm512_setzero_ps(), s));
  return _mm512_div_ps(s, _mm512_add_ps(_mm512_set1_ps(1.0f), e));
}

#endif
