// Vectors of LANES floats for the encoder's loops, and what its ways of attending share (private to this target).
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "include/tenfold_encoder.h"

#define QUERIES 4
#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef int8_t vb __attribute__((vector_size(LANES)));

INLINE vf load(const float *p) {
  vf v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vf splat(float x) { return x - (vf){0}; }
INLINE vf maximum(vf a, vf b) {
  vi greater = a > b;
  return (vf)(((vi)a & greater) | ((vi)b & ~greater));
}

INLINE vf minimum(vf a, vf b) {
  vi less = a < b;
  return (vf)(((vi)a & less) | ((vi)b & ~less));
}

INLINE float sum_of(vf v) {
  float s = 0;
  for (int i = 0; i < LANES; i++) s += v[i];
  return s;
}

INLINE float maximum_of(vf v) {
  float m = v[0];
  for (int i = 1; i < LANES; i++) m = v[i] > m ? v[i] : m;
  return m;
}

/// 1.5 * 2^23: adding it leaves a float's nearest integer in its low bits.
#define ROUNDING 12582912.0f

/// exp(x) for x <= 0; relative error under 2e-7. 2^f by its Taylor series to the 6th power of f ln 2, |f| <= 1/2.
INLINE vf exponential(vf x) {
  vf t = maximum(x, splat(-87.0f)) * 1.44269504088896341f;
  vf shifted = t + ROUNDING;
  vf f = t - (shifted - ROUNDING);
  vf p = splat(1.5403530e-4f);
  p = FMA(p, f, splat(1.3333558e-3f));
  p = FMA(p, f, splat(9.6181291e-3f));
  p = FMA(p, f, splat(5.5504109e-2f));
  p = FMA(p, f, splat(2.4022651e-1f));
  p = FMA(p, f, splat(6.9314718e-1f));
  p = FMA(p, f, splat(1.0f));
  vi exponent = (vi)shifted - (vi)splat(ROUNDING);
  return (vf)((vi)p + (exponent << 23));
}

INLINE size_t padded_to_lanes(size_t n) { return (n + LANES - 1) / LANES * LANES; }

/// Turns one row of scores into unnormalised weights; returns 1 / their sum.
INLINE float softmax_row(float *row, size_t tokens, size_t keys, float scale) {
  for (size_t j = tokens; j < keys; j++) row[j] = -INFINITY;
  vf top = load(row);
  for (size_t j = LANES; j < keys; j += LANES) top = maximum(load(row + j), top);
  float largest = maximum_of(top);
  vf sums = {0};
  for (size_t j = 0; j < keys; j += LANES) {
    vf e = exponential((load(row + j) - largest) * scale);
    store(row + j, e);
    sums += e;
  }
  return 1.0f / sum_of(sums);
}
