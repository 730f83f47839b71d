/* Activation quantisers and epilogues, AVX-512: 16 elements at a time, tails by mask.  over-read: none */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "activations_avx512.h"
#include "avx512.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX512_VNNI, apply_to = function)

TENFOLD_INLINE __mmask16 mask_of(size_t count) { return (__mmask16)(count >= 16 ? 0xFFFF : (1u << count) - 1); }

TENFOLD_INLINE __m512i magnitude(__m512 x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7FFFFFFF));
}

TENFOLD_INLINE __m512i codes_of(__m512 x, __m512 inverse) { return _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse)); }

/// 64 codes in order: packed by pairs inside each 128 bits, then put in order by words of 4.
TENFOLD_INLINE __m512i packed_codes(const __m512i codes[4]) {
  __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i mixed = _mm512_packs_epi16(_mm512_packs_epi32(codes[0], codes[1]), _mm512_packs_epi32(codes[2], codes[3]));
  return _mm512_permutexvar_epi32(order, mixed);
}

static void quantize_row(const float *x, size_t k, size_t padded, int8_t *values, float *scale, int32_t *negated_sum) {
  __m512i largest[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, sum = _mm512_setzero_si512();
  size_t whole = k & ~(size_t)63;
  for (size_t j = 0; j < whole; j += 64)
    for (size_t i = 0; i < 4; i++)
      largest[i % 2] = _mm512_max_epu32(largest[i % 2], magnitude(_mm512_loadu_ps(x + j + 16 * i)));
  for (size_t j = whole; j < k; j += 16)
    largest[0] = _mm512_max_epu32(largest[0], magnitude(_mm512_maskz_loadu_ps(mask_of(k - j), x + j)));
  float inverse;
  tenfold_activation_scale(_mm512_reduce_max_epu32(_mm512_max_epu32(largest[0], largest[1])), scale, &inverse);
  *negated_sum = 0;
  if (inverse == 0) {
    memset(values, 0, padded);
    return;
  }
  __m512 factor = _mm512_set1_ps(inverse);
  __m512i ones = _mm512_set1_epi8(1);
  for (size_t j = 0; j < whole; j += 64) {
    __m512i codes[4];
    for (size_t i = 0; i < 4; i++) codes[i] = codes_of(_mm512_loadu_ps(x + j + 16 * i), factor);
    __m512i bytes = packed_codes(codes);
    sum = _mm512_dpbusd_epi32(sum, ones, bytes);
    _mm512_storeu_si512(values + j, bytes);
  }
  for (size_t j = whole; j < k; j += 16) {
    __mmask16 mask = mask_of(k - j);
    __m512i codes = codes_of(_mm512_maskz_loadu_ps(mask, x + j), factor);
    sum = _mm512_add_epi32(sum, codes);
    _mm512_mask_cvtepi32_storeu_epi8(values + j, mask, codes);
  }
  *negated_sum = -_mm512_reduce_add_epi32(sum);
  memset(values + k, 0, padded - k);
}

/// One block, of any values.
static void quantize_block(const float *x, int8_t *values, float *scale, float *scaled_sum, int32_t *negated_sums) {
  __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
  float inverse;
  tenfold_activation_scale(
    _mm512_reduce_max_epu32(_mm512_max_epu32(magnitude(low), magnitude(high))), scale, &inverse);
  __m512i codes[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  if (inverse != 0) {
    codes[0] = codes_of(low, _mm512_set1_ps(inverse));
    codes[1] = codes_of(high, _mm512_set1_ps(inverse));
  }
  _mm_storeu_si128((__m128i *)(void *)values, _mm512_cvtepi32_epi8(codes[0]));
  _mm_storeu_si128((__m128i *)(void *)(values + 16), _mm512_cvtepi32_epi8(codes[1]));
  int32_t first = _mm512_reduce_add_epi32(codes[0]), whole = first + _mm512_reduce_add_epi32(codes[1]);
  negated_sums[0] = -whole;
  negated_sums[1] = -first;
  *scaled_sum = *scale * (float)whole;
}

/// a and b by turns, two of each from every 128 bits, reduced by `max` or added.
#define BY_TURNS(OPERATION, WIDTH, a, b) \
  OPERATION(_mm512_unpacklo_epi##WIDTH(a, b), _mm512_unpackhi_epi##WIDTH(a, b))

/// The largest magnitude of each of four blocks.
TENFOLD_INLINE __m128i largest_of(const __m512 x[8]) {
  __m512i block[4];
  for (int b = 0; b < 4; b++) block[b] = _mm512_max_epu32(magnitude(x[2 * b]), magnitude(x[2 * b + 1]));
  __m512i first = BY_TURNS(_mm512_max_epu32, 32, block[0], block[1]);
  __m512i second = BY_TURNS(_mm512_max_epu32, 32, block[2], block[3]);
  __m512i quarters = BY_TURNS(_mm512_max_epu32, 64, first, second);
  __m256i halves = _mm256_max_epu32(_mm512_castsi512_si256(quarters), _mm512_extracti64x4_epi64(quarters, 1));
  return _mm_max_epu32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}

/// The sums of four blocks' codes from their bytes, two blocks a vector.
TENFOLD_INLINE void sums_of(const __m512i bytes[2], __m128i *first_halves, __m128i *second_halves) {
  __m512i ones = _mm512_set1_epi8(1), none = _mm512_setzero_si512();
  // Each 128 bits hold a half block: reduced to sums of both vectors by turns, then to one of each.
  __m512i turns = BY_TURNS(
    _mm512_add_epi32, 32, _mm512_dpbusd_epi32(none, ones, bytes[0]), _mm512_dpbusd_epi32(none, ones, bytes[1]));
  turns = _mm512_add_epi32(turns, _mm512_shuffle_epi32(turns, _MM_PERM_BADC));
  __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 4, 12, 5, 13, 0, 0, 0, 0, 0, 0, 0, 0);
  __m256i all = _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, turns));
  *first_halves = _mm256_castsi256_si128(all);
  *second_halves = _mm256_extracti128_si256(all, 1);
}

