/* Activation quantisers (32 elements at a time) and epilogues (8), AVX2; tails through a buffer of 8.
 * erf     Abramowitz and Stegun 7.1.26, absolute error 1.5e-7
 * exp     2^n * p(r), |r| <= ln 2 / 2, degree 6, relative error 2e-7.   over-read: none */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx2.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX2, apply_to = function)

TENFOLD_INLINE __m256 load_some(const float *x, size_t count) {
  if (count >= 8) return _mm256_loadu_ps(x);
  float buffer[8] = {0};
  memcpy(buffer, x, 4 * count);
  return _mm256_loadu_ps(buffer);
}

TENFOLD_INLINE void store_some(float *x, __m256 value, size_t count) {
  float buffer[8];
  if (count >= 8) {
    _mm256_storeu_ps(x, value);
    return;
  }
  _mm256_storeu_ps(buffer, value);
  memcpy(x, buffer, 4 * count);
}

TENFOLD_INLINE __m256i magnitude(__m256 x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7FFFFFFF));
}

TENFOLD_INLINE uint32_t largest_of(__m256i x) {
  __m128i m = _mm_max_epu32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4E));
  return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(m, _mm_shuffle_epi32(m, 0xB1)));
}

TENFOLD_INLINE int32_t sum_of(__m256i x) {
  __m128i m = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  m = _mm_add_epi32(m, _mm_shuffle_epi32(m, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(m, _mm_shuffle_epi32(m, 0xB1)));
}

/// 8 codes as bytes in the low half.
TENFOLD_INLINE __m128i narrow(__m256i codes) {
  __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
  return _mm_packs_epi16(words, words);
}

/// 32 codes in order as bytes.
TENFOLD_INLINE __m256i narrow32(const __m256i codes[4]) {
  __m256i words[2] = {_mm256_packs_epi32(codes[0], codes[1]), _mm256_packs_epi32(codes[2], codes[3])};
  __m256i bytes = _mm256_packs_epi16(words[0], words[1]);
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

static void quantize_row(const float *x, size_t k, size_t padded, int8_t *values, float *scale, int32_t *negated_sum) {
  __m256i largest = _mm256_setzero_si256(), sum = _mm256_setzero_si256();
  size_t whole = k & ~(size_t)31;
  float inverse;
  for (size_t j = 0; j < whole; j += 32)
    for (size_t i = 0; i < 32; i += 8) largest = _mm256_max_epu32(largest, magnitude(_mm256_loadu_ps(x + j + i)));
  for (size_t j = whole; j < k; j += 8) largest = _mm256_max_epu32(largest, magnitude(load_some(x + j, k - j)));
  tenfold_activation_scale(largest_of(largest), scale, &inverse);
  *negated_sum = 0;
  if (inverse == 0) {
    memset(values, 0, padded);
    return;
  }
  __m256 factor = _mm256_set1_ps(inverse);
  for (size_t j = 0; j < whole; j += 32) {
    __m256i codes[4];
    for (size_t i = 0; i < 4; i++) {
      codes[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + j + 8 * i), factor));
      sum = _mm256_add_epi32(sum, codes[i]);
    }
    _mm256_storeu_si256((__m256i *)(void *)(values + j), narrow32(codes));
  }
  for (size_t j = whole; j < k; j += 8) {
    __m256i codes = _mm256_cvtps_epi32(_mm256_mul_ps(load_some(x + j, k - j), factor));
    int64_t bytes = _mm_cvtsi128_si64(narrow(codes));
    memcpy(values + j, &bytes, k - j < 8 ? k - j : 8);
    sum = _mm256_add_epi32(sum, codes);
  }
  memset(values + k, 0, padded - k);
  *negated_sum = -sum_of(sum);
}

/// The codes of 32 values; minus their sum and minus that of the first half.
TENFOLD_INLINE void put_block(const __m256 x[4], float inverse, int8_t *values, int32_t *negated_sums) {
  __m256i bytes = _mm256_setzero_si256();
  if (inverse != 0) {
    __m256i codes[4];
    for (int i = 0; i < 4; i++) codes[i] = _mm256_cvtps_epi32(_mm256_mul_ps(x[i], _mm256_set1_ps(inverse)));
    bytes = narrow32(codes);
  }
  _mm256_storeu_si256((__m256i *)(void *)values, bytes);
  // Four sums of 4 in each half, then both halves at once.
  __m256i fours = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1));
  __m128i sums = _mm_hadd_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
  sums = _mm_hadd_epi32(sums, sums);
  int32_t first = _mm_cvtsi128_si32(sums);
  negated_sums[0] = -(first + _mm_extract_epi32(sums, 1));
  negated_sums[1] = -first;
}

