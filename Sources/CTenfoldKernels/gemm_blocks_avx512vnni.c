/* GGUF block weights x int8 activations per 32, AVX-512 VNNI.
 *
 * Per block of 32, row and column:  i = sum_k code * a - zero * sum_k a  (exact);  s = fma(i, scale * da, s);
 * with an offset also               s = fma(offset, da * sum_k a, s).   Q6_K and Q3_K do the first line
 * per half block of 16, Q2_K both.
 * Every path does these steps in this order, so a row's result does not depend on the rows beside it.
 *
 * gemv    1 to 4 rows x 16 columns from packed bytes: lane c of a vector holds 4 codes of column c; one chain of 8 vpdpbusd
 *         a block and row, blocks overlap out of order; about 28 instructions per 512 weights for one row. Four panels
 *         side by side: memory gives more to several streams, and each asks for what it needs some blocks later
 * tile    4 rows x 48 columns of expanded codes: 12 integer and 12 float accumulators, 3 weight vectors, 1 broadcast; measured
 *         faster than 8 rows with float sums in memory. Fewer rows and single panels have their own instances
 * layout  tenfold_matmul.h; 8-bit codes are + 128
 * tails   none along k (whole blocks); absent columns have zero scales
 * over-read: none.   peak: 64 MAC per vpdpbusd, 8 of 12 instructions in the tile */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx512.h"
#include "finish_avx512.h"
#include "formats.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX512_VNNI, apply_to = function)

/// log2 of the code that stands for zero, here also of 8 bits.
TENFOLD_INLINE unsigned start_shift(tenfold_block_format format) {
  return format == TENFOLD_Q8_0 ? 7 : (unsigned)zero_shift(format);
}

TENFOLD_INLINE __m512 halves_at(const uint8_t *bytes) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)bytes));
}

TENFOLD_INLINE __m512i bytes_at(const uint8_t *bytes) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)bytes));
}

TENFOLD_INLINE __m512 unsigned_at(const uint8_t *bytes) { return _mm512_cvtepi32_ps(bytes_at(bytes)); }

TENFOLD_INLINE __m512 signed_at(const uint8_t *bytes) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)bytes)));
}

/// Scale and offset (or the scales of both halves, then for Q2_K their offsets) of block b.
TENFOLD_INLINE void block_scales(tenfold_block_format format, const uint8_t *panel, size_t b, __m512 scales[4]) {
  const uint8_t *super = panel + b / 8 * 320, *part = super + 64 + b % 8 * 16;
  switch (format) {
  case TENFOLD_Q4_1: case TENFOLD_Q5_1:
    scales[0] = halves_at(panel + 64 * b);
    scales[1] = halves_at(panel + 64 * b + 32);
    break;
  case TENFOLD_Q4_K: case TENFOLD_Q5_K:
    scales[0] = _mm512_mul_ps(halves_at(super), unsigned_at(part));
    scales[1] = _mm512_sub_ps(
      _mm512_setzero_ps(), _mm512_mul_ps(halves_at(super + 32), unsigned_at(part + 128)));
    break;
  case TENFOLD_Q6_K: case TENFOLD_Q3_K:
    part = super + 64 + b % 8 * 32;
    scales[0] = _mm512_mul_ps(halves_at(super), signed_at(part));
    scales[1] = _mm512_mul_ps(halves_at(super), signed_at(part + 16));
    break;
  case TENFOLD_Q2_K:
    for (int t = 0; t < 2; t++) {
      __m512i pair = bytes_at(super + 64 + b % 8 * 32 + 16 * t);
      scales[t] = _mm512_mul_ps(halves_at(super), _mm512_cvtepi32_ps(_mm512_and_si512(pair, _mm512_set1_epi32(15))));
      scales[2 + t] = _mm512_sub_ps(
        _mm512_setzero_ps(), _mm512_mul_ps(halves_at(super + 32), _mm512_cvtepi32_ps(_mm512_srli_epi32(pair, 4))));
    }
    break;
  default:
    scales[0] = halves_at(panel + 32 * b);
    scales[1] = _mm512_setzero_ps();
    break;
  }
}

