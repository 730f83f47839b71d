/* GGUF block weights x int8 activations per 32, AVX2.
 *
 * Per block of 32, row and column:  i = sum_k code * a - zero * sum_k a  (exact);  s = fma(i, scale * da, s);
 * with an offset also               s = fma(offset, da * sum_k a, s).   Q6_K does the first line per half block of 16.
 * Every path goes through `block_sums` and `add_block` in this order, so a row does not depend on the rows beside it.
 *
 * A panel's 16 columns are two halves of 8 lanes. vpmaddubsw (u8 codes x s8 activations) gives 16-bit pair sums, which stay
 * exact while they are added for a whole block of 4-bit codes (8 * 2 * 15 * 127 = 30,480), for 4 quads of 5-bit codes
 * (31,496) and for 2 of 6-bit codes (32,004) before vpmaddwd widens them. 8-bit codes are two's complement and use |w|
 * and a with the sign of w.
 *
 * gemv    1 or 2 rows x 8 columns from packed bytes; tile any rows x 8 columns of expanded codes, float sums in memory
 * layout  tenfold_matmul.h; 8-bit codes have bias 0.  over-read: none.   peak: 32 MAC per 2 to 4 instructions */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx2.h"
#include "formats.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX2, apply_to = function)

enum { CENTRED, OFFSET, HALVES };

TENFOLD_INLINE int kind_of(tenfold_block_format format) {
  if (format == TENFOLD_Q6_K) return HALVES;
  return format == TENFOLD_Q8_0 || format == TENFOLD_Q4_0 || format == TENFOLD_Q5_0 ? CENTRED : OFFSET;
}

TENFOLD_INLINE int bits_of(tenfold_block_format format) {
  switch (format) {
  case TENFOLD_Q8_0: return 8;
  case TENFOLD_Q5_0: case TENFOLD_Q5_1: case TENFOLD_Q5_K: return 5;
  case TENFOLD_Q6_K: return 6;
  default: return 4;
  }
}

TENFOLD_INLINE int zero_of(tenfold_block_format format) {
  return format == TENFOLD_Q4_0 ? 8 : format == TENFOLD_Q5_0 ? 16 : format == TENFOLD_Q6_K ? 32 : 0;
}

TENFOLD_INLINE size_t code_bytes(int bits) { return bits == 8 ? 512 : bits == 6 ? 384 : bits == 5 ? 320 : 256; }

TENFOLD_INLINE __m256i load(const uint8_t *bytes) { return _mm256_loadu_si256((const __m256i *)(const void *)bytes); }

TENFOLD_INLINE __m256 halves_at(const uint8_t *bytes) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)bytes));
}

TENFOLD_INLINE __m256 unsigned_at(const uint8_t *bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)bytes)));
}

TENFOLD_INLINE __m256 signed_at(const uint8_t *bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)bytes)));
}

/// Scale and offset (or the scales of both half blocks) of block b for columns 8 h ..< 8 h + 8.
TENFOLD_INLINE void block_scales(tenfold_block_format format, const uint8_t *panel, size_t b, int h, __m256 scales[2]) {
  const uint8_t *super = panel + b / 8 * 320 + 16 * h, *part = panel + b / 8 * 320 + 64 + b % 8 * 16 + 8 * h;
  switch (format) {
  case TENFOLD_Q4_1: case TENFOLD_Q5_1:
    scales[0] = halves_at(panel + 64 * b + 16 * h);
    scales[1] = halves_at(panel + 64 * b + 32 + 16 * h);
    break;
  case TENFOLD_Q4_K: case TENFOLD_Q5_K:
    scales[0] = _mm256_mul_ps(halves_at(super), unsigned_at(part));
    scales[1] = _mm256_sub_ps(_mm256_setzero_ps(), _mm256_mul_ps(halves_at(super + 32), unsigned_at(part + 128)));
    break;
  case TENFOLD_Q6_K:
    part += b % 8 * 16;
    scales[0] = _mm256_mul_ps(halves_at(super), signed_at(part));
    scales[1] = _mm256_mul_ps(halves_at(super), signed_at(part + 16));
    break;
  default:
    scales[0] = halves_at(panel + 32 * b + 16 * h);
    scales[1] = _mm256_setzero_ps();
    break;
  }
}

