/* GGUF block weights x int8 activations per 32 or 256, AVX-512 VNNI.
 *
 * Per block of 32, row and column:  i = sum_k code * a - zero * sum_k a  (exact);  s = fma(i, scale * da, s);
 * with an offset also               s = fma(offset, da * sum_k a, s).
 * Blocks of 256 sum t first: per block of 32 (Q6_K, Q3_K and Q2_K per half of it)  t = fma(i, scale, t);
 * with minima then  t = fma(sum of minimum * sum_k a, exact, by vpdpwssd; -m, t);  in the end  s = fma(t, da, s).
 * Every path does these steps in this order, so a row's result does not depend on the rows beside it.
 *
 * gemv    1 to 4 rows x 16 columns from packed bytes: lane c of a vector holds 4 codes of column c; one chain of 8 vpdpbusd
 *         a block and row, blocks overlap out of order; about 28 instructions per 512 weights for one row. Four panels
 *         side by side: memory gives more to several streams, and each asks for what it needs some blocks later
 * tile    4 rows x 48 columns of expanded codes: 12 integer and 12 float accumulators, 3 weight vectors, 1 broadcast; measured
 *         faster than 8 rows with float sums in memory. Fewer rows and single panels have their own instances
 * layout  tenfold_matmul.h; 8-bit codes are + 128
 * tails   none along k (whole blocks); absent columns have zero scales
 * over-read: none.   peak: 64 MAC per vpdpbusd, 8 of 12 instructions in the tile; of those that take the same two ports 8 of
 *         10, and of 256 together 64 of 78 (Q4_K) */
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

/// Scale and offset of block b of 32, or in a block of 256 its scale or those of its halves.
TENFOLD_INLINE void block_scales(tenfold_block_format format, const uint8_t *panel, size_t b, __m512 scales[2]) {
  const uint8_t *super = panel + b / 8 * 320, *part = super + 64 + b % 8 * 16 * (size_t)parts_of(format);
  scales[1] = _mm512_setzero_ps();
  switch (kind_of(format)) {
  case CENTRED: scales[0] = halves_at(panel + 32 * b); break;
  case OFFSET:
    scales[0] = halves_at(panel + 64 * b);
    scales[1] = halves_at(panel + 64 * b + 32);
    break;
  case MINIMA: scales[0] = _mm512_mul_ps(halves_at(super), unsigned_at(part)); break;
  case HALVES:
    for (int t = 0; t < 2; t++) scales[t] = _mm512_mul_ps(halves_at(super), signed_at(part + 16 * t));
    break;
  default:
    for (int t = 0; t < 2; t++) {
      __m512i pair = _mm512_and_si512(bytes_at(part + 16 * t), _mm512_set1_epi32(15));
      scales[t] = _mm512_mul_ps(halves_at(super), _mm512_cvtepi32_ps(pair));
    }
    break;
  }
}

