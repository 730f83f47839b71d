/* int8 weights per column x int8 activations per row, AVX2.   sums[r][c] = sum_k a[r][k] * w[k][c]
 *
 * tile    4 rows x 16 columns: 8 accumulators (ymm), 2 weight vectors (and their magnitudes), 1 broadcast
 * product vpmaddubsw takes u8 x s8 and saturates at 16 bits; vpmaddwd with ones then widens to 32 bits.
 *         any weights   |w| times a with the sign of w: 2 * 128 * 127 = 32,512 fits
 *         in -64...64   w + 64 times a:                 2 * 128 * 127 = 32,512 fits, and no sign is needed
 * layout  64 bytes of scales, then byte (k / 4 * 16 + c) * 4 + k % 4: two's complement (bias 0), or w + 64
 * bias    with it each accumulator starts at -64 * sum of its row, which cancels the 64
 * ahead   the panel that follows is fetched meanwhile, spread evenly over the passes of 4 rows: weights that come from
 *         memory then come beside the products and not before them (5 rows streamed: 1.3 times as fast)
 * tails   fewer rows have their own instances; k is padded to 4 with zeros (codes 64).  over-read: none beyond that
 * needs   activations in -127...127, as the quantisers give
 * peak    32 MAC per 4 instructions; 3 with the bias, where the two multipliers of a Zen 3 are the limit */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx2.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX2, apply_to = function)

/// What a pass over a panel fetches of the next one: the line at `bytes`, and `step` bytes further with each quad.
typedef struct ahead {
  const uint8_t *bytes;
  size_t step;
} ahead;

/// The share of the pass that begins at `row`; nothing without a `next` panel.
TENFOLD_INLINE ahead ahead_of(const uint8_t *next, size_t panel_stride, size_t row, size_t rows) {
  if (!next) return (ahead){NULL, 0};
  size_t passes = (rows + 3) / 4;
  return (ahead){next + row / 4 * (panel_stride / passes), (64 + passes - 1) / passes};
}

TENFOLD_INLINE void fetch(int fetches, ahead *next) {
  if (!fetches) return;
  _mm_prefetch((const char *)next->bytes, _MM_HINT_T0);
  next->bytes += next->step;
}

TENFOLD_INLINE void tile_of(
  int R, int fetches, const uint8_t *codes, size_t quads, const int8_t *x, size_t stride, int32_t *sums,
  size_t sums_stride, ahead next) {
  __m256i acc[4][2], ones = _mm256_set1_epi16(1);
  for (int r = 0; r < R; r++) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
  for (size_t q = 0; q < quads; q++) {
    fetch(fetches, &next);
    const __m256i *w = (const __m256i *)(const void *)(codes + 64 * q);
    __m256i low = _mm256_load_si256(w), high = _mm256_load_si256(w + 1);
    __m256i low_size = _mm256_abs_epi8(low), high_size = _mm256_abs_epi8(high);
    for (int r = 0; r < R; r++) {
      int32_t word;
      memcpy(&word, x + (size_t)r * stride + 4 * q, 4);
      __m256i a = _mm256_set1_epi32(word);
      __m256i low_pairs = _mm256_maddubs_epi16(low_size, _mm256_sign_epi8(a, low));
      __m256i high_pairs = _mm256_maddubs_epi16(high_size, _mm256_sign_epi8(a, high));
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(low_pairs, ones));
      acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(high_pairs, ones));
    }
  }
  for (int r = 0; r < R; r++)
    for (int h = 0; h < 2; h++)
      _mm256_storeu_si256((__m256i *)(void *)(sums + (size_t)r * sums_stride + 8 * h), acc[r][h]);
}

TENFOLD_INLINE void narrow_tile_of(
  int R, int fetches, const uint8_t *codes, size_t quads, const int8_t *x, size_t stride, const int32_t *negated_row_sums,
  int32_t *sums, size_t sums_stride, ahead next) {
  __m256i acc[4][2], ones = _mm256_set1_epi16(1);
  for (int r = 0; r < R; r++)
    acc[r][0] = acc[r][1] = _mm256_slli_epi32(_mm256_set1_epi32(negated_row_sums[r]), 6);
#pragma clang loop unroll_count(2)
  for (size_t q = 0; q < quads; q++) {
    fetch(fetches, &next);
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

/// The pass over rows r ..< r + 4, or those that are left. One row alone reads memory as fast as it comes, without fetching.
#define EACH_COUNT(PASS) \
  switch (rows - r) { \
  case 1: PASS(1, 0); break; \
  case 2: if (lines.bytes) PASS(2, 1); else PASS(2, 0); break; \
  case 3: if (lines.bytes) PASS(3, 1); else PASS(3, 0); break; \
  default: if (lines.bytes) PASS(4, 1); else PASS(4, 0); break; \
  }

static void narrow_tile(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride, const uint8_t *next) {
#define NARROW(R, FETCHES) \
  narrow_tile_of( \
    R, FETCHES, panel + 64, (k + 3) / 4, values + r * value_stride, value_stride, negated_row_sums + r, \
    sums + r * sums_stride, sums_stride, lines)
  for (; panels > 0; panels--, panel += panel_stride, sums += 16)
    for (size_t r = 0; r < rows; r += 4) {
      ahead lines = ahead_of(panels > 1 ? panel + panel_stride : next, panel_stride, r, rows);
      EACH_COUNT(NARROW)
    }
}

static void tile(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride, const uint8_t *next) {
  (void)negated_row_sums;
#define FULL(R, FETCHES) \
  tile_of( \
    R, FETCHES, panel + 64, (k + 3) / 4, values + r * value_stride, value_stride, sums + r * sums_stride, sums_stride, lines)
  for (; panels > 0; panels--, panel += panel_stride, sums += 16)
    for (size_t r = 0; r < rows; r += 4) {
      ahead lines = ahead_of(panels > 1 ? panel + panel_stride : next, panel_stride, r, rows);
      EACH_COUNT(FULL)
    }
}

#pragma clang attribute pop

const tenfold_i8_kernels tenfold_i8_avx2 = {.byte_bias = 0, .tile_rows = 24, .max_panels = 1, .tile = tile};
const tenfold_i8_kernels tenfold_narrow_i8_avx2 = {.byte_bias = 64, .tile_rows = 24, .max_panels = 1, .tile = narrow_tile};
#endif
