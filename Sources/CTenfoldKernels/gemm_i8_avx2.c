/* int8 weights per column x int8 activations per row, AVX2.   sums[r][c] = sum_k a[r][k] * w[k][c]
 *
 * tile    4 rows x 16 columns: 8 accumulators (ymm), 2 weight vectors (and their magnitudes), 1 broadcast
 * product vpmaddubsw takes u8 x s8 and saturates at 16 bits; vpmaddwd with ones then widens to 32 bits.
 *         any weights   |w| times a with the sign of w: 2 * 128 * 127 = 32,512 fits
 *         in -64...64   w + 64 times a:                 2 * 128 * 127 = 32,512 fits, and no sign is needed
 * layout  64 bytes of scales, then byte (k / 4 * 16 + c) * 4 + k % 4: two's complement (bias 0), or w + 64
 * bias    with it each accumulator starts at -64 * sum of its row, which cancels the 64
 * tails   fewer rows have their own instances; k is padded to 4 with zeros (codes 64).  over-read: none beyond that
 * needs   activations in -127...127, as the quantisers give
 * peak    32 MAC per 4 instructions; 3 with the bias, where the two multipliers of a Zen 3 are the limit */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx2.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX2, apply_to = function)

TENFOLD_INLINE void tile_of(
  int R, const uint8_t *codes, size_t quads, const int8_t *x, size_t stride, int32_t *sums, size_t sums_stride) {
  __m256i acc[4][2], ones = _mm256_set1_epi16(1);
  for (int r = 0; r < R; r++) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
  for (size_t q = 0; q < quads; q++, codes += 64)
    for (int h = 0; h < 2; h++) {
      __m256i w = _mm256_load_si256((const __m256i *)(const void *)(codes + 32 * h)), size = _mm256_abs_epi8(w);
      for (int r = 0; r < R; r++) {
        int32_t word;
        memcpy(&word, x + (size_t)r * stride + 4 * q, 4);
        __m256i signed_a = _mm256_sign_epi8(_mm256_set1_epi32(word), w);
        acc[r][h] = _mm256_add_epi32(acc[r][h], _mm256_madd_epi16(_mm256_maddubs_epi16(size, signed_a), ones));
      }
    }
  for (int r = 0; r < R; r++)
    for (int h = 0; h < 2; h++)
      _mm256_storeu_si256((__m256i *)(void *)(sums + (size_t)r * sums_stride + 8 * h), acc[r][h]);
}

TENFOLD_INLINE void narrow_tile_of(
  int R, const uint8_t *codes, size_t quads, const int8_t *x, size_t stride, const int32_t *negated_row_sums,
  int32_t *sums, size_t sums_stride) {
  __m256i acc[4][2], ones = _mm256_set1_epi16(1);
  for (int r = 0; r < R; r++)
    acc[r][0] = acc[r][1] = _mm256_slli_epi32(_mm256_set1_epi32(negated_row_sums[r]), 6);
#pragma clang loop unroll_count(2)
  for (size_t q = 0; q < quads; q++) {
    const __m256i *w = (const __m256i *)(const void *)(codes + 64 * q);
    __m256i low = _mm256_load_si256(w), high = _mm256_load_si256(w + 1);
    for (int r = 0; r < R; r++) {
      int32_t word;
      memcpy(&word, x + (size_t)r * stride + 4 * q, 4);
      __m256i a = _mm256_set1_epi32(word);
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(_mm256_maddubs_epi16(low, a), ones));
      acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(_mm256_maddubs_epi16(high, a), ones));
    }
  }
  for (int r = 0; r < R; r++)
    for (int h = 0; h < 2; h++)
      _mm256_storeu_si256((__m256i *)(void *)(sums + (size_t)r * sums_stride + 8 * h), acc[r][h]);
}

static void narrow_tile(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride) {
#define NARROW(R) \
  narrow_tile_of( \
    R, panel + 64, (k + 3) / 4, values + r * value_stride, value_stride, negated_row_sums + r, sums + r * sums_stride, \
    sums_stride)
  for (; panels > 0; panels--, panel += panel_stride, sums += 16)
    for (size_t r = 0; r < rows; r += 4) switch (rows - r) {
      case 1: NARROW(1); break;
      case 2: NARROW(2); break;
      case 3: NARROW(3); break;
      default: NARROW(4); break;
      }
}

static void tile(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride) {
  (void)negated_row_sums;
  size_t quads = (k + 3) / 4;
  for (; panels > 0; panels--, panel += panel_stride, sums += 16)
    for (size_t r = 0; r < rows; r += 4) {
      const int8_t *x = values + r * value_stride;
      int32_t *target = sums + r * sums_stride;
      switch (rows - r) {
      case 1: tile_of(1, panel + 64, quads, x, value_stride, target, sums_stride); break;
      case 2: tile_of(2, panel + 64, quads, x, value_stride, target, sums_stride); break;
      case 3: tile_of(3, panel + 64, quads, x, value_stride, target, sums_stride); break;
      default: tile_of(4, panel + 64, quads, x, value_stride, target, sums_stride); break;
      }
    }
}

#pragma clang attribute pop

const tenfold_i8_kernels tenfold_i8_avx2 = {.byte_bias = 0, .max_panels = 1, .tile = tile};
const tenfold_i8_kernels tenfold_narrow_i8_avx2 = {.byte_bias = 64, .max_panels = 1, .tile = narrow_tile};
#endif
