// Tenfold kernels: what the block kernels with 256-bit registers share (private to this target): scales and codes of packed
// blocks, and the rows that meet them. The panel layout is in tenfold_matmul.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "backends.h"
#include "avx2.h"
#include "formats.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX2, apply_to = function)

/// Asks for the codes a few blocks ahead of `block`; past the end of the weights that does nothing. Streamed weights then
/// come 1.1 to 1.3 times as fast on a Zen 3, whose prefetcher starts anew at every panel; 2 to 8 KB ahead did less.
TENFOLD_INLINE void prefetch_codes(const uint8_t *block, int bits) {
  for (size_t i = 0; i < code_bytes(bits); i += 64) _mm_prefetch((const char *)(block + 1024 + i), _MM_HINT_T0);
}

TENFOLD_INLINE __m256i load(const uint8_t *bytes) { return _mm256_loadu_si256((const __m256i *)(const void *)bytes); }

TENFOLD_INLINE __m256 halves_at(const uint8_t *bytes) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)bytes));
}

TENFOLD_INLINE __m256i bytes_at(const uint8_t *bytes) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)bytes));
}

TENFOLD_INLINE __m256 unsigned_at(const uint8_t *bytes) { return _mm256_cvtepi32_ps(bytes_at(bytes)); }

TENFOLD_INLINE __m256 signed_at(const uint8_t *bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)bytes)));
}

/// Scale and offset of block b of 32 for columns 8 h ..< 8 h + 8, or in a block of 256 its scale or those of its halves.
TENFOLD_INLINE void block_scales(tenfold_block_format format, const uint8_t *panel, size_t b, int h, __m256 scales[2]) {
  const uint8_t *super = panel + b / 8 * 320 + 16 * h;
  const uint8_t *part = panel + b / 8 * 320 + 64 + b % 8 * 16 * (size_t)parts_of(format) + 8 * h;
  scales[1] = _mm256_setzero_ps();
  switch (kind_of(format)) {
  case CENTRED: scales[0] = halves_at(panel + 32 * b + 16 * h); break;
  case OFFSET:
    scales[0] = halves_at(panel + 64 * b + 16 * h);
    scales[1] = halves_at(panel + 64 * b + 32 + 16 * h);
    break;
  case MINIMA: scales[0] = _mm256_mul_ps(halves_at(super), unsigned_at(part)); break;
  case HALVES:
    for (int t = 0; t < 2; t++) scales[t] = _mm256_mul_ps(halves_at(super), signed_at(part + 16 * t));
    break;
  default:
    for (int t = 0; t < 2; t++) {
      __m256i pair = _mm256_and_si256(bytes_at(part + 16 * t), _mm256_set1_epi32(15));
      scales[t] = _mm256_mul_ps(halves_at(super), _mm256_cvtepi32_ps(pair));
    }
    break;
  }
}

/// The words that vpmaddwd takes of a block of 256: minima 2 j and 2 j + 1 of columns 8 h ..< 8 h + 8.
TENFOLD_INLINE __m256i minima_of(tenfold_block_format format, const uint8_t *super, int h, int j) {
  const uint8_t *two = super + (kind_of(format) == MINIMA ? 192 : 64) + 32 * j + 8 * h;
  __m256i low = bytes_at(two), high = bytes_at(two + 16);
  if (kind_of(format) == MINIMA_HALVES) {
    low = _mm256_srli_epi32(low, 4);
    high = _mm256_srli_epi32(high, 4);
  }
  return _mm256_or_si256(low, _mm256_slli_epi32(high, 16));
}

/// -m of a block of 256.
TENFOLD_INLINE __m256 minimum_scale(const uint8_t *super, int h) {
  return _mm256_sub_ps(_mm256_setzero_ps(), halves_at(super + 32 + 16 * h));
}

/// Words of a block of 256 that hold two minima each.
TENFOLD_INLINE int minimum_words(tenfold_block_format format) {
  return has_minima(format) ? 4 * parts_of(format) : 0;
}

