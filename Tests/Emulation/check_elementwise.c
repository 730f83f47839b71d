// Tenfold kernel check: loops over rows of floats against double precision.
// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

static const size_t lengths[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 576, 1025, 2063};

static void check_norm(const tenfold_elementwise_kernels *kernels, size_t n) {
  begin_case("element-wise %s: norm of %zu", kernels->name, n);
  float *x = guarded_floats(n), *weight = guarded_floats(n), *y = guarded_floats(n);
  fill_units(x, n, 4);
  fill_units(weight, n, 2);
  kernels->rms_norm(x, weight, y, n, 1e-5f);
  double squares = 0;
  for (size_t i = 0; i < n; i++) squares += (double)x[i] * x[i];
  double factor = 1 / sqrt(squares / (double)n + 1e-5f);
  for (size_t i = 0; i < n; i++) {
    double expected = x[i] * factor * weight[i];
    expect_near(y[i], expected, 2e-6 * fabs(expected) + 1e-30, "norm", i, 0);
  }
  kernels->rms_norm(x, weight, x, n, 1e-5f);
  for (size_t i = 0; i < n; i++) expect_bits(x[i], y[i], "norm in place", i, 0);
}

static void check_sums(const tenfold_elementwise_kernels *kernels, size_t n) {
  begin_case("element-wise %s: gates, sums and remainders of %zu", kernels->name, n);
  float *a = guarded_floats(n), *b = guarded_floats(n), *bias = guarded_floats(n), *y = guarded_floats(n);
  fill_units(a, n, 8);
  fill_units(b, n, 2);
  fill_units(bias, n, 2);
  kernels->silu_multiply(a, b, y, n);
  for (size_t i = 0; i < n; i++)
    expect_near(y[i], a[i] / (1 + exp(-(double)a[i])) * b[i], 1e-6 * fabs((double)a[i] * b[i]) + 1e-30, "gate", i, 0);
  for (int parts = 0; parts < 4; parts++) {
    kernels->add_rows(a, b, parts & 1 ? bias : NULL, parts & 2 ? b : NULL, y, n);
    for (size_t i = 0; i < n; i++) {
      volatile float sum = a[i];
      if (parts & 1) sum += bias[i];
      if (parts & 2) sum += b[i];
      sum += b[i];
      expect_bits(y[i], sum, "sum", i, (size_t)parts);
    }
  }
  if (n % 32 != 0) return;
  int8_t *values = guarded(n);
  float *scales = guarded_floats(n / 32);
  for (size_t i = 0; i < n; i++) values[i] = (int8_t)next_bits();
  fill_units(scales, n / 32, 1);
  kernels->remainders(a, values, scales, y, n);
  for (size_t i = 0; i < n; i++)
    expect_near(y[i], a[i] - (double)scales[i / 32] * values[i], 2e-5, "remainder", i, 0);
}

static void check_exponentials(const tenfold_elementwise_kernels *kernels, size_t n) {
  begin_case("element-wise %s: exponentials and summary of %zu", kernels->name, n);
  float *x = guarded_floats(n), *y = guarded_floats(n);
  fill_units(x, n, 87);
  kernels->exponentials(x, y, n);
  for (size_t i = 0; i < n; i++) expect_near(y[i], exp((double)x[i]), 2.5e-7 * exp((double)x[i]), "exponential", i, 0);
  size_t largest = below(n);
  fill_units(x, n, 20);
  for (size_t i = largest; i < n; i += 7) x[i] = 21;
  tenfold_logits_summary summary = kernels->summarize_logits(x, n);
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - 21);
  expect_bits(summary.largest, 21, "largest", 0, 0);
  expect_equal((int64_t)summary.index, (int64_t)largest, "index", 0, 0);
  expect_near(summary.sum_of_exponentials, sum, 2e-6 * sum, "sum of exponentials", 0, 0);
  for (size_t i = 0; i < n; i++) x[i] = -INFINITY;
  expect_equal((int64_t)kernels->summarize_logits(x, n).index, (int64_t)n, "index of nothing", 0, 0);
}

