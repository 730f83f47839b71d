// Tenfold kernel check: the text encoder's loops against double precision.
// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

static void check_normalize(const tenfold_encoder_kernels *kernels, size_t width, bool with_addend) {
  begin_case("encoder %s: normalise %zu, addend %d", kernels->name, width, with_addend);
  float *x = guarded_floats(width), *addend = guarded_floats(width), *gain = guarded_floats(width);
  float *bias = guarded_floats(width), *output = guarded_floats(width);
  fill_units(x, width, 3);
  fill_units(addend, width, 3);
  fill_units(gain, width, 2);
  fill_units(bias, width, 1);
  kernels->normalize(x, with_addend ? addend : NULL, width, gain, bias, 1e-12f, output);
  double mean = 0, variance = 0;
  for (size_t j = 0; j < width; j++) mean += ((double)x[j] + (with_addend ? addend[j] : 0)) / (double)width;
  for (size_t j = 0; j < width; j++) {
    double v = (double)x[j] + (with_addend ? addend[j] : 0) - mean;
    variance += v * v / (double)width;
  }
  for (size_t j = 0; j < width && width > 1; j++) {
    double v = (double)x[j] + (with_addend ? addend[j] : 0) - mean;
    expect_near(output[j], v / sqrt(variance + 1e-12) * gain[j] + bias[j], 3e-5, "output", j, 0);
  }
}

/// `odd`, if it isn't a number to code, takes the place of an input.
static void check_split(
  const tenfold_encoder_kernels *kernels, size_t width, size_t split_inputs, bool has_zero_point, float odd) {
  // Input i < split_inputs is split into 3 copies: its own column and two more at the end.
  size_t columns = width + 2 * split_inputs, padded = (columns + 63) / 64 * 64;
  begin_case(
    "encoder %s: quantise %zu inputs, %zu split, zero point %d, with %g", kernels->name, width, split_inputs,
    has_zero_point, (double)odd);
  float *x = guarded_floats(width), *factors = guarded_floats(columns), *offsets = guarded_floats(columns), scale, shift;
  int32_t *sources = guarded((columns - width) * 4), negated;
  int8_t *values = guarded(padded);
  fill_units(x, width, 3);
  for (size_t i = 0; i < split_inputs; i++) x[i] *= 3;
  if (!isfinite(odd)) x[width / 2] = odd;
  for (size_t e = 0; e < columns; e++) {
    size_t copies = e < split_inputs || e >= width ? 3 : 1, copy = e < width ? 0 : 1 + (e - width) % 2;
    factors[e] = 1.0f / (float)copies;
    offsets[e] = ((float)copy + 0.5f) / (float)copies;
    if (e >= width) sources[e - width] = (int32_t)((e - width) / 2);
  }
  tenfold_split_columns split = {width, columns, has_zero_point, sources, factors, offsets};
  kernels->quantize_split(x, &split, padded, values, &scale, &negated, &shift);
  int32_t sum = 0;
  for (size_t j = 0; j < padded; j++) sum += values[j];
  expect_equal(negated, -sum, "negated sum", 0, 0);
  for (size_t j = columns; j < padded; j++) expect_equal(values[j], 0, "padding", j, 0);
  if (!isfinite(odd)) {
    expect_equal(isnan(scale), 1, "scale of a row that can't be coded is NaN", 0, 0);
    expect_equal(shift == 0, 1, "its shift is 0", 0, 0);
    for (size_t j = 0; j < padded; j++) expect_equal(values[j], 0, "code", j, 0);
    return;
  }
  int32_t zero = (int32_t)lrintf(shift / scale);
  if (!has_zero_point) expect_equal(zero, 0, "zero point", 0, 0);
  expect_bits(shift, (float)zero * scale, "shift", 0, 0);
  for (size_t i = 0; i < width; i++) {
    int32_t code = values[i] - zero;
    if (i < split_inputs) code += values[width + 2 * i] + values[width + 2 * i + 1] - 2 * zero;
    expect_near(code, (double)x[i] / scale, 0.501, "code", i, 0);
  }
}

static void check_add_scaled(const tenfold_encoder_kernels *kernels, size_t width) {
  begin_case("encoder %s: add %zu scaled", kernels->name, width);
  float *output = guarded_floats(width), *addend = guarded_floats(width), factor = unit() * 3, before[512];
  fill_units(output, width, 3);
  fill_units(addend, width, 3);
  memcpy(before, output, width * 4);
  kernels->add_scaled(output, addend, factor, width);
  for (size_t j = 0; j < width; j++)
    expect_near(output[j], before[j] + (double)addend[j] * factor, 2e-6, "output", j, 0);
}