/// bits & mask | rest.
TENFOLD_INLINE __m512i masked_or(__m512i bits, __m512i mask, __m512i rest) {
  return _mm512_ternarylogic_epi32(bits, mask, rest, 0xEA);
}

/// The 8 quads of a packed block as unsigned bytes.
TENFOLD_INLINE void block_codes(int bits, const uint8_t *block, __m512i codes[8]) {
  if (bits == 8) {
    for (int q = 0; q < 8; q++) codes[q] = _mm512_load_si512(block + 64 * q);
    return;
  }
  if (bits == 2) {
    for (int q = 0; q < 8; q++)
      codes[q] = _mm512_and_si512(
        _mm512_srli_epi16(_mm512_load_si512(block + 64 * (q / 4)), 2 * (unsigned)(q % 4)), _mm512_set1_epi8(3));
    return;
  }
  if (bits == 4) {
    __m512i low = _mm512_set1_epi8(15);
    for (int p = 0; p < 4; p++) {
      __m512i pair = _mm512_load_si512(block + 64 * p);
      codes[2 * p] = _mm512_and_si512(pair, low);
      codes[2 * p + 1] = _mm512_and_si512(_mm512_srli_epi16(pair, 4), low);
    }
    return;
  }
  if (bits == 5) {
    __m512i line[5], top = _mm512_set1_epi8(0x1C);
    for (int q = 0; q < 5; q++) {
      line[q] = _mm512_load_si512(block + 64 * q);
      codes[q] = _mm512_and_si512(line[q], _mm512_set1_epi8(31));
    }
    for (int q = 5; q < 7; q++)
      codes[q] = masked_or(
        _mm512_srli_epi16(line[2 * q - 10], 3), top,
        _mm512_and_si512(_mm512_srli_epi16(line[2 * q - 9], 6), _mm512_set1_epi8(3)));
    __m512i lowest = _mm512_and_si512(_mm512_srli_epi16(line[3], 5), _mm512_set1_epi8(1));
    lowest = masked_or(_mm512_srli_epi16(line[1], 4), _mm512_set1_epi8(2), lowest);
    codes[7] = masked_or(_mm512_srli_epi16(line[4], 3), top, lowest);
    return;
  }
  for (int h = 0; h < 2; h++) {
    __m512i line[3];
    for (int j = 0; j < 3; j++) {
      line[j] = _mm512_load_si512(block + 192 * h + 64 * j);
      codes[4 * h + j] = _mm512_and_si512(line[j], _mm512_set1_epi8(63));
    }
    __m512i lowest = _mm512_and_si512(_mm512_srli_epi16(line[2], 6), _mm512_set1_epi8(3));
    lowest = masked_or(_mm512_srli_epi16(line[1], 4), _mm512_set1_epi8(0x0C), lowest);
    codes[4 * h + 3] = masked_or(_mm512_srli_epi16(line[0], 2), _mm512_set1_epi8(0x30), lowest);
  }
}

TENFOLD_INLINE __m512i broadcast4(const int8_t *x) {
  int32_t word;
  memcpy(&word, x, 4);
  return _mm512_set1_epi32(word);
}

/// Where the integer sums of a block (or of its first and second half) start: minus zero times the sum of a.
TENFOLD_INLINE void first_sums(tenfold_block_format format, const int32_t *negated, __m512i start[2]) {
  if (kind_of(format) == OFFSET || kind_of(format) == OFFSET_HALVES) {
    start[0] = start[1] = _mm512_setzero_si512();
    return;
  }
  __m512i whole = _mm512_set1_epi32(negated[0]);
  if (kind_of(format) == CENTRED) {
    start[0] = _mm512_slli_epi32(whole, start_shift(format));
    return;
  }
  __m512i first = _mm512_set1_epi32(negated[1]);
  start[0] = _mm512_slli_epi32(first, start_shift(format));
  start[1] = _mm512_slli_epi32(_mm512_sub_epi32(whole, first), start_shift(format));
}

