// Tenfold kernel check: int8 products against a triple loop in exact integers.
// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

enum { RANDOM, LOWEST_TIMES_HIGHEST, LOWEST_TIMES_LOWEST, HIGHEST_TIMES_HIGHEST, PATTERNS };

/// Codes lie in -largest...largest, but for 128 in all that a byte holds.
static void check_shape(
  const tenfold_backend *backend, const tenfold_i8_kernels *kernels, int largest, size_t rows, size_t columns, size_t k,
  int pattern, size_t shift) {
  size_t panels = (columns + 15) / 16, panel_bytes = 64 + (k + 3) / 4 * 64, width = 16 * panels;
  size_t stride = (k + 63) / 64 * 64 + 64 * (k % 2);
  begin_case(
    "int8 %s: codes to %d, %zu x %zu x %zu, pattern %d, shift %zu", backend->name, largest, rows, columns, k, pattern, shift);
  seed(rows * 131 + columns * 17 + k);
  int8_t *weights = guarded(columns * k), *values = guarded(rows * stride + shift);
  uint8_t *packed = guarded(panels * panel_bytes);
  float *scales = guarded_floats(columns);
  int32_t *negated = guarded(rows * 4), *sums = guarded(rows * width * 4);
  fill_units(scales, columns, 1);
  for (size_t i = 0; i < columns * k; i++)
    weights[i] = pattern == HIGHEST_TIMES_HIGHEST                ? (int8_t)(largest == 128 ? 127 : largest)
                 : pattern != RANDOM                             ? (int8_t)-largest
                 : largest == 128                                ? (int8_t)next_bits()
                                                                 : (int8_t)((int)below(2 * (size_t)largest + 1) - largest);
  memset(values, 0, rows * stride + shift);
  for (size_t r = 0; r < rows; r++) {
    negated[r] = 0;
    for (size_t j = 0; j < k; j++) {
      int8_t value = pattern == RANDOM ? (int8_t)((int)below(255) - 127) : pattern == LOWEST_TIMES_LOWEST ? -127 : 127;
      values[r * stride + j] = value;
      negated[r] -= value;
    }
  }
  for (size_t p = 0; p < panels; p++)
    tenfold_i8_pack_panel(
      weights + 16 * p * k, k, scales + 16 * p, columns - 16 * p < 16 ? columns - 16 * p : 16, k, kernels->byte_bias,
      packed + p * panel_bytes);
  kernels->tile(packed, panel_bytes, panels, k, values, stride, negated, rows, sums, width, packed);
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < width; c++) {
      int64_t sum = 0;
      if (c < columns)
        for (size_t j = 0; j < k; j++) sum += (int64_t)weights[c * k + j] * values[r * stride + j];
      expect_equal(sums[r * width + c], sum, "sums", r, c);
    }
  for (size_t c = 0; c < columns; c++) {
    float stored;
    memcpy(&stored, packed + c / 16 * panel_bytes + c % 16 * 4, 4);
    expect_bits(stored, scales[c], "packed scales", c, 0);
  }
  if (!kernels->finished_tile) return;
  float *row_scales = guarded_floats(rows + 1);
  fill_units(row_scales, rows + 1, 1e-2f);
  for (size_t i = 0; i < finish_case_count(); i++) {
    finish_case f = make_finish_case(i, rows, columns);
    backend->rows->finish_i8(
      sums, width, rows, columns, f.first_row, f.first_column, row_scales, packed, panel_bytes, &f.expected);
    kernels->finished_tile(
      packed, panel_bytes, panels, k, values, stride, negated, row_scales, rows, columns, f.first_row, f.first_column,
      &f.actual, packed);
    compare_finish_case(&f);
  }
}

static void check_table(const tenfold_backend *backend, const tenfold_i8_kernels *kernels, int largest) {
  static const size_t lengths[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 19, 20, 31, 32, 33, 61, 64, 127, 577};
  size_t most_rows = kernels->tile_rows ? kernels->tile_rows : TENFOLD_TILE_ROWS;
  for (size_t rows = 1; rows <= most_rows; rows++)
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
      // A few rows may come with up to 16 panels, several with as many as the table says.
      size_t most = rows <= (kernels->few_rows ? kernels->few_rows : 1) ? 16 : kernels->max_panels;
      check_shape(backend, kernels, largest, rows, 16 * most, lengths[i], RANDOM, 0);
      check_shape(backend, kernels, largest, rows, 1 + below(16 * most), lengths[i], RANDOM, 1 + below(63));
    }
  for (int pattern = 1; pattern < PATTERNS; pattern++)
    for (size_t rows = 1; rows <= TENFOLD_TILE_ROWS; rows += 7) {
      check_shape(backend, kernels, largest, rows, 15, 4099, pattern, 3);
      // The longest row whose sums fit in 32 bits.
      check_shape(backend, kernels, largest, rows, 2, 131071, pattern, 0);
    }
}

void check_i8(const tenfold_backend *backend) {
  check_table(backend, backend->i8, 128);
  if (backend->narrow_i8) check_table(backend, backend->narrow_i8, 64);
}
