/* GGUF block weights x int8 activations per 32 or 256, AVX-VNNI (VEX).
 *
 * The same steps in the same order as the AVX2 file, per block of 32 or of 256.
 * vpdpbusd adds four products of u8 codes and s8 activations to 32 bits, so the integer sum starts at -zero * sum_k a and is
 * one chain of 8 (Q6_K, Q3_K and Q2_K: 2 of 4) a block.
 *
 * gemv    1 or 2 rows x 16 columns from packed bytes
 * tile    3 rows x 16 columns of expanded codes: 6 integer and 6 float sums, 2 codes, 1 broadcast; fewer rows have their own
 *         instances
 * layout  tenfold_matmul.h; 8-bit codes are + 128.  over-read: none
 * peak    32 MAC per vpdpbusd */
// SPDX-License-Identifier: Apache-2.0
#include "gemm_blocks_256.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVXVNNI, apply_to = function)

/// Minus zero times the sum of the activations that part t of a block meets.
TENFOLD_INLINE int32_t start_of(tenfold_block_format format, int t, const int32_t *negated) {
  int zero = format == TENFOLD_Q8_0 ? 128 : zero_of(format);
  if (parts_of(format) == 1) return zero * negated[0];
  return zero * (t == 0 ? negated[1] : negated[0] - negated[1]);
}

/// Adds block b, R rows x 16 columns. `scales` holds scale (or that of the first half) and offset (or the scale of the second
/// half), each of 16 columns.
TENFOLD_INLINE void add_block(
  int R, int source, tenfold_block_format format, const uint8_t *block, const __m256 scales[2][2], size_t b,
  row_block *rows) {
  int bits = bits_of(format), length = 8 / parts_of(format);
  __m256i total[3][2];
#pragma clang loop unroll(full)
  for (int q = 0; q < 8; q++) {
    int t = q / length;
    __m256i codes[2];
    for (int h = 0; h < 2; h++)
      codes[h] = source == PACKED ? unpack_quad(bits, block, q, h) : load(block + 64 * q + 32 * h);
    for (int r = 0; r < R; r++) {
      size_t at = (size_t)r * rows->block_stride + b;
      if (q % length == 0)
        total[r][0] = total[r][1] = _mm256_set1_epi32(start_of(format, t, rows->negated_sums + 2 * at));
      __m256i a = broadcast4(rows->values + (size_t)r * rows->value_stride + 32 * b + 4 * (size_t)q);
      for (int h = 0; h < 2; h++) total[r][h] = _mm256_dpbusd_avx_epi32(total[r][h], codes[h], a);
      if (q % length != length - 1) continue;
      __m256 da = _mm256_set1_ps(rows->scales[at]);
      for (int h = 0; h < 2; h++) {
        __m256 scale = is_long(format) ? scales[t][h] : _mm256_mul_ps(scales[t][h], da);
        rows->sums[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total[r][h]), scale, rows->sums[r][h]);
      }
    }
  }
  if (kind_of(format) != OFFSET) return;
  for (int r = 0; r < R; r++) {
    __m256 sum = _mm256_set1_ps(rows->scaled_sums[(size_t)r * rows->block_stride + b]);
    for (int h = 0; h < 2; h++) rows->sums[r][h] = _mm256_fmadd_ps(scales[1][h], sum, rows->sums[r][h]);
  }
}

TENFOLD_INLINE void gemv_of(
  int R, tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view,
  size_t row, float *sums, size_t sums_stride) {
  int bits = bits_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks);
  row_block rows = rows_at(view, row);
  sums += row * sums_stride;
  clear_sums(R, 2, &rows);
  for (int r = 0; r < R && is_long(format); r++)
    for (int h = 0; h < 2; h++) _mm256_storeu_ps(sums + (size_t)r * sums_stride + 8 * h, rows.sums[r][h]);
  size_t step = is_long(format) ? 8 : 1;
  for (size_t first = 0; first < blocks; first += step) {
    if (is_long(format)) clear_sums(R, 2, &rows);
    for (size_t b = first; b < first + step; b++, block += code_bytes(bits)) {
      __m256 scales[2][2];
      for (int h = 0; h < 2; h++) {
        __m256 parts[2];
        block_scales(format, panel, b, h, parts);
        for (size_t i = 0; i < 2; i++) scales[i][h] = parts[i];
      }
      prefetch_codes(block, bits);
      add_block(R, bits == 8 ? EXPANDED : PACKED, format, block, scales, b, &rows);
    }
    if (is_long(format))
      end_long_block(R, 2, 0, PACKED, format, panel + first / 8 * 320, first, &rows, sums, sums_stride);
  }
  for (int r = 0; r < R && !is_long(format); r++)
    for (int h = 0; h < 2; h++) _mm256_storeu_ps(sums + (size_t)r * sums_stride + 8 * h, rows.sums[r][h]);
}

/// All row counts of one format; a panel is read again, from the cache, for every 2 rows.
TENFOLD_INLINE void gemvs_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride) {
  size_t row = 0;
  for (; row + 2 <= rows; row += 2) gemv_of(2, format, panel, blocks, view, row, sums, sums_stride);
  if (row < rows) gemv_of(1, format, panel, blocks, view, row, sums, sums_stride);
}

TENFOLD_INLINE void tile_of(
  int R, tenfold_block_format format, const uint8_t *codes, const float *scales, size_t count,
  const tenfold_block_activations *view, size_t row, float *sums, size_t sums_stride) {
  row_block rows = rows_at(view, row);
  sums += row * sums_stride;
  for (int r = 0; r < R && !is_long(format); r++)
    for (int h = 0; h < 2; h++) rows.sums[r][h] = _mm256_loadu_ps(sums + (size_t)r * sums_stride + 8 * h);
  size_t step = is_long(format) ? 8 : 1;
  for (size_t first = 0; first < count; first += step) {
    if (is_long(format)) clear_sums(R, 2, &rows);
    for (size_t b = first; b < first + step; b++, codes += 512) {
      __m256 parts[2][2];
      expanded_scales(format, scales, b - first, parts);
      add_block(R, EXPANDED, format, codes, parts, b, &rows);
    }
    if (is_long(format)) end_long_block(R, 2, 0, EXPANDED, format, scales, first, &rows, sums, sums_stride);
    scales += scale_floats(format, step);
  }
  for (int r = 0; r < R && !is_long(format); r++)
    for (int h = 0; h < 2; h++) _mm256_storeu_ps(sums + (size_t)r * sums_stride + 8 * h, rows.sums[r][h]);
}

/// All row counts of one format.
TENFOLD_INLINE void tiles_of(
  tenfold_block_format format, const uint8_t *codes, const float *scales, size_t count,
  const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride) {
  for (size_t row = 0; row < rows; row += 3) switch (rows - row) {
    case 1: tile_of(1, format, codes, scales, count, view, row, sums, sums_stride); break;
    case 2: tile_of(2, format, codes, scales, count, view, row, sums, sums_stride); break;
    default: tile_of(3, format, codes, scales, count, view, row, sums, sums_stride); break;
    }
}

static void gemv(
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
#define TILE(F) tiles_of(F, codes, scales, count, view, rows, sums, sums_stride)
  for (; panels > 0; panels--, codes += codes_stride, scales += scales_stride, sums += 16) ALL_FORMATS(TILE)
}

#pragma clang attribute pop

const tenfold_block_kernels tenfold_blocks_avxvnni = {
  .byte_bias = 128, .tile_rows = 48, .direct_rows = 4, .max_panels = 1, .gemv = gemv, .expand = expand, .tile = tile};
#endif
