// Tenfold kernels: the tables of all files (private to this target).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <math.h>
#include <string.h>

#include "include/tenfold_matmul.h"
#include "include/tenfold_scan.h"

/// Scale (max |x| / 127) and its inverse from the bits of the largest |x|. A NaN or an infinity gives scale NaN and
/// inverse 0; values too small to divide by give zeros.
static inline void tenfold_activation_scale(uint32_t largest_bits, float *scale, float *inverse) {
  float largest;
  memcpy(&largest, &largest_bits, 4);
  if (largest_bits >= 0x7F800000u) {
    *scale = NAN;
    *inverse = 0;
  } else if (largest < 1e-35f) {
    *scale = 0;
    *inverse = 0;
  } else {
    *scale = largest / 127.0f;
    *inverse = 127.0f / largest;
  }
}

/// The sums of a block's halves and its own from the negated ones.
static inline void tenfold_short_sums(const int32_t negated_sums[2], int16_t half_sums[2], int16_t *block_sum) {
  half_sums[0] = (int16_t)-negated_sums[1];
  half_sums[1] = (int16_t)(negated_sums[1] - negated_sums[0]);
  *block_sum = (int16_t)-negated_sums[0];
}

extern const tenfold_i8_kernels tenfold_i8_portable;
extern const tenfold_block_kernels tenfold_blocks_portable;
extern const tenfold_float_kernels tenfold_floats_portable;
extern const tenfold_row_kernels tenfold_rows_portable;
extern const tenfold_scan_kernels tenfold_scan_portable;

#if defined(__x86_64__)
extern const tenfold_i8_kernels tenfold_i8_avx2, tenfold_narrow_i8_avx2, tenfold_i8_avxvnni, tenfold_i8_avx512vnni;
extern const tenfold_block_kernels tenfold_blocks_avx2, tenfold_blocks_avxvnni, tenfold_blocks_avx512vnni;
extern const tenfold_float_kernels tenfold_floats_avx2, tenfold_floats_avx512vnni;
extern const tenfold_row_kernels tenfold_rows_avx2, tenfold_rows_avx512vnni;
extern const tenfold_scan_kernels tenfold_scan_avx2, tenfold_scan_avx512vnni;
#endif

#if defined(__aarch64__)
extern const tenfold_i8_kernels tenfold_i8_neon, tenfold_i8_neoni8mm;
extern const tenfold_block_kernels tenfold_blocks_neon, tenfold_blocks_neoni8mm;
extern const tenfold_float_kernels tenfold_floats_neon;
extern const tenfold_row_kernels tenfold_rows_neon;
extern const tenfold_scan_kernels tenfold_scan_neon;
#endif
