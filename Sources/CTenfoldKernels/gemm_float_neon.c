/* Float weights x float activations, NEON.   sums[r][c] = sum_k x[r][k] * w[k][c], one accumulator, in the order of k
 *
 * tile    4 rows x 16 columns: 16 accumulators, 4 weight vectors of 4 columns, 4 activation vectors of 4 k, read by lane;
 *         1 row x 64 columns (4 panels): 16 accumulators, so that a single row too hides the latency of 4
 * layout  element k * 16 + c, 4 or 2 bytes each; 2-byte weights are widened once for all rows
 * tails   fewer rows have their own instances; the last 1 to 3 elements go one by one
 * over-read: none.   peak: 4 FMA per instruction; 64 instructions for 20 loads */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "neon.h"

#if defined(__aarch64__)
#pragma clang attribute push(TENFOLD_NEON, apply_to = function)

/// The 16 weights of element k of a panel.
TENFOLD_INLINE void weights_at(tenfold_float_format format, const uint8_t *panel, size_t k, float32x4_t w[4]) {
  if (format == TENFOLD_F32) {
    for (int v = 0; v < 4; v++) w[v] = vreinterpretq_f32_u8(vld1q_u8(panel + 64 * k + 16 * v));
    return;
  }
  for (int v = 0; v < 4; v += 2) {
    uint8x16_t narrow = vld1q_u8(panel + 32 * k + 8 * v);
    if (format == TENFOLD_F16) {
      float16x8_t halves = vreinterpretq_f16_u8(narrow);
      w[v] = vcvt_f32_f16(vget_low_f16(halves));
      w[v + 1] = vcvt_high_f32_f16(halves);
    } else {
      uint16x8_t words = vreinterpretq_u16_u8(narrow);
      w[v] = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(words), 16));
      w[v + 1] = vreinterpretq_f32_u32(vshll_high_n_u16(words, 16));
    }
  }
}

/// R rows x P panels.
TENFOLD_INLINE void tile_of(
  int R, int P, tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t k, const float *x,
  size_t stride, float *sums, size_t sums_stride) {
  float32x4_t acc[4][4][4], w[4];
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++)
      for (int v = 0; v < 4; v++) acc[r][p][v] = vdupq_n_f32(0);
  size_t j = 0;
  for (; j + 4 <= k; j += 4) {
    float32x4_t a[4];
    for (int r = 0; r < R; r++) a[r] = vld1q_f32(x + (size_t)r * stride + j);
    // A lane must be a literal.
#define ELEMENT(L) \
  for (int p = 0; p < P; p++) { \
    weights_at(format, panel + (size_t)p * panel_stride, j + L, w); \
    for (int r = 0; r < R; r++) \
      for (int v = 0; v < 4; v++) acc[r][p][v] = vfmaq_laneq_f32(acc[r][p][v], w[v], a[r], L); \
  }
    ELEMENT(0) ELEMENT(1) ELEMENT(2) ELEMENT(3)
#undef ELEMENT
  }
  for (; j < k; j++)
    for (int p = 0; p < P; p++) {
      weights_at(format, panel + (size_t)p * panel_stride, j, w);
      for (int r = 0; r < R; r++)
        for (int v = 0; v < 4; v++) acc[r][p][v] = vfmaq_n_f32(acc[r][p][v], w[v], x[(size_t)r * stride + j]);
    }
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++)
      for (int v = 0; v < 4; v++) vst1q_f32(sums + (size_t)r * sums_stride + 16 * p + 4 * v, acc[r][p][v]);
}

#define TILE(R, P) tile_of(R, P, format, panel, panel_stride, k, x, value_stride, target, sums_stride)

TENFOLD_INLINE void tiles_of(
  tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const float *values,
  size_t value_stride, size_t rows, float *sums, size_t sums_stride) {
  if (rows == 1 && panels >= 4) {
    const float *x = values;
    float *target = sums;
    TILE(1, 4);
    panel += 4 * panel_stride;
    sums += 64;
    panels -= 4;
  }
  for (; panels > 0; panels--, panel += panel_stride, sums += 16)
    for (size_t r = 0; r < rows; r += 4) {
      const float *x = values + r * value_stride;
      float *target = sums + r * sums_stride;
      switch (rows - r) {
      case 1: TILE(1, 1); break;
      case 2: TILE(2, 1); break;
      case 3: TILE(3, 1); break;
      default: TILE(4, 1); break;
      }
    }
}

static void tile(
  tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const float *values,
  size_t value_stride, size_t rows, float *sums, size_t sums_stride) {
#define TILES(F) tiles_of(F, panel, panel_stride, panels, k, values, value_stride, rows, sums, sums_stride)
  switch (format) {
  case TENFOLD_F32: TILES(TENFOLD_F32); break;
  case TENFOLD_F16: TILES(TENFOLD_F16); break;
  case TENFOLD_BF16: TILES(TENFOLD_BF16); break;
  }
}

#pragma clang attribute pop

const tenfold_float_kernels tenfold_floats_neon = {.max_panels = 4, .tile = tile};
#endif
