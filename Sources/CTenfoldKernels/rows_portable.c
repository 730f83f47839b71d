/* Activation quantisers and epilogues, plain C. Codes are the same on every backend: one multiplication, rounding to
 * nearest even.  over-read: none */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "backends.h"

/// The scale for k values and the factor that turns them into codes; NaN and 0 where a value is not finite.
static void scale_of(const float *x, size_t k, float *scale, float *inverse) {
  uint32_t largest = 0;
  for (size_t j = 0; j < k; j++) {
    uint32_t bits;
    memcpy(&bits, x + j, 4);
    bits &= 0x7FFFFFFFu;
    largest = bits > largest ? bits : largest;
  }
  tenfold_activation_scale(largest, scale, inverse);
}

/// Codes of k values; returns minus their sum.
static int32_t codes_of(const float *x, size_t k, float inverse, int8_t *values) {
  int32_t sum = 0;
  for (size_t j = 0; j < k; j++) {
    values[j] = inverse == 0 ? 0 : (int8_t)(int32_t)nearbyintf(x[j] * inverse);
    sum -= values[j];
  }
  return sum;
}

static void quantize_row(const float *x, size_t k, size_t padded, int8_t *values, float *scale, int32_t *negated_sum) {
  float inverse;
  scale_of(x, k, scale, &inverse);
  *negated_sum = codes_of(x, k, inverse, values);
  memset(values + k, 0, padded - k);
}

static void quantize_blocks(
  const float *x, size_t k, int8_t *values, float *scales, float *scaled_sums, int32_t *negated_sums) {
  for (size_t b = 0; b < k / 32; b++) {
    float inverse;
    scale_of(x + 32 * b, 32, scales + b, &inverse);
    int32_t first = codes_of(x + 32 * b, 16, inverse, values + 32 * b);
    negated_sums[2 * b] = first + codes_of(x + 32 * b + 16, 16, inverse, values + 32 * b + 16);
    negated_sums[2 * b + 1] = first;
    scaled_sums[b] = scales[b] * (float)-negated_sums[2 * b];
  }
}

static void quantize_long_blocks(
  const float *x, size_t k, int8_t *values, float *scales, int16_t *half_sums, int16_t *block_sums,
  int32_t *negated_sums) {
  float inverse = 0;
  for (size_t b = 0; b < k / 32; b++) {
    if (b % 8 == 0) scale_of(x + 32 * b, 256, scales + b, &inverse);
    else scales[b] = scales[b - 1];
    int32_t first = codes_of(x + 32 * b, 16, inverse, values + 32 * b);
    negated_sums[2 * b] = first + codes_of(x + 32 * b + 16, 16, inverse, values + 32 * b + 16);
    negated_sums[2 * b + 1] = first;
    tenfold_short_sums(negated_sums + 2 * b, half_sums + 2 * b, block_sums + b);
  }
}

static float finish(float s, size_t row, size_t column, const tenfold_epilogue *e) {
  if (e->bias) s += e->bias[column];
  if (e->activation == TENFOLD_ACTIVATION_GELU) s = 0.5f * s * (1.0f + erff(s * 0.70710678118654752f));
  if (e->activation == TENFOLD_ACTIVATION_SILU) s = s / (1.0f + expf(-s));
  if (e->multiplier) s *= e->multiplier[row * e->multiplier_stride + column];
  if (e->residual) s += e->residual[row * e->residual_stride + column];
  return s;
}

static void finish_float(
  const float *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
  const tenfold_epilogue *e) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++)
      *tenfold_output_at(e, first_row + r, first_column + c) =
        finish(sums[r * sums_stride + c], first_row + r, first_column + c, e);
}

static void finish_i8(
  const int32_t *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
  const float *row_scales, const uint8_t *column_scales, size_t column_scale_stride, const tenfold_epilogue *e) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++) {
      const float *scales = (const float *)(const void *)(column_scales + c / 16 * column_scale_stride);
      float s = (float)sums[r * sums_stride + c] * (row_scales[first_row + r] * scales[c % 16]);
      *tenfold_output_at(e, first_row + r, first_column + c) =
        finish(s, first_row + r, first_column + c, e);
    }
}

const tenfold_row_kernels tenfold_rows_portable = {
  .quantize_row = quantize_row, .quantize_blocks = quantize_blocks, .quantize_long_blocks = quantize_long_blocks,
  .finish_float = finish_float, .finish_i8 = finish_i8};
