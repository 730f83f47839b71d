// Tenfold kernel check: float products against one fused sum an output, in the order of k.
// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

static float weight_at(tenfold_float_format format, const uint8_t *bytes) {
  uint32_t word = 0;
  float value;
  memcpy(&word, bytes, format == TENFOLD_F32 ? 4 : 2);
  if (format == TENFOLD_F16) return (float)half_value((uint16_t)word);
  if (format == TENFOLD_BF16) word <<= 16;
  memcpy(&value, &word, 4);
  return value;
}

static void check_shape(
  const tenfold_backend *backend, tenfold_float_format format, size_t rows, size_t columns, size_t k) {
  const tenfold_float_kernels *kernels = backend->floats;
  size_t size = format == TENFOLD_F32 ? 4 : 2, panels = (columns + 15) / 16, width = 16 * panels;
  size_t stride = k + rows % 3;
  begin_case("floats %s: format %d, %zu x %zu x %zu", backend->name, (int)format, rows, columns, k);
  seed(rows * 131 + columns * 17 + k);
  uint8_t *weights = guarded(columns * k * size), *packed = guarded(panels * 16 * k * size);
  float *values = guarded_floats(rows == 0 ? 0 : (rows - 1) * stride + k), *sums = guarded_floats(rows * width);
  for (size_t i = 0; i < columns * k; i++) {
    float value = unit();
    uint16_t half = (uint16_t)(next_bits() & 0xBBFF);  // any half below 1 in size, subnormal ones included
    if (format == TENFOLD_F32) memcpy(weights + 4 * i, &value, 4);
    else if (format == TENFOLD_F16) memcpy(weights + 2 * i, &half, 2);
    else memcpy(weights + 2 * i, (const uint8_t *)&value + 2, 2);
  }
  if (rows > 0) fill_units(values, (rows - 1) * stride + k, 2);
  for (size_t p = 0; p < panels; p++)
    tenfold_float_pack_panel(
      format, weights + 16 * p * k * size, k * size, columns - 16 * p < 16 ? columns - 16 * p : 16, k,
      packed + p * 16 * k * size);
  kernels->tile(format, packed, 16 * k * size, panels, k, values, stride, rows, sums, width);
  bool fused = fuses(backend->name);
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < width; c++) {
      float sum = 0;
      double exact = 0, magnitude = 0;
      for (size_t j = 0; j < k && c < columns; j++) {
        float w = weight_at(format, weights + (c * k + j) * size), x = values[r * stride + j];
        sum = multiply_add(fused, x, w, sum);
        exact += (double)x * w;
        magnitude += fabs((double)x * w);
      }
      expect_bits(sums[r * width + c], sum, "sums", r, c);
      expect_near(sums[r * width + c], exact, 6e-8 * (double)(k + 1) * magnitude, "sums", r, c);
    }
  if (!kernels->finished_tile) return;
  for (size_t i = 0; i < finish_case_count(); i++) {
    finish_case f = make_finish_case(i, rows, columns);
    backend->rows->finish_float(sums, width, rows, columns, f.first_row, f.first_column, &f.expected);
    kernels->finished_tile(
      format, packed, 16 * k * size, panels, k, values, stride, rows, columns, f.first_row, f.first_column, &f.actual);
    compare_finish_case(&f);
  }
}

void check_floats(const tenfold_backend *backend) {
  size_t most = 16 * backend->floats->max_panels;
  static const size_t lengths[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 67};
  for (int format = TENFOLD_F32; format <= TENFOLD_BF16; format++)
    for (size_t rows = 1; rows <= TENFOLD_TILE_ROWS; rows++)
      for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        tenfold_float_format f = (tenfold_float_format)format;
        check_shape(backend, f, rows, most, lengths[i]);
        check_shape(backend, f, rows, 1 + below(most), lengths[i]);
      }
}
