// Tenfold kernel check: tiles that finish their sums themselves against the two steps that they stand for, bit for bit.
// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

/// Activation, then which of bias (1), multiplier (2) and residual (4) are there, and whether the latter two are the output.
static const int cases[][3] = {
  {TENFOLD_ACTIVATION_NONE, 0, 0}, {TENFOLD_ACTIVATION_NONE, 1, 0}, {TENFOLD_ACTIVATION_NONE, 4, 0},
  {TENFOLD_ACTIVATION_NONE, 5, 1}, {TENFOLD_ACTIVATION_NONE, 2, 0}, {TENFOLD_ACTIVATION_GELU, 5, 0},
  {TENFOLD_ACTIVATION_GELU, 1, 0}, {TENFOLD_ACTIVATION_SILU, 2, 1},
};

size_t finish_case_count(void) { return COUNT_OF(cases); }

finish_case make_finish_case(size_t index, size_t rows, size_t columns) {
  finish_case f = {.first_row = 1, .first_column = 16};
  size_t stride = f.first_column + columns + index % 2;
  f.count = (f.first_row + rows) * stride;
  tenfold_epilogue e = {.output_stride = stride, .activation = cases[index][0]};
  float *parts[3], *first = guarded_floats(f.count), *second = guarded_floats(f.count);
  for (int i = 0; i < 3; i++) {
    parts[i] = guarded_floats(f.count);
    fill_units(parts[i], f.count, 2);
  }
  fill_units(first, f.count, 2);
  memcpy(second, first, f.count * 4);
  if (cases[index][1] & 1) e.bias = parts[0];
  if (cases[index][1] & 2) e.multiplier = parts[1];
  if (cases[index][1] & 4) e.residual = parts[2];
  e.multiplier_stride = e.residual_stride = stride;
  f.expected = f.actual = e;
  f.expected.output = first;
  f.actual.output = second;
  if (cases[index][2]) {
    if (e.multiplier) f.expected.multiplier = first, f.actual.multiplier = second;
    if (e.residual) f.expected.residual = first, f.actual.residual = second;
  }
  return f;
}

void compare_finish_case(const finish_case *f) {
  for (size_t i = 0; i < f->count; i++)
    expect_bits(
      f->actual.output[i], f->expected.output[i], "finished", i / f->actual.output_stride, i % f->actual.output_stride);
}
