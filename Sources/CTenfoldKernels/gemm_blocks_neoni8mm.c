/* GGUF block weights x int8 activations per 32, NEON with int8 matrix products.
 *
 * The sums and their order are those of gemm_blocks_neon.c, bit for bit, and few rows take its gemv.
 *
 *                columns 0 1   2 3    4 5    6 7        tile 4 rows x 8 columns, twice for a panel
 *   rows 0 1     v0 v8         v1 v9  ...               8 integer and 8 float sums, each 2 rows x 2 columns:
 *   rows 2 3     v4 v12        ...                      r0c0 r0c1 r1c0 r1c1; 2 vectors of rows, 4 of weights
 *
 * expand  writes the codes of a block as [octet along k: 4][pair of columns: 8][column: 2][k: 8], so that the tile loads
 *         a vector of 2 columns x 8 k as it stands
 * layout  panels as in tenfold_matmul.h; 8-bit codes are two's complement (bias 0)
 * tails   none along k (whole blocks); an odd row stands twice, its copy isn't stored; 1 or 2 rows have an instance
 * over-read: none.   peak: 32 MAC per smmla; the tile does 32 smmla a block where sdot takes 64 */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "neon.h"

#if defined(__aarch64__)
#pragma clang attribute push(TENFOLD_NEON_I8MM, apply_to = function)
#include "blocks_neon.h"

TENFOLD_INLINE void expand_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, size_t first, size_t count, uint8_t *codes,
  float *scales) {
  int bits = bits_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks) + first * code_bytes(bits);
  for (size_t b = 0; b < count; b++, block += code_bytes(bits), codes += 512, scales += scale_floats(format))
    for (int h = 0; h < 4; h++) {
      float32x4_t parts[4];
      block_scales(format, panel, first + b, h, parts);
      for (size_t i = 0; i < scale_floats(format) / 16; i++) vst1q_f32(scales + 16 * i + 4 * h, parts[i]);
#pragma clang loop unroll(full)
      for (int p = 0; p < 4; p++) {
        int32x4_t even = vreinterpretq_s32_s8(quad_codes(bits, block, h, 2 * p));
        int32x4_t odd = vreinterpretq_s32_s8(quad_codes(bits, block, h, 2 * p + 1));
        vst1q_u8(codes + 128 * p + 32 * h, vreinterpretq_u8_s32(vzip1q_s32(even, odd)));
        vst1q_u8(codes + 128 * p + 32 * h + 16, vreinterpretq_u8_s32(vzip2q_s32(even, odd)));
      }
    }
}

TENFOLD_INLINE float32x4_t floats_of_rows(float first, float second) {
  return vcombine_f32(vdup_n_f32(first), vdup_n_f32(second));
}

/// Two floats, twice.
TENFOLD_INLINE float32x4_t floats_of_columns(const float *pair) {
  uint64_t bits;
  memcpy(&bits, pair, 8);
  return vreinterpretq_f32_u64(vdupq_n_u64(bits));
}

