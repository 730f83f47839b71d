/* Activation quantisers and epilogues, NEON: 4 elements at a time, tails through a buffer.  over-read: none
 * codes   one multiplication and fcvtns: to nearest, ties to even
 * erf     Abramowitz and Stegun 7.1.26, absolute error 1.5e-7
 * exp     2^n * p(r), |r| <= ln 2 / 2, degree 6, relative error 2e-7 */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "neon.h"

#if defined(__aarch64__)
#pragma clang attribute push(TENFOLD_NEON, apply_to = function)

TENFOLD_INLINE float32x4_t load_some(const float *x, size_t count) {
  if (count >= 4) return vld1q_f32(x);
  float buffer[4] = {0};
  memcpy(buffer, x, 4 * count);
  return vld1q_f32(buffer);
}

TENFOLD_INLINE void store_some(float *x, float32x4_t value, size_t count) {
  if (count >= 4) {
    vst1q_f32(x, value);
    return;
  }
  float buffer[4];
  vst1q_f32(buffer, value);
  memcpy(x, buffer, 4 * count);
}

TENFOLD_INLINE uint32x4_t magnitude(float32x4_t x) { return vreinterpretq_u32_f32(vabsq_f32(x)); }

TENFOLD_INLINE int32x4_t codes_of(float32x4_t x, float inverse) { return vcvtnq_s32_f32(vmulq_n_f32(x, inverse)); }

/// 16 codes as bytes.
TENFOLD_INLINE int8x16_t narrow(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
  int16x8_t low = vcombine_s16(vmovn_s32(a), vmovn_s32(b)), high = vcombine_s16(vmovn_s32(c), vmovn_s32(d));
  return vcombine_s8(vmovn_s16(low), vmovn_s16(high));
}

static void quantize_row(const float *x, size_t k, size_t padded, int8_t *values, float *scale, int32_t *negated_sum) {
  uint32x4_t largest[2] = {vdupq_n_u32(0), vdupq_n_u32(0)};
  float inverse;
  size_t j = 0;
  for (; j + 8 <= k; j += 8)
    for (int i = 0; i < 2; i++) largest[i] = vmaxq_u32(largest[i], magnitude(vld1q_f32(x + j + 4 * (size_t)i)));
  for (; j < k; j += 4) largest[0] = vmaxq_u32(largest[0], magnitude(load_some(x + j, k - j)));
  tenfold_activation_scale(vmaxvq_u32(vmaxq_u32(largest[0], largest[1])), scale, &inverse);
  *negated_sum = 0;
  if (inverse == 0) {
    memset(values, 0, padded);
    return;
  }
  int32x4_t sum = vdupq_n_s32(0);
  for (j = 0; j + 16 <= k; j += 16) {
    int32x4_t codes[4];
    for (int i = 0; i < 4; i++) {
      codes[i] = codes_of(vld1q_f32(x + j + 4 * (size_t)i), inverse);
      sum = vaddq_s32(sum, codes[i]);
    }
    vst1q_s8(values + j, narrow(codes[0], codes[1], codes[2], codes[3]));
  }
  memset(values + j, 0, padded - j);
  for (; j < k; j += 4) {
    int32x4_t codes = codes_of(load_some(x + j, k - j), inverse), none = vdupq_n_s32(0);
    int8x16_t bytes = narrow(codes, none, none, none);
    sum = vaddq_s32(sum, codes);
    memcpy(values + j, &bytes, k - j < 4 ? k - j : 4);
  }
  *negated_sum = -vaddvq_s32(sum);
}

/// The codes of 32 values; minus their sum and minus that of the first half.
TENFOLD_INLINE void put_block(const float *x, float inverse, int8_t *values, int32_t *negated_sums) {
  int8x16_t bytes[2] = {vdupq_n_s8(0), vdupq_n_s8(0)};
  for (int i = 0; i < 2 && inverse != 0; i++)
    bytes[i] = narrow(
      codes_of(vld1q_f32(x + 16 * i), inverse), codes_of(vld1q_f32(x + 16 * i + 4), inverse),
      codes_of(vld1q_f32(x + 16 * i + 8), inverse), codes_of(vld1q_f32(x + 16 * i + 12), inverse));
  vst1q_s8(values, bytes[0]);
  vst1q_s8(values + 16, bytes[1]);
  int32_t first = vaddlvq_s8(bytes[0]);
  negated_sums[0] = -(first + vaddlvq_s8(bytes[1]));
  negated_sums[1] = -first;
}

/// The scale of `count` values, a multiple of 4, and its inverse.
TENFOLD_INLINE void scale_of(const float *x, size_t count, float *scale, float *inverse) {
  uint32x4_t largest = vdupq_n_u32(0);
  for (size_t i = 0; i < count; i += 4) largest = vmaxq_u32(largest, magnitude(vld1q_f32(x + i)));
  tenfold_activation_scale(vmaxvq_u32(largest), scale, inverse);
}

