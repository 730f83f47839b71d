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

/// Scale and offset (or the scales of both half blocks, then for Q2_K their offsets) of block b for columns 8 h ..< 8 h + 8.
TENFOLD_INLINE void block_scales(tenfold_block_format format, const uint8_t *panel, size_t b, int h, __m256 scales[4]) {
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
  case TENFOLD_Q6_K: case TENFOLD_Q3_K:
    part += b % 8 * 16;
    scales[0] = _mm256_mul_ps(halves_at(super), signed_at(part));
    scales[1] = _mm256_mul_ps(halves_at(super), signed_at(part + 16));
    break;
  case TENFOLD_Q2_K:
    part += b % 8 * 16;
    for (int t = 0; t < 2; t++) {
      __m256i pair = bytes_at(part + 16 * t);
      scales[t] = _mm256_mul_ps(halves_at(super), _mm256_cvtepi32_ps(_mm256_and_si256(pair, _mm256_set1_epi32(15))));
      scales[2 + t] = _mm256_sub_ps(
        _mm256_setzero_ps(), _mm256_mul_ps(halves_at(super + 32), _mm256_cvtepi32_ps(_mm256_srli_epi32(pair, 4))));
    }
    break;
  default:
    scales[0] = halves_at(panel + 32 * b + 16 * h);
    scales[1] = _mm256_setzero_ps();
    break;
  }
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

/// R rows of activations and their sums of 16 columns.
typedef struct row_block {
  const int8_t *values;
  const float *scales, *scaled_sums;
  const int32_t *negated_sums;
  size_t value_stride, block_stride;
  __m256 sums[6][2];
} row_block;

TENFOLD_INLINE row_block rows_at(const tenfold_block_activations *view, size_t row) {
  size_t at = row * view->block_stride;
  return (row_block){
    .values = view->values + row * view->value_stride, .scales = view->scales + at,
    .scaled_sums = view->scaled_sums + at, .negated_sums = view->negated_sums + 2 * at,
    .value_stride = view->value_stride, .block_stride = view->block_stride};
}

TENFOLD_INLINE void expand_of(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, size_t first, size_t count, uint8_t *codes,
  float *scales) {
  int bits = bits_of(format);
  const uint8_t *block = panel + tenfold_block_scale_bytes(format, 32 * blocks) + first * code_bytes(bits);
  for (size_t b = 0; b < count; b++, block += code_bytes(bits), codes += 512, scales += scale_floats(format)) {
    prefetch_codes(block, bits);
    for (int h = 0; h < 2; h++) {
      __m256 parts[4];
#pragma clang loop unroll(full)
      for (int q = 0; q < 8; q++)
        _mm256_storeu_si256((__m256i *)(void *)(codes + 64 * q + 32 * h), unpack_quad(bits, block, q, h));
      block_scales(format, panel, first + b, h, parts);
      for (size_t i = 0; i < scale_floats(format) / 16; i++) _mm256_storeu_ps(scales + 16 * i + 8 * (size_t)h, parts[i]);
    }
  }
}

/// Adds the offsets of a half block times the scaled sums of its activations; for Q2_K, whose blocks have none as a whole.
TENFOLD_INLINE __m256 add_half_offsets(__m256 sum, const __m256 offsets[2], float scale, const int32_t *negated) {
  for (int t = 0; t < 2; t++) sum = _mm256_fmadd_ps(offsets[t], _mm256_set1_ps(scaled_half_sum(scale, negated, t)), sum);
  return sum;
}

#pragma clang attribute pop
#endif
