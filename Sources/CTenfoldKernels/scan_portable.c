/* Dot products of one query with many rows, plain C.
 * dot_float keeps 16 partial sums (element j in sum j % 16) and adds them pairwise at the end.  over-read: none */
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "scan_masked.h"

static void dot_float(
  const float *query, const float *rows, size_t stride, size_t count, size_t dimension, float *output) {
  for (size_t r = 0; r < count; r++, rows += stride) {
    float partial[16] = {0};
    size_t j = 0;
    for (; j + 16 <= dimension; j += 16)
      for (size_t l = 0; l < 16; l++) partial[l] += query[j + l] * rows[j + l];
    for (size_t l = 0; j + l < dimension; l++) partial[l] += query[j + l] * rows[j + l];
    for (size_t half = 8; half > 0; half /= 2)
      for (size_t l = 0; l < half; l++) partial[l] += partial[l + half];
    output[r] = partial[0];
  }
}

static void dot_i8(
  const int8_t *query, const int8_t *rows, size_t stride, size_t count, size_t dimension, int32_t *output) {
  for (size_t r = 0; r < count; r++, rows += stride) {
    int32_t sum = 0;
    for (size_t j = 0; j < dimension; j++) sum += (int32_t)query[j] * rows[j];
    output[r] = sum;
  }
}

TENFOLD_MASKED_SCAN(dot_float_masked, dot_float, float, float)
TENFOLD_MASKED_SCAN(dot_i8_masked, dot_i8, int8_t, int32_t)

const tenfold_scan_kernels tenfold_scan_portable = {
  .dot_float = dot_float, .dot_i8 = dot_i8, .dot_float_masked = dot_float_masked, .dot_i8_masked = dot_i8_masked};
