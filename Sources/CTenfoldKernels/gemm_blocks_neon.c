/* GGUF block weights x int8 activations per 32 or 256, NEON with dot products.
 *
 * Per block of 32, row and column:  i = sum_k code * a - zero * sum_k a  (exact);  s = fma(i, scale * da, s);
 * with an offset also               s = fma(offset, da * sum_k a, s).
 * Blocks of 256 sum t first: per block of 32 (Q6_K, Q3_K and Q2_K per half of it)  t = fma(i, scale, t);
 * with minima then  t = fma(sum of minimum * sum_k a, exact, by smlal; -m, t);  in the end  s = fma(t, da, s).
 * Every path does these steps in this order, so a row's result does not depend on the rows beside it.
 *
 * gemv    1 to 3 rows x 16 columns from packed bytes, 4 columns (one vector) at a time: up to 12 float sums, 6 vectors of
 *         activations, 2 of codes, 3 integer sums; Q6_K on 3 rows keeps two constants in memory. A row and 4 columns are
 *         one chain of 8 sdot a block; the chains of other columns and blocks overlap it
 * tile    4 rows x 8 columns of expanded codes: 8 integer and 8 float sums, 8 vectors of activations, 2 of weights
 * layout  tenfold_matmul.h; 8-bit codes are two's complement (bias 0)
 * tails   none along k (whole blocks); absent columns have zero scales; fewer rows have their own instances
 * over-read: none.   peak: 16 MAC per sdot; the tile does 64 sdot a block for 24 loads and 24 float instructions */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "neon.h"

#if defined(__aarch64__)
#pragma clang attribute push(TENFOLD_NEON, apply_to = function)
#include "blocks_neon.h"

/// One step of the float sum, in a block of 256 without the activations' scale.
TENFOLD_INLINE float32x4_t add_scaled(
  tenfold_block_format format, float32x4_t sum, int32x4_t integer, float32x4_t scale, float da) {
  return vfmaq_f32(sum, vcvtq_f32_s32(integer), is_long(format) ? scale : vmulq_n_f32(scale, da));
}

/// The minima of a block of 256 times the sums of a row's activations, of four columns; `minima` are [run][stride].
TENFOLD_INLINE float32x4_t add_minima(
  tenfold_block_format format, float32x4_t sum, const int16x4_t *minima, const int16_t *sums, float32x4_t scale) {
  int32x4_t products = vdupq_n_s32(0);
  for (int run = 0; run < minimum_count(format); run++) products = vmlal_n_s16(products, minima[run], sums[run]);
  return vfmaq_f32(sum, vcvtq_f32_s32(products), scale);
}

