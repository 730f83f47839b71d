// Tenfold kernels: attention with NEON.
// SPDX-License-Identifier: Apache-2.0
//
// registers  4 queries x 16 columns = 16 accumulators, 4 for the halves just widened, 1 query element read by lane
// peak       16 FMAs of 4 lanes for 4 conversions
// needs      nothing beyond base arm64; dot products only because the backend of this name has them
#if defined(__aarch64__)
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "include/tenfold_attention.h"
#include "elementwise_vectors.h"

#define TILE_QUERIES 4
#define TILE_VECTORS 1
#define WIDE_QUERIES 2
#define TENFOLD_TILE_CASES TENFOLD_CASE(1) TENFOLD_CASE(2) TENFOLD_CASE(3) TENFOLD_CASE(4)

TENFOLD_INLINE v16 load_half16(const uint16_t *p) {
  float16x8_t low = vreinterpretq_f16_u16(vld1q_u16(p)), high = vreinterpretq_f16_u16(vld1q_u16(p + 8));
  v16 v;
  v.lo.lo = (v4)vcvt_f32_f16(vget_low_f16(low));
  v.lo.hi = (v4)vcvt_high_f32_f16(low);
  v.hi.lo = (v4)vcvt_f32_f16(vget_low_f16(high));
  v.hi.hi = (v4)vcvt_high_f32_f16(high);
  return v;
}

/// Rounds to nearest even; saturates at 65,504; a NaN comes through, as fmin and fmax keep it.
TENFOLD_INLINE void store_half(const float *x, uint16_t *halves, size_t count) {
  for (size_t i = 0; i < count; i += 4) {
    float lanes[4] = {0};
    size_t n = count - i < 4 ? count - i : 4;
    memcpy(lanes, x + i, n * sizeof(float));
    float32x4_t v = vmaxq_f32(vminq_f32(vld1q_f32(lanes), vdupq_n_f32(65504.0f)), vdupq_n_f32(-65504.0f));
    uint16_t result[4];
    vst1_u16(result, vreinterpret_u16_f16(vcvt_f16_f32(v)));
    memcpy(halves + i, result, n * sizeof(uint16_t));
  }
}

#include "attention_loops.h"

const tenfold_attention_kernels tenfold_attention_neon = TENFOLD_ATTENTION_TABLE("neon");
#else
typedef int tenfold_attention_neon_is_for_arm64;
#endif