/// Four blocks at once: one division for all. Those of which one isn't finite go alone.
static void quantize_blocks(
  const float *x, size_t k, int8_t *values, float *scales, float *scaled_sums, int32_t *negated_sums) {
  size_t b = 0, blocks = k / 32;
  for (; b + 4 <= blocks; b += 4) {
    __m512 floats[8];
    for (size_t i = 0; i < 8; i++) floats[i] = _mm512_loadu_ps(x + 32 * b + 16 * i);
    __m128i largest = largest_of(floats);
    if (_mm_cmpge_epu32_mask(largest, _mm_set1_epi32(0x7F800000))) {
      for (size_t i = b; i < b + 4; i++)
        quantize_block(x + 32 * i, values + 32 * i, scales + i, scaled_sums + i, negated_sums + 2 * i);
      continue;
    }
    __m128 size = _mm_castsi128_ps(largest), limit = _mm_set1_ps(127.0f);
    __mmask8 usable = _mm_cmp_ps_mask(size, _mm_set1_ps(1e-35f), _CMP_GE_OQ);
    __m128 scale = _mm_maskz_div_ps(usable, size, limit), inverse = _mm_maskz_div_ps(usable, limit, size);
    __m512i codes[8], bytes[2];
    for (int i = 0; i < 8; i++)
      codes[i] = codes_of(
        floats[i], _mm512_permutexvar_ps(_mm512_set1_epi32(i / 2), _mm512_castps128_ps512(inverse)));
    for (int i = 0; i < 2; i++) {
      bytes[i] = packed_codes(codes + 4 * i);
      _mm512_storeu_si512(values + 32 * b + 64 * (size_t)i, bytes[i]);
    }
    __m128i first, second, none = _mm_setzero_si128();
    sums_of(bytes, &first, &second);
    __m128i whole = _mm_add_epi32(first, second);
    __m128i negated = _mm_sub_epi32(none, whole), negated_first = _mm_sub_epi32(none, first);
    _mm_storeu_ps(scales + b, scale);
    _mm_storeu_ps(scaled_sums + b, _mm_mul_ps(scale, _mm_cvtepi32_ps(whole)));
    _mm_storeu_si128((__m128i *)(void *)(negated_sums + 2 * b), _mm_unpacklo_epi32(negated, negated_first));
    _mm_storeu_si128((__m128i *)(void *)(negated_sums + 2 * b + 4), _mm_unpackhi_epi32(negated, negated_first));
  }
  for (; b < blocks; b++)
    quantize_block(x + 32 * b, values + 32 * b, scales + b, scaled_sums + b, negated_sums + 2 * b);
}

