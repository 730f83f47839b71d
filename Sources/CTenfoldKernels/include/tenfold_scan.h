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
  /// -128; dimension is at most 131,071.
  void (*dot_i8)(
    const int8_t *query, const int8_t *rows, size_t stride, size_t count, size_t dimension, int32_t *output);
  /// The same for the rows r whose bit r % 64 of mask[r / 64] is set; the other rows are not read, and their outputs not
  /// written. Bits from `count` on are ignored.
  void (*dot_float_masked)(
    const float *query, const float *rows, size_t stride, size_t count, size_t dimension, const uint64_t *mask,
    float *output);
  void (*dot_i8_masked)(
    const int8_t *query, const int8_t *rows, size_t stride, size_t count, size_t dimension, const uint64_t *mask,
    int32_t *output);
} tenfold_scan_kernels;

#pragma clang assume_nonnull end
