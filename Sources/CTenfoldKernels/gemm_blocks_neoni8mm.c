/* GGUF block weights x int8 activations per 32 or 256, NEON with int8 matrix products.
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
  for (size_t b = 0; b < count; b++, block += code_bytes(bits), codes += 512)
    for (int h = 0; h < 4; h++) {
      expand_scales(format, panel, first, b, h, scales);
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

/// Two 16-bit numbers, twice; with `rows` each one twice instead.
TENFOLD_INLINE int16x4_t words_of_columns(const int16_t *pair) {
  uint32_t bits;
  memcpy(&bits, pair, 4);
  return vreinterpret_s16_u32(vdup_n_u32(bits));
}
TENFOLD_INLINE int16x4_t words_of_rows(int16_t first, int16_t second) {
  return vext_s16(vdup_n_s16(first), vdup_n_s16(second), 2);
}

/// Where two sums of each of two rows are: s[0] and s[1] go to `first`, the others below.
TENFOLD_INLINE void load_sums(const float *first, const float *second, float32x4_t s[2]) {
  float32x4_t upper = vld1q_f32(first), lower = vld1q_f32(second);
  s[0] = vcombine_f32(vget_low_f32(upper), vget_low_f32(lower));
  s[1] = vcombine_f32(vget_high_f32(upper), vget_high_f32(lower));
}
TENFOLD_INLINE void store_sums(float *first, float *second, const float32x4_t s[2]) {
  vst1q_f32(first, vcombine_f32(vget_low_f32(s[0]), vget_low_f32(s[1])));
  if (second) vst1q_f32(second, vcombine_f32(vget_high_f32(s[0]), vget_high_f32(s[1])));
}

/// 2 P rows, of which `rows` exist, of a call.
typedef struct row_pairs {
  const int8_t *x[4];
  size_t at[4];
  const tenfold_block_activations *view;
  size_t rows;
  float *sums;
  size_t sums_stride;
} row_pairs;

/// The second row of pair p, NULL if there is none.
TENFOLD_INLINE float *second_row(const row_pairs *in, int p, int v) {
  if (2 * (size_t)p + 1 >= in->rows) return NULL;
  return in->sums + (2 * (size_t)p + 1) * in->sums_stride + 4 * v;
}

/// Ends a block of 256 whose last block of 32 is b; `column` is the tile's first of the panel.
TENFOLD_INLINE void end_long_block(
  int P, tenfold_block_format format, const float *super, size_t column, const row_pairs *in, size_t b,
  float32x4_t sum[2][4]) {
  for (int p = 0; p < P; p++) {
    size_t first = in->at[2 * p] + b - 7, second = in->at[2 * p + 1] + b - 7;
    const int16_t *first_sums = sums_of_runs(format, in->view, first);
    const int16_t *second_sums = sums_of_runs(format, in->view, second);
    const int16_t *minima = expanded_minima(format, super) + column;
    for (int v = 0; v < 4 && has_minima(format); v++) {
      int32x4_t products = vdupq_n_s32(0);
      for (int run = 0; run < minimum_count(format); run++)
        products = vmlal_s16(
          products, words_of_columns(minima + 16 * run + 2 * v), words_of_rows(first_sums[run], second_sums[run]));
      sum[p][v] = vfmaq_f32(
        sum[p][v], vcvtq_f32_s32(products), floats_of_columns(super + minimum_scale_at(format) + column + 2 * v));
    }
    float32x4_t da = floats_of_rows(in->view->scales[first], in->view->scales[second]);
    for (int v = 0; v < 2; v++) {
      float *target = in->sums + 2 * (size_t)p * in->sums_stride + 4 * v, *below = second_row(in, p, v);
      float32x4_t s[2];
      load_sums(target, below ? below : target, s);
      for (int i = 0; i < 2; i++) s[i] = vfmaq_f32(s[i], sum[p][2 * v + i], da);
      store_sums(target, below, s);
    }
    for (int v = 0; v < 4; v++) sum[p][v] = vdupq_n_f32(0);
  }
}

/// 2 P rows, of which `rows` exist, x 8 columns; `codes` and `sums` are those of the first, `column` of the panel.
TENFOLD_INLINE void tile_of(
  int P, tenfold_block_format format, const uint8_t *codes, const float *scales, size_t column, size_t count,
  const tenfold_block_activations *view, size_t row, size_t rows, float *sums, size_t sums_stride) {
  int kind = kind_of(format);
  const int halves = parts_of(format);
  // Of a block of 256 these are its own sums; the rows' are in memory then.
  float32x4_t sum[2][4];
  row_pairs in = {.view = view, .rows = rows, .sums = sums, .sums_stride = sums_stride};
  for (size_t r = 0; r < 2 * (size_t)P; r++) {
    size_t existing = r < rows ? r : rows - 1;
    in.x[r] = view->values + (row + existing) * view->value_stride;
    in.at[r] = (row + existing) * view->block_stride;
  }
  for (int p = 0; p < P; p++)
    for (int v = 0; v < 2; v++) {
      const float *first = sums + 2 * (size_t)p * sums_stride + 4 * v, *second = second_row(&in, p, v);
      sum[p][2 * v] = sum[p][2 * v + 1] = vdupq_n_f32(0);
      if (!is_long(format)) load_sums(first, second ? second : first, sum[p] + 2 * v);
    }
  for (size_t b = 0; b < count; b++, codes += 512) {
    const float *super = scales + scale_floats(format, is_long(format) ? b / 8 * 8 : b);
    const float *part = super + column + (is_long(format) ? 16 * (size_t)halves * (b % 8) : 0);
#pragma clang loop unroll(full)
    for (int half = 0; half < halves; half++) {
      int32x4_t integer[2][4];
      for (int p = 0; p < P; p++) {
        const int32_t *first = view->negated_sums + 2 * (in.at[2 * p] + b);
        const int32_t *second = view->negated_sums + 2 * (in.at[2 * p + 1] + b);
        int32x4_t start = vcombine_s32(
          vdup_n_s32(first_sum(format, first, half)), vdup_n_s32(first_sum(format, second, half)));
        for (int v = 0; v < 4; v++) integer[p][v] = start;
      }
#pragma clang loop unroll(full)
      for (int o = 4 / halves * half; o < 4 / halves * (half + 1); o++) {
        int8x16_t a[2];
        for (int p = 0; p < P; p++)
          a[p] = vcombine_s8(vld1_s8(in.x[2 * p] + 32 * b + 8 * o), vld1_s8(in.x[2 * p + 1] + 32 * b + 8 * o));
        for (int v = 0; v < 4; v++) {
          int8x16_t w = vreinterpretq_s8_u8(vld1q_u8(codes + 128 * o + 16 * v));
          if (kind >= HALVES) IN_ORDER(w);
          for (int p = 0; p < P; p++) integer[p][v] = vmmlaq_s32(integer[p][v], a[p], w);
        }
      }
      for (int p = 0; p < P; p++) {
        float32x4_t da = floats_of_rows(view->scales[in.at[2 * p] + b], view->scales[in.at[2 * p + 1] + b]);
        for (int v = 0; v < 4; v++) {
          float32x4_t scale = floats_of_columns(part + 16 * half + 2 * v);
          sum[p][v] =
            vfmaq_f32(sum[p][v], vcvtq_f32_s32(integer[p][v]), is_long(format) ? scale : vmulq_f32(scale, da));
        }
        if (kind == OFFSET) {
          float32x4_t da_sum =
            floats_of_rows(view->scaled_sums[in.at[2 * p] + b], view->scaled_sums[in.at[2 * p + 1] + b]);
          for (int v = 0; v < 4; v++)
            sum[p][v] = vfmaq_f32(sum[p][v], floats_of_columns(part + 16 + 2 * v), da_sum);
        }
        if (kind >= HALVES)
          for (int v = 0; v < 4; v++) IN_ORDER(sum[p][v]);
      }
    }
    if (is_long(format) && b % 8 == 7) end_long_block(P, format, super, column, &in, b, sum);
  }
  for (int p = 0; p < P && !is_long(format); p++)
    for (int v = 0; v < 2; v++)
      store_sums(sums + 2 * (size_t)p * sums_stride + 4 * v, second_row(&in, p, v), sum[p] + 2 * v);
}

/// All row counts of one kind of format and one panel.
TENFOLD_INLINE void tiles_of(
  tenfold_block_format format, const uint8_t *codes, const float *scales, size_t count,
  const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride) {
#define TILE(P) \
  tile_of( \
    P, format, codes + 64 * h, scales, 8 * h, count, view, row, rows - row, sums + row * sums_stride + 8 * h, \
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