static void quantize_blocks(
  const float *x, size_t k, int8_t *values, float *scales, float *scaled_sums, int32_t *negated_sums) {
  for (size_t b = 0; b < k / 32; b++, x += 32, values += 32) {
    __m256 part[4];
    __m256i largest = _mm256_setzero_si256();
    float inverse;
    for (int i = 0; i < 4; i++) {
      part[i] = _mm256_loadu_ps(x + 8 * i);
      largest = _mm256_max_epu32(largest, magnitude(part[i]));
    }
    tenfold_activation_scale(largest_of(largest), scales + b, &inverse);
    put_block(part, inverse, values, negated_sums + 2 * b);
    scaled_sums[b] = scales[b] * (float)-negated_sums[2 * b];
  }
}

static void quantize_long_blocks(
  const float *x, size_t k, int8_t *values, float *scales, int16_t *half_sums, int16_t *block_sums,
  int32_t *negated_sums) {
  float inverse = 0;
  for (size_t b = 0; b < k / 32; b++, x += 32, values += 32) {
    if (b % 8 == 0) {
      __m256i largest = _mm256_setzero_si256();
      for (size_t i = 0; i < 256; i += 8) largest = _mm256_max_epu32(largest, magnitude(_mm256_loadu_ps(x + i)));
      float scale;
      tenfold_activation_scale(largest_of(largest), &scale, &inverse);
      _mm256_storeu_ps(scales + b, _mm256_set1_ps(scale));
    }
    const __m256 part[4] = {
      _mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), _mm256_loadu_ps(x + 16), _mm256_loadu_ps(x + 24)};
    put_block(part, inverse, values, negated_sums + 2 * b);
    tenfold_short_sums(negated_sums + 2 * b, half_sums + 2 * b, block_sums + b);
  }
}

TENFOLD_INLINE __m256 exponential(__m256 x) {
  x = _mm256_min_ps(_mm256_set1_ps(87.9f), _mm256_max_ps(_mm256_set1_ps(-87.3f), x));
  __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), 8);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.0f / 720);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}

TENFOLD_INLINE __m256 gelu(__m256 s) {
  __m256 one = _mm256_set1_ps(1.0f), none = _mm256_setzero_ps();
  __m256 z = _mm256_castsi256_ps(magnitude(_mm256_mul_ps(s, _mm256_set1_ps(0.70710678f))));
  __m256 t = _mm256_div_ps(one, _mm256_fmadd_ps(_mm256_set1_ps(0.3275911f), z, one));
  __m256 p = _mm256_set1_ps(1.061405429f);
  p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(-1.453152027f));
  p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(1.421413741f));
  p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(-0.284496736f));
  p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(0.254829592f));
  // q = 1 - erf(|z|); gelu = s - s q / 2 for s > 0 and s q / 2 below.
  __m256 q = _mm256_mul_ps(_mm256_mul_ps(p, t), exponential(_mm256_sub_ps(none, _mm256_mul_ps(z, z))));
  __m256 tail = _mm256_mul_ps(_mm256_mul_ps(s, _mm256_set1_ps(0.5f)), q);
  return _mm256_blendv_ps(tail, _mm256_sub_ps(s, tail), _mm256_cmp_ps(s, none, _CMP_GT_OQ));
}

TENFOLD_INLINE __m256 silu(__m256 s) {
  __m256 e = exponential(_mm256_sub_ps(_mm256_setzero_ps(), s));
  return _mm256_div_ps(s, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
}

/// Finishes H * 8 columns of some rows; the sums are integers where there are scales, floats else.
TENFOLD_INLINE void finish_whole(
  int H, int activation, const void *sums, size_t sums_stride, size_t rows, size_t row, const float *row_scales,
  const float *column_scales, size_t column, const tenfold_epilogue *e) {
  // What is the same for all rows is looked at once; the rest goes from row to row.
  const float *multiplier = e->multiplier ? e->multiplier + row * e->multiplier_stride + column : NULL;
  const float *residual = e->residual ? e->residual + row * e->residual_stride + column : NULL;
  float *output = tenfold_output_at(e, row, column);
  __m256 bias[2], scales[2];
  for (int h = 0; h < H; h++) {
    bias[h] = e->bias ? _mm256_loadu_ps(e->bias + column + 8 * h) : _mm256_setzero_ps();
    scales[h] = row_scales ? _mm256_loadu_ps(column_scales + 8 * h) : _mm256_setzero_ps();
  }
  const bool has_bias = e->bias != NULL;
  for (size_t r = 0; r < rows; r++) {
    for (int h = 0; h < H; h++) {
      const float *from = (const float *)sums + r * sums_stride + 8 * h;
      __m256 s = _mm256_loadu_ps(from);
      if (row_scales) {
        __m256 scale = _mm256_mul_ps(_mm256_set1_ps(row_scales[row + r]), scales[h]);
        s = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_castps_si256(s)), scale);
      }
      // Not added where there is none: minus 0 stays what it is.
      if (has_bias) s = _mm256_add_ps(s, bias[h]);
      if (activation == TENFOLD_ACTIVATION_GELU) s = gelu(s);
      if (activation == TENFOLD_ACTIVATION_SILU) s = silu(s);
      if (multiplier) s = _mm256_mul_ps(s, _mm256_loadu_ps(multiplier + 8 * h));
      if (residual) s = _mm256_add_ps(s, _mm256_loadu_ps(residual + 8 * h));
      _mm256_storeu_ps(output + 8 * h, s);
    }
    output += e->output_stride;
    if (multiplier) multiplier += e->multiplier_stride;
    if (residual) residual += e->residual_stride;
  }
}