/// One step of the float sum; the same for every path.
TENFOLD_INLINE __m512 add_scaled(__m512 sum, __m512i integer, __m512 scale, const float *da) {
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(integer), _mm512_mul_ps(scale, _mm512_set1_ps(*da)), sum);
}

/// The offsets of both halves, for Q2_K.
TENFOLD_INLINE __m512 add_half_offsets(__m512 sum, __m512 first, __m512 second, float da, const int32_t *negated) {
  sum = _mm512_fmadd_ps(first, _mm512_set1_ps(scaled_half_sum(da, negated, 0)), sum);
  return _mm512_fmadd_ps(second, _mm512_set1_ps(scaled_half_sum(da, negated, 1)), sum);
}

/// Bytes of scales of a block of 16 columns.
TENFOLD_INLINE size_t scale_bytes(tenfold_block_format format) {
  if (format == TENFOLD_Q4_1 || format == TENFOLD_Q5_1) return 64;
  return format == TENFOLD_Q8_0 || format == TENFOLD_Q4_0 || format == TENFOLD_Q5_0 ? 32 : 320 / 8;
}

/// Blocks from the one at hand to the one fetched, in each of four panels: 3 KB of 4 bits, or 2 KB of 8, which take less
/// time to use. Measured on a Zen 4, whose own fetching stops at every page of 4 KB: 1.5 to 2.5 times the bytes from memory.
TENFOLD_INLINE size_t distance_of(int bits) { return bits == 8 ? 4 : 12; }

/// The lines of one panel's codes and the one of its scales. A fetch also keeps the compiler from holding activations for all panels, which would
/// be more than there are registers.
TENFOLD_INLINE void fetch(int bits, const uint8_t *codes, const uint8_t *scales) {
#pragma clang loop unroll(full)
  for (int line = 0; line < bits; line++) _mm_prefetch((const char *)codes + 64 * line, _MM_HINT_T1);
  _mm_prefetch((const char *)scales, _MM_HINT_T1);
}

