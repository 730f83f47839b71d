// Tenfold kernel check: attention over pages against double precision.
// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

enum { PAGE = TENFOLD_PAGE_LENGTH };

/// The nearest half, ties to even, saturated; by search in double precision.
static uint16_t nearest_half(float x) {
  if (isnan(x)) return 0x7E00;
  double size = fabs((double)x);
  uint16_t best = 0x7BFF, low = 0, high = 0x7BFF;
  while (low < high) {
    uint16_t middle = (uint16_t)((low + high) / 2);
    if (half_value(middle) < size) low = (uint16_t)(middle + 1);
    else high = middle;
  }
  best = low;  // the smallest half at or above
  if (best > 0 && half_value(best) > size) {
    double up = half_value(best) - size, down = size - half_value((uint16_t)(best - 1));
    if (down < up || (down == up && best % 2 == 1)) best--;
  }
  return (uint16_t)(best | (signbit(x) ? 0x8000 : 0));
}

static void check_stores(const tenfold_attention_kernels *kernels, size_t length) {
  begin_case("attention %s: stores of %zu", kernels->name, length);
  size_t stride = tenfold_value_stride(length);
  float *x = guarded_floats(length);
  uint16_t *keys = guarded(length * PAGE * 2), *values = guarded(PAGE * stride * 2);
  static const float special[] = {0, -0.0f, 65504, 65519, 65520, 1e9f, -INFINITY, 5.96e-8f, 2.98e-8f, 2.99e-8f, 6.1e-5f};
  for (size_t i = 0; i < length; i++) {
    x[i] = i < COUNT_OF(special) ? special[i] : unit() * ldexpf(1, (int)below(44) - 26);
    // Exactly between two halves.
    if (i % 5 == 4 && i >= COUNT_OF(special)) x[i] = ldexpf((float)(2 * below(1024) + 2049), (int)below(20) - 20);
  }
  if (length > 20) x[20] = NAN;
  memset(keys, 0x11, length * PAGE * 2);
  memset(values, 0x11, PAGE * stride * 2);
  kernels->store_key(x, length, keys, 7);
  kernels->store_value(x, length, values, PAGE - 1);
  for (size_t i = 0; i < length; i++) {
    uint16_t half = nearest_half(x[i]);
    if (isnan(x[i])) {
      expect_equal(isnan(half_value(keys[i * PAGE + 7])), 1, "NaN as key", i, 0);
      expect_equal(isnan(half_value(values[(PAGE - 1) * stride + i])), 1, "NaN as value", i, 0);
      continue;
    }
    expect_equal(values[(PAGE - 1) * stride + i], half, "value", i, 0);
    for (size_t slot = 0; slot < PAGE; slot++)
      expect_equal(keys[i * PAGE + slot], slot == 7 ? half : 0x1111, "key", i, slot);
  }
  for (size_t i = 0; i < (PAGE - 1) * stride; i++) expect_equal(values[i], 0x1111, "values before", i, 0);
}

