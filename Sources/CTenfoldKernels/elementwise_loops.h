// Tenfold kernels: the element-wise loops, compiled once per instruction set (private).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdbool.h>

#include "elementwise_vectors.h"
#include "include/tenfold_elementwise.h"

static void rms_norm(const float *x, const float *weight, float *y, size_t count, float epsilon) {
  // Four accumulators hide the latency; their number is part of the definition of the result.
  v16 s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    v16 a = load16(x + i), b = load16(x + i + 16), c = load16(x + i + 32), d = load16(x + i + 48);
    s0 = a * a + s0;
    s1 = b * b + s1;
    s2 = c * c + s2;
    s3 = d * d + s3;
  }
  for (; i < count; i += 16) {
    v16 a = count - i >= 16 ? load16(x + i) : load_tail(x + i, count - i, 0);
    s0 = a * a + s0;
  }
  float mean = sum16((s0 + s1) + (s2 + s3)) / (float)count;
  float factor = 1.0f / sqrtf(mean + epsilon);
  for (i = 0; i + 16 <= count; i += 16) store16(y + i, load16(x + i) * factor * load16(weight + i));
  for (; i < count; i++) y[i] = x[i] * factor * weight[i];
}

static void rotate_pairs(float *x, const float *table, size_t heads, size_t head_length, size_t dimensions) {
  const float *cosines = table, *sines = table + dimensions;
  for (size_t h = 0; h < heads; h++, x += head_length) {
    size_t i = 0;
    for (; i + 16 <= dimensions; i += 16) {
      v16 v = load16(x + i);
      v16 swapped = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
      store16(x + i, v * load16(cosines + i) + swapped * load16(sines + i));
    }
    for (; i + 2 <= dimensions; i += 2) {
      float a = x[i], b = x[i + 1];
      x[i] = a * cosines[i] + b * sines[i];
      x[i + 1] = b * cosines[i + 1] + a * sines[i + 1];
    }
  }
}

static void rotate_halves(float *x, const float *table, size_t heads, size_t head_length, size_t dimensions) {
  const float *cosines = table, *sines = table + dimensions;
  size_t half = dimensions / 2;
  for (size_t h = 0; h < heads; h++, x += head_length) {
    size_t i = 0;
    for (; i + 16 <= half; i += 16) {
      v16 a = load16(x + i), b = load16(x + half + i), c = load16(cosines + i), s = load16(sines + i);
      store16(x + i, a * c - b * s);
      store16(x + half + i, b * c + a * s);
    }
    for (; i < half; i++) {
      float a = x[i], b = x[half + i];
      x[i] = a * cosines[i] - b * sines[i];
      x[half + i] = b * cosines[i] + a * sines[i];
    }
  }
}

TENFOLD_INLINE v16 silu16(v16 g) { return g / (exp16(-g) + 1.0f); }

static void silu_multiply(const float *gate, const float *up, float *y, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) store16(y + i, silu16(load16(gate + i)) * load16(up + i));
  if (i < count) {
    v16 v = silu16(load_tail(gate + i, count - i, 0)) * load_tail(up + i, count - i, 0);
    store_tail(y + i, v, count - i);
  }
}

static void add_rows(
  const float *a, const float *b, const float *bias, const float *residual, float *y, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 v = load16(a + i);
    if (bias) v += load16(bias + i);
    if (residual) v += load16(residual + i);
    store16(y + i, load16(b + i) + v);
  }
  for (; i < count; i++) {
    float v = a[i];
    if (bias) v += bias[i];
    if (residual) v += residual[i];
    y[i] = b[i] + v;
  }
}

static void remainders(const float *x, const int8_t *values, const float *scales, float *y, size_t count) {
  typedef int8_t b16 __attribute__((ext_vector_type(16)));
  for (size_t i = 0; i + 16 <= count; i += 16) {
    b16 bytes;
    memcpy(&bytes, values + i, sizeof bytes);
    store16(y + i, load16(x + i) - __builtin_convertvector(bytes, v16) * scales[i / 32]);
  }
}

static void exponentials(const float *x, float *y, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) store16(y + i, exp16(load16(x + i)));
  if (i < count) store_tail(y + i, exp16(load_tail(x + i, count - i, 0)), count - i);
}

