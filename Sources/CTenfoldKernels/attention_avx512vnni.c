// Tenfold kernels: attention with AVX-512.
// SPDX-License-Identifier: Apache-2.0
//
// registers  8 queries x 32 columns = 16 accumulators, 2 for the halves just widened; query elements are broadcast by
//            the FMA's memory operand
// peak       16 FMAs of 16 lanes for 2 conversions
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "include/tenfold_attention.h"
#pragma clang attribute push( \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"))), apply_to = function)
#include "elementwise_vectors.h"

#define TILE_QUERIES 8
#define TILE_VECTORS 2
#define WIDE_QUERIES 0
#define TENFOLD_TILE_CASES                                                            \
  TENFOLD_CASE(1) TENFOLD_CASE(2) TENFOLD_CASE(3) TENFOLD_CASE(4) TENFOLD_CASE(5) TENFOLD_CASE(6) \
  TENFOLD_CASE(7) TENFOLD_CASE(8)

TENFOLD_INLINE v16 load_half16(const uint16_t *p) {
  return (v16)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

/// Rounds to nearest even; saturates at 65,504.
TENFOLD_INLINE void store_half(const float *x, uint16_t *halves, size_t count) {
  const __m512 limit = _mm512_set1_ps(65504.0f), negative = _mm512_set1_ps(-65504.0f);
  for (size_t i = 0; i < count; i += 16) {
    __mmask16 mask = count - i < 16 ? (__mmask16)((1u << (count - i)) - 1) : 0xFFFF;
    // The value is the second operand, so that a NaN comes through.
    __m512 v = _mm512_max_ps(negative, _mm512_min_ps(limit, _mm512_maskz_loadu_ps(mask, x + i)));
    _mm256_mask_storeu_epi16(halves + i, mask, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
}

#include "attention_loops.h"
#pragma clang attribute pop

const tenfold_attention_kernels tenfold_attention_avx512vnni = TENFOLD_ATTENTION_TABLE("avx512vnni");
#else
typedef int tenfold_attention_avx512vnni_is_for_x86;
#endif