/// 2 P rows, of which `rows` exist, x 8 columns; `codes`, `scales` and `sums` are those of the first of them.
TENFOLD_INLINE void tile_of(
  int P, tenfold_block_format format, const uint8_t *codes, const float *scales, size_t count,
  const tenfold_block_activations *view, size_t row, size_t rows, float *sums, size_t sums_stride) {
  int kind = kind_of(format);
  const int halves = parts_of(format);
  float32x4_t sum[2][4];
  const int8_t *x[4];
  size_t at[4];
  for (size_t r = 0; r < 2 * (size_t)P; r++) {
    size_t existing = r < rows ? r : rows - 1;
    x[r] = view->values + (row + existing) * view->value_stride;
    at[r] = (row + existing) * view->block_stride;
  }
  for (int p = 0; p < P; p++)
    for (int v = 0; v < 2; v++) {
      const float *first = sums + 2 * (size_t)p * sums_stride + 4 * v;
      float32x4_t upper = vld1q_f32(first), lower = vld1q_f32(2 * (size_t)p + 1 < rows ? first + sums_stride : first);
      sum[p][2 * v] = vcombine_f32(vget_low_f32(upper), vget_low_f32(lower));
      sum[p][2 * v + 1] = vcombine_f32(vget_high_f32(upper), vget_high_f32(lower));
    }
  for (size_t b = 0; b < count; b++, codes += 512, scales += scale_floats(format))
#pragma clang loop unroll(full)
    for (int half = 0; half < halves; half++) {
      int32x4_t integer[2][4];
      for (int p = 0; p < P; p++) {
        const int32_t *first = view->negated_sums + 2 * (at[2 * p] + b);
        const int32_t *second = view->negated_sums + 2 * (at[2 * p + 1] + b);
        int32x4_t start = vcombine_s32(
          vdup_n_s32(first_sum(format, first, half)), vdup_n_s32(first_sum(format, second, half)));
        for (int v = 0; v < 4; v++) integer[p][v] = start;
      }
#pragma clang loop unroll(full)
      for (int o = 4 / halves * half; o < 4 / halves * (half + 1); o++) {
        int8x16_t a[2];
        for (int p = 0; p < P; p++)
          a[p] = vcombine_s8(vld1_s8(x[2 * p] + 32 * b + 8 * o), vld1_s8(x[2 * p + 1] + 32 * b + 8 * o));
        for (int v = 0; v < 4; v++) {
          int8x16_t w = vreinterpretq_s8_u8(vld1q_u8(codes + 128 * o + 16 * v));
          if (kind >= HALVES) IN_ORDER(w);
          for (int p = 0; p < P; p++) integer[p][v] = vmmlaq_s32(integer[p][v], a[p], w);
        }
      }
      for (int p = 0; p < P; p++) {
        float32x4_t da = floats_of_rows(view->scales[at[2 * p] + b], view->scales[at[2 * p + 1] + b]);
        for (int v = 0; v < 4; v++)
          sum[p][v] = vfmaq_f32(
            sum[p][v], vcvtq_f32_s32(integer[p][v]), vmulq_f32(floats_of_columns(scales + 16 * half + 2 * v), da));
        if (kind == OFFSET) {
          float32x4_t da_sum = floats_of_rows(view->scaled_sums[at[2 * p] + b], view->scaled_sums[at[2 * p + 1] + b]);
          for (int v = 0; v < 4; v++)
            sum[p][v] = vfmaq_f32(sum[p][v], floats_of_columns(scales + 16 + 2 * v), da_sum);
        }
        for (int t = 0; kind == OFFSET_HALVES && half == 1 && t < 2; t++) {
          size_t first = at[2 * p] + b, second = at[2 * p + 1] + b;
          float32x4_t da_sum = floats_of_rows(
            scaled_half_sum(view->scales[first], view->negated_sums + 2 * first, t),
            scaled_half_sum(view->scales[second], view->negated_sums + 2 * second, t));
          for (int v = 0; v < 4; v++)
            sum[p][v] = vfmaq_f32(sum[p][v], floats_of_columns(scales + 32 + 16 * t + 2 * v), da_sum);
        }
        if (kind >= HALVES)
          for (int v = 0; v < 4; v++) IN_ORDER(sum[p][v]);
      }
    }
  for (int p = 0; p < P; p++)
    for (int v = 0; v < 2; v++) {
      float32x4_t low = sum[p][2 * v], high = sum[p][2 * v + 1];
      float *target = sums + 2 * (size_t)p * sums_stride + 4 * v;
      vst1q_f32(target, vcombine_f32(vget_low_f32(low), vget_low_f32(high)));
      if (2 * (size_t)p + 1 < rows)
        vst1q_f32(target + sums_stride, vcombine_f32(vget_high_f32(low), vget_high_f32(high)));
    }
}

/// All row counts of one kind of format and one panel.
TENFOLD_INLINE void tiles_of(
  tenfold_block_format format, const uint8_t *codes, const float *scales, size_t count,
  const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride) {
#define TILE(P) \
  tile_of( \
    P, format, codes + 64 * h, scales + 8 * h, count, view, row, rows - row, sums + row * sums_stride + 8 * h, \
    sums_stride)
  for (size_t h = 0; h < 2; h++) {
    size_t row = 0;
    for (; row + 3 <= rows; row += 4) TILE(2);
    if (row < rows) TILE(1);
  }
#undef TILE
}

static void expand(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, size_t first, size_t count, uint8_t *codes,
  float *scales) {
#define EXPAND(F) expand_of(F, panel, blocks, first, count, codes, scales)
  ALL_FORMATS(EXPAND)
}

static void tile(
  tenfold_block_format format, const uint8_t *codes, size_t codes_stride, const float *scales, size_t scales_stride,
  size_t panels, size_t count, const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride) {
#define TILES(F) tiles_of(F, codes, scales, count, view, rows, sums, sums_stride)
  for (; panels > 0; panels--, codes += codes_stride, scales += scales_stride, sums += 16) ALL_KINDS(TILES)
}

#pragma clang attribute pop

const tenfold_block_kernels tenfold_blocks_neoni8mm = {
  .byte_bias = 0, .max_panels = 1, .gemv = tenfold_blocks_neon_gemv, .expand = expand, .tile = tile};
#endif
