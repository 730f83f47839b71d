// Tenfold kernels: attention for any CPU.
// SPDX-License-Identifier: Apache-2.0
#include "elementwise_vectors.h"

#define TILE_QUERIES 2
#define TILE_VECTORS 1
#define WIDE_QUERIES 0
#define TENFOLD_TILE_CASES TENFOLD_CASE(1) TENFOLD_CASE(2)

typedef uint16_t u16v __attribute__((ext_vector_type(16)));
typedef uint32_t u32v __attribute__((ext_vector_type(16)));

/// Exact for finite halves: the bits shifted into place are the value times 2^-112, subnormal or not. NaN stays NaN.
TENFOLD_INLINE v16 load_half16(const uint16_t *p) {
  u16v h;
  memcpy(&h, p, sizeof h);
  u32v w = __builtin_convertvector(h, u32v);
  v16 magnitude = (v16)((w & 0x7FFF) << 13) * 0x1p112f;
  u32v special = (u32v)((w & 0x7C00) == 0x7C00) & 0x7F800000;
  return (v16)((u32v)magnitude | special | ((w & 0x8000) << 16));
}

/// Rounds to nearest even; saturates at 65,504.
TENFOLD_INLINE uint16_t half_from(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7E00;
  if (magnitude >= 0x477FF000) return sign | 0x7BFF;
  if (magnitude < 0x38800000) {
    // Subnormal half: adding 0.5 leaves the value in units of 2^-24 in the low bits, rounded by the addition.
    float value, shifted;
    memcpy(&value, &magnitude, 4);
    shifted = value + 0.5f;
    memcpy(&bits, &shifted, 4);
    return sign | (uint16_t)(bits - 0x3F000000);
  }
  return sign | (uint16_t)((magnitude + 0xFFF + (magnitude >> 13 & 1) - 0x38000000) >> 13);
}

TENFOLD_INLINE void store_half(const float *x, uint16_t *halves, size_t count) {
  for (size_t i = 0; i < count; i++) halves[i] = half_from(x[i]);
}

#include "attention_loops.h"

const tenfold_attention_kernels tenfold_attention_portable = TENFOLD_ATTENTION_TABLE("portable");