/// The 8 quads of columns 8 h ..< 8 h + 8 of a packed block.
TENFOLD_INLINE void block_codes(int bits, const uint8_t *block, int h, __m256i codes[8]) {
  __m256i low = _mm256_set1_epi8(15);
  block += 32 * h;
  if (bits == 8) {
    for (int q = 0; q < 8; q++) codes[q] = load(block + 64 * q);
    return;
  }
  for (int p = 0; p < 4; p++) {
    __m256i pair = load(block + 64 * p);
    codes[2 * p] = _mm256_and_si256(pair, low);
    codes[2 * p + 1] = _mm256_and_si256(_mm256_srli_epi16(pair, 4), low);
  }
  if (bits == 5) {
    const __m256i spread = _mm256_setr_epi8(
      0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    for (int q = 0; q < 8; q++) {
      int32_t mask;
      memcpy(&mask, block - 32 * h + 256 + 8 * q + 4 * h, 4);
      __m256i bytes = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(mask), spread), bit);
      __m256i set = _mm256_cmpeq_epi8(bytes, bit);
      codes[q] = _mm256_or_si256(codes[q], _mm256_and_si256(set, _mm256_set1_epi8(16)));
    }
  }
  if (bits == 6) {
    __m256i high = _mm256_set1_epi8(0x30);
    for (int g = 0; g < 2; g++) {
      __m256i pairs = load(block + 256 + 64 * g);
      __m256i moved[4] = {
        _mm256_slli_epi16(pairs, 4), _mm256_slli_epi16(pairs, 2), pairs, _mm256_srli_epi16(pairs, 2)};
      for (int j = 0; j < 4; j++)
        codes[4 * g + j] = _mm256_or_si256(codes[4 * g + j], _mm256_and_si256(moved[j], high));
    }
  }
}

/// Exact sums of codes times activations over quads first ..< last.
TENFOLD_INLINE __m256i block_sums(int bits, const __m256i *codes, const int8_t *x, int first, int last) {
  __m256i ones = _mm256_set1_epi16(1), total = _mm256_setzero_si256();
  int group = bits == 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1;
  for (int start = first; start < last; start += group) {
    __m256i narrow = _mm256_setzero_si256();
    for (int q = start; q < start + group && q < last; q++) {
      int32_t word;
      memcpy(&word, x + 4 * q, 4);
      __m256i a = _mm256_set1_epi32(word);
      __m256i pairs = bits == 8 ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes[q]), _mm256_sign_epi8(a, codes[q]))
                                : _mm256_maddubs_epi16(codes[q], a);
      narrow = q == start ? pairs : _mm256_add_epi16(narrow, pairs);
    }
    total = _mm256_add_epi32(total, _mm256_madd_epi16(narrow, ones));
  }
  return total;
}

TENFOLD_INLINE __m256 add_scaled(__m256 sum, __m256i integer, int32_t start, __m256 scale, float da) {
  integer = _mm256_add_epi32(integer, _mm256_set1_epi32(start));
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(integer), _mm256_mul_ps(scale, _mm256_set1_ps(da)), sum);
}

/// Adds one block of one row to the float sums; the same for every path.
TENFOLD_INLINE __m256 add_block(
  tenfold_block_format format, const __m256i *codes, const __m256 *scales, const tenfold_block_activations *view,
  size_t r, size_t b, __m256 sum) {
  size_t at = r * view->block_stride + b;
  const int8_t *x = view->values + r * view->value_stride + 32 * b;
  const int32_t *negated = view->negated_sums + 2 * at;
  int bits = bits_of(format), kind = kind_of(format), zero = zero_of(format);
  if (kind == HALVES) {
    sum = add_scaled(sum, block_sums(bits, codes, x, 0, 4), zero * negated[1], scales[0], view->scales[at]);
    return add_scaled(
      sum, block_sums(bits, codes, x, 4, 8), zero * (negated[0] - negated[1]), scales[1], view->scales[at]);
  }
  sum = add_scaled(sum, block_sums(bits, codes, x, 0, 8), zero * negated[0], scales[0], view->scales[at]);
  if (kind == OFFSET) sum = _mm256_fmadd_ps(scales[1], _mm256_set1_ps(view->scaled_sums[at]), sum);
  return sum;
}