/// The words that vpdpwssd takes of a block of 256: minima 2 j and 2 j + 1 of each column.
TENFOLD_INLINE __m512i minima_of(tenfold_block_format format, const uint8_t *super, int j) {
  const uint8_t *two = super + (kind_of(format) == MINIMA ? 192 : 64) + 32 * j;
  __m512i low = bytes_at(two), high = bytes_at(two + 16);
  if (kind_of(format) == MINIMA_HALVES) {
    low = _mm512_srli_epi32(low, 4);
    high = _mm512_srli_epi32(high, 4);
  }
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/// -m of a block of 256.
TENFOLD_INLINE __m512 minimum_scale(const uint8_t *super) {
  return _mm512_sub_ps(_mm512_setzero_ps(), halves_at(super + 32));
}

/// Words of a block of 256 that hold two minima each.
TENFOLD_INLINE int minimum_words(tenfold_block_format format) {
  return has_minima(format) ? 4 * parts_of(format) : 0;
}

/// Two sums of activations, to meet the words of `minima_of`: of blocks or halves 2 j and 2 j + 1 from block `at` on.
TENFOLD_INLINE __m512i two_sums(
  tenfold_block_format format, const tenfold_block_activations *view, size_t at, int j) {
  const int16_t *sums = parts_of(format) == 1 ? view->block_sums + at : view->half_sums + 2 * at;
  int32_t word;
  memcpy(&word, sums + 2 * j, 4);
  return _mm512_set1_epi32(word);
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
  if (kind_of(format) == OFFSET || has_minima(format)) {
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

/// Bytes of scales of a block of 32 of 16 columns.
TENFOLD_INLINE size_t scale_bytes(tenfold_block_format format) {
  return is_long(format) ? 320 / 8 : kind_of(format) == OFFSET ? 64 : 32;
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

/// The exact sums of one block, or of its halves, for a row whose codes of the block are at x.
TENFOLD_INLINE void block_products(
  tenfold_block_format format, const __m512i codes[8], const int8_t *x, const int32_t *negated, __m512i integer[2]) {
  first_sums(format, negated, integer);
#pragma clang loop unroll(full)
  for (int q = 0; q < 8; q++) {
    int half = parts_of(format) == 2 ? q / 4 : 0;
    integer[half] = _mm512_dpbusd_epi32(integer[half], codes[q], broadcast4(x + 4 * q));
  }
}

/// What a pass over panels reads, and what it fetches for the next one.
typedef struct panel_pass {
  const uint8_t *panel, *next;
  size_t stride, blocks, to_codes, distance;
} panel_pass;

/// Asks for a block of panel p that is needed soon, in the end for one of the next panels.
TENFOLD_INLINE void fetch_ahead(tenfold_block_format format, const panel_pass *pass, size_t p, size_t b) {
  bool is_over = b + pass->distance >= pass->blocks;
  const uint8_t *far = (is_over ? pass->next : pass->panel) + p * pass->stride;
  size_t block = b + pass->distance - (is_over ? pass->blocks : 0);
  int bits = bits_of(format);
  fetch(bits, far + pass->to_codes + block * code_bytes(bits), far + block * scale_bytes(format));
}

/// R rows of activations and P panels of blocks of 32, block by block side by side.
TENFOLD_INLINE void add_blocks(
  int R, int P, tenfold_block_format format, const panel_pass *pass, const tenfold_block_activations *view, size_t row,
  __m512 sum[4][4]) {
  int bits = bits_of(format);
  const uint8_t *block = pass->panel + pass->to_codes;
  const int8_t *x = view->values + row * view->value_stride;
  for (size_t b = 0; b < pass->blocks; b++, block += code_bytes(bits), x += 32) {
#pragma clang loop unroll(full)
    for (int p = 0; p < P; p++) {
      if (P == 4) fetch_ahead(format, pass, (size_t)p, b);
      __m512i codes[8];
      __m512 scales[2];
      block_codes(bits, block + (size_t)p * pass->stride, codes);
      block_scales(format, pass->panel + (size_t)p * pass->stride, b, scales);
#pragma clang loop unroll(full)
      for (int r = 0; r < R; r++) {
        size_t at = (row + (size_t)r) * view->block_stride + b;
        __m512i integer[2];
        block_products(format, codes, x + (size_t)r * view->value_stride, view->negated_sums + 2 * at, integer);
        sum[p][r] = add_scaled(sum[p][r], integer[0], scales[0], view->scales + at);
        if (kind_of(format) == OFFSET)
          sum[p][r] = _mm512_fmadd_ps(scales[1], _mm512_set1_ps(view->scaled_sums[at]), sum[p][r]);
      }
    }
  }
}

/// Ends a block of 256 of one panel, from block `first` of 32 on, R rows: its minima, then the activations' scales.
TENFOLD_INLINE void end_long_block(
  int R, tenfold_block_format format, const uint8_t *super, const tenfold_block_activations *view, size_t at,
  const __m512 total[4], __m512 sum[4]) {
  __m512i minima[4];
  for (int r = 0; r < R; r++) minima[r] = _mm512_setzero_si512();
#pragma clang loop unroll(full)
  for (int j = 0; j < minimum_words(format); j++) {
    __m512i two = minima_of(format, super, j);
    for (int r = 0; r < R; r++)
      minima[r] = _mm512_dpwssd_epi32(minima[r], two, two_sums(format, view, at + (size_t)r * view->block_stride, j));
  }
  for (int r = 0; r < R; r++) {
    __m512 whole = total[r];
    if (has_minima(format)) whole = _mm512_fmadd_ps(_mm512_cvtepi32_ps(minima[r]), minimum_scale(super), whole);
    sum[r] = _mm512_fmadd_ps(whole, _mm512_set1_ps(view->scales[at + (size_t)r * view->block_stride]), sum[r]);
  }
}

/// The same of blocks of 256, whose sums are kept apart until each ends.
TENFOLD_INLINE void add_long_blocks(
  int R, int P, tenfold_block_format format, const panel_pass *pass, const tenfold_block_activations *view, size_t row,
  __m512 sum[4][4]) {
  int bits = bits_of(format);
  const uint8_t *block = pass->panel + pass->to_codes;
  const int8_t *x = view->values + row * view->value_stride;
  for (size_t first = 0; first < pass->blocks; first += 8) {
    size_t at = row * view->block_stride + first;
    __m512 total[4][4];
#pragma clang loop unroll(full)
    for (int p = 0; p < P; p++)
      for (int r = 0; r < R; r++) total[p][r] = _mm512_setzero_ps();
    for (size_t b = first; b < first + 8; b++, block += code_bytes(bits), x += 32) {
#pragma clang loop unroll(full)
      for (int p = 0; p < P; p++) {
        if (P == 4) fetch_ahead(format, pass, (size_t)p, b);
        __m512i codes[8];
        __m512 scales[2];
        block_codes(bits, block + (size_t)p * pass->stride, codes);
        block_scales(format, pass->panel + (size_t)p * pass->stride, b, scales);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
          const int32_t *negated = view->negated_sums + 2 * (at + (size_t)r * view->block_stride + b - first);
          __m512i integer[2];
          block_products(format, codes, x + (size_t)r * view->value_stride, negated, integer);
          for (int t = 0; t < parts_of(format); t++)
            total[p][r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(integer[t]), scales[t], total[p][r]);
        }
      }
    }
#pragma clang loop unroll(full)
    for (int p = 0; p < P; p++)
      end_long_block(
        R, format, pass->panel + (size_t)p * pass->stride + first / 8 * 320, view, at, total[p], sum[p]);
  }
}

/// R rows and P panels. Four panels fetch ahead, in the end from `next`; what is near already costs little.
TENFOLD_INLINE void gemv_of(
  int R, int P, tenfold_block_format format, const uint8_t *panel, size_t panel_stride, size_t blocks,
  const tenfold_block_activations *view, size_t row, float *sums, size_t sums_stride, const uint8_t *next) {
  size_t distance = distance_of(bits_of(format));
  // Asked once: a call in the loop would send all sums through memory.
  const panel_pass pass = {
    .panel = panel, .next = next, .stride = panel_stride, .blocks = blocks,
    .to_codes = tenfold_block_scale_bytes(format, 32 * blocks), .distance = distance < blocks ? distance : blocks};
  __m512 sum[4][4];
#pragma clang loop unroll(full)
  for (int p = 0; p < P; p++)
    for (int r = 0; r < R; r++) sum[p][r] = _mm512_setzero_ps();
  if (is_long(format)) add_long_blocks(R, P, format, &pass, view, row, sum);
  else add_blocks(R, P, format, &pass, view, row, sum);
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
  for (size_t b = 0; b < count; b++, block += code_bytes(bits), codes += 512) {
    __m512i unpacked[8];
    __m512 parts[2];
    block_codes(bits, block, unpacked);
    block_scales(format, panel, first + b, parts);
    for (int q = 0; q < 8; q++) _mm512_store_si512(codes + 64 * q, unpacked[q]);
    if (!is_long(format)) {
      for (int i = 0; i < 2; i++) _mm512_store_ps(scales + 32 * b + 16 * (size_t)i, parts[i]);
      continue;
    }
    float *super = scales + scale_floats(format, b);
    for (size_t i = 0; i < (size_t)parts_of(format); i++)
      _mm512_store_ps(super + 16 * (b % 8 * (size_t)parts_of(format) + i), parts[i]);
    if (b % 8 != 0 || !has_minima(format)) continue;
    const uint8_t *packed = panel + (first + b) / 8 * 320;
    for (int j = 0; j < minimum_words(format); j++)
      _mm512_store_si512(super + minima_at(format) + 16 * (size_t)j, minima_of(format, packed, j));
    _mm512_store_ps(super + minimum_scale_at(format), minimum_scale(packed));
  }
}

/// Expanded weights of some panels, and the rows that meet them.
typedef struct tile_input {
  const uint8_t *codes;
  const float *scales;
  size_t codes_stride, scales_stride;
  const tenfold_block_activations *view;
  size_t row;
} tile_input;

/// The exact sums of half h (of 1 or 2) of block b, R rows x P panels.
TENFOLD_INLINE void tile_products(
  int R, int P, int h, tenfold_block_format format, const tile_input *in, size_t b, __m512i integer[4][3]) {
  int halves = parts_of(format);
  const int8_t *x = in->view->values + in->row * in->view->value_stride + 32 * b;
  for (int r = 0; r < R; r++) {
    __m512i start[2];
    first_sums(format, in->view->negated_sums + 2 * ((in->row + (size_t)r) * in->view->block_stride + b), start);
    for (int p = 0; p < P; p++) integer[r][p] = start[h];
  }
#pragma clang loop unroll(full)
  for (int q = 8 / halves * h; q < 8 / halves * (h + 1); q++) {
    __m512i weights[3];
    for (int p = 0; p < P; p++)
      weights[p] = _mm512_load_si512(in->codes + (size_t)p * in->codes_stride + 512 * b + 64 * (size_t)q);
    for (int r = 0; r < R; r++) {
      __m512i a = broadcast4(x + (size_t)r * in->view->value_stride + 4 * (size_t)q);
      for (int p = 0; p < P; p++) integer[r][p] = _mm512_dpbusd_epi32(integer[r][p], weights[p], a);
    }
  }
}

/// R rows x P panels of expanded blocks of 32, added to the sums; these are stored, or finished and left as they were.
TENFOLD_INLINE void tile_of(
  int R, int P, tile_finish finish, tenfold_block_format format, const tile_input *in, size_t count, float *sums,
  size_t sums_stride, tile_end end) {
  size_t at = in->row * in->view->block_stride, next = in->view->block_stride;
  const float *da = in->view->scales + at, *da_sums = in->view->scaled_sums + at;
  __m512 sum[4][3];
  sums += in->row * sums_stride;
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++) sum[r][p] = _mm512_loadu_ps(sums + (size_t)r * sums_stride + 16 * p);
  for (size_t b = 0; b < count; b++) {
    if (finish != STORED && b < (size_t)R) fetch_output(finish, P, b, end);
    __m512i integer[4][3];
    tile_products(R, P, 0, format, in, b, integer);
    for (int p = 0; p < P; p++) {
      const float *pair = in->scales + (size_t)p * in->scales_stride + 32 * b;
      __m512 scale = _mm512_load_ps(pair), offset = _mm512_load_ps(pair + 16);
      for (int r = 0; r < R; r++) {
        sum[r][p] = add_scaled(sum[r][p], integer[r][p], scale, da + (size_t)r * next + b);
        if (kind_of(format) == OFFSET)
          sum[r][p] = _mm512_fmadd_ps(offset, _mm512_set1_ps(da_sums[(size_t)r * next + b]), sum[r][p]);
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

/// The same of blocks of 256, whose sums go through memory once for each.
TENFOLD_INLINE void long_tile_of(
  int R, int P, tile_finish finish, tenfold_block_format format, const tile_input *in, size_t count, float *sums,
  size_t sums_stride, tile_end end) {
  size_t at = in->row * in->view->block_stride, next = in->view->block_stride;
  sums += in->row * sums_stride;
  for (size_t first = 0; first < count; first += 8) {
    const float *scales = in->scales + scale_floats(format, first);
    __m512 total[4][3];
    for (int r = 0; r < R; r++)
      for (int p = 0; p < P; p++) total[r][p] = _mm512_setzero_ps();
    for (size_t b = first; b < first + 8; b++) {
      if (finish != STORED && b < (size_t)R) fetch_output(finish, P, b, end);
#pragma clang loop unroll(full)
      for (int h = 0; h < parts_of(format); h++) {
        __m512i integer[4][3];
        tile_products(R, P, h, format, in, b, integer);
        const float *part = scales + 16 * ((b - first) * (size_t)parts_of(format) + (size_t)h);
        for (int p = 0; p < P; p++) {
          __m512 scale = _mm512_load_ps(part + (size_t)p * in->scales_stride);
          for (int r = 0; r < R; r++)
            total[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(integer[r][p]), scale, total[r][p]);
        }
      }
    }
    for (int p = 0; p < P && has_minima(format); p++) {
      const float *minima = scales + (size_t)p * in->scales_stride + minima_at(format);
      __m512 minimum_scale = _mm512_load_ps(scales + (size_t)p * in->scales_stride + minimum_scale_at(format));
      for (int r = 0; r < R; r++) {
        __m512i minimum = _mm512_setzero_si512();
        for (int j = 0; j < minimum_words(format); j++)
          minimum = _mm512_dpwssd_epi32(
            minimum, _mm512_load_si512(minima + 16 * j), two_sums(format, in->view, at + (size_t)r * next + first, j));
        total[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(minimum), minimum_scale, total[r][p]);
      }
    }
    for (int r = 0; r < R; r++) {
      __m512 da = _mm512_set1_ps(in->view->scales[at + (size_t)r * next + first]);
      for (int p = 0; p < P; p++) {
        float *target = sums + (size_t)r * sums_stride + 16 * p;
        _mm512_storeu_ps(target, _mm512_fmadd_ps(total[r][p], da, _mm512_loadu_ps(target)));
      }
    }
  }
  for (int r = 0; r < R && finish != STORED; r++)
    for (int p = 0; p < P; p++)
      finish_sums(finish, _mm512_loadu_ps(sums + (size_t)r * sums_stride + 16 * p), (size_t)r, p, end);
}

TENFOLD_INLINE void any_tile_of(
  int R, int P, tile_finish finish, tenfold_block_format format, const tile_input *in, size_t count, float *sums,
  size_t sums_stride, tile_end end) {
  if (is_long(format)) long_tile_of(R, P, finish, format, in, count, sums, sums_stride, end);
  else tile_of(R, P, finish, format, in, count, sums, sums_stride, end);
}

/// All row counts of one kind of format.
TENFOLD_INLINE void tiles_of(
  tenfold_block_format format, tile_input in, size_t panels, size_t count, size_t rows, float *sums,
  size_t sums_stride) {
#define TILE(R, P) any_tile_of(R, P, STORED, format, &in, count, sums, sums_stride, (tile_end){0})
  for (; panels > 0;) {
    in.row = 0;
    if (panels >= 3) {
      for (; in.row + 4 <= rows; in.row += 4) TILE(4, 3);
      switch (rows - in.row) {
      case 1: TILE(1, 3); break;
      case 2: TILE(2, 3); break;
      case 3: TILE(3, 3); break;
      default: break;
      }
    } else {
      for (; in.row + 4 <= rows; in.row += 4) TILE(4, 1);
      for (; in.row < rows; in.row++) TILE(1, 1);
    }
    size_t done = panels >= 3 ? 3 : 1;
    panels -= done;
    in.codes += done * in.codes_stride;
    in.scales += done * in.scales_stride;
    sums += 16 * done;
  }
#undef TILE
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
  case TENFOLD_Q4_K: case TENFOLD_Q5_K: CALL(TENFOLD_Q4_K); break; \
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
  tile_input in = {codes, scales, codes_stride, scales_stride, view, 0};
#define TILES(F) tiles_of(F, in, panels, count, rows, sums, sums_stride)
  EACH_KIND(TILES)
}

/// Whole tiles of 4 rows with at most a residual are finished at once; else all sums are stored and then finished.
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
  tile_input in = {codes, scales, codes_stride, scales_stride, view, 0};
  for (; in.row < rows; in.row += 4) {
    tile_end end = tile_end_of(e, first_row + in.row, first_column);
#define FINISHED(FORMAT) \
  if (finish >= WITH_RESIDUAL) FINISH(FORMAT, WITH_RESIDUAL); \
  else FINISH(FORMAT, PLAIN)
#define FINISH(FORMAT, KIND) any_tile_of(4, 3, KIND, FORMAT, &in, count, sums, sums_stride, end)
    EACH_KIND(FINISHED)
  }
}

#pragma clang attribute pop

const tenfold_block_kernels tenfold_blocks_avx512vnni = {
  .byte_bias = 128, .direct_rows = 48, .direct_rows_of_bytes = 64, .max_panels = 3, .gemv = gemv, .finished_gemv = finished_gemv, .expand = expand, .tile = tile,
  .finished_tile = finished_tile};
#endif