static void quantize_blocks(
  const float *x, size_t k, int8_t *values, float *scales, float *scaled_sums, int32_t *negated_sums) {
  for (size_t b = 0; b < k / 32; b++, x += 32, values += 32) {
    float inverse;
    scale_of(x, 32, scales + b, &inverse);
    put_block(x, inverse, values, negated_sums + 2 * b);
    scaled_sums[b] = scales[b] * (float)-negated_sums[2 * b];
  }
}

static void quantize_long_blocks(
  const float *x, size_t k, int8_t *values, float *scales, int16_t *half_sums, int16_t *block_sums,
  int32_t *negated_sums) {
  float inverse = 0;
  for (size_t b = 0; b < k / 32; b++, x += 32, values += 32) {
    if (b % 8 == 0) scale_of(x, 256, scales + b, &inverse);
    else scales[b] = scales[b - 1];
    put_block(x, inverse, values, negated_sums + 2 * b);
    tenfold_short_sums(negated_sums + 2 * b, half_sums + 2 * b, block_sums + b);
  }
}

TENFOLD_INLINE float32x4_t exponential(float32x4_t x) {
  x = vminq_f32(vdupq_n_f32(87.9f), vmaxq_f32(vdupq_n_f32(-87.3f), x));
  float32x4_t n = vrndnq_f32(vmulq_n_f32(x, 1.44269504f));
  float32x4_t r = vfmsq_n_f32(x, n, 0.693359375f);
  r = vfmsq_n_f32(r, n, -2.12194440e-4f);
  float32x4_t p = vdupq_n_f32(1.0f / 720);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 120), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 24), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 6), p, r);
  p = vfmaq_f32(vdupq_n_f32(0.5f), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
  int32x4_t power = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
  return vmulq_f32(p, vreinterpretq_f32_s32(power));
}

TENFOLD_INLINE float32x4_t gelu(float32x4_t s) {
  float32x4_t one = vdupq_n_f32(1.0f), z = vabsq_f32(vmulq_n_f32(s, 0.70710678f));
  float32x4_t t = vdivq_f32(one, vfmaq_n_f32(one, z, 0.3275911f));
  float32x4_t p = vdupq_n_f32(1.061405429f);
  p = vfmaq_f32(vdupq_n_f32(-1.453152027f), p, t);
  p = vfmaq_f32(vdupq_n_f32(1.421413741f), p, t);
  p = vfmaq_f32(vdupq_n_f32(-0.284496736f), p, t);
  p = vfmaq_f32(vdupq_n_f32(0.254829592f), p, t);
  // q = 1 - erf(|z|); gelu = s - s q / 2 for s > 0 and s q / 2 below.
  float32x4_t q = vmulq_f32(vmulq_f32(p, t), exponential(vnegq_f32(vmulq_f32(z, z))));
  float32x4_t tail = vmulq_f32(vmulq_n_f32(s, 0.5f), q);
  return vbslq_f32(vcgtq_f32(s, vdupq_n_f32(0)), vsubq_f32(s, tail), tail);
}

TENFOLD_INLINE float32x4_t silu(float32x4_t s) {
  return vdivq_f32(s, vaddq_f32(vdupq_n_f32(1.0f), exponential(vnegq_f32(s))));
}

TENFOLD_INLINE void finish(float32x4_t s, size_t count, size_t row, size_t column, const tenfold_epilogue *e) {
  if (e->bias) s = vaddq_f32(s, load_some(e->bias + column, count));
  if (e->activation == TENFOLD_ACTIVATION_GELU) s = gelu(s);
  else if (e->activation == TENFOLD_ACTIVATION_SILU) s = silu(s);
  if (e->multiplier) s = vmulq_f32(s, load_some(e->multiplier + row * e->multiplier_stride + column, count));
  if (e->residual) s = vaddq_f32(s, load_some(e->residual + row * e->residual_stride + column, count));
  store_some(tenfold_output_at(e, row, column), s, count);
}

static void finish_float(
  const float *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
  const tenfold_epilogue *e) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c += 4)
      finish(vld1q_f32(sums + r * sums_stride + c), columns - c, first_row + r, first_column + c, e);
}

static void finish_i8(
  const int32_t *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
  const float *row_scales, const uint8_t *column_scales, size_t column_scale_stride, const tenfold_epilogue *e) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c += 4) {
      const float *scales = (const float *)(const void *)(column_scales + c / 16 * column_scale_stride);
      float32x4_t scale = vmulq_n_f32(vld1q_f32(scales + c % 16), row_scales[first_row + r]);
      float32x4_t s = vmulq_f32(vcvtq_f32_s32(vld1q_s32(sums + r * sums_stride + c)), scale);
      finish(s, columns - c, first_row + r, first_column + c, e);
    }
}

#pragma clang attribute pop

const tenfold_row_kernels tenfold_rows_neon = {
  .quantize_row = quantize_row, .quantize_blocks = quantize_blocks, .quantize_long_blocks = quantize_long_blocks,
  .finish_float = finish_float, .finish_i8 = finish_i8};
#endif
