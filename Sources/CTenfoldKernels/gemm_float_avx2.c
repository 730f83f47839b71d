/* Float weights x float activations, AVX2 and FMA.   sums[r][c] = sum_k x[r][k] * w[k][c], one accumulator, in the order of k
 * tile    6 rows x 16 columns: 12 accumulators (ymm), 2 weight vectors, 1 broadcast; fewer rows have their own instances.
 *         4 rows have the 8 chains that two pipes with a latency of 4 need, so 7 and 8 rows go as 4 and the rest
 * layout  element k * 16 + c, 4 or 2 bytes each.   over-read: none.   peak: 8 FMA per instruction, 16 per cycle */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx2.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX2, apply_to = function)

TENFOLD_INLINE __m256 weights_at(tenfold_float_format format, const uint8_t *panel, size_t element) {
  if (format == TENFOLD_F32) return _mm256_load_ps((const float *)(const void *)(panel + 4 * element));
  __m128i narrow = _mm_load_si128((const __m128i *)(const void *)(panel + 2 * element));
  if (format == TENFOLD_F16) return _mm256_cvtph_ps(narrow);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
}

TENFOLD_INLINE void tile_of(
  int R, tenfold_float_format format, const uint8_t *panel, size_t k, const float *x, size_t stride, float *sums,
  size_t sums_stride) {
  __m256 acc[6][2];
  for (int r = 0; r < R; r++) acc[r][0] = acc[r][1] = _mm256_setzero_ps();
#pragma clang loop unroll_count(4)
  for (size_t j = 0; j < k; j++) {
    __m256 low = weights_at(format, panel, 16 * j), high = weights_at(format, panel, 16 * j + 8);
    for (int r = 0; r < R; r++) {
      __m256 a = _mm256_set1_ps(x[(size_t)r * stride + j]);
      acc[r][0] = _mm256_fmadd_ps(a, low, acc[r][0]);
      acc[r][1] = _mm256_fmadd_ps(a, high, acc[r][1]);
    }
  }
  for (int r = 0; r < R; r++)
    for (int h = 0; h < 2; h++) _mm256_storeu_ps(sums + (size_t)r * sums_stride + 8 * h, acc[r][h]);
}

TENFOLD_INLINE void tiles_of(
  tenfold_float_format format, const uint8_t *panel, size_t k, const float *values, size_t stride, size_t rows,
  float *sums, size_t sums_stride) {
  while (rows > 0) {
    size_t count = rows == 7 || rows == 8 ? 4 : rows < 6 ? rows : 6;
    switch (count) {
    case 1: tile_of(1, format, panel, k, values, stride, sums, sums_stride); break;
    case 2: tile_of(2, format, panel, k, values, stride, sums, sums_stride); break;
    case 3: tile_of(3, format, panel, k, values, stride, sums, sums_stride); break;
    case 4: tile_of(4, format, panel, k, values, stride, sums, sums_stride); break;
    case 5: tile_of(5, format, panel, k, values, stride, sums, sums_stride); break;
    default: tile_of(6, format, panel, k, values, stride, sums, sums_stride); break;
    }
    rows -= count;
    values += count * stride;
    sums += count * sums_stride;
  }
}

static void tile(
  tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const float *values,
  size_t value_stride, size_t rows, float *sums, size_t sums_stride) {
  for (; panels > 0; panels--, panel += panel_stride, sums += 16)
    switch (format) {
    case TENFOLD_F32: tiles_of(TENFOLD_F32, panel, k, values, value_stride, rows, sums, sums_stride); break;
    case TENFOLD_F16: tiles_of(TENFOLD_F16, panel, k, values, value_stride, rows, sums, sums_stride); break;
    case TENFOLD_BF16: tiles_of(TENFOLD_BF16, panel, k, values, value_stride, rows, sums, sums_stride); break;
    }
}

#pragma clang attribute pop

const tenfold_float_kernels tenfold_floats_avx2 = {.tile_rows = 24, .max_panels = 1, .tile = tile};
#endif
