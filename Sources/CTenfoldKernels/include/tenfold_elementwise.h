// Tenfold kernels: loops over single rows of floats: normalisation, rotation, gates, soft-max.
// SPDX-License-Identifier: Apache-2.0
//
// Every function gives a row the same bits whatever other rows are computed beside it. Nothing needs alignment, and
// nothing outside the stated ranges is read or written.
#pragma once
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// What a row of logits looks like: its largest value, where that first occurs, and sum of exp(logit - largest).
typedef struct tenfold_logits_summary {
  float largest;
  /// The lowest index that holds `largest`; `count` itself if every logit is NaN or minus infinity.
  size_t index;
  /// NaN when a logit is NaN.
  double sum_of_exponentials;
} tenfold_logits_summary;

typedef struct tenfold_elementwise_kernels {
  /// The instruction set, named as the matrix kernels name it.
  const char *name;
  /// y[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i]; y may be x.
  void (*rms_norm)(const float *x, const float *weight, float *y, size_t count, float epsilon);
  /// Rotates pairs (2 i, 2 i + 1) of each head's first `dimensions` elements. `table` holds, for the row's position,
  /// cosines then sines, each `dimensions` long: cos[2i] = cos[2i+1], -sin[2i] = sin[2i+1].
  void (*rotate_pairs)(float *x, const float *table, size_t heads, size_t head_length, size_t dimensions);
  /// Rotates pairs (i, i + dimensions / 2). `table` holds cosines then sines, each `dimensions` long of which the
  /// first half is used.
  void (*rotate_halves)(float *x, const float *table, size_t heads, size_t head_length, size_t dimensions);
  /// y[i] = gate[i] / (1 + exp(-gate[i])) * up[i]; y may be either.
  void (*silu_multiply)(const float *gate, const float *up, float *y, size_t count);
  /// y[i] = b[i] + ((a[i] + bias[i]) + residual[i]), absent parts left out; y may be any of them.
  void (*add_rows)(
    const float *a, const float *b, const float *_Nullable bias, const float *_Nullable residual, float *y,
    size_t count);
  /// y[i] = x[i] - scales[i / 32] * values[i]: what rounding to 8 bits per block of 32 or more left over; count is a
  /// multiple of 32.
  void (*remainders)(const float *x, const int8_t *values, const float *scales, float *y, size_t count);
  /// y[i] = exp(x[i]) to within 2 units in the last place; below -87.3 exactly 0.
  void (*exponentials)(const float *x, float *y, size_t count);
  /// Largest logit, its first index, and the normaliser relative to it.
  tenfold_logits_summary (*summarize_logits)(const float *logits, size_t count);
  /// weights[i] = exp((logits[i] - largest) / temperature), 0 where that is below `least`; returns their sum. `weights`
  /// may be `logits`.
  double (*weigh_logits)(
    const float *logits, float *weights, size_t count, float largest, float temperature, float least);
  /// The index at which the running sum of the weights, none negative, first exceeds `target`, a number below their sum
  /// as `weigh_logits` takes it; the last one above 0 where rounding leaves none, and `count` if all are 0.
  size_t (*draw_weight)(const float *weights, size_t count, double target);
  /// The first index from `first` on whose weight is at least `least`; `count` if there is none.
  size_t (*find_weight)(const float *weights, size_t first, size_t count, float least);
} tenfold_elementwise_kernels;

/// The kernels for an instruction set by its name; `portable` for a name that is not compiled in.
const tenfold_elementwise_kernels *tenfold_elementwise_named(const char *name);

#pragma clang assume_nonnull end
