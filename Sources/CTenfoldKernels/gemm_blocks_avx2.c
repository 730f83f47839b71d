/* GGUF block weights x int8 activations per 32 or 256, AVX2.
 *
 * Per block of 32, row and column:  i = sum_k code * a - zero * sum_k a  (exact);  s = fma(i, scale * da, s);
 * with an offset also               s = fma(offset, da * sum_k a, s).
 * Blocks of 256 sum t first: per block of 32 (Q6_K, Q3_K and Q2_K per half of it)  t = fma(i, scale, t);
 * with minima then  t = fma(sum of minimum * sum_k a, exact, by vpmaddwd; -m, t);  in the end  s = fma(t, da, s).
 * Every path goes through `add_block` in this order, so a row does not depend on the rows beside it.
 *
 * A panel's 16 columns are two halves of 8 lanes. vpmaddubsw (u8 codes x s8 activations) gives 16-bit pair sums, which stay
 * exact while they are added for a whole block of 4-bit codes (8 * 2 * 15 * 127 = 30,480), for 4 quads of 5-bit codes
 * (31,496) and for 2 of 6-bit codes (32,004) before vpmaddwd widens them. 8-bit codes are two's complement and use |w|
 * and a with the sign of w.
 *
 * gemv    1 or 2 rows x 16 columns, or up to 4 rows (6 of 4-bit codes: 6 narrow sums, 6 float sums, 1 code, 1 broadcast)
 *         x 8 columns, from packed bytes, which are unpacked on the way
 * tile    3 rows (4-bit codes: 6 narrow sums, 6 float sums, 2 codes, 1 broadcast, 1 product) or 2 rows x 16 columns of
 *         expanded codes, float sums in registers
 * layout  tenfold_matmul.h; 8-bit codes have bias 0.  over-read: none
 * peak    32 MAC per 2 (4-bit) to 4 (8-bit) instructions; 31 instructions per 256 MAC in the 4-bit tile, epilogue included */
// SPDX-License-Identifier: Apache-2.0
#include "gemm_blocks_256.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX2, apply_to = function)

/// Adds exact sums of part t (of 1, or of 2 halves) of a block to the float sums; the same for every path.
TENFOLD_INLINE void add_scaled(
  int R, int H, tenfold_block_format format, int t, __m256i total[6][2], const __m256 scales[2], size_t b,
  row_block *rows) {
  for (int r = 0; r < R; r++) {
    size_t at = (size_t)r * rows->block_stride + b;
    const int32_t *negated = rows->negated_sums + 2 * at;
    __m256 da = _mm256_set1_ps(rows->scales[at]);
    __m256i start = _mm256_set1_epi32(negated[parts_of(format) == 2 && t == 0]);
    if (t == 1) start = _mm256_sub_epi32(start, _mm256_set1_epi32(negated[1]));
    // Pinned, or it is shifted as a scalar and moved over and broadcast from there: 3 instructions more a row and block.
    if (zero_of(format) != 0) pin(&start);
    start = _mm256_slli_epi32(start, zero_shift(format));
    for (int h = 0; h < H; h++) {
      __m256i integer = zero_of(format) == 0 ? total[r][h] : _mm256_add_epi32(total[r][h], start);
      __m256 scale = is_long(format) ? scales[h] : _mm256_mul_ps(scales[h], da);
      rows->sums[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(integer), scale, rows->sums[r][h]);
    }
  }
}

