/* int8 weights per column x int8 activations per row, NEON with int8 matrix products.
 * sums[r][c] = sum_k a[r][k] * w[k][c]
 *
 *                columns 0 1   2 3    4 5    6 7        tile 8 rows x 8 columns, twice for a panel
 *   rows 0 1     v0            v1     v2     v3         16 accumulators, each 2 rows x 2 columns: r0c0 r0c1 r1c0 r1c1
 *   ...                                                 4 vectors of 2 rows x 8 k, 4 of 2 columns x 8 k
 *   rows 6 7     v12           v13    v14    v15
 *
 * layout  that of all backends: 64 bytes of scales, then byte (k / 4 * 16 + c) * 4 + k % 4, bias 0. Two quads of 4
 *         columns become two vectors of 2 columns x 8 k by one zip each, rows by a move into the upper half
 * rows    up to 3 take the dot-product tile: the zips would eat the gain.  4 rows take all 16 columns at once
 * tails   an odd row stands twice, its copy isn't stored; an odd quad pairs with zeros
 * reads   weights to k rounded up to 4, rows to k rounded up to 8 (readable to 64).  over-read: none
 * peak    32 MAC per smmla; 8 rows and 8 k do 32 smmla for 16 zips and moves, where sdot takes 64 */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "neon.h"

#if defined(__aarch64__)
#pragma clang attribute push(TENFOLD_NEON_I8MM, apply_to = function)

TENFOLD_INLINE int32x4_t quad_at(const uint8_t *codes) { return vreinterpretq_s32_u8(vld1q_u8(codes)); }

/// P pairs of rows x C vectors of 4 columns x 8 k.
TENFOLD_INLINE void step(
  int P, int C, const uint8_t *codes, bool single, const int8_t *const *rows, size_t offset, int32x4_t acc[4][4][2]) {
  int8x16_t a[4];
  for (int p = 0; p < P; p++) a[p] = vcombine_s8(vld1_s8(rows[2 * p] + offset), vld1_s8(rows[2 * p + 1] + offset));
  for (int v = 0; v < C; v++) {
    int32x4_t first = quad_at(codes + 16 * v), second = single ? vdupq_n_s32(0) : quad_at(codes + 64 + 16 * v);
    int8x16_t low = vreinterpretq_s8_s32(vzip1q_s32(first, second));
    int8x16_t high = vreinterpretq_s8_s32(vzip2q_s32(first, second));
    for (int p = 0; p < P; p++) {
      acc[p][v][0] = vmmlaq_s32(acc[p][v][0], a[p], low);
      acc[p][v][1] = vmmlaq_s32(acc[p][v][1], a[p], high);
    }
  }
}

/// 2 P rows, of which `count` exist, x 4 C columns from `codes` on.
TENFOLD_INLINE void tile_of(
  int P, int C, const uint8_t *codes, size_t quads, const int8_t *x, size_t stride, size_t count, int32_t *sums,
  size_t sums_stride) {
  int32x4_t acc[4][4][2];
  const int8_t *rows[8];
  for (size_t r = 0; r < 2 * (size_t)P; r++) rows[r] = x + (r < count ? r : count - 1) * stride;
  for (int p = 0; p < P; p++)
    for (int v = 0; v < C; v++) acc[p][v][0] = acc[p][v][1] = vdupq_n_s32(0);
  size_t q = 0;
  for (; q + 2 <= quads; q += 2) step(P, C, codes + 64 * q, false, rows, 4 * q, acc);
  if (q < quads) step(P, C, codes + 64 * q, true, rows, 4 * q, acc);
  for (int p = 0; p < P; p++)
    for (int v = 0; v < C; v++) {
      int32x4_t low = acc[p][v][0], high = acc[p][v][1];
      int32_t *target = sums + 2 * (size_t)p * sums_stride + 4 * v;
      vst1q_s32(target, vcombine_s32(vget_low_s32(low), vget_low_s32(high)));
      if (2 * (size_t)p + 1 < count)
        vst1q_s32(target + sums_stride, vcombine_s32(vget_high_s32(low), vget_high_s32(high)));
    }
}

static void tile(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride, const uint8_t *next) {
  if (rows < 4) {
    tenfold_i8_neon.tile(
      panel, panel_stride, panels, k, values, value_stride, negated_row_sums, rows, sums, sums_stride, next);
    return;
  }
  size_t quads = (k + 3) / 4;
  for (; panels > 0; panels--, panel += panel_stride, sums += 16) {
    if (rows == 4) {
      tile_of(2, 4, panel + 64, quads, values, value_stride, rows, sums, sums_stride);
      continue;
    }
    for (size_t h = 0; h < 2; h++) {
      const uint8_t *codes = panel + 64 + 32 * h;
      if (rows <= 6) tile_of(3, 2, codes, quads, values, value_stride, rows, sums + 8 * h, sums_stride);
      else tile_of(4, 2, codes, quads, values, value_stride, rows, sums + 8 * h, sums_stride);
    }
  }
}

#pragma clang attribute pop

const tenfold_i8_kernels tenfold_i8_neoni8mm = {.byte_bias = 0, .max_panels = 1, .tile = tile};
#endif
