/* int8 weights per column x int8 activations per row, NEON with dot products.   sums[r][c] = sum_k a[r][k] * w[k][c]
 *
 *              columns 0-3   4-7    8-11   12-15        tile 4 rows x 16 columns
 *   row 0      v0            v1     v2     v3           16 accumulators, 4 weight vectors of 4 columns x 4 k,
 *   ...                                                 4 activation vectors of 16 k, read by lane
 *   row 3      v12           v13    v14    v15
 *
 * layout  64 bytes of scales, then byte (k / 4 * 16 + c) * 4 + k % 4, two's complement (bias 0)
 * tails   fewer rows have their own instances, with several chains along k so that sdot's latency is hidden; the last
 *         1 to 3 quads go one by one
 * reads   weights to k rounded up to 4, rows to k rounded down to 16 and then 4 bytes at a time.  over-read: none
 * peak    16 MAC per sdot; 64 sdot for 20 loads.  Any codes: sdot is exact for -128 on both sides */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "neon.h"

#if defined(__aarch64__)
#pragma clang attribute push(TENFOLD_NEON, apply_to = function)

TENFOLD_INLINE int8x16_t weights_at(const uint8_t *codes) { return vreinterpretq_s8_u8(vld1q_u8(codes)); }

/// R rows, U chains along k for each sum (integers: any order gives the same bits).
TENFOLD_INLINE void tile_of(
  int R, int U, const uint8_t *codes, size_t quads, const int8_t *x, size_t stride, int32_t *sums, size_t sums_stride) {
  int32x4_t acc[4][4][4];
  for (int u = 0; u < U; u++)
    for (int r = 0; r < R; r++)
      for (int v = 0; v < 4; v++) acc[u][r][v] = vdupq_n_s32(0);
  size_t q = 0;
  for (; q + 4 <= quads; q += 4, codes += 256) {
    int8x16_t a[4];
    for (int r = 0; r < R; r++) a[r] = vld1q_s8(x + (size_t)r * stride + 4 * q);
    // A lane must be a literal.
#define QUAD(L) \
  for (int v = 0; v < 4; v++) { \
    int8x16_t w = weights_at(codes + 64 * L + 16 * v); \
    for (int r = 0; r < R; r++) acc[L % U][r][v] = vdotq_laneq_s32(acc[L % U][r][v], w, a[r], L); \
  }
    QUAD(0) QUAD(1) QUAD(2) QUAD(3)
#undef QUAD
  }
  for (; q < quads; q++, codes += 64)
    for (int r = 0; r < R; r++) {
      int32_t word;
      memcpy(&word, x + (size_t)r * stride + 4 * q, 4);
      int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(word));
      for (int v = 0; v < 4; v++) acc[0][r][v] = vdotq_s32(acc[0][r][v], weights_at(codes + 16 * v), a);
    }
  for (int r = 0; r < R; r++)
    for (int v = 0; v < 4; v++) {
      int32x4_t sum = acc[0][r][v];
      for (int u = 1; u < U; u++) sum = vaddq_s32(sum, acc[u][r][v]);
      vst1q_s32(sums + (size_t)r * sums_stride + 4 * v, sum);
    }
}

static void tile(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride, const uint8_t *next) {
  (void)next;
  (void)negated_row_sums;
  size_t quads = (k + 3) / 4;
  for (; panels > 0; panels--, panel += panel_stride, sums += 16)
    for (size_t r = 0; r < rows; r += 4) {
      const int8_t *x = values + r * value_stride;
      int32_t *target = sums + r * sums_stride;
      switch (rows - r) {
      case 1: tile_of(1, 4, panel + 64, quads, x, value_stride, target, sums_stride); break;
      case 2: tile_of(2, 2, panel + 64, quads, x, value_stride, target, sums_stride); break;
      case 3: tile_of(3, 1, panel + 64, quads, x, value_stride, target, sums_stride); break;
      default: tile_of(4, 1, panel + 64, quads, x, value_stride, target, sums_stride); break;
      }
    }
}

#pragma clang attribute pop

const tenfold_i8_kernels tenfold_i8_neon = {.byte_bias = 0, .max_panels = 1, .tile = tile};
#endif
