/* Dot products of one query with many rows, AVX2.
 * float   two accumulators of 8 lanes; element j goes to lane j % 16, then the lanes are reduced pairwise
 * int8    16 codes at a time widened to 16 bits, vpmaddwd (exact for every code, -128 included)
 * tails   element by element.  over-read: none.   peak: bound by loads */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx2.h"
#include "scan_masked.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX2, apply_to = function)

static void dot_float(
  const float *query, const float *rows, size_t stride, size_t count, size_t dimension, float *output) {
  for (size_t r = 0; r < count; r++, rows += stride) {
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    size_t j = 0;
    for (; j + 16 <= dimension; j += 16) {
      low = _mm256_fmadd_ps(_mm256_loadu_ps(query + j), _mm256_loadu_ps(rows + j), low);
      high = _mm256_fmadd_ps(_mm256_loadu_ps(query + j + 8), _mm256_loadu_ps(rows + j + 8), high);
    }
    float lanes[8], tail = 0;
    _mm256_storeu_ps(lanes, _mm256_add_ps(low, high));
    for (; j < dimension; j++) tail += query[j] * rows[j];
    for (size_t half = 4; half > 0; half /= 2)
      for (size_t l = 0; l < half; l++) lanes[l] += lanes[l + half];
    output[r] = lanes[0] + tail;
  }
}

static void dot_i8(
  const int8_t *query, const int8_t *rows, size_t stride, size_t count, size_t dimension, int32_t *output) {
  for (size_t r = 0; r < count; r++, rows += stride) {
    __m256i acc = _mm256_setzero_si256();
    size_t j = 0;
    for (; j + 16 <= dimension; j += 16) {
      __m256i q = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(query + j)));
      __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(rows + j)));
      acc = _mm256_add_epi32(acc, _mm256_madd_epi16(q, x));
    }
    int32_t lanes[8], sum = 0;
    _mm256_storeu_si256((__m256i *)(void *)lanes, acc);
    for (int l = 0; l < 8; l++) sum += lanes[l];
    for (; j < dimension; j++) sum += (int32_t)query[j] * rows[j];
    output[r] = sum;
  }
}

TENFOLD_MASKED_SCAN(dot_float_masked, dot_float, float, float)
TENFOLD_MASKED_SCAN(dot_i8_masked, dot_i8, int8_t, int32_t)

#pragma clang attribute pop

const tenfold_scan_kernels tenfold_scan_avx2 = {
  .dot_float = dot_float, .dot_i8 = dot_i8, .dot_float_masked = dot_float_masked, .dot_i8_masked = dot_i8_masked};
#endif
