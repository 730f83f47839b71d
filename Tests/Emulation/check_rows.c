// Tenfold kernel check: activation quantisers exactly, epilogues against double precision.
// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

enum { ORDINARY, TIES, ZEROS, TINY, HUGE_VALUES, WITH_NAN, WITH_INFINITY, PATTERNS };

static void fill(float *x, size_t k, int pattern) {
  for (size_t j = 0; j < k; j++) {
    float sizes[PATTERNS] = {3, 0, 0, 1e-39f, 3e38f, 1, 1};
    x[j] = unit() * sizes[pattern];
    // With a largest value of 127 the codes are the values themselves; halves are ties.
    if (pattern == TIES) x[j] = j == k / 2 ? -127 : (float)((int)below(253) - 126) + 0.5f;
  }
  if (k > 0 && pattern == WITH_NAN) x[k - 1] = NAN;
  if (k > 0 && pattern == WITH_INFINITY) x[k / 2] = -INFINITY;
}

/// What the quantisers are documented to write for a row or a block.
static void quantized(const float *x, size_t k, int8_t *values, float *scale) {
  float largest = 0;
  bool finite = true;
  for (size_t j = 0; j < k; j++) {
    finite = finite && isfinite(x[j]);
    largest = fabsf(x[j]) > largest ? fabsf(x[j]) : largest;
  }
  bool usable = finite && largest >= 1e-35f;
  *scale = !finite ? NAN : usable ? largest / 127.0f : 0;
  volatile float inverse = usable ? 127.0f / largest : 0;
  for (size_t j = 0; j < k; j++) {
    volatile float scaled = x[j] * inverse;
    values[j] = usable ? (int8_t)rint((double)scaled) : 0;
  }
}

static void check_row(const tenfold_backend *backend, size_t k, int pattern) {
  size_t padded = (k + 63) / 64 * 64;
  begin_case("rows %s: a row of %zu, pattern %d", backend->name, k, pattern);
  float *x = guarded_floats(k), scale, expected_scale;
  int8_t *values = guarded(padded), *expected = guarded(padded);
  int32_t negated, sum = 0;
  fill(x, k, pattern);
  memset(expected, 0, padded);
  quantized(x, k, expected, &expected_scale);
  backend->rows->quantize_row(x, k, padded, values, &scale, &negated);
  expect_bits(scale, expected_scale, "scale", 0, 0);
  for (size_t j = 0; j < padded; j++) {
    expect_equal(values[j], expected[j], "values", j, 0);
    sum += expected[j];
    if (j < k && scale > 0) expect_near(values[j], (double)x[j] / scale, 0.50001, "x / scale", j, 0);
  }
  expect_equal(negated, -sum, "negated sum", 0, 0);
}

static void check_blocks_of(const tenfold_backend *backend, size_t blocks, int pattern) {
  begin_case("rows %s: %zu blocks, pattern %d", backend->name, blocks, pattern);
  float *x = guarded_floats(32 * blocks), *scales = guarded_floats(blocks), *scaled = guarded_floats(blocks);
  int8_t *values = guarded(32 * blocks), expected[32];
  int32_t *negated = guarded(blocks * 8);
  fill(x, 32 * blocks, pattern);
  backend->rows->quantize_blocks(x, 32 * blocks, values, scales, scaled, negated);
  for (size_t b = 0; b < blocks; b++) {
    float scale;
    int32_t sums[2] = {0, 0};
    quantized(x + 32 * b, 32, expected, &scale);
    expect_bits(scales[b], scale, "scale", b, 0);
    for (size_t j = 0; j < 32; j++) {
      expect_equal(values[32 * b + j], expected[j], "values", b, j);
      sums[j / 16] += expected[j];
    }
    expect_equal(negated[2 * b], -(sums[0] + sums[1]), "negated sums", b, 0);
    expect_equal(negated[2 * b + 1], -sums[0], "negated sums", b, 1);
    expect_bits(scaled[b], scale * (float)(sums[0] + sums[1]), "scaled sum", b, 0);
  }
}

static void check_long_blocks_of(const tenfold_backend *backend, size_t blocks, int pattern) {
  begin_case("rows %s: %zu long blocks, pattern %d", backend->name, blocks, pattern);
  float *x = guarded_floats(256 * blocks), *scales = guarded_floats(8 * blocks);
  int8_t *values = guarded(256 * blocks), expected[256];
  int16_t *halves = guarded(blocks * 32), *whole = guarded(blocks * 16);
  int32_t *negated = guarded(blocks * 64);
  fill(x, 256 * blocks, pattern);
  backend->rows->quantize_long_blocks(x, 256 * blocks, values, scales, halves, whole, negated);
  for (size_t b = 0; b < 8 * blocks; b++) {
    float scale;
    int32_t sums[2] = {0, 0};
    quantized(x + b / 8 * 256, 256, expected, &scale);
    expect_bits(scales[b], scale, "scale", b, 0);
    for (size_t j = 0; j < 32; j++) {
      expect_equal(values[32 * b + j], expected[b % 8 * 32 + j], "values", b, j);
      sums[j / 16] += expected[b % 8 * 32 + j];
    }
    for (size_t half = 0; half < 2; half++) expect_equal(halves[2 * b + half], sums[half], "half sums", b, half);
    expect_equal(whole[b], sums[0] + sums[1], "block sums", b, 0);
    expect_equal(negated[2 * b], -(sums[0] + sums[1]), "negated sums", b, 0);
    expect_equal(negated[2 * b + 1], -sums[0], "negated sums", b, 1);
  }
}

static double finished(double s, int activation) {
  if (activation == TENFOLD_ACTIVATION_GELU) return 0.5 * s * (1 + erf(s / sqrt(2.0)));
  if (activation == TENFOLD_ACTIVATION_SILU) return s / (1 + exp(-s));
  return s;
}

