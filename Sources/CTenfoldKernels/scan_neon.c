/* Dot products of one query with many rows, NEON with dot products: 4 rows at a time share the query's loads.
 * float   four accumulators a row; element j goes to lane j % 16, then the lanes are reduced pairwise: the order of the
 *         portable file. 4 rows are 16 accumulators, 1 query vector, 1 row vector
 * int8    sdot, exact for every code; two accumulators a row
 * tails   float: a buffer filled up with zeros; int8: element by element.  over-read: none.   peak: bound by loads */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "neon.h"
#include "scan_masked.h"

#if defined(__aarch64__)
#pragma clang attribute push(TENFOLD_NEON, apply_to = function)

TENFOLD_INLINE void floats_of(int R, const float *q, const float *rows, size_t stride, size_t dimension, float *output) {
  float32x4_t acc[4][4];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < 4; v++) acc[r][v] = vdupq_n_f32(0);
  size_t j = 0;
  for (; j + 16 <= dimension; j += 16)
    for (int v = 0; v < 4; v++) {
      float32x4_t x = vld1q_f32(q + j + 4 * v);
      for (int r = 0; r < R; r++)
        acc[r][v] = vfmaq_f32(acc[r][v], x, vld1q_f32(rows + (size_t)r * stride + j + 4 * v));
    }
  if (j < dimension) {
    float x[16] = {0};
    memcpy(x, q + j, 4 * (dimension - j));
    for (int r = 0; r < R; r++) {
      float y[16] = {0};
      memcpy(y, rows + (size_t)r * stride + j, 4 * (dimension - j));
      for (int v = 0; v < 4; v++) acc[r][v] = vfmaq_f32(acc[r][v], vld1q_f32(x + 4 * v), vld1q_f32(y + 4 * v));
    }
  }
  for (int r = 0; r < R; r++) {
    float32x4_t sum = vaddq_f32(vaddq_f32(acc[r][0], acc[r][2]), vaddq_f32(acc[r][1], acc[r][3]));
    float32x2_t half = vadd_f32(vget_low_f32(sum), vget_high_f32(sum));
    output[r] = vget_lane_f32(half, 0) + vget_lane_f32(half, 1);
  }
}

static void dot_float(
  const float *query, const float *rows, size_t stride, size_t count, size_t dimension, float *output) {
  size_t r = 0;
  for (; r + 4 <= count; r += 4) floats_of(4, query, rows + r * stride, stride, dimension, output + r);
  for (; r < count; r++) floats_of(1, query, rows + r * stride, stride, dimension, output + r);
}

TENFOLD_INLINE void bytes_of(
  int R, const int8_t *q, const int8_t *rows, size_t stride, size_t dimension, int32_t *output) {
  int32x4_t acc[4][2];
  for (int r = 0; r < R; r++) acc[r][0] = acc[r][1] = vdupq_n_s32(0);
  size_t j = 0;
  for (; j + 32 <= dimension; j += 32)
    for (int u = 0; u < 2; u++) {
      int8x16_t x = vld1q_s8(q + j + 16 * u);
      for (int r = 0; r < R; r++)
        acc[r][u] = vdotq_s32(acc[r][u], x, vld1q_s8(rows + (size_t)r * stride + j + 16 * u));
    }
  if (j + 16 <= dimension) {
    int8x16_t x = vld1q_s8(q + j);
    for (int r = 0; r < R; r++) acc[r][0] = vdotq_s32(acc[r][0], x, vld1q_s8(rows + (size_t)r * stride + j));
    j += 16;
  }
  for (int r = 0; r < R; r++) {
    int32_t sum = vaddvq_s32(vaddq_s32(acc[r][0], acc[r][1]));
    for (size_t i = j; i < dimension; i++) sum += (int32_t)q[i] * rows[(size_t)r * stride + i];
    output[r] = sum;
  }
}

static void dot_i8(
  const int8_t *query, const int8_t *rows, size_t stride, size_t count, size_t dimension, int32_t *output) {
  size_t r = 0;
  for (; r + 4 <= count; r += 4) bytes_of(4, query, rows + r * stride, stride, dimension, output + r);
  for (; r < count; r++) bytes_of(1, query, rows + r * stride, stride, dimension, output + r);
}

TENFOLD_MASKED_SCAN(dot_float_masked, dot_float, float, float)
TENFOLD_MASKED_SCAN(dot_i8_masked, dot_i8, int8_t, int32_t)

#pragma clang attribute pop

const tenfold_scan_kernels tenfold_scan_neon = {
  .dot_float = dot_float, .dot_i8 = dot_i8, .dot_float_masked = dot_float_masked, .dot_i8_masked = dot_i8_masked};
#endif