/// R rows of activations and P panels, block by block side by side. Four panels fetch ahead, in the end from `next`; what is
/// near already costs little.
TENFOLD_INLINE void gemv_of(
  int R, int P, tenfold_block_format format, const uint8_t *panel, size_t panel_stride, size_t blocks,
  const tenfold_block_activations *view, size_t row, float *sums, size_t sums_stride, const uint8_t *next) {
  int bits = bits_of(format), kind = kind_of(format);
  // Asked once: a call in the loop would send all sums through memory.
  size_t to_codes = tenfold_block_scale_bytes(format, 32 * blocks);
  const uint8_t *block = panel + to_codes;
  const int8_t *x = view->values + row * view->value_stride;
  size_t distance = distance_of(bits) < blocks ? distance_of(bits) : blocks;
  __m512 sum[4][4];
#pragma clang loop unroll(full)
  for (int p = 0; p < P; p++)
    for (int r = 0; r < R; r++) sum[p][r] = _mm512_setzero_ps();
  for (size_t b = 0; b < blocks; b++, block += code_bytes(bits), x += 32) {
    bool is_over = b + distance >= blocks;
    const uint8_t *far = is_over ? next : panel;
    size_t far_block = b + distance - (is_over ? blocks : 0);
#pragma clang loop unroll(full)
    for (int p = 0; p < P; p++) {
      if (P == 4) {
        fetch(bits, far + to_codes + far_block * code_bytes(bits), far + far_block * scale_bytes(format));
        far += panel_stride;
      }
      __m512i codes[8];
      __m512 scales[4];
      block_codes(bits, block + (size_t)p * panel_stride, codes);
      block_scales(format, panel + (size_t)p * panel_stride, b, scales);
#pragma clang loop unroll(full)
      for (int r = 0; r < R; r++) {
        size_t at = (row + (size_t)r) * view->block_stride + b;
        __m512i integer[2];
        first_sums(format, view->negated_sums + 2 * at, integer);
#pragma clang loop unroll(full)
        for (int q = 0; q < 8; q++) {
          int half = parts_of(format) == 2 ? q / 4 : 0;
          integer[half] =
            _mm512_dpbusd_epi32(integer[half], codes[q], broadcast4(x + (size_t)r * view->value_stride + 4 * q));
        }
        sum[p][r] = add_scaled(sum[p][r], integer[0], scales[0], view->scales + at);
        if (kind >= HALVES) sum[p][r] = add_scaled(sum[p][r], integer[1], scales[1], view->scales + at);
        if (kind == OFFSET_HALVES)
          sum[p][r] = add_half_offsets(sum[p][r], scales[2], scales[3], view->scales[at], view->negated_sums + 2 * at);
        if (kind == OFFSET)
          sum[p][r] = _mm512_fmadd_ps(scales[1], _mm512_set1_ps(view->scaled_sums[at]), sum[p][r]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int p = 0; p < P; p++)
    for (int r = 0; r < R; r++) _mm512_storeu_ps(sums + (size_t)r * sums_stride + 16 * p, sum[p][r]);
}

/// Up to 4 rows, from `row` on.
TENFOLD_INLINE void gemvs_of(
  int P, tenfold_block_format format, const uint8_t *panel, size_t panel_stride, size_t blocks,
  const tenfold_block_activations *view, size_t row, size_t rows, float *sums, size_t sums_stride, const uint8_t *next) {
#define GEMV(R) gemv_of(R, P, format, panel, panel_stride, blocks, view, row, sums, sums_stride, next)
  switch (rows) {
  case 1: GEMV(1); break;
  case 2: GEMV(2); break;
  case 3: GEMV(3); break;
  default: GEMV(4); break;
  }
#undef GEMV
}

TENFOLD_INLINE void expand_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, size_t first, size_t count, uint8_t *codes,
  float *scales) {
  int bits = bits_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks) + first * code_bytes(bits);
  for (size_t b = 0; b < count; b++, block += code_bytes(bits), codes += 512, scales += scale_floats(format)) {
    __m512i unpacked[8];
    __m512 parts[4];
    block_codes(bits, block, unpacked);
    block_scales(format, panel, first + b, parts);
    for (int q = 0; q < 8; q++) _mm512_store_si512(codes + 64 * q, unpacked[q]);
    for (size_t i = 0; i < scale_floats(format) / 16; i++) _mm512_store_ps(scales + 16 * i, parts[i]);
  }
}

/// R rows x P panels of expanded blocks, added to the sums; these are stored, or finished and left as they were.
TENFOLD_INLINE void tile_of(
  int R, int P, tile_finish finish, tenfold_block_format format, const uint8_t *codes, size_t codes_stride, const float *scales,
  size_t scales_stride, size_t count, const tenfold_block_activations *view, size_t row, float *sums,
  size_t sums_stride, tile_end end) {
  int kind = kind_of(format), halves = parts_of(format);
  const int8_t *x = view->values + row * view->value_stride;
  size_t stride = view->value_stride, at = row * view->block_stride, next = view->block_stride;
  const float *da = view->scales + at, *da_sums = view->scaled_sums + at;
  const int32_t *negated = view->negated_sums + 2 * at;
  __m512 sum[4][3];
  sums += row * sums_stride;
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++) sum[r][p] = _mm512_loadu_ps(sums + (size_t)r * sums_stride + 16 * p);
  for (size_t b = 0; b < count; b++) {
    if (finish != STORED && b < (size_t)R) fetch_output(finish, P, b, end);
#pragma clang loop unroll(full)
    for (int h = 0; h < halves; h++) {
      __m512i integer[4][3];
      for (int r = 0; r < R; r++) {
        __m512i start[2];
        first_sums(format, negated + 2 * ((size_t)r * next + b), start);
        for (int p = 0; p < P; p++) integer[r][p] = start[h];
      }
#pragma clang loop unroll(full)
      for (int q = 8 / halves * h; q < 8 / halves * (h + 1); q++) {
        __m512i weights[3];
        for (int p = 0; p < P; p++)
          weights[p] = _mm512_load_si512(codes + (size_t)p * codes_stride + 512 * b + 64 * (size_t)q);
        for (int r = 0; r < R; r++) {
          __m512i a = broadcast4(x + (size_t)r * stride + 32 * b + 4 * (size_t)q);
          for (int p = 0; p < P; p++) integer[r][p] = _mm512_dpbusd_epi32(integer[r][p], weights[p], a);
        }
      }
      for (int p = 0; p < P; p++) {
        const float *pair = scales + (size_t)p * scales_stride + scale_floats(format) * b;
        __m512 scale = _mm512_load_ps(pair + 16 * h), offset = _mm512_load_ps(pair + 16);
        for (int r = 0; r < R; r++) {
          sum[r][p] = add_scaled(sum[r][p], integer[r][p], scale, da + (size_t)r * next + b);
          if (kind == OFFSET)
            sum[r][p] = _mm512_fmadd_ps(offset, _mm512_set1_ps(da_sums[(size_t)r * next + b]), sum[r][p]);
          if (kind == OFFSET_HALVES && h == 1)
            sum[r][p] = add_half_offsets(
              sum[r][p], _mm512_load_ps(pair + 32), _mm512_load_ps(pair + 48), da[(size_t)r * next + b],
              negated + 2 * ((size_t)r * next + b));
        }
      }
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
    for (int p = 0; p < P; p++) {
      if (finish == STORED) _mm512_storeu_ps(sums + (size_t)r * sums_stride + 16 * p, sum[r][p]);
      else finish_sums(finish, sum[r][p], (size_t)r, p, end);
    }
}

#define TILE(R, P) \
  tile_of( \
    R, P, STORED, format, codes, codes_stride, scales, scales_stride, count, view, row, sums, sums_stride, \
    (tile_end){0})

/// All row counts of one kind of format.
TENFOLD_INLINE void tiles_of(
  tenfold_block_format format, const uint8_t *codes, size_t codes_stride, const float *scales, size_t scales_stride,
  size_t panels, size_t count, const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride) {
  for (; panels > 0;) {
    size_t row = 0;
    if (panels >= 3) {
      for (; row + 4 <= rows; row += 4) TILE(4, 3);
      switch (rows - row) {
      case 1: TILE(1, 3); break;
      case 2: TILE(2, 3); break;
      case 3: TILE(3, 3); break;
      default: break;
      }
    } else {
      for (; row + 4 <= rows; row += 4) TILE(4, 1);
      for (; row < rows; row++) TILE(1, 1);
    }
    size_t done = panels >= 3 ? 3 : 1;
    panels -= done;
    codes += done * codes_stride;
    scales += done * scales_stride;
    sums += 16 * done;
  }
}

/// Calls an instance for one kind of format; expanded, those of a kind are the same but for what stands for zero.
#define EACH_KIND(CALL) \
  switch (format) { \
  case TENFOLD_Q8_0: CALL(TENFOLD_Q8_0); break; \
  case TENFOLD_Q4_0: CALL(TENFOLD_Q4_0); break; \
  case TENFOLD_Q5_0: CALL(TENFOLD_Q5_0); break; \
  case TENFOLD_Q6_K: CALL(TENFOLD_Q6_K); break; \
  case TENFOLD_Q3_K: CALL(TENFOLD_Q3_K); break; \
  case TENFOLD_Q2_K: CALL(TENFOLD_Q2_K); break; \
  default: CALL(TENFOLD_Q4_1); break; \
  }

/// One or four panels of one format for up to 4 rows.
#define FEW_OF(F) \
  static __attribute__((noinline)) void one_##F( \
    const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t row, size_t rows, float *sums, \
    size_t sums_stride) { \
    gemvs_of(1, F, panel, 0, blocks, view, row, rows, sums, sums_stride, panel); \
  } \
  static __attribute__((noinline)) void four_##F( \
    const uint8_t *panel, size_t panel_stride, size_t blocks, const tenfold_block_activations *view, size_t row, \
    size_t rows, const uint8_t *next, size_t columns, size_t first_column, const tenfold_epilogue *e) { \
    /* Aligned, and with it all that the registers have no room for, which else lies across two lines each. */ \
    _Alignas(64) float sums[4 * 64]; \
    gemvs_of(4, F, panel, panel_stride, blocks, view, row, rows, sums, 64, next); \
    tenfold_rows_avx512vnni.finish_float(sums, 64, rows, columns, row, first_column, e); \
  }