static void check_finish(
  const tenfold_backend *backend, size_t rows, size_t columns, int activation, int parts, bool integers, bool in_place) {
  const size_t first_row = 2, first_column = 16, width = (columns + 15) / 16 * 16, stride = first_column + columns;
  const size_t count = (first_row + rows - 1) * stride + first_column + columns, panel_bytes = 192;
  begin_case(
    "rows %s: finish %zu x %zu, activation %d, parts %d, integers %d, in place %d", backend->name, rows, columns,
    activation, parts, integers, in_place);
  float *sums = guarded_floats(rows * width), *output = guarded_floats(count), *bias = guarded_floats(stride);
  float *multiplier = guarded_floats(count), *residual = guarded_floats(count), *row_scales = guarded_floats(rows + 2);
  float *before = guarded_floats(count);
  uint8_t *panels = guarded(width / 16 * panel_bytes - 128);
  int32_t *integer_sums = guarded(rows * width * 4);
  for (size_t i = 0; i < rows * width; i++) integer_sums[i] = (int32_t)below(2000000) - 1000000;
  fill_units(row_scales, rows + 2, 1e-3f);
  for (size_t c = 0; c < width; c++) {
    float scale = unit() * 1e-2f;
    memcpy(panels + c / 16 * panel_bytes + c % 16 * 4, &scale, 4);
  }
  fill_units(sums, rows * width, 12);
  if (rows * columns > 3) sums[0] = 0, sums[1] = -60, sums[2] = 60;
  fill_units(bias, stride, 2);
  fill_units(multiplier, count, 2);
  fill_units(residual, count, 2);
  fill_units(output, count, 2);
  memcpy(before, output, count * 4);
  tenfold_epilogue e = {.output = output, .output_stride = stride, .activation = activation};
  if (parts & 1) e.bias = bias;
  if (parts & 2) e.multiplier = in_place ? output : multiplier;
  if (parts & 4) e.residual = in_place ? output : residual;
  e.multiplier_stride = e.residual_stride = stride;
  if (integers)
    backend->rows->finish_i8(
      integer_sums, width, rows, columns, first_row, first_column, row_scales, panels, panel_bytes, &e);
  else
    backend->rows->finish_float(sums, width, rows, columns, first_row, first_column, &e);
  const float *m = in_place ? before : multiplier, *a = in_place ? before : residual;
  for (size_t i = 0; i < count; i++) {
    size_t r = i / stride, c = i % stride;
    if (r < first_row || c < first_column) {
      expect_bits(output[i], before[i], "output outside", r, c);
      continue;
    }
    size_t at = (r - first_row) * width + c - first_column;
    double s = sums[at], size, factor = parts & 2 ? m[i] : 1;
    if (integers) {
      float scale;
      memcpy(&scale, panels + (c - first_column) / 16 * panel_bytes + (c - first_column) % 16 * 4, 4);
      s = (double)integer_sums[at] * row_scales[r] * scale;
    }
    size = fabs(s) + 3;
    if (parts & 1) s += bias[c];
    s = finished(s, activation) * factor + (parts & 4 ? a[i] : 0);
    expect_near(output[i], s, 8e-7 * size * (1 + fabs(factor)), "output", r, c);
  }
}

/// A NaN in a sum must reach the output, whatever the activation.
static void check_nan(const tenfold_backend *backend, int activation) {
  begin_case("rows %s: NaN through activation %d", backend->name, activation);
  float *sums = guarded_floats(16), *output = guarded_floats(9);
  fill_units(sums, 16, 2);
  sums[3] = sums[8] = NAN;
  tenfold_epilogue e = {.output = output, .output_stride = 9, .activation = activation};
  backend->rows->finish_float(sums, 16, 1, 9, 0, 0, &e);
  for (size_t c = 0; c < 9; c++) expect_equal(isnan(output[c]), c == 3 || c == 8, "NaN", c, 0);
}

/// GELU alone, closely: -7...7 in steps of 1 / 64 and what lies between.
static void check_gelu(const tenfold_backend *backend) {
  begin_case("rows %s: GELU", backend->name);
  float *sums = guarded_floats(912), *output = guarded_floats(897);
  for (size_t i = 0; i < 912; i++) sums[i] = ((float)i - 448) / 64 + unit() / 64;
  tenfold_epilogue e = {.output = output, .output_stride = 897, .activation = TENFOLD_ACTIVATION_GELU};
  backend->rows->finish_float(sums, 912, 1, 897, 0, 0, &e);
  for (size_t i = 0; i < 897; i++)
    expect_near(output[i], finished(sums[i], TENFOLD_ACTIVATION_GELU), 2e-7 * fmax(1, fabs(sums[i])), "GELU", i, 0);
}

void check_rows(const tenfold_backend *backend) {
  static const size_t lengths[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 257, 577};
  static const size_t widths[] = {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 48};
  seed(11);
  for (int pattern = 0; pattern < PATTERNS; pattern++) {
    for (size_t i = 0; i < COUNT_OF(lengths); i++) check_row(backend, lengths[i], pattern);
    for (size_t blocks = 0; blocks < 6; blocks++) check_blocks_of(backend, blocks, pattern);
    for (size_t blocks = 0; blocks < 4; blocks++) check_long_blocks_of(backend, blocks, pattern);
  }
  for (int activation = 0; activation < 3; activation++) {
    for (int parts = 0; parts < 8; parts++)
      for (size_t i = 0; i < COUNT_OF(widths); i++)
        for (int flags = 0; flags < 4; flags++)
          check_finish(backend, 1 + i % 3, widths[i], activation, parts, flags & 1, flags & 2);
    check_nan(backend, activation);
  }
  check_gelu(backend);
}
