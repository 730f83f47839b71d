/* GGUF block weights x int8 activations per 32, AVX-512 VNNI.
 *
 * Per block of 32, row and column:  i = sum_k code * a - zero * sum_k a  (exact);  s = fma(i, scale * da, s);
 * with an offset also               s = fma(offset, da * sum_k a, s).   Q6_K and Q3_K do the first line
 * per half block of 16, Q2_K both.
 * Every path does these steps in this order, so a row's result does not depend on the rows beside it.
 *
 * gemv    1 to 4 rows x 16 columns from packed bytes: lane c of a vector holds 4 codes of column c; one chain of 8 vpdpbusd
 *         a block and row, blocks overlap out of order; about 28 instructions per 512 weights for one row
 * tile    4 rows x 48 columns of expanded codes: 12 integer and 12 float accumulators, 3 weight vectors, 1 broadcast; measured
 *         faster than 8 rows with float sums in memory. Fewer rows and single panels have their own instances
 * layout  tenfold_matmul.h; 8-bit codes are + 128
 * tails   none along k (whole blocks); absent columns have zero scales
 * over-read: none.   peak: 64 MAC per vpdpbusd, 8 of 12 instructions in the tile */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx512.h"
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

TENFOLD_INLINE void gemv_of(
  int R, tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view,
  size_t row, float *sums, size_t sums_stride) {
  int bits = bits_of(format), kind = kind_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks);
  const int8_t *x = view->values + row * view->value_stride;
  __m512 sum[4];
  for (int r = 0; r < R; r++) sum[r] = _mm512_setzero_ps();
  for (size_t b = 0; b < blocks; b++, block += code_bytes(bits), x += 32) {
    __m512i codes[8];
    __m512 scales[4];
    block_codes(bits, block, codes);
    block_scales(format, panel, b, scales);
    for (int r = 0; r < R; r++) {
      size_t at = (row + (size_t)r) * view->block_stride + b;
      __m512i integer[2];
      first_sums(format, view->negated_sums + 2 * at, integer);
#pragma clang loop unroll(full)
      for (int q = 0; q < 8; q++) {
        int half = parts_of(format) == 2 ? q / 4 : 0;
        integer[half] = _mm512_dpbusd_epi32(integer[half], codes[q], broadcast4(x + (size_t)r * view->value_stride + 4 * q));
      }
      sum[r] = add_scaled(sum[r], integer[0], scales[0], view->scales + at);
      if (kind >= HALVES) sum[r] = add_scaled(sum[r], integer[1], scales[1], view->scales + at);
      if (kind == OFFSET_HALVES)
        sum[r] = add_half_offsets(sum[r], scales[2], scales[3], view->scales[at], view->negated_sums + 2 * at);
      if (kind == OFFSET) sum[r] = _mm512_fmadd_ps(scales[1], _mm512_set1_ps(view->scaled_sums[at]), sum[r]);
    }
  }
  for (int r = 0; r < R; r++) _mm512_storeu_ps(sums + (row + (size_t)r) * sums_stride, sum[r]);
}

/// All row counts of one format; a panel is read again, from the cache, for every 4 rows.
TENFOLD_INLINE void gemvs_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride) {
  size_t row = 0;
  for (; row + 4 <= rows; row += 4) gemv_of(4, format, panel, blocks, view, row, sums, sums_stride);
  switch (rows - row) {
  case 1: gemv_of(1, format, panel, blocks, view, row, sums, sums_stride); break;
  case 2: gemv_of(2, format, panel, blocks, view, row, sums, sums_stride); break;
  case 3: gemv_of(3, format, panel, blocks, view, row, sums, sums_stride); break;
  default: break;
  }
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

/// R rows x P panels of expanded blocks.
TENFOLD_INLINE void tile_of(
  int R, int P, tenfold_block_format format, const uint8_t *codes, size_t codes_stride, const float *scales,
  size_t scales_stride, size_t count, const tenfold_block_activations *view, size_t row, float *sums,
  size_t sums_stride) {
  int kind = kind_of(format), halves = parts_of(format);
  const int8_t *x = view->values + row * view->value_stride;
  size_t stride = view->value_stride, at = row * view->block_stride, next = view->block_stride;
  const float *da = view->scales + at, *da_sums = view->scaled_sums + at;
  const int32_t *negated = view->negated_sums + 2 * at;
  __m512 sum[4][3];
  sums += row * sums_stride;
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++) sum[r][p] = _mm512_loadu_ps(sums + (size_t)r * sums_stride + 16 * p);
  for (size_t b = 0; b < count; b++)
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
  for (int r = 0; r < R; r++)
    for (int p = 0; p < P; p++) _mm512_storeu_ps(sums + (size_t)r * sums_stride + 16 * p, sum[r][p]);
}

#define TILE(R, P) \
  tile_of(R, P, format, codes, codes_stride, scales, scales_stride, count, view, row, sums, sums_stride)

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
#define TILES(F) \
  tiles_of(F, codes, codes_stride, scales, scales_stride, panels, count, view, rows, sums, sums_stride)
  switch (format) {
  case TENFOLD_Q8_0: TILES(TENFOLD_Q8_0); break;
  case TENFOLD_Q4_0: TILES(TENFOLD_Q4_0); break;
  case TENFOLD_Q5_0: TILES(TENFOLD_Q5_0); break;
  case TENFOLD_Q6_K: TILES(TENFOLD_Q6_K); break;
  case TENFOLD_Q3_K: TILES(TENFOLD_Q3_K); break;
  case TENFOLD_Q2_K: TILES(TENFOLD_Q2_K); break;
  default: TILES(TENFOLD_Q4_1); break;
  }
}

#pragma clang attribute pop

const tenfold_block_kernels tenfold_blocks_avx512vnni = {
  .byte_bias = 128, .max_panels = 3, .gemv = gemv, .expand = expand, .tile = tile};
#endif
