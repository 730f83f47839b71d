// Tenfold kernels: dot products of one query with many rows.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Scans of row-major vectors; no alignment is needed and nothing past the rows is read.
typedef struct tenfold_scan_kernels {
  /// output[r] = dot of the query with row r; rows are `stride` floats apart. Lanes are summed in a fixed order.
  void (*dot_float)(
    const float *query, const float *rows, size_t stride, size_t count, size_t dimension, float *output);
  /// output[r] = exact integer dot with row r; rows are `stride` bytes apart. Query values lie in -127...127 or equal
  /// -128; dimension is at most 131,072.
  void (*dot_i8)(
    const int8_t *query, const int8_t *rows, size_t stride, size_t count, size_t dimension, int32_t *output);
} tenfold_scan_kernels;

#pragma clang assume_nonnull end
