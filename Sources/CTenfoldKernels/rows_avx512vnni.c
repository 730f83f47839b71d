/* Activation quantisers and epilogues, AVX-512: 16 elements at a time, tails by mask.  over-read: none
 * erf     Abramowitz and Stegun 7.1.26, absolute error 1.5e-7
 * exp     2^n * p(r), |r| <= ln 2 / 2, degree 6, relative error 2e-7 */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx512.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX512_VNNI, apply_to = function)

TENFOLD_INLINE __mmask16 mask_of(size_t count) { return (__mmask16)(count >= 16 ? 0xFFFF : (1u << count) - 1); }

TENFOLD_INLINE __m512i magnitude(__m512 x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7FFFFFFF));
}

TENFOLD_INLINE __m512i codes_of(__m512 x, __m512 inverse) { return _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse)); }

static void quantize_row(const float *x, size_t k, size_t padded, int8_t *values, float *scale, int32_t *negated_sum) {
  __m512i largest = _mm512_setzero_si512(), sum = _mm512_setzero_si512();
  float inverse;
  for (size_t j = 0; j < k; j += 16)
    largest = _mm512_max_epu32(largest, magnitude(_mm512_maskz_loadu_ps(mask_of(k - j), x + j)));
  tenfold_activation_scale(_mm512_reduce_max_epu32(largest), scale, &inverse);
  *negated_sum = 0;
  if (inverse == 0) {
    memset(values, 0, padded);
    return;
  }
  __m512 factor = _mm512_set1_ps(inverse);
  for (size_t j = 0; j < k; j += 16) {
    __mmask16 mask = mask_of(k - j);
    __m512i codes = codes_of(_mm512_maskz_loadu_ps(mask, x + j), factor);
    sum = _mm512_add_epi32(sum, codes);
    _mm512_mask_cvtepi32_storeu_epi8(values + j, mask, codes);
  }
  *negated_sum = -_mm512_reduce_add_epi32(sum);
  memset(values + k, 0, padded - k);
}

static void quantize_blocks(
  const float *x, size_t k, int8_t *values, float *scales, float *scaled_sums, int32_t *negated_sums) {
  for (size_t b = 0; b < k / 32; b++, x += 32, values += 32) {
    __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
    float inverse;
    tenfold_activation_scale(
      _mm512_reduce_max_epu32(_mm512_max_epu32(magnitude(low), magnitude(high))), scales + b, &inverse);
    __m128i first = _mm_setzero_si128(), second = _mm_setzero_si128();
    if (inverse != 0) {
      first = _mm512_cvtepi32_epi8(codes_of(low, _mm512_set1_ps(inverse)));
      second = _mm512_cvtepi32_epi8(codes_of(high, _mm512_set1_ps(inverse)));
    }
    _mm_storeu_si128((__m128i *)(void *)values, first);
    _mm_storeu_si128((__m128i *)(void *)(values + 16), second);
    // Four sums of 4 in each vector, then both vectors at once: {first, first, second, second} after one more step.
    __m128i ones = _mm_set1_epi8(1), none = _mm_setzero_si128();
    __m128i sums = _mm_hadd_epi32(_mm_dpbusd_epi32(none, ones, first), _mm_dpbusd_epi32(none, ones, second));
    sums = _mm_hadd_epi32(sums, sums);
    int32_t first_sum = _mm_cvtsi128_si32(sums), whole = first_sum + _mm_extract_epi32(sums, 1);
    negated_sums[2 * b] = -whole;
    negated_sums[2 * b + 1] = -first_sum;
    scaled_sums[b] = scales[b] * (float)whole;
  }
}

TENFOLD_INLINE __m512 exponential(__m512 x) {
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

TENFOLD_INLINE __m512 gelu(__m512 s) {
  __m512 one = _mm512_set1_ps(1.0f), z = _mm512_abs_ps(_mm512_mul_ps(s, _mm512_set1_ps(0.70710678f)));
  __m512 t = _mm512_div_ps(one, _mm512_fmadd_ps(_mm512_set1_ps(0.3275911f), z, one));
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

TENFOLD_INLINE __m512 silu(__m512 s) {
  __m512 e = exponential(_mm512_sub_ps(_mm512_setzero_ps(), s));
  return _mm512_div_ps(s, _mm512_add_ps(_mm512_set1_ps(1.0f), e));
}

TENFOLD_INLINE void store(__m512 s, __mmask16 mask, size_t row, size_t column, const tenfold_epilogue *e) {
  if (e->bias) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(mask, e->bias + column));
  // NaN stays NaN: the clamp in the exponential would hide it, the product with s brings it back.
  if (e->activation == TENFOLD_ACTIVATION_GELU) s = gelu(s);
  else if (e->activation == TENFOLD_ACTIVATION_SILU) s = silu(s);
  if (e->multiplier)
    s = _mm512_mul_ps(s, _mm512_maskz_loadu_ps(mask, e->multiplier + row * e->multiplier_stride + column));
  if (e->residual)
    s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(mask, e->residual + row * e->residual_stride + column));
  _mm512_mask_storeu_ps(tenfold_output_at(e, row, column), mask, s);
}

static void finish_float(
  const float *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
  const tenfold_epilogue *e) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c += 16)
      store(_mm512_loadu_ps(sums + r * sums_stride + c), mask_of(columns - c), first_row + r, first_column + c, e);
}

static void finish_i8(
  const int32_t *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
  const float *row_scales, const uint8_t *column_scales, size_t column_scale_stride, const tenfold_epilogue *e) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c += 16) {
      __m512 scale = _mm512_mul_ps(
        _mm512_set1_ps(row_scales[first_row + r]), _mm512_loadu_ps(column_scales + c / 16 * column_scale_stride));
      __m512 s = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(sums + r * sums_stride + c)), scale);
      store(s, mask_of(columns - c), first_row + r, first_column + c, e);
    }
}

#pragma clang attribute pop

const tenfold_row_kernels tenfold_rows_avx512vnni = {
  .quantize_row = quantize_row, .quantize_blocks = quantize_blocks, .finish_float = finish_float,
  .finish_i8 = finish_i8};
#endif