EACH_FORMAT(FEW_OF)

static void gemv(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride) {
#define ONE(F) one_##F(panel, blocks, view, row, rows - row < 4 ? rows - row : 4, sums + row * sums_stride, sums_stride)
  for (size_t row = 0; row < rows; row += 4) ALL_FORMATS(ONE)
}

/// Four panels at a time, and for these four rows at a time, which read the panels again from the cache.
static void finished_gemv(
  tenfold_block_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t blocks,
  const tenfold_block_activations *view, size_t rows, size_t columns, size_t first_column, const tenfold_epilogue *e) {
  while (panels > 0) {
    size_t count = panels >= 4 ? 4 : 1, width = columns < 16 * count ? columns : 16 * count;
    const uint8_t *following = panels >= 8 ? panel + count * panel_stride : panel;
    for (size_t row = 0; row < rows; row += 4) {
      size_t few = rows - row < 4 ? rows - row : 4;
      if (count == 4) {
        const uint8_t *next = row == 0 ? following : panel;
#define FOUR(F) four_##F(panel, panel_stride, blocks, view, row, few, next, width, first_column, e)
        ALL_FORMATS(FOUR)
      } else {
        _Alignas(64) float sums[4 * 16];
#define SINGLE(F) one_##F(panel, blocks, view, row, few, sums, 16)
        ALL_FORMATS(SINGLE)
        tenfold_rows_avx512vnni.finish_float(sums, 16, few, width, row, first_column, e);
      }
    }
    panels -= count;
    panel += count * panel_stride;
    columns -= width;
    first_column += width;
  }
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
#define TILES(F) \
  tiles_of(F, codes, codes_stride, scales, scales_stride, panels, count, view, rows, sums, sums_stride)
  EACH_KIND(TILES)
}

