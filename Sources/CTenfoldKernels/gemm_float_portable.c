/* Float weights x float activations, plain C.   sums[r][c] = sum_k x[r][k] * w[k][c], in the order of k
 * tile    1 row x 16 columns; layout element k * 16 + c, 4 or 2 bytes each.  over-read: none */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "backends.h"

static float element(tenfold_float_format format, const uint8_t *panel, size_t index) {
  float value;
  tenfold_float_dequantize(format, panel + index * (format == TENFOLD_F32 ? 4 : 2), 1, &value);
  return value;
}

static void tile(
  tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const float *values,
  size_t value_stride, size_t rows, float *sums, size_t sums_stride) {
  for (size_t p = 0; p < panels; p++, panel += panel_stride) {
    for (size_t r = 0; r < rows; r++) memset(sums + r * sums_stride + 16 * p, 0, 64);
    for (size_t j = 0; j < k; j++) {
      float w[16];
      for (size_t c = 0; c < 16; c++) w[c] = element(format, panel, 16 * j + c);
      for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < 16; c++) sums[r * sums_stride + 16 * p + c] += values[r * value_stride + j] * w[c];
    }
  }
}

const tenfold_float_kernels tenfold_floats_portable = {.max_panels = 1, .tile = tile};