/// Finishes fewer than 8 columns of one row.
TENFOLD_INLINE void finish_some(__m256 s, size_t count, size_t row, size_t column, const tenfold_epilogue *e) {
  if (e->bias) s = _mm256_add_ps(s, load_some(e->bias + column, count));
  if (e->activation == TENFOLD_ACTIVATION_GELU) s = gelu(s);
  else if (e->activation == TENFOLD_ACTIVATION_SILU) s = silu(s);
  if (e->multiplier) s = _mm256_mul_ps(s, load_some(e->multiplier + row * e->multiplier_stride + column, count));
  if (e->residual) s = _mm256_add_ps(s, load_some(e->residual + row * e->residual_stride + column, count));
  store_some(tenfold_output_at(e, row, column), s, count);
}

TENFOLD_INLINE void finish_columns(
  int H, const void *sums, size_t sums_stride, size_t rows, size_t row, const float *row_scales,
  const float *column_scales, size_t column, const tenfold_epilogue *e) {
#define FINISH(A) finish_whole(H, A, sums, sums_stride, rows, row, row_scales, column_scales, column, e)
  switch (e->activation) {
  case TENFOLD_ACTIVATION_GELU: FINISH(TENFOLD_ACTIVATION_GELU); break;
  case TENFOLD_ACTIVATION_SILU: FINISH(TENFOLD_ACTIVATION_SILU); break;
  default: FINISH(TENFOLD_ACTIVATION_NONE); break;
  }
#undef FINISH
}

static void finish_float(
  const float *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
  const tenfold_epilogue *e) {
  size_t c = 0;
  for (; c + 16 <= columns; c += 16)
    finish_columns(2, sums + c, sums_stride, rows, first_row, NULL, NULL, first_column + c, e);
  for (; c + 8 <= columns; c += 8)
    finish_columns(1, sums + c, sums_stride, rows, first_row, NULL, NULL, first_column + c, e);
  for (size_t r = 0; c < columns && r < rows; r++)
    finish_some(_mm256_loadu_ps(sums + r * sums_stride + c), columns - c, first_row + r, first_column + c, e);
}

static void finish_i8(
  const int32_t *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
  const float *row_scales, const uint8_t *column_scales, size_t column_scale_stride, const tenfold_epilogue *e) {
  // A panel's scales stand before its codes.
  for (size_t c = 0; c < columns; c += 16, column_scales += column_scale_stride) {
    const float *scales = (const float *)(const void *)column_scales;
    size_t left = columns - c, column = first_column + c;
    if (left >= 16) {
      finish_columns(2, sums + c, sums_stride, rows, first_row, row_scales, scales, column, e);
      continue;
    }
    size_t whole = left & 8;
    if (whole) finish_columns(1, sums + c, sums_stride, rows, first_row, row_scales, scales, column, e);
    for (size_t r = 0; left > whole && r < rows; r++) {
      __m256 scale = _mm256_mul_ps(_mm256_set1_ps(row_scales[first_row + r]), _mm256_loadu_ps(scales + whole));
      __m256i sum = _mm256_loadu_si256((const __m256i *)(const void *)(sums + r * sums_stride + c + whole));
      finish_some(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale), left - whole, first_row + r, column + whole, e);
    }
  }
}

#pragma clang attribute pop

const tenfold_row_kernels tenfold_rows_avx2 = {
  .quantize_row = quantize_row, .quantize_blocks = quantize_blocks, .quantize_long_blocks = quantize_long_blocks,
  .finish_float = finish_float, .finish_i8 = finish_i8};
#endif