/// Adds block b, R rows x H halves of 8 columns from half `first` on. `scales` holds scale (or that of the first half) and
/// offset (or that of the second half), each of the same columns.
TENFOLD_INLINE void add_block(
  int R, int H, int first, int source, tenfold_block_format format, const uint8_t *block, const __m256 scales[2][2],
  size_t b, row_block *rows) {
  const __m256i ones = _mm256_set1_epi16(1);
  int parts = parts_of(format), length = 8 / parts;
  int bits = bits_of(format), group = bits <= 4 ? length : bits == 5 ? 4 : bits == 6 ? 2 : 1;
  __m256i narrow[6][2], total[6][2];
#pragma clang loop unroll(full)
  for (int q = 0; q < 8; q++) {
    __m256i codes[2];
    for (int h = 0; h < H; h++)
      codes[h] = source == PACKED ? unpack_quad(bits, block, q, first + h) : load(block + 64 * q + 32 * (first + h));
    for (int r = 0; r < R; r++) {
      __m256i a = broadcast4(rows->values + (size_t)r * rows->value_stride + 32 * b + 4 * (size_t)q);
      for (int h = 0; h < H; h++) {
        __m256i code = codes[h];
        __m256i pairs = bits == 8 ? _mm256_maddubs_epi16(_mm256_abs_epi8(code), _mm256_sign_epi8(a, code))
                                  : _mm256_maddubs_epi16(code, a);
        narrow[r][h] = q % group == 0 ? pairs : _mm256_add_epi16(narrow[r][h], pairs);
        if (group > 1) pin(&narrow[r][h]);
        if (q % group != group - 1) continue;
        __m256i wide = _mm256_madd_epi16(narrow[r][h], ones);
        total[r][h] = q % length < group ? wide : _mm256_add_epi32(total[r][h], wide);
        pin(&total[r][h]);
      }
    }
    if (q % length == length - 1) add_scaled(R, H, format, q / length, total, scales[q / length], b, rows);
  }
  if (kind_of(format) != OFFSET) return;
  for (int r = 0; r < R; r++) {
    __m256 sum = _mm256_set1_ps(rows->scaled_sums[(size_t)r * rows->block_stride + b]);
    for (int h = 0; h < H; h++) rows->sums[r][h] = _mm256_fmadd_ps(scales[1][h], sum, rows->sums[r][h]);
  }
}

/// What a pass over a panel asks memory for: its own codes a little ahead, or so many lines of the next panel a block.
enum { NEAR = 0 };

/// R rows x H halves of a panel from half `first` on; `next` is moved on over what `lines` a block asked for.
TENFOLD_INLINE void gemv_of(
  int R, int H, int first, int lines, tenfold_block_format format, const uint8_t *panel, size_t blocks,
  const tenfold_block_activations *view, size_t row, float *sums, size_t sums_stride, const uint8_t **next) {
  int bits = bits_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks), *ahead = *next;
  row_block rows = rows_at(view, row);
  sums += row * sums_stride;
  clear_sums(R, H, &rows);
  for (int r = 0; r < R && is_long(format); r++)
    for (int h = 0; h < H; h++) _mm256_storeu_ps(sums + (size_t)r * sums_stride + 8 * (first + h), rows.sums[r][h]);
  size_t step = is_long(format) ? 8 : 1;
  for (size_t start = 0; start < blocks; start += step) {
    if (is_long(format)) clear_sums(R, H, &rows);
    for (size_t b = start; b < start + step; b++, block += code_bytes(bits)) {
      __m256 scales[2][2];
      for (int h = 0; h < H; h++) {
        __m256 parts[2];
        block_scales(format, panel, b, first + h, parts);
        for (size_t i = 0; i < 2; i++) scales[i][h] = parts[i];
      }
      if (lines == NEAR) prefetch_codes(block, bits);
      for (int i = 0; i < lines; i++) _mm_prefetch((const char *)(ahead + 64 * i), _MM_HINT_T1);
      ahead += 64 * lines;
      add_block(R, H, first, bits == 8 ? EXPANDED : PACKED, format, block, scales, b, &rows);
    }
    if (is_long(format))
      end_long_block(R, H, first, PACKED, format, panel + start / 8 * 320, start, &rows, sums, sums_stride);
  }
  *next = ahead;
  for (int r = 0; r < R && !is_long(format); r++)
    for (int h = 0; h < H; h++) _mm256_storeu_ps(sums + (size_t)r * sums_stride + 8 * (first + h), rows.sums[r][h]);
}

