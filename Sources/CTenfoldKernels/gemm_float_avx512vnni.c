/* Float weights x float activations, AVX-512.   sums[r][c] = sum_k x[r][k] * w[k][c], one accumulator, in the order of k
 * tile    8 rows x 48 columns: 24 accumulators, 3 weight vectors, 1 broadcast; fewer rows have their own instances
 * layout  element k * 16 + c, 4 or 2 bytes each; 2-byte weights are widened once for all rows
 * over-read: none.   peak: 16 FMA per instruction, 32 per cycle */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx512.h"
#include "finish_avx512.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX512_VNNI, apply_to = function)

TENFOLD_INLINE __m512 weights_at(tenfold_float_format format, const uint8_t *panel, size_t k) {
  if (format == TENFOLD_F32) return _mm512_load_ps(panel + 64 * k);
  __m256i narrow = _mm256_load_si256((const __m256i *)(const void *)(panel + 32 * k));
  if (format == TENFOLD_F16) return _mm512_cvtph_ps(narrow);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
}

TENFOLD_INLINE void tile_of(
  int R, int P, tile_finish finish, tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t k,
  const float *x, size_t stride, float *sums, size_t sums_stride, tile_end end) {
  __m512 acc[8][3];
#pragma clang loop unroll(full)
  for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
    for (int p = 0; p < P; p++) acc[r][p] = _mm512_setzero_ps();
  size_t j = 0;
  // A tile that is finished fetches a row of its output before each eighth of the products.
  for (size_t part = finish == STORED ? 8 : 1; part <= 8; part++) {
    if (finish != STORED) fetch_output(finish, P, part - 1, end);
    size_t part_end = finish == STORED ? k : k * part / 8;
#pragma clang loop unroll_count(4)
    for (; j < part_end; j++) {
      __m512 w[3];
      for (int p = 0; p < P; p++) w[p] = weights_at(format, panel + (size_t)p * panel_stride, j);
      for (int r = 0; r < R; r++) {
        __m512 a = _mm512_set1_ps(x[(size_t)r * stride + j]);
        for (int p = 0; p < P; p++) acc[r][p] = _mm512_fmadd_ps(a, w[p], acc[r][p]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
    for (int p = 0; p < P; p++) {
      if (finish == STORED) _mm512_storeu_ps(sums + (size_t)r * sums_stride + 16 * p, acc[r][p]);
      else finish_sums(finish, acc[r][p], (size_t)r, p, end);
    }
}

#define TILE(R, P) \
  tile_of(R, P, STORED, format, panel, panel_stride, k, values, value_stride, sums, sums_stride, (tile_end){0})

TENFOLD_INLINE void tiles_of(
  tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const float *values,
  size_t value_stride, size_t rows, float *sums, size_t sums_stride) {
  size_t done;
  if (panels == 3) {
    switch (rows) {
    case 8: TILE(8, 3); return;
    case 1: TILE(1, 3); return;
    default: break;
    }
    for (done = 0; done + 2 <= rows; done += 2, values += 2 * value_stride, sums += 2 * sums_stride) TILE(2, 3);
    if (done < rows) TILE(1, 3);
    return;
  }
  for (; panels > 0; panels--, panel += panel_stride, sums += 16) {
    const float *first = values;
    float *top = sums;
    if (rows == 8) TILE(8, 1);
    else
      for (done = 0; done < rows; done++, values += value_stride, sums += sums_stride) TILE(1, 1);
    values = first;
    sums = top;
  }
}

static void tile(
  tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const float *values,
  size_t value_stride, size_t rows, float *sums, size_t sums_stride) {
#define TILES(F) tiles_of(F, panel, panel_stride, panels, k, values, value_stride, rows, sums, sums_stride)
  switch (format) {
  case TENFOLD_F32: TILES(TENFOLD_F32); break;
  case TENFOLD_F16: TILES(TENFOLD_F16); break;
  case TENFOLD_BF16: TILES(TENFOLD_BF16); break;
  }
}

static void finished_tile(
  tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const float *values,
  size_t value_stride, size_t rows, size_t columns, size_t first_row, size_t first_column, const tenfold_epilogue *e) {
  tile_finish finish = finish_of(e);
  if (rows == 8 && columns == 48 && format == TENFOLD_F32 && finish != STORED) {
    tile_end end = tile_end_of(e, first_row, first_column);
#define FINISHED(FINISH) \
  tile_of(8, 3, FINISH, TENFOLD_F32, panel, panel_stride, k, values, value_stride, NULL, 0, end)
    EACH_FINISH(finish, FINISHED)
    return;
  }
  _Alignas(64) float sums[8 * 48];
  tenfold_prefetch_output(e, first_row, rows, first_column, columns);
  tile(format, panel, panel_stride, panels, k, values, value_stride, rows, sums, 48);
  tenfold_rows_avx512vnni.finish_float(sums, 48, rows, columns, first_row, first_column, e);
}

#pragma clang attribute pop

const tenfold_float_kernels tenfold_floats_avx512vnni = {
  .max_panels = 3, .tile = tile, .finished_tile = finished_tile};
#endif
