/* int8 weights per column x int8 activations per row, plain C.   sums[r][c] = sum_k a[r][k] * w[k][c]
 * tile    1 row x 16 columns at a time; any number of rows and panels
 * layout  64 bytes of scales, then byte (k / 4 * 16 + c) * 4 + k % 4, two's complement (bias 0)
 * tails   k is padded to 4 by zero codes; values are readable and zero there.  over-read: none beyond that */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"

static void tile(
  const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
  const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride, const uint8_t *next) {
  (void)next;
  (void)negated_row_sums;
  for (size_t p = 0; p < panels; p++) {
    for (size_t r = 0; r < rows; r++) {
      const int8_t *codes = (const int8_t *)(panel + p * panel_stride + 64), *x = values + r * value_stride;
      int32_t acc[16] = {0};
      for (size_t q = 0; q < (k + 3) / 4; q++)
        for (size_t c = 0; c < 16; c++)
          for (size_t i = 0; i < 4; i++) acc[c] += (int32_t)codes[(q * 16 + c) * 4 + i] * x[4 * q + i];
      for (size_t c = 0; c < 16; c++) sums[r * sums_stride + 16 * p + c] = acc[c];
    }
  }
}

const tenfold_i8_kernels tenfold_i8_portable = {.byte_bias = 0, .max_panels = 1, .tile = tile};