/// Where the codes of a block come from.
enum { PACKED, EXPANDED };

/// Bits `mask` of the bytes of line l, moved down by `shift`.
TENFOLD_INLINE __m256i bits_of_line(const uint8_t *half, int l, int mask, int shift) {
  __m256i bits = _mm256_and_si256(load(half + 64 * l), _mm256_set1_epi8((char)mask));
  return _mm256_srli_epi16(bits, shift);
}

/// Quad q of columns 8 h ..< 8 h + 8 of a packed block.
TENFOLD_INLINE __m256i unpack_quad(int bits, const uint8_t *block, int q, int h) {
  const uint8_t *half = block + 32 * h;
  if (bits == 2)
    return _mm256_and_si256(_mm256_srli_epi16(load(half + 64 * (q / 4)), 2 * (q % 4)), _mm256_set1_epi8(3));
  if (bits == 4) {
    __m256i line = load(half + 64 * (q / 2));
    return _mm256_and_si256(q % 2 ? _mm256_srli_epi16(line, 4) : line, _mm256_set1_epi8(15));
  }
  if (bits == 5 && q < 5) return bits_of_line(half, q, 31, 0);
  if (bits == 5 && q < 7)
    return _mm256_or_si256(bits_of_line(half, 2 * q - 10, 0xE0, 3), bits_of_line(half, 2 * q - 9, 0xC0, 6));
  if (bits == 5)
    return _mm256_or_si256(
      bits_of_line(half, 4, 0xE0, 3), _mm256_or_si256(bits_of_line(half, 1, 0x20, 4), bits_of_line(half, 3, 0x20, 5)));
  if (bits == 6 && q % 4 < 3) return bits_of_line(half, q / 4 * 3 + q % 4, 63, 0);
  if (bits == 6) {
    __m256i top = _mm256_or_si256(bits_of_line(half, q / 4 * 3, 0xC0, 2), bits_of_line(half, q / 4 * 3 + 1, 0xC0, 4));
    return _mm256_or_si256(top, bits_of_line(half, q / 4 * 3 + 2, 0xC0, 6));
  }
  return load(half + 64 * q);
}

TENFOLD_INLINE __m256i broadcast4(const int8_t *x) {
  int32_t word;
  memcpy(&word, x, 4);
  return _mm256_set1_epi32(word);
}

/// R rows of activations and their sums of 16 columns; of long blocks those of the one at hand, still without the
/// activations' scale.
typedef struct row_block {
  const int8_t *values;
  const float *scales, *scaled_sums;
  const int32_t *negated_sums;
  const int16_t *half_sums, *block_sums;
  size_t value_stride, block_stride;
  __m256 sums[6][2];
} row_block;

TENFOLD_INLINE row_block rows_at(const tenfold_block_activations *view, size_t row) {
  size_t at = row * view->block_stride;
  return (row_block){
    .values = view->values + row * view->value_stride, .scales = view->scales + at,
    .scaled_sums = view->scaled_sums + at, .negated_sums = view->negated_sums + 2 * at,
    .half_sums = view->half_sums + 2 * at, .block_sums = view->block_sums + at,
    .value_stride = view->value_stride, .block_stride = view->block_stride};
}