static void check_weights(const tenfold_elementwise_kernels *kernels, size_t n) {
  begin_case("element-wise %s: weights of %zu", kernels->name, n);
  float *x = guarded_floats(n), *y = guarded_floats(n);
  fill_units(x, n, 5);
  for (size_t i = 0; i < n; i += 5) x[i] = -INFINITY;
  x[n - 1] = 5;
  const float least = 1e-4f;
  double total = kernels->weigh_logits(x, y, n, 5, 0.7f, least), sum = 0;
  for (size_t i = 0; i < n; i++) {
    double w = exp(((double)x[i] - 5) / 0.7);
    if (fabs(w - least) > 1e-8) expect_near(y[i], w < least ? 0 : w, 2e-6 * w, "weight", i, 0);
    sum += y[i];
  }
  expect_near(total, sum, 1e-6 * sum, "sum of weights", 0, 0);
  // Each index is drawn in the middle of its share, and the first one at least so heavy is found.
  double before = 0;
  for (size_t i = 0; i < n; i++) {
    if (y[i] > 1e-3f) expect_equal((int64_t)kernels->draw_weight(y, n, before + 0.5 * y[i]), (int64_t)i, "drawn", i, 0);
    before += y[i];
  }
  expect_equal((int64_t)kernels->draw_weight(y, n, 2 * total), (int64_t)n - 1, "drawn past the end", 0, 0);
  for (size_t first = 0; first <= n; first += 1 + n / 7) {
    size_t expected = first;
    while (expected < n && y[expected] < 0.5f) expected++;
    expect_equal((int64_t)kernels->find_weight(y, first, n, 0.5f), (int64_t)expected, "found", first, 0);
  }
  memset(y, 0, n * sizeof *y);
  expect_equal((int64_t)kernels->draw_weight(y, n, 0), (int64_t)n, "drawn of nothing", 0, 0);
}

static void check_rotation(const tenfold_elementwise_kernels *kernels, size_t heads, size_t length, size_t dimensions) {
  begin_case("element-wise %s: rotation of %zu heads, %zu of %zu", kernels->name, heads, dimensions, length);
  float *pairs = guarded_floats(heads * length), *halves = guarded_floats(heads * length);
  float *table = guarded_floats(2 * dimensions), *x = guarded_floats(heads * length);
  fill_units(x, heads * length, 2);
  memcpy(pairs, x, heads * length * 4);
  memcpy(halves, x, heads * length * 4);
  size_t half = dimensions / 2;
  for (size_t i = 0; i < half; i++) {
    float c = (float)cos((double)i + 1), s = (float)sin((double)i + 1);
    table[2 * i] = table[2 * i + 1] = c;
    table[dimensions + 2 * i] = -s;
    table[dimensions + 2 * i + 1] = s;
  }
  kernels->rotate_pairs(pairs, table, heads, length, dimensions);
  for (size_t i = 0; i < half; i++) {
    table[i] = (float)cos((double)i + 1);
    table[dimensions + i] = (float)sin((double)i + 1);
  }
  kernels->rotate_halves(halves, table, heads, length, dimensions);
  for (size_t h = 0; h < heads; h++) {
    const float *head = x + h * length;
    for (size_t i = 0; i < length; i++) {
      double p = head[i], q = head[i];
      if (i < dimensions) {
        double c = cos((double)(i / 2) + 1), s = sin((double)(i / 2) + 1);
        p = i % 2 ? head[i] * c + head[i - 1] * s : head[i] * c - head[i + 1] * s;
        c = cos((double)(i % half) + 1), s = sin((double)(i % half) + 1);
        q = i >= half ? head[i] * c + head[i - half] * s : head[i] * c - head[i + half] * s;
      }
      expect_near(pairs[h * length + i], p, 1e-6, "rotated pairs", h, i);
      expect_near(halves[h * length + i], q, 1e-6, "rotated halves", h, i);
    }
  }
}

void check_elementwise(const tenfold_elementwise_kernels *kernels) {
  seed(13);
  for (size_t i = 0; i < COUNT_OF(lengths); i++) {
    check_norm(kernels, lengths[i]);
    check_sums(kernels, lengths[i]);
    check_exponentials(kernels, lengths[i]);
    check_weights(kernels, lengths[i]);
  }
  static const size_t rotated[] = {2, 16, 30, 32, 34, 64, 80, 128};
  for (size_t i = 0; i < COUNT_OF(rotated); i++)
    for (size_t heads = 0; heads < 4; heads++) check_rotation(kernels, heads, rotated[i] + heads % 2, rotated[i]);
}
