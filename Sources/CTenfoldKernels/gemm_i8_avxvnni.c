/* int8 weights per column x int8 activations per row, AVX-VNNI (VEX).   sums[r][c] = sum_k a[r][k] * w[k][c]
 * tile    6 rows x 16 columns: 12 accumulators (ymm), 2 weight vectors, 1 broadcast of 4 bytes of a row; fewer rows have
 *         their own instances
 * layout  64 bytes of scales, then byte (k / 4 * 16 + c) * 4 + k % 4 = w + 128, unsigned for vpdpbusd
 * bias    each accumulator starts at -128 * sum of its row, which cancels the 128
 * tails   k is padded to 4 with codes 128 against zeros
 * reads   weights to the padded k, rows to a multiple of 4 bytes.  over-read: none beyond that
 * peak    32 MAC per vpdpbusd */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx2.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVXVNNI, apply_to = function)

TENFOLD_INLINE void tile_of(
  int R, const uint8_t *codes, size_t quads, const int8_t *x, size_t stride, const int32_t *negated_row_sums,
  int32_t *sums, size_t sums_stride) {
  __m256i acc[6][2];
  for (int r = 0; r < R; r++)
    acc[r][0] = acc[r][1] = _mm256_slli_epi32(_mm256_set1_epi32(negated_row_sums[r]), 7);
#pragma clang loop unroll_count(4)
  for (size_t q = 0; q < quads; q++) {
    const __m256i *w = (const __m256i *)(const void *)(codes + 64 * q);
    __m256i low = _mm256_loadu_si256(w), high = _mm256_loadu_si256(w + 1);
    for (int r = 0; r < R; r++) {
      int32_t word;
      memcpy(&word, x + (size_t)r * stride + 4 * q, 4);
      __m256i a = _mm256_set1_epi32(word);
      acc[r][0] = _mm256_dpbusd_avx_epi32(acc[r][0], low, a);
      acc[r][1] = _mm256_dpbusd_avx_epi32(acc[r][1], high, a);
    }
  }
  for (int r = 0; r < R; r++)
    for (int h = 0; h < 2; h++)
      _mm256_storeu_si256((__m256i *)(void *)(sums + (size_t)r * sums_stride + 8 * h), acc[r][h]);
}

static void tile(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride, const uint8_t *next) {
  (void)next;
#define TILE(R) \
  tile_of( \
    R, panel + 64, (k + 3) / 4, values + r * value_stride, value_stride, negated_row_sums + r, sums + r * sums_stride, \
    sums_stride)
  for (; panels > 0; panels--, panel += panel_stride, sums += 16)
    for (size_t r = 0; r < rows; r += 6) switch (rows - r) {
      case 1: TILE(1); break;
      case 2: TILE(2); break;
      case 3: TILE(3); break;
      case 4: TILE(4); break;
      case 5: TILE(5); break;
      default: TILE(6); break;
      }
}

#pragma clang attribute pop

const tenfold_i8_kernels tenfold_i8_avxvnni = {.byte_bias = 128, .tile_rows = 24, .max_panels = 1, .tile = tile};
#endif
