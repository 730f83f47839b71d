/* int8 weights per column x int8 activations per row, AVX-512 VNNI.   sums[r][c] = sum_k a[r][k] * w[k][c]
 *
 *              panel 0     panel 1     panel 2        tile 8 rows x 48 columns
 *   row 0      zmm0        zmm1        zmm2           24 accumulators, 3 weight vectors, 1 broadcast of 4 bytes of a row
 *   ...        ...         ...         ...
 *   row 7      zmm21       zmm22       zmm23
 *
 * layout  64 bytes of scales, then byte (k / 4 * 16 + c) * 4 + k % 4 = w + 128, unsigned for vpdpbusd
 * bias    each accumulator starts at -128 * sum of its row, which cancels the 128
 * tails   fewer rows and panels have their own instances; k is padded to 4 with codes 128 against zeros
 * reads   weights to the padded k, rows to a multiple of 4 bytes.  over-read: none beyond that
 * finish  a whole tile without multiplier, and with no activation but GELU, is finished in its registers; 10 % of the time at
 *         k = 384 otherwise
 * peak    64 MAC per vpdpbusd, 128 per cycle on two ports; one row takes 4 panels x 2 chains to hide its latency of 5 */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "avx512.h"
#include "finish_avx512.h"

#if defined(__x86_64__)
#pragma clang attribute push(TENFOLD_AVX512_VNNI, apply_to = function)

TENFOLD_INLINE __m512i broadcast4(const int8_t *x) {
  int32_t word;
  memcpy(&word, x, 4);
  return _mm512_set1_epi32(word);
}

/// R rows, P panels, U chains along k for each sum (integers: any order gives the same bits).
TENFOLD_INLINE void tile_of(
  int R, int P, int U, tile_finish finish, const uint8_t *panel, size_t panel_stride, size_t quads, const int8_t *x,
  size_t stride, const int32_t *negated_row_sums, int32_t *sums, size_t sums_stride, const float *row_scales,
  tile_end end, const uint8_t *next) {
  __m512i acc[2][8][4];
#pragma clang loop unroll(full)
  for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
    for (int p = 0; p < P; p++) {
      acc[0][r][p] = _mm512_slli_epi32(_mm512_set1_epi32(negated_row_sums[r]), 7);
      acc[1][r][p] = _mm512_setzero_si512();
    }
  const uint8_t *w = panel + 64;
  // Two places to count rows from, which move along k, leave few addresses to work out in the loop.
  const int8_t *upper = x, *lower = x + 4 * stride;
  size_t q = 0;
  // A tile that is finished fetches a row of its output, and an eighth of the next panels, before each eighth of the
  // products.
  for (size_t part = finish == STORED ? 8 : 1; part <= 8; part++) {
    if (finish != STORED) fetch_output(finish, P, part - 1, end);
    size_t part_end = finish == STORED ? quads : quads * part / 8;
    if (finish != STORED && next)
      for (size_t line = (size_t)P * q; line < (size_t)P * part_end; line++)
        // The last panels may be fewer than this one's, and a fetch past them does nothing.
        _mm_prefetch((const char *)((uintptr_t)next + 64 * line), _MM_HINT_T1);
#pragma clang loop unroll_count(2)
    for (; q + (size_t)U <= part_end; q += (size_t)U, w += 64 * U, upper += 4 * U, lower += 4 * U)
      for (int u = 0; u < U; u++) {
        __m512i weights[4];
        for (int p = 0; p < P; p++) weights[p] = _mm512_load_si512(w + (size_t)p * panel_stride + 64 * u);
        for (int r = 0; r < R; r++) {
          const int8_t *rows = r < 4 ? upper : lower;
          __m512i a = broadcast4(rows + (size_t)(r % 4) * stride + 4 * u);
          for (int p = 0; p < P; p++) acc[u][r][p] = _mm512_dpbusd_epi32(acc[u][r][p], weights[p], a);
        }
      }
  }
  if (U == 2 && q < quads)
    for (int r = 0; r < R; r++) {
      __m512i a = broadcast4(x + (size_t)r * stride + 4 * q);
      for (int p = 0; p < P; p++)
        acc[0][r][p] = _mm512_dpbusd_epi32(acc[0][r][p], _mm512_load_si512(w + (size_t)p * panel_stride), a);
    }
#pragma clang loop unroll(full)
  for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
    for (int p = 0; p < P; p++) {
      __m512i sum = U == 2 ? _mm512_add_epi32(acc[0][r][p], acc[1][r][p]) : acc[0][r][p];
      if (finish == STORED) {
        _mm512_storeu_si512(sums + (size_t)r * sums_stride + 16 * p, sum);
        continue;
      }
      __m512 scale = _mm512_mul_ps(_mm512_set1_ps(row_scales[r]), _mm512_load_ps(panel + (size_t)p * panel_stride));
      finish_sums(finish, _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale), (size_t)r, p, end);
    }
}