static void check_span(
  const tenfold_attention_kernels *kernels, size_t length, size_t rows, size_t group, size_t first_position) {
  begin_case(
    "attention %s: heads of %zu, %zu rows of %zu from %zu", kernels->name, length, rows, group, first_position);
  size_t stride = tenfold_value_stride(length), positions = first_position + rows;
  size_t pages = (positions + PAGE - 1) / PAGE, page_stride = length * PAGE + PAGE * stride;
  size_t row_stride = group * length + 3;
  uint16_t *memory = guarded(pages * page_stride * 2);
  uint32_t *order = guarded(pages * 4);
  float *queries = guarded_floats((rows - 1) * row_stride + group * length);
  float *outputs = guarded_floats((rows - 1) * row_stride + group * length);
  float *alone = guarded_floats(group * length), *vector = guarded_floats(length);
  // What no position uses yet, and what pads values, is not zero but finite: it must not show.
  for (size_t i = 0; i < pages * page_stride; i++) memory[i] = 0x5555;
  for (size_t p = 0; p < pages; p++) order[p] = (uint32_t)(pages - 1 - p);
  for (size_t t = 0; t < positions; t++) {
    uint16_t *page = memory + order[t / PAGE] * page_stride;
    fill_units(vector, length, 2);
    kernels->store_key(vector, length, page, t % PAGE);
    fill_units(vector, length, 2);
    kernels->store_value(vector, length, page + length * PAGE, t % PAGE);
  }
  fill_units(queries, (rows - 1) * row_stride + group * length, 4);
  tenfold_attention_span span = {
    .queries = queries, .query_stride = row_stride, .outputs = outputs, .output_stride = row_stride, .rows = rows,
    .group = group, .head_length = length, .memory = memory, .pages = order, .page_stride = page_stride,
    .key_offset = 0, .value_offset = length * PAGE, .first_position = first_position,
    .scale = 1.0f / sqrtf((float)length)};
  kernels->attend(&span);
  for (size_t r = 0; r < rows; r++) {
    span.queries = queries + r * row_stride;
    span.outputs = alone;
    span.rows = 1;
    span.first_position = first_position + r;
    kernels->attend(&span);
    for (size_t h = 0; h < group; h++) {
      const float *query = queries + r * row_stride + h * length;
      double scores[256], total = 0, largest = -INFINITY;
      for (size_t t = 0; t <= first_position + r; t++) {
        const uint16_t *page = memory + order[t / PAGE] * page_stride;
        scores[t] = 0;
        for (size_t i = 0; i < length; i++)
          scores[t] += (double)query[i] * span.scale * half_value(page[i * PAGE + t % PAGE]);
        largest = scores[t] > largest ? scores[t] : largest;
      }
      for (size_t t = 0; t <= first_position + r; t++) total += scores[t] = exp(scores[t] - largest);
      for (size_t i = 0; i < length; i++) {
        double sum = 0;
        for (size_t t = 0; t <= first_position + r; t++) {
          const uint16_t *values = memory + order[t / PAGE] * page_stride + length * PAGE;
          sum += scores[t] / total * half_value(values[t % PAGE * stride + i]);
        }
        expect_near(outputs[r * row_stride + h * length + i], sum, 2e-5, "output", r, h * length + i);
        expect_bits(alone[h * length + i], outputs[r * row_stride + h * length + i], "row alone", r, h * length + i);
      }
    }
  }
}

/// A value that is not a number shows where it is, a key that isn't one everywhere.
static void check_nan(const tenfold_attention_kernels *kernels, size_t length, int in_key) {
  begin_case("attention %s: heads of %zu, NaN in a %s", kernels->name, length, in_key ? "key" : "value");
  size_t stride = tenfold_value_stride(length), page_stride = length * PAGE + PAGE * stride, bad = length - 1;
  uint16_t *memory = guarded(page_stride * 2);
  uint32_t *order = guarded(4);
  float *query = guarded_floats(length), *output = guarded_floats(length), *vector = guarded_floats(length);
  memset(memory, 0, page_stride * 2);
  order[0] = 0;
  for (size_t t = 0; t < 3; t++) {
    fill_units(vector, length, 2);
    if (in_key && t == 1) vector[bad] = NAN;
    kernels->store_key(vector, length, memory, t);
    fill_units(vector, length, 2);
    if (!in_key && t == 1) vector[bad] = NAN;
    kernels->store_value(vector, length, memory + length * PAGE, t);
  }
  fill_units(query, length, 4);
  tenfold_attention_span span = {
    .queries = query, .query_stride = length, .outputs = output, .output_stride = length, .rows = 1, .group = 1,
    .head_length = length, .memory = memory, .pages = order, .page_stride = page_stride, .key_offset = 0,
    .value_offset = length * PAGE, .first_position = 2, .scale = 1};
  kernels->attend(&span);
  for (size_t i = 0; i < length; i++) expect_equal(isnan(output[i]) != 0, in_key || i == bad, "NaN of an output", i, 0);
}

void check_attention(const tenfold_attention_kernels *kernels) {
  static const size_t lengths[] = {1, 7, 32, 33, 64, 80, 256};
  static const size_t firsts[] = {0, 1, 30, 31, 32, 70};
  seed(17);
  for (size_t l = 0; l < COUNT_OF(lengths); l++) {
    check_stores(kernels, lengths[l]);
    for (int in_key = 0; in_key < 2; in_key++) check_nan(kernels, lengths[l], in_key);
    for (size_t f = 0; f < COUNT_OF(firsts); f++)
      for (size_t rows = 1; rows <= 10; rows += 3)
        check_span(kernels, lengths[l], rows, 1 + (l + f + rows) % 5, firsts[f]);
  }
}
