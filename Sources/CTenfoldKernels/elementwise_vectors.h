// Tenfold kernels: vectors of 16 floats and what all instruction sets do with them in the same way (private).
// SPDX-License-Identifier: Apache-2.0
//
// Included by each file of the element-wise and attention families below its target pragma, so that the same source
// is compiled once per instruction set. a * b + c is fused where the instruction set can.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma clang fp contract(fast)
// Vectors are passed between inlined functions only, so no ABI is at stake.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float v16 __attribute__((ext_vector_type(16)));
typedef int32_t i16v __attribute__((ext_vector_type(16)));
typedef float v8 __attribute__((ext_vector_type(8)));
typedef float v4 __attribute__((ext_vector_type(4)));

#define TENFOLD_INLINE static inline __attribute__((always_inline))

TENFOLD_INLINE v16 load16(const float *p) {
  v16 v;
  memcpy(&v, p, sizeof v);
  return v;
}

TENFOLD_INLINE void store16(float *p, v16 v) { memcpy(p, &v, sizeof v); }

/// Loads `count` (0...15) floats and fills up with `fill`.
TENFOLD_INLINE v16 load_tail(const float *p, size_t count, float fill) {
  float lanes[16];
  for (size_t i = 0; i < 16; i++) lanes[i] = i < count ? p[i] : fill;
  return load16(lanes);
}

TENFOLD_INLINE void store_tail(float *p, v16 v, size_t count) {
  float lanes[16];
  store16(lanes, v);
  memcpy(p, lanes, count * sizeof(float));
}

TENFOLD_INLINE v16 select16(i16v mask, v16 yes, v16 no) {
  return mask ? yes : no;
}

/// A fixed tree, so that the sum is the same everywhere.
TENFOLD_INLINE float sum16(v16 v) {
  v8 a = v.lo + v.hi;
  v4 b = a.lo + a.hi;
  return (b.x + b.z) + (b.y + b.w);
}

/// NaN lanes are passed over.
TENFOLD_INLINE v16 max16(v16 a, v16 b) { return select16(a < b, b, a); }

TENFOLD_INLINE float largest16(v16 v) {
  v8 a = v.lo > v.hi ? v.lo : v.hi;
  v4 b = a.lo > a.hi ? a.lo : a.hi;
  float c = b.x > b.z ? b.x : b.z, d = b.y > b.w ? b.y : b.w;
  return c > d ? c : d;
}

/// exp(x) within 2 ulp for -87.3 ... 88.3; 0 below, the value at 88.3 above, NaN for NaN. Polynomial of degree 6 on
/// |r| <= ln 2 / 2 with Cody and Waite's two-part ln 2.
TENFOLD_INLINE v16 exp16(v16 x) {
  const v16 low = (v16)(-87.3f), high = (v16)(88.3f), magic = (v16)(12582912.0f);
  i16v underflow = x < low;
  v16 y = select16(underflow, low, x);
  y = select16(y > high, high, y);
  v16 t = y * 1.44269504f + magic;
  v16 n = t - magic;
  v16 r = y - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  v16 p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  // The low bits of t hold n; shifted up they are the exponent of 2^n.
  i16v exponent = ((i16v)t << 23) + 0x3F800000;
  v16 result = p * (v16)exponent;
  return (v16)((i16v)result & ~underflow);
}
