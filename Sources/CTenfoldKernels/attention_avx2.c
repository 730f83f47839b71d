// Tenfold kernels: attention with AVX2, FMA and F16C.
// SPDX-License-Identifier: Apache-2.0
//
// registers  4 queries x 16 columns = 8 accumulators (3 queries x 32 = 12), 2 for the halves just widened, 1 broadcast query
//            element
// peak       8 FMAs of 8 lanes for 2 conversions and 4 broadcasts (12 for 4 and 6)
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "include/tenfold_attention.h"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "elementwise_vectors.h"

#define TILE_QUERIES 4
#define TILE_VECTORS 1
#define WIDE_QUERIES 3
#define TENFOLD_TILE_CASES TENFOLD_CASE(1) TENFOLD_CASE(2) TENFOLD_CASE(3) TENFOLD_CASE(4)

TENFOLD_INLINE v16 load_half16(const uint16_t *p) {
  v16 v;
  v.lo = (v8)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
  v.hi = (v8)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)));
  return v;
}

/// Rounds to nearest even; saturates at 65,504.
TENFOLD_INLINE void store_half(const float *x, uint16_t *halves, size_t count) {
  const __m256 limit = _mm256_set1_ps(65504.0f), negative = _mm256_set1_ps(-65504.0f);
  for (size_t i = 0; i < count; i += 8) {
    float lanes[8] = {0};
    size_t n = count - i < 8 ? count - i : 8;
    memcpy(lanes, x + i, n * sizeof(float));
    // The value is the second operand, so that a NaN comes through.
    __m256 v = _mm256_max_ps(negative, _mm256_min_ps(limit, _mm256_loadu_ps(lanes)));
    uint16_t result[8];
    _mm_storeu_si128((__m128i *)result, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    memcpy(halves + i, result, n * sizeof(uint16_t));
  }
}

#include "attention_loops.h"
#pragma clang attribute pop

const tenfold_attention_kernels tenfold_attention_avx2 = TENFOLD_ATTENTION_TABLE("avx2");
#else
typedef int tenfold_attention_avx2_is_for_x86;
#endif