/// Whole tiles of 4 rows without bias or residual are finished in their registers; else sums go through memory.
static void finished_tile(
  tenfold_block_format format, const uint8_t *codes, size_t codes_stride, const float *scales, size_t scales_stride,
  size_t panels, size_t count, const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride,
  size_t columns, size_t first_row, size_t first_column, const tenfold_epilogue *e) {
  tile_finish finish = finish_of(e);
  if (columns < 48 || (finish != PLAIN && finish != WITH_RESIDUAL) || rows % 4 != 0) {
    tenfold_prefetch_output(e, first_row, rows, first_column, columns);
    tile(format, codes, codes_stride, scales, scales_stride, panels, count, view, rows, sums, sums_stride);
    tenfold_rows_avx512vnni.finish_float(sums, sums_stride, rows, columns, first_row, first_column, e);
    return;
  }
  for (size_t row = 0; row < rows; row += 4) {
    tile_end end = tile_end_of(e, first_row + row, first_column);
#define FINISHED(FORMAT) \
  if (finish >= WITH_RESIDUAL) FINISH(FORMAT, WITH_RESIDUAL); \
  else FINISH(FORMAT, PLAIN)
#define FINISH(FORMAT, KIND) \
  tile_of(4, 3, KIND, FORMAT, codes, codes_stride, scales, scales_stride, count, view, row, sums, sums_stride, end)
    EACH_KIND(FINISHED)
  }
}

#pragma clang attribute pop

const tenfold_block_kernels tenfold_blocks_avx512vnni = {
  .byte_bias = 128, .direct_rows = 48, .direct_rows_of_bytes = 64, .max_panels = 3, .gemv = gemv, .finished_gemv = finished_gemv, .expand = expand, .tile = tile,
  .finished_tile = finished_tile};
#endif