static void check_attend(
  const char *name, const tenfold_encoder_attention *attention, size_t tokens, size_t head_width, double bound) {
  begin_case("encoder %s: attention of %zu tokens, heads of %zu", name, tokens, head_width);
  size_t stride = head_width + 5, count = (tokens - 1) * stride + head_width;
  float *q = guarded_floats(count), *k = guarded_floats(count), *v = guarded_floats(count);
  float *output = guarded_floats(count);
  size_t scratch = (attention->scratch(tokens, head_width) + 63) / 64 * 64;
  fill_units(q, count, 3);
  fill_units(k, count, 3);
  fill_units(v, count, 2);
  float scale = 1.0f / sqrtf((float)head_width);
  attention->attend(q, k, v, stride, tokens, head_width, scale, output, stride, guarded(scratch));
  for (size_t t = 0; t < tokens; t++) {
    double scores[128], total = 0, largest = -INFINITY;
    for (size_t j = 0; j < tokens; j++) {
      scores[j] = 0;
      for (size_t d = 0; d < head_width; d++) scores[j] += (double)q[t * stride + d] * k[j * stride + d] * scale;
      largest = scores[j] > largest ? scores[j] : largest;
    }
    for (size_t j = 0; j < tokens; j++) total += scores[j] = exp(scores[j] - largest);
    for (size_t d = 0; d < head_width; d++) {
      double sum = 0;
      for (size_t j = 0; j < tokens; j++) sum += scores[j] / total * v[j * stride + d];
      expect_near(output[t * stride + d], sum, bound, "output", t, d);
    }
  }
}

static void check_pool(const tenfold_encoder_kernels *kernels, size_t tokens, size_t width) {
  begin_case("encoder %s: pool %zu rows of %zu", kernels->name, tokens, width);
  float *rows = guarded_floats(tokens * width), *output = guarded_floats(width);
  fill_units(rows, tokens * width, 2);
  float length = kernels->pool(rows, width, tokens, width, output);
  double square = 0;
  for (size_t pass = 0; pass < 2; pass++) {
    for (size_t j = 0; j < width; j++) {
      double mean = 0;
      for (size_t t = 0; t < tokens; t++) mean += (double)rows[t * width + j] / (double)tokens;
      if (pass == 0) square += mean * mean;
      else expect_near(output[j], tokens ? mean / sqrt(square) : 0, 2e-5, "output", j, 0);
    }
  }
  expect_near(length, sqrt(square), 1e-5, "length", 0, 0);
}

void check_encoder(const tenfold_encoder_kernels *kernels) {
  static const size_t widths[] = {1, 3, 4, 5, 15, 16, 17, 31, 33, 384};
  static const size_t tokens[] = {1, 3, 4, 5, 16, 17, 31, 67};
  seed(19);
  for (size_t i = 0; i < COUNT_OF(widths); i++) {
    size_t w = widths[i];
    check_normalize(kernels, w, false);
    check_add_scaled(kernels, w);
    check_normalize(kernels, w, true);
    for (int zero = 0; zero < 2; zero++) {
      if (w >= 3) check_split(kernels, w, 0, zero, 0);
      if (w >= 3) check_split(kernels, w, 1 + w / 3, zero, 0);
      check_split(kernels, w, 0, zero, INFINITY);
      check_split(kernels, w, 0, zero, -INFINITY);
      check_split(kernels, w, 0, zero, NAN);
    }
    for (size_t t = 0; t < 4; t++) check_pool(kernels, t, w);
  }
  static const size_t heads[] = {1, 8, 31, 32, 33, 64};
  for (size_t t = 0; t < COUNT_OF(tokens); t++)
    for (size_t h = 0; h < COUNT_OF(heads); h++) {
      check_attend(kernels->name, &kernels->attention, tokens[t], heads[h], 1e-5);
      const tenfold_encoder_attention *rounded = tenfold_encoder_bf16_attention(kernels->name);
      // Values of up to 2 and scores of products of up to 9; as measured, for there are worse inputs than these.
      if (rounded) check_attend("bfloat16", rounded, tokens[t], heads[h], 0.03);
    }
}