/// All row counts of one format. A panel is read again, from the cache, for every few rows: more rows at once unpack less
/// often and, unlike `expand`, wait for no memory, for while a panel is read several times, the passes share in asking for
/// the next one. With all of that in the first pass, 8 rows of streamed weights took 1.3 to 1.4 times as long.
TENFOLD_INLINE void gemvs_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride) {
  const int most = bits_of(format) <= 4 ? 6 : 4;
  const int half_lines = (bits_of(format) + 1) / 2, quarter_lines = (bits_of(format) + 3) / 4;
  const size_t bytes = rows > 2 ? tenfold_block_panel_bytes(format, 32 * blocks) : 0;
  const uint8_t *next = panel + bytes;
  // Two passes over the halves; 5 rows that don't go at once are 3 and 2, of which the 2 take both halves.
  bool is_once = rows <= (size_t)most || rows == 5;
  size_t row = 0;
#define GEMV(R, H, FIRST, LINES) \
  gemv_of(R, H, FIRST, LINES, format, panel, blocks, view, row, sums, sums_stride, &next)
#define HALVES_OF(R) \
  _Pragma("clang loop unroll(disable)") for (int h = 0; h < 2; h++) { \
    if (is_once) GEMV(R, 1, h, half_lines); \
    else GEMV(R, 1, h, quarter_lines); \
  }
  while (rows - row > 2) {
    // No further than the next panel, however many passes there are: what is there already is asked for without harm.
    if (next >= panel + 2 * bytes) next = panel + bytes;
    // As even as they come: 6 and 6, 5 and 5, 4 and 3.
    size_t left = rows - row, passes = (left + (size_t)most - 1) / (size_t)most, count = (left + passes - 1) / passes;
    switch (count) {
    case 6: if (most >= 6) HALVES_OF(6); break;
    case 5: if (most >= 5) HALVES_OF(5); break;
    case 4: HALVES_OF(4); break;
    case 3: HALVES_OF(3); break;
    default: GEMV(2, 2, 0, NEAR); break;
    }
    row += count;
  }
  if (rows - row == 2) GEMV(2, 2, 0, NEAR);
  if (rows - row == 1) GEMV(1, 2, 0, NEAR);
#undef HALVES_OF
#undef GEMV
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
      add_block(R, 2, 0, EXPANDED, format, codes, parts, b, &rows);
    }
    if (is_long(format)) end_long_block(R, 2, 0, EXPANDED, format, scales, first, &rows, sums, sums_stride);
    scales += scale_floats(format, step);
  }
  for (int r = 0; r < R && !is_long(format); r++)
    for (int h = 0; h < 2; h++) _mm256_storeu_ps(sums + (size_t)r * sums_stride + 8 * h, rows.sums[r][h]);
}

/// All row counts of one format: 3 rows at a time for 4-bit codes, else 2, as the registers allow.
TENFOLD_INLINE void tiles_of(
  tenfold_block_format format, const uint8_t *codes, const float *scales, size_t count,
  const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride) {
  const int most = bits_of(format) == 4 ? 3 : 2;
  size_t row = 0;
  for (; row + (size_t)most <= rows; row += (size_t)most)
    tile_of(most, format, codes, scales, count, view, row, sums, sums_stride);
  if (most == 3 && row + 2 == rows) tile_of(2, format, codes, scales, count, view, row, sums, sums_stride);
  if (row + 1 == rows) tile_of(1, format, codes, scales, count, view, row, sums, sums_stride);
}

// A function a format: all of them in one take the compiler half a minute.
#define GEMV_OF(F) \
  static __attribute__((noinline)) void gemv_##F( \
    const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows, float *sums, \
    size_t sums_stride) { \
    gemvs_of(F, panel, blocks, view, rows, sums, sums_stride); \
  }
EACH_FORMAT(GEMV_OF)

static void gemv(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride) {
#define GEMV(F) gemv_##F(panel, blocks, view, rows, sums, sums_stride)
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

const tenfold_block_kernels tenfold_blocks_avx2 = {
  .byte_bias = 0, .tile_rows = 48, .direct_rows = 12, .direct_rows_of_bytes = 48, .max_panels = 1, .gemv = gemv,
  .expand = expand, .tile = tile};
#endif