static tenfold_logits_summary summarize_logits(const float *logits, size_t count) {
  v16 m0 = (v16)(-INFINITY), m1 = m0;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    m0 = max16(m0, load16(logits + i));
    m1 = max16(m1, load16(logits + i + 16));
  }
  for (; i < count; i += 16) {
    m0 = max16(m0, count - i >= 16 ? load16(logits + i) : load_tail(logits + i, count - i, -INFINITY));
  }
  float largest = largest16(max16(m0, m1));
  tenfold_logits_summary summary = {largest, count, 0};
  // In pieces of 1,024, so that a piece's fp32 sum keeps its accuracy and the search for the index stops early.
  for (size_t first = 0; first < count; first += 1024) {
    size_t end = count - first < 1024 ? count : first + 1024;
    v16 sum = 0;
    i16v found = 0;
    for (i = first; i < end; i += 16) {
      v16 v = end - i >= 16 ? load16(logits + i) : load_tail(logits + i, end - i, -INFINITY);
      found |= v == largest;
      sum += exp16(v - largest);
    }
    summary.sum_of_exponentials += sum16(sum);
    if (summary.index == count && largest > -INFINITY && __builtin_reduce_or(found) != 0) {
      for (i = first; i < end; i++) {
        if (logits[i] == largest) {
          summary.index = i;
          break;
        }
      }
    }
  }
  return summary;
}

/// Weights are summed in pieces of so many, in fp32 within a piece and in double over them.
enum { WEIGHT_PIECE = 1024 };

static float sum_weights(const float *weights, size_t count) {
  v16 sum = 0;
  size_t i = 0;
  for (; i + 16 <= count; i += 16) sum += load16(weights + i);
  if (i < count) sum += load_tail(weights + i, count - i, 0);
  return sum16(sum);
}

static double weigh_logits(
  const float *logits, float *weights, size_t count, float largest, float temperature, float least) {
  double total = 0;
  for (size_t first = 0; first < count; first += WEIGHT_PIECE) {
    size_t length = count - first < WEIGHT_PIECE ? count - first : WEIGHT_PIECE;
    const float *x = logits + first;
    float *y = weights + first;
    for (size_t i = 0; i < length; i += 16) {
      bool is_whole = length - i >= 16;
      v16 v = exp16(((is_whole ? load16(x + i) : load_tail(x + i, length - i, -INFINITY)) - largest) / temperature);
      v = select16(v >= least, v, (v16)0);
      if (is_whole) store16(y + i, v);
      else store_tail(y + i, v, length - i);
    }
    // The same loop over the same numbers as in `draw_weight`, so that a draw ends where the total says.
    total += sum_weights(y, length);
  }
  return total;
}

static size_t draw_weight(const float *weights, size_t count, double target) {
  size_t last = count;
  for (size_t first = 0; first < count; first += WEIGHT_PIECE) {
    size_t length = count - first < WEIGHT_PIECE ? count - first : WEIGHT_PIECE;
    double sum = sum_weights(weights + first, length);
    // The last piece is gone through in any case: rounding may have left a little of the target.
    if (target >= sum && first + length < count) {
      if (sum > 0) last = first;
      target -= sum;
      continue;
    }
    for (size_t i = first; i < first + length; i++) {
      if (weights[i] <= 0) continue;
      target -= weights[i];
      last = i;
      if (target < 0) return i;
    }
    if (last >= first && last < count) return last;
    break;
  }
  // Nothing in the last piece: the last one above 0 of an earlier one, whose beginning is known.
  for (size_t i = last; i < count; i++)
    if (weights[i] > 0) last = i;
  return last;
}

static size_t find_weight(const float *weights, size_t first, size_t count, float least) {
  size_t i = first;
  for (; i + 16 <= count; i += 16)
    if (__builtin_reduce_or(load16(weights + i) >= least) != 0) break;
  for (; i < count; i++)
    if (weights[i] >= least) return i;
  return count;
}

#define TENFOLD_ELEMENTWISE_TABLE(NAME) \
  { \
    NAME, rms_norm, rotate_pairs, rotate_halves, silu_multiply, add_rows, remainders, exponentials, summarize_logits, \
      weigh_logits, draw_weight, find_weight \
  }