TENFOLD_INLINE void expand_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, size_t first, size_t count, uint8_t *codes,
  float *scales) {
  int bits = bits_of(format);
  size_t parts = (size_t)parts_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks) + first * code_bytes(bits);
  for (size_t b = 0; b < count; b++, block += code_bytes(bits), codes += 512) {
    prefetch_codes(block, bits);
    const uint8_t *packed = panel + (first + b) / 8 * 320;
    float *super = scales + scale_floats(format, is_long(format) ? b / 8 * 8 : b);
    for (int h = 0; h < 2; h++) {
      __m256 scale[2];
#pragma clang loop unroll(full)
      for (int q = 0; q < 8; q++)
        _mm256_storeu_si256((__m256i *)(void *)(codes + 64 * q + 32 * h), unpack_quad(bits, block, q, h));
      block_scales(format, panel, first + b, h, scale);
      float *target = super + 8 * (size_t)h + (is_long(format) ? 16 * parts * (b % 8) : 0);
      for (size_t i = 0; i < (is_long(format) ? parts : 2); i++) _mm256_storeu_ps(target + 16 * i, scale[i]);
      if (b % 8 != 0 || !has_minima(format)) continue;
      for (int j = 0; j < minimum_words(format); j++)
        _mm256_storeu_si256(
          (__m256i *)(void *)(super + minima_at(format) + 16 * j + 8 * h), minima_of(format, packed, h, j));
      _mm256_storeu_ps(super + minimum_scale_at(format) + 8 * h, minimum_scale(packed, h));
    }
  }
}

/// Two sums of a row's activations, to meet the words of `minima_of`.
TENFOLD_INLINE __m256i two_sums(tenfold_block_format format, const row_block *rows, size_t r, size_t b, int j) {
  size_t at = r * rows->block_stride + b;
  const int16_t *sums = parts_of(format) == 1 ? rows->block_sums + at : rows->half_sums + 2 * at;
  int32_t word;
  memcpy(&word, sums + 2 * j, 4);
  return _mm256_set1_epi32(word);
}

/// Ends a block of 256 that begins with block b of 32, R rows x H halves of 8 columns from half `first` on: its minima, then
/// the activations' scales. `super` is where the block's packed scales begin, or its expanded ones.
TENFOLD_INLINE void end_long_block(
  int R, int H, int first, int source, tenfold_block_format format, const void *super, size_t b, row_block *rows,
  float *sums, size_t sums_stride) {
  const float *expanded = super;
  for (int h = 0; h < H && has_minima(format); h++) {
    int column = 8 * (first + h);
    __m256i minima[6];
    for (int r = 0; r < R; r++) minima[r] = _mm256_setzero_si256();
    for (int j = 0; j < minimum_words(format); j++) {
      __m256i two = source == PACKED
        ? minima_of(format, super, first + h, j)
        : load((const uint8_t *)(const void *)(expanded + minima_at(format) + 16 * j + column));
      for (int r = 0; r < R; r++)
        minima[r] =
          _mm256_add_epi32(minima[r], _mm256_madd_epi16(two, two_sums(format, rows, (size_t)r, b, j)));
    }
    __m256 scale = source == PACKED ? minimum_scale(super, first + h)
                                    : _mm256_loadu_ps(expanded + minimum_scale_at(format) + column);
    for (int r = 0; r < R; r++)
      rows->sums[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(minima[r]), scale, rows->sums[r][h]);
  }
  for (int r = 0; r < R; r++) {
    __m256 da = _mm256_set1_ps(rows->scales[(size_t)r * rows->block_stride + b]);
    for (int h = 0; h < H; h++) {
      float *target = sums + (size_t)r * sums_stride + 8 * (first + h);
      _mm256_storeu_ps(target, _mm256_fmadd_ps(rows->sums[r][h], da, _mm256_loadu_ps(target)));
    }
  }
}

/// Sums that begin with nothing, R rows x H halves.
TENFOLD_INLINE void clear_sums(int R, int H, row_block *rows) {
  for (int r = 0; r < R; r++)
    for (int h = 0; h < H; h++) rows->sums[r][h] = _mm256_setzero_ps();
}

/// The scales of an expanded block of 32, or of the b-th of the eight of a long block.
TENFOLD_INLINE void expanded_scales(tenfold_block_format format, const float *scales, size_t b, __m256 parts[2][2]) {
  size_t count = is_long(format) ? (size_t)parts_of(format) : 2;
  for (size_t i = 0; i < count; i++)
    for (size_t h = 0; h < 2; h++) parts[i][h] = _mm256_loadu_ps(scales + 16 * (count * b + i) + 8 * h);
}

#pragma clang attribute pop
#endif