TENFOLD_INLINE void gemv_of(
  int R, tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view,
  size_t row, float *sums, size_t sums_stride) {
  int bits = bits_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks);
  __m256 sum[2][2];
  for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
  for (size_t b = 0; b < blocks; b++, block += code_bytes(bits))
    for (int h = 0; h < 2; h++) {
      __m256i codes[8];
      __m256 scales[2];
      block_codes(bits, block, h, codes);
      block_scales(format, panel, b, h, scales);
      for (int r = 0; r < R; r++)
        sum[r][h] = add_block(format, codes, scales, view, row + (size_t)r, b, sum[r][h]);
    }
  for (int r = 0; r < R; r++)
    for (int h = 0; h < 2; h++) _mm256_storeu_ps(sums + (row + (size_t)r) * sums_stride + 8 * h, sum[r][h]);
}

/// All row counts of one format; a panel is read again, from the cache, for every 2 rows.
TENFOLD_INLINE void gemvs_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride) {
  size_t row = 0;
  for (; row + 2 <= rows; row += 2) gemv_of(2, format, panel, blocks, view, row, sums, sums_stride);
  if (row < rows) gemv_of(1, format, panel, blocks, view, row, sums, sums_stride);
}

TENFOLD_INLINE void expand_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, size_t first, size_t count, uint8_t *codes,
  float *scales) {
  int bits = bits_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks) + first * code_bytes(bits);
  for (size_t b = 0; b < count; b++, block += code_bytes(bits), codes += 512, scales += 32)
    for (int h = 0; h < 2; h++) {
      __m256i unpacked[8];
      __m256 pair[2];
      block_codes(bits, block, h, unpacked);
      block_scales(format, panel, first + b, h, pair);
      for (int q = 0; q < 8; q++) _mm256_storeu_si256((__m256i *)(void *)(codes + 64 * q + 32 * h), unpacked[q]);
      _mm256_storeu_ps(scales + 8 * h, pair[0]);
      _mm256_storeu_ps(scales + 16 + 8 * h, pair[1]);
    }
}

TENFOLD_INLINE void tile_of(
  tenfold_block_format format, const uint8_t *codes, const float *scales, size_t count,
  const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride) {
  for (size_t b = 0; b < count; b++, codes += 512, scales += 32)
    for (int h = 0; h < 2; h++) {
      __m256i quads[8];
      for (int q = 0; q < 8; q++) quads[q] = load(codes + 64 * q + 32 * h);
      __m256 pair[2] = {_mm256_loadu_ps(scales + 8 * h), _mm256_loadu_ps(scales + 16 + 8 * h)};
      for (size_t r = 0; r < rows; r++) {
        float *target = sums + r * sums_stride + 8 * h;
        _mm256_storeu_ps(target, add_block(format, quads, pair, view, r, b, _mm256_loadu_ps(target)));
      }
    }
}

#define ALL_FORMATS(CALL) \
  switch (format) { \
  case TENFOLD_Q8_0: CALL(TENFOLD_Q8_0); break; \
  case TENFOLD_Q4_0: CALL(TENFOLD_Q4_0); break; \
  case TENFOLD_Q4_1: CALL(TENFOLD_Q4_1); break; \
  case TENFOLD_Q5_0: CALL(TENFOLD_Q5_0); break; \
  case TENFOLD_Q5_1: CALL(TENFOLD_Q5_1); break; \
  case TENFOLD_Q4_K: CALL(TENFOLD_Q4_K); break; \
  case TENFOLD_Q5_K: CALL(TENFOLD_Q5_K); break; \
  case TENFOLD_Q6_K: CALL(TENFOLD_Q6_K); break; \
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
#define TILE(F) tile_of(F, codes, scales, count, view, rows, sums, sums_stride)
  for (; panels > 0; panels--, codes += codes_stride, scales += scales_stride, sums += 16) ALL_FORMATS(TILE)
}

#pragma clang attribute pop

const tenfold_block_kernels tenfold_blocks_avx2 = {
  .byte_bias = 0, .max_panels = 1, .gemv = gemv, .expand = expand, .tile = tile};
#endif