static void quantize_long_blocks(
  const float *x, size_t k, int8_t *values, float *scales, int16_t *half_sums, int16_t *block_sums,
  int32_t *negated_sums) {
  for (size_t b = 0; b < k / 32; b += 8) {
    __m512i largest[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t i = 0; i < 16; i++)
      largest[i % 2] = _mm512_max_epu32(largest[i % 2], magnitude(_mm512_loadu_ps(x + 32 * b + 16 * i)));
    float scale, inverse;
    tenfold_activation_scale(_mm512_reduce_max_epu32(_mm512_max_epu32(largest[0], largest[1])), &scale, &inverse);
    _mm256_storeu_ps(scales + b, _mm256_set1_ps(scale));
    for (size_t four = b; four < b + 8; four += 4) {
      __m512i bytes[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
      for (size_t i = 0; i < 2; i++) {
        __m512i codes[4];
        for (size_t j = 0; j < 4; j++)
          codes[j] = codes_of(_mm512_loadu_ps(x + 32 * four + 64 * i + 16 * j), _mm512_set1_ps(inverse));
        // What isn't finite has an inverse of 0, and times that no number.
        if (inverse != 0) bytes[i] = packed_codes(codes);
        _mm512_storeu_si512(values + 32 * four + 64 * i, bytes[i]);
      }
      __m128i first, second, none = _mm_setzero_si128();
      sums_of(bytes, &first, &second);
      __m128i whole = _mm_add_epi32(first, second);
      __m128i negated = _mm_sub_epi32(none, whole), negated_first = _mm_sub_epi32(none, first);
      _mm_storeu_si128((__m128i *)(void *)(negated_sums + 2 * four), _mm_unpacklo_epi32(negated, negated_first));
      _mm_storeu_si128((__m128i *)(void *)(negated_sums + 2 * four + 4), _mm_unpackhi_epi32(negated, negated_first));
      __m128i halves = _mm_packs_epi32(_mm_unpacklo_epi32(first, second), _mm_unpackhi_epi32(first, second));
      _mm_storeu_si128((__m128i *)(void *)(half_sums + 2 * four), halves);
      _mm_storel_epi64((__m128i *)(void *)(block_sums + four), _mm_packs_epi32(whole, none));
    }
  }
}

/// What a row is finished with, from the first column of a call on. Local, so that stores don't make it read again.
typedef struct row_end {
  float *output;
  const float *bias, *multiplier, *residual;
  int32_t activation;
} row_end;

TENFOLD_INLINE row_end end_of(const tenfold_epilogue *e, size_t row, size_t column) {
  return (row_end){
    .output = tenfold_output_at(e, row, column), .bias = e->bias ? e->bias + column : NULL,
    .multiplier = e->multiplier ? e->multiplier + row * e->multiplier_stride + column : NULL,
    .residual = e->residual ? e->residual + row * e->residual_stride + column : NULL, .activation = e->activation};
}

TENFOLD_INLINE void store(__m512 s, __mmask16 mask, size_t c, row_end end) {
  if (end.bias) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(mask, end.bias + c));
  if (end.activation == TENFOLD_ACTIVATION_GELU) s = gelu(s);
  // NaN stays NaN: the clamp in the exponential would hide it, the product with s brings it back.
  else if (end.activation == TENFOLD_ACTIVATION_SILU) s = silu(s);
  if (end.multiplier) s = _mm512_mul_ps(s, _mm512_maskz_loadu_ps(mask, end.multiplier + c));
  if (end.residual) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(mask, end.residual + c));
  _mm512_mask_storeu_ps(end.output + c, mask, s);
}

/// Whole vectors, whose mask is a constant and costs nothing, then the rest.
#define EACH_VECTOR(STORE) \
  size_t c = 0; \
  for (; c + 16 <= columns; c += 16) STORE(0xFFFF); \
  if (c < columns) STORE(mask_of(columns - c));

static void finish_float(
  const float *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
  const tenfold_epilogue *e) {
  for (size_t r = 0; r < rows; r++, sums += sums_stride) {
    row_end end = end_of(e, first_row + r, first_column);
#define STORE_FLOAT(MASK) store(_mm512_loadu_ps(sums + c), MASK, c, end)
    EACH_VECTOR(STORE_FLOAT)
  }
}

static void finish_i8(
  const int32_t *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
  const float *row_scales, const uint8_t *column_scales, size_t column_scale_stride, const tenfold_epilogue *e) {
  for (size_t r = 0; r < rows; r++, sums += sums_stride) {
    row_end end = end_of(e, first_row + r, first_column);
    __m512 row_scale = _mm512_set1_ps(row_scales[first_row + r]);
#define STORE_I8(MASK) \
  store( \
    _mm512_mul_ps( \
      _mm512_cvtepi32_ps(_mm512_loadu_si512(sums + c)), \
      _mm512_mul_ps(row_scale, _mm512_loadu_ps(column_scales + c / 16 * column_scale_stride))), \
    MASK, c, end)
    EACH_VECTOR(STORE_I8)
  }
}

#pragma clang attribute pop

const tenfold_row_kernels tenfold_rows_avx512vnni = {
  .quantize_row = quantize_row, .quantize_blocks = quantize_blocks, .quantize_long_blocks = quantize_long_blocks,
  .finish_float = finish_float, .finish_i8 = finish_i8};
#endif
