/* Dot products of one query with many rows, AVX-512 VNNI: 4 rows at a time share the query's loads.
 * float   lane l of the accumulator sums the elements j with j % 16 = l, then the lanes are reduced pairwise
 * int8    u8 operand = row ^ 0x80 (row + 128), s8 operand = query; 128 * sum(query) is taken off at the end
 * tails   by mask.  over-read: none.   peak: bound by loads, 64 bytes of rows per vpdpbusd or FMA */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx512.h"
#include "scan_masked.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX512_VNNI, apply_to = function)

TENFOLD_INLINE void floats_of(int R, const float *q, const float *rows, size_t stride, size_t dimension, float *output) {
  __m512 acc[4];
  size_t j = 0;
  for (int r = 0; r < R; r++) acc[r] = _mm512_setzero_ps();
  for (; j + 16 <= dimension; j += 16) {
    __m512 x = _mm512_loadu_ps(q + j);
    for (int r = 0; r < R; r++) acc[r] = _mm512_fmadd_ps(x, _mm512_loadu_ps(rows + (size_t)r * stride + j), acc[r]);
  }
  if (j < dimension) {
    __mmask16 mask = (__mmask16)((1u << (dimension - j)) - 1);
    __m512 x = _mm512_maskz_loadu_ps(mask, q + j);
    for (int r = 0; r < R; r++)
      acc[r] = _mm512_fmadd_ps(x, _mm512_maskz_loadu_ps(mask, rows + (size_t)r * stride + j), acc[r]);
  }
  for (int r = 0; r < R; r++) output[r] = _mm512_reduce_add_ps(acc[r]);
}

static void dot_float(
  const float *query, const float *rows, size_t stride, size_t count, size_t dimension, float *output) {
  size_t r = 0;
  for (; r + 4 <= count; r += 4) floats_of(4, query, rows + r * stride, stride, dimension, output + r);
  for (; r < count; r++) floats_of(1, query, rows + r * stride, stride, dimension, output + r);
}

/// By dpbusd too, as a scan by mask asks for it once a run of rows.
TENFOLD_INLINE int32_t sum_of(const int8_t *q, size_t dimension) {
  __m512i acc = _mm512_setzero_si512(), ones = _mm512_set1_epi8(1);
  size_t j = 0;
  for (; j + 64 <= dimension; j += 64) acc = _mm512_dpbusd_epi32(acc, ones, _mm512_loadu_si512(q + j));
  if (j < dimension) {
    __mmask64 mask = ((__mmask64)1 << (dimension - j)) - 1;
    acc = _mm512_dpbusd_epi32(acc, ones, _mm512_maskz_loadu_epi8(mask, q + j));
  }
  return _mm512_reduce_add_epi32(acc);
}

TENFOLD_INLINE void bytes_of(
  int R, const int8_t *q, int32_t correction, const int8_t *rows, size_t stride, size_t dimension, int32_t *output) {
  __m512i acc[4], flip = _mm512_set1_epi8((char)0x80);
  size_t j = 0;
  for (int r = 0; r < R; r++) acc[r] = _mm512_setzero_si512();
  for (; j + 64 <= dimension; j += 64) {
    __m512i x = _mm512_loadu_si512(q + j);
    for (int r = 0; r < R; r++) {
      __m512i row = _mm512_xor_si512(_mm512_loadu_si512(rows + (size_t)r * stride + j), flip);
      acc[r] = _mm512_dpbusd_epi32(acc[r], row, x);
    }
  }
  if (j < dimension) {
    __mmask64 mask = ((__mmask64)1 << (dimension - j)) - 1;
    __m512i x = _mm512_maskz_loadu_epi8(mask, q + j);
    for (int r = 0; r < R; r++) {
      __m512i row = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, rows + (size_t)r * stride + j), flip);
      acc[r] = _mm512_dpbusd_epi32(acc[r], row, x);
    }
  }
  for (int r = 0; r < R; r++)
    output[r] = (int32_t)((uint32_t)_mm512_reduce_add_epi32(acc[r]) - (uint32_t)correction);
}

static void dot_i8(
  const int8_t *query, const int8_t *rows, size_t stride, size_t count, size_t dimension, int32_t *output) {
  int32_t correction = 128 * sum_of(query, dimension);
  size_t r = 0;
  for (; r + 4 <= count; r += 4) bytes_of(4, query, correction, rows + r * stride, stride, dimension, output + r);
  for (; r < count; r++) bytes_of(1, query, correction, rows + r * stride, stride, dimension, output + r);
}

TENFOLD_MASKED_SCAN(dot_float_masked, dot_float, float, float)
TENFOLD_MASKED_SCAN(dot_i8_masked, dot_i8, int8_t, int32_t)

#pragma clang attribute pop

const tenfold_scan_kernels tenfold_scan_avx512vnni = {
  .dot_float = dot_float, .dot_i8 = dot_i8, .dot_float_masked = dot_float_masked, .dot_i8_masked = dot_i8_masked};
#endif
