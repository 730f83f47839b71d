// Tenfold kernel check: scans against dots in double precision and in exact integers.
// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

static void check_floats_of(const tenfold_backend *backend, size_t count, size_t dimension, size_t gap) {
  size_t stride = dimension + gap;
  begin_case("scan %s: floats, %zu rows of %zu, gap %zu", backend->name, count, dimension, gap);
  float *query = guarded_floats(dimension), *rows = guarded_floats(count ? (count - 1) * stride + dimension : 0);
  float *output = guarded_floats(count), *alone = guarded_floats(1);
  fill_units(query, dimension, 1);
  if (count) fill_units(rows, (count - 1) * stride + dimension, 1);
  backend->scan->dot_float(query, rows, stride, count, dimension, output);
  for (size_t r = 0; r < count; r++) {
    double sum = 0, magnitude = 0;
    for (size_t j = 0; j < dimension; j++) {
      double term = (double)query[j] * rows[r * stride + j];
      sum += term;
      magnitude += fabs(term);
    }
    expect_near(output[r], sum, 6e-8 * (double)(dimension / 16 + 20) * magnitude, "dot", r, 0);
    backend->scan->dot_float(query, rows + r * stride, stride, 1, dimension, alone);
    expect_bits(output[r], alone[0], "dot beside others", r, 0);
  }
}

static void check_bytes_of(const tenfold_backend *backend, size_t count, size_t dimension, size_t gap, bool extreme) {
  size_t stride = dimension + gap;
  begin_case("scan %s: int8, %zu rows of %zu, gap %zu, extreme %d", backend->name, count, dimension, gap, extreme);
  int8_t *query = guarded(dimension), *rows = guarded(count ? (count - 1) * stride + dimension : 0);
  int32_t *output = guarded(count * 4);
  for (size_t j = 0; j < dimension; j++) query[j] = extreme ? -128 : (int8_t)next_bits();
  for (size_t j = 0; count && j < (count - 1) * stride + dimension; j++) rows[j] = extreme ? -128 : (int8_t)next_bits();
  backend->scan->dot_i8(query, rows, stride, count, dimension, output);
  for (size_t r = 0; r < count; r++) {
    int64_t sum = 0;
    for (size_t j = 0; j < dimension; j++) sum += (int64_t)query[j] * rows[r * stride + j];
    expect_equal(output[r], sum, "dot", r, 0);
  }
}

/// Rows that the mask admits have the bits of a dense scan; the others are neither read nor written.
static void check_masked(const tenfold_backend *backend, size_t count, size_t dimension, int density) {
  begin_case("scan %s: masked to %d in 8, %zu rows of %zu", backend->name, density, count, dimension);
  size_t words = (count + 63) / 64;
  float *query = guarded_floats(dimension), *rows = guarded_floats(count * dimension);
  float *all = guarded_floats(count), *some = guarded_floats(count);
  int8_t *codes = guarded(count * dimension), *query_codes = guarded(dimension);
  int32_t *all_sums = guarded(count * 4), *some_sums = guarded(count * 4);
  uint64_t *mask = guarded(words * 8);
  fill_units(query, dimension, 1);
  fill_units(rows, count * dimension, 1);
  for (size_t j = 0; j < dimension; j++) query_codes[j] = (int8_t)next_bits();
  for (size_t j = 0; j < count * dimension; j++) codes[j] = (int8_t)next_bits();
  for (size_t w = 0; w < words; w++) {
    mask[w] = 0;
    for (size_t bit = 0; bit < 64; bit++) mask[w] |= (uint64_t)(below(8) < (size_t)density) << bit;
  }
  for (size_t r = 0; r < count; r++) some_sums[r] = 12345, some[r] = 12345;
  backend->scan->dot_float(query, rows, dimension, count, dimension, all);
  backend->scan->dot_i8(query_codes, codes, dimension, count, dimension, all_sums);
  backend->scan->dot_float_masked(query, rows, dimension, count, dimension, mask, some);
  backend->scan->dot_i8_masked(query_codes, codes, dimension, count, dimension, mask, some_sums);
  for (size_t r = 0; r < count; r++) {
    bool admitted = mask[r / 64] >> r % 64 & 1;
    expect_bits(some[r], admitted ? all[r] : 12345, "masked dot", r, 0);
    expect_equal(some_sums[r], admitted ? all_sums[r] : 12345, "masked sum", r, 0);
  }
}

void check_scan(const tenfold_backend *backend) {
  static const size_t dimensions[] = {0, 1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97, 384};
  static const size_t counts[] = {0, 1, 2, 3, 4, 5, 7, 11};
  seed(7);
  for (size_t d = 0; d < COUNT_OF(dimensions); d++)
    for (size_t c = 0; c < COUNT_OF(counts); c++)
      for (size_t gap = 0; gap < 4; gap += 3) {
        check_floats_of(backend, counts[c], dimensions[d], gap);
        check_bytes_of(backend, counts[c], dimensions[d], gap, false);
        check_bytes_of(backend, counts[c], dimensions[d], gap, true);
      }
  static const size_t masked_counts[] = {0, 1, 63, 64, 65, 130};
  for (size_t c = 0; c < COUNT_OF(masked_counts); c++)
    for (int density = 0; density <= 8; density++) check_masked(backend, masked_counts[c], density % 2 ? 67 : 16, density);
  // The longest row whose sum of -128 times -128 fits in 32 bits.
  check_bytes_of(backend, 5, 131071, 0, true);
}