TENFOLD_INLINE void gemv_of(
  int R, tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view,
  size_t row, float *sums, size_t sums_stride) {
  int bits = bits_of(format), kind = kind_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks);
  const int8_t *x = view->values + row * view->value_stride;
  size_t stride = view->value_stride, next = view->block_stride, at = row * next;
  const float *da = view->scales + at, *da_sums = view->scaled_sums + at;
  const int32_t *negated = view->negated_sums + 2 * at;
  // Of a block of 256 these are its own sums; the row's are in memory then.
  float32x4_t sum[3][4];
  sums += row * sums_stride;
  for (int r = 0; r < R; r++)
    for (int h = 0; h < 4; h++) {
      sum[r][h] = vdupq_n_f32(0);
      if (is_long(format)) vst1q_f32(sums + (size_t)r * sums_stride + 4 * h, sum[r][h]);
    }
  for (size_t b = 0; b < blocks; b++, block += code_bytes(bits), x += 32) {
    int8x16_t a[3][2];
    for (int r = 0; r < R; r++)
      for (int i = 0; i < 2; i++) a[r][i] = vld1q_s8(x + (size_t)r * stride + 16 * i);
#pragma clang loop unroll(full)
    for (int h = 0; h < 4; h++) {
      float32x4_t scales[2];
      int32x4_t integer[3][2];
      for (int r = 0; r < R; r++) {
        integer[r][0] = vdupq_n_s32(first_sum(format, negated + 2 * ((size_t)r * next + b), 0));
        if (kind >= HALVES) integer[r][1] = vdupq_n_s32(first_sum(format, negated + 2 * ((size_t)r * next + b), 1));
      }
      // A lane must be a literal. Q is the quad, i the chain that it goes to.
#define QUAD(Q) \
  { \
    int8x16_t codes = quad_codes(bits, block, h, Q); \
    if (R > 1 && Q % 2 == 0) IN_ORDER(codes); \
    for (int r = 0; r < R; r++) { \
      int i = kind >= HALVES ? Q / 4 : 0; \
      integer[r][i] = vdotq_laneq_s32(integer[r][i], codes, a[r][Q / 4], Q % 4); \
    } \
  }
      QUAD(0) QUAD(1) QUAD(2) QUAD(3) QUAD(4) QUAD(5) QUAD(6) QUAD(7)
#undef QUAD
      block_scales(format, panel, b, h, scales);
      for (int r = 0; r < R; r++) {
        float scale = da[(size_t)r * next + b];
        for (int t = 0; t < parts_of(format); t++)
          sum[r][h] = add_scaled(format, sum[r][h], integer[r][t], scales[t], scale);
        if (kind == OFFSET) sum[r][h] = vfmaq_n_f32(sum[r][h], scales[1], da_sums[(size_t)r * next + b]);
        if (R > 1 || kind >= HALVES) IN_ORDER(sum[r][h]);
      }
    }
    if (!is_long(format) || b % 8 != 7) continue;
    const uint8_t *super = panel + b / 8 * 320;
    for (int h = 0; h < 4; h++) {
      int16x4_t minima[16];
      for (int run = 0; run < minimum_count(format); run++) minima[run] = minima_of(format, super, h, run);
      for (int r = 0; r < R; r++) {
        size_t first = at + (size_t)r * next + b - 7;
        if (has_minima(format))
          sum[r][h] = add_minima(
            format, sum[r][h], minima, sums_of_runs(format, view, first), minimum_scale(super, h));
        float *target = sums + (size_t)r * sums_stride + 4 * h;
        vst1q_f32(target, vfmaq_n_f32(vld1q_f32(target), sum[r][h], view->scales[first]));
        sum[r][h] = vdupq_n_f32(0);
      }
    }
  }
  for (int r = 0; r < R && !is_long(format); r++)
    for (int h = 0; h < 4; h++) vst1q_f32(sums + (size_t)r * sums_stride + 4 * h, sum[r][h]);
}

/// All row counts of one format; a panel is read again, from the cache, for every 3 rows.
TENFOLD_INLINE void gemvs_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride) {
  size_t row = 0;
  for (; row + 3 <= rows; row += 3) gemv_of(3, format, panel, blocks, view, row, sums, sums_stride);
  switch (rows - row) {
  case 1: gemv_of(1, format, panel, blocks, view, row, sums, sums_stride); break;
  case 2: gemv_of(2, format, panel, blocks, view, row, sums, sums_stride); break;
  default: break;
  }
}

TENFOLD_INLINE void expand_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, size_t first, size_t count, uint8_t *codes,
  float *scales) {
  int bits = bits_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks) + first * code_bytes(bits);
  for (size_t b = 0; b < count; b++, block += code_bytes(bits), codes += 512)
    for (int h = 0; h < 4; h++) {
      expand_scales(format, panel, first, b, h, scales);
#pragma clang loop unroll(full)
      for (int q = 0; q < 8; q++)
        vst1q_u8(codes + 64 * q + 16 * h, vreinterpretq_u8_s8(quad_codes(bits, block, h, q)));
    }
}

/// Ends a block of 256 whose last block of 32 is b: R rows x 8 columns, from `column` of the panel on.
TENFOLD_INLINE void end_long_block(
  int R, tenfold_block_format format, const float *super, size_t column, const tenfold_block_activations *view,
  size_t row, size_t b, float32x4_t sum[4][2], float *sums, size_t sums_stride) {
  for (size_t v = 0; v < 2; v++) {
    int16x4_t minima[16];
    const int16_t *stored = expanded_minima(format, super) + column + 4 * v;
    for (int run = 0; run < minimum_count(format); run++) minima[run] = vld1_s16(stored + 16 * run);
    for (int r = 0; r < R; r++) {
      size_t first = (row + (size_t)r) * view->block_stride + b - 7;
      if (has_minima(format))
        sum[r][v] = add_minima(
          format, sum[r][v], minima, sums_of_runs(format, view, first),
          vld1q_f32(super + minimum_scale_at(format) + column + 4 * v));
      float *target = sums + (size_t)r * sums_stride + 4 * v;
      vst1q_f32(target, vfmaq_n_f32(vld1q_f32(target), sum[r][v], view->scales[first]));
      sum[r][v] = vdupq_n_f32(0);
    }
  }
}