#define TILE(R, P, U) \
  tile_of( \
    R, P, U, STORED, panel, panel_stride, (k + 3) / 4, values, value_stride, negated_row_sums, sums, sums_stride, \
    NULL, (tile_end){0}, NULL)

/// Up to 4 rows read four panels side by side, as memory gives more to several streams: as much as there is, so that
/// fetching ahead is no gain.
static void few_rows(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride) {
  for (; panels >= 4; panels -= 4, panel += 4 * panel_stride, sums += 64)
    switch (rows) {
    case 1: TILE(1, 4, 2); break;
    case 2: TILE(2, 4, 2); break;
    case 3: TILE(3, 4, 1); break;
    default: TILE(4, 4, 1); break;
    }
  switch (rows * 4 + panels) {
  case 2 * 4 + 1: TILE(2, 1, 2); return;
  case 2 * 4 + 2: TILE(2, 2, 2); return;
  case 2 * 4 + 3: TILE(2, 3, 2); return;
  case 3 * 4 + 1: TILE(3, 1, 2); return;
  case 3 * 4 + 2: TILE(3, 2, 2); return;
  case 3 * 4 + 3: TILE(3, 3, 1); return;
  case 4 * 4 + 1: TILE(4, 1, 2); return;
  case 4 * 4 + 2: TILE(4, 2, 1); return;
  case 4 * 4 + 3: TILE(4, 3, 1); return;
  default: break;
  }
  for (; panels > 0 && rows == 1; panels--, panel += panel_stride, sums += 16) TILE(1, 1, 2);
}

static void tile(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride, const uint8_t *next) {
  (void)next;
  if (rows <= 4) {
    few_rows(panel, panel_stride, panels, k, values, value_stride, negated_row_sums, rows, sums, sums_stride);
    return;
  }
  switch (rows * 4 + (panels < 3 ? panels : 3)) {
  case 5 * 4 + 1: TILE(5, 1, 2); break;
  case 5 * 4 + 2: TILE(5, 2, 1); break;
  case 5 * 4 + 3: TILE(5, 3, 1); break;
  case 6 * 4 + 1: TILE(6, 1, 1); break;
  case 6 * 4 + 2: TILE(6, 2, 1); break;
  case 6 * 4 + 3: TILE(6, 3, 1); break;
  case 7 * 4 + 1: TILE(7, 1, 1); break;
  case 7 * 4 + 2: TILE(7, 2, 1); break;
  case 7 * 4 + 3: TILE(7, 3, 1); break;
  case 8 * 4 + 1: TILE(8, 1, 1); break;
  case 8 * 4 + 2: TILE(8, 2, 1); break;
  case 8 * 4 + 3: TILE(8, 3, 1); break;
  default: break;
  }
}

static void finished_tile(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, const float *row_scales, size_t rows, size_t columns, size_t first_row,
  size_t first_column, const tenfold_epilogue *e, const uint8_t *next) {
  tile_finish finish = finish_of(e);
  if (rows == 8 && columns == 48 && finish != STORED) {
    tile_end end = tile_end_of(e, first_row, first_column);
#define FINISHED(FINISH) \
  tile_of( \
    8, 3, 1, FINISH, panel, panel_stride, (k + 3) / 4, values, value_stride, negated_row_sums, NULL, 0, \
    row_scales + first_row, end, next)
    EACH_FINISH(finish, FINISHED)
    return;
  }
  // Up to 4 rows come with up to 16 panels.
  _Alignas(64) int32_t sums[4 * 256];
  size_t stride = 16 * panels;
  if (rows > 1) tenfold_prefetch_output(e, first_row, rows, first_column, columns);
  tile(panel, panel_stride, panels, k, values, value_stride, negated_row_sums, rows, sums, stride, next);
  tenfold_rows_avx512vnni.finish_i8(
    sums, stride, rows, columns, first_row, first_column, row_scales, panel, panel_stride, e);
}

#pragma clang attribute pop

const tenfold_i8_kernels tenfold_i8_avx512vnni = {.byte_bias = 128, .few_rows = 4, .max_panels = 3, .tile = tile, .finished_tile = finished_tile};
#endif