/// R rows x 8 columns of expanded blocks; `codes` and `sums` are those of the first of the 8 columns, `column` of the panel.
TENFOLD_INLINE void tile_of(
  int R, tenfold_block_format format, const uint8_t *codes, const float *scales, size_t column, size_t count,
  const tenfold_block_activations *view, size_t row, float *sums, size_t sums_stride) {
  int kind = kind_of(format);
  float32x4_t sum[4][2];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < 2; v++)
      sum[r][v] = is_long(format) ? vdupq_n_f32(0) : vld1q_f32(sums + (size_t)r * sums_stride + 4 * v);
  for (size_t b = 0; b < count; b++, codes += 512) {
    const float *super = scales + scale_floats(format, is_long(format) ? b / 8 * 8 : b);
    const float *part = super + column + (is_long(format) ? 16 * (size_t)parts_of(format) * (b % 8) : 0);
    int32x4_t integer[4][2];
    for (int r = 0; r < R; r++) {
      size_t at = (row + (size_t)r) * view->block_stride + b;
      for (int v = 0; v < 2; v++) integer[r][v] = vdupq_n_s32(first_sum(format, view->negated_sums + 2 * at, 0));
    }
    int8x16_t a[4];
#define LOAD(I) \
  for (int r = 0; r < R; r++) \
    a[r] = vld1q_s8(view->values + (row + (size_t)r) * view->value_stride + 32 * b + 16 * I);
#define QUAD(Q) \
  for (int v = 0; v < 2; v++) { \
    int8x16_t w = vreinterpretq_s8_u8(vld1q_u8(codes + 64 * Q + 16 * v)); \
    for (int r = 0; r < R; r++) integer[r][v] = vdotq_laneq_s32(integer[r][v], w, a[r], Q % 4); \
  }
#define FLOATS(I) \
  for (int r = 0; r < R; r++) \
    for (int v = 0; v < 2; v++) \
      sum[r][v] = add_scaled( \
        format, sum[r][v], integer[r][v], vld1q_f32(part + 16 * I + 4 * v), \
        view->scales[(row + (size_t)r) * view->block_stride + b]);
    LOAD(0)
    QUAD(0) QUAD(1) QUAD(2) QUAD(3)
    if (kind >= HALVES) {
      FLOATS(0)
      for (int r = 0; r < R; r++) {
        size_t at = (row + (size_t)r) * view->block_stride + b;
        for (int v = 0; v < 2; v++) integer[r][v] = vdupq_n_s32(first_sum(format, view->negated_sums + 2 * at, 1));
      }
    }
    LOAD(1)
    QUAD(4) QUAD(5) QUAD(6) QUAD(7)
    if (kind >= HALVES) {
      FLOATS(1)
    } else {
      FLOATS(0)
    }
#undef LOAD
#undef QUAD
#undef FLOATS
    if (kind == OFFSET)
      for (int r = 0; r < R; r++)
        for (int v = 0; v < 2; v++)
          sum[r][v] = vfmaq_n_f32(
            sum[r][v], vld1q_f32(part + 16 + 4 * v), view->scaled_sums[(row + (size_t)r) * view->block_stride + b]);
    if (is_long(format) && b % 8 == 7)
      end_long_block(R, format, super, column, view, row, b, sum, sums, sums_stride);
  }
  for (int r = 0; r < R && !is_long(format); r++)
    for (int v = 0; v < 2; v++) vst1q_f32(sums + (size_t)r * sums_stride + 4 * v, sum[r][v]);
}

/// All row counts of one kind of format and one panel.
TENFOLD_INLINE void tiles_of(
  tenfold_block_format format, const uint8_t *codes, const float *scales, size_t count,
  const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride) {
#define TILE(R) \
  tile_of(R, format, codes + 32 * h, scales, 8 * h, count, view, row, sums + row * sums_stride + 8 * h, sums_stride)
  for (size_t h = 0; h < 2; h++) {
    size_t row = 0;
    for (; row + 4 <= rows; row += 4) TILE(4);
    switch (rows - row) {
    case 1: TILE(1); break;
    case 2: TILE(2); break;
    case 3: TILE(3); break;
    default: break;
    }
  }
#undef TILE
}

void tenfold_blocks_neon_gemv(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride) {
#define GEMV(F) gemvs_of(F, panel, blocks, view, rows, sums, sums_stride)
  ALL_FORMATS(GEMV)
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

const tenfold_block_kernels tenfold_blocks_neon = {
  .byte_bias = 0, .max_panels = 1, .gemv = tenfold_blocks_neon_gemv, .expand = expand, .tile = tile};
#endif
