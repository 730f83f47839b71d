// What becomes of a tile's sums on AVX-512, in registers: the steps of `finish_float`, in its order (private to this target).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "backends.h"
#include "activations_avx512.h"
#include "avx512.h"

#if defined(__x86_64__)

/// STORED: the sums as they are. The others are finished: with a bias, and GELU of that, a residual, or bias and residual.
typedef enum tile_finish {
  STORED, PLAIN, WITH_BIAS, WITH_BIAS_AND_GELU, WITH_RESIDUAL, WITH_BIAS_AND_RESIDUAL
} tile_finish;

/// Where the first column of a tile's first row goes, and what it meets.
typedef struct tile_end {
  float *output;
  size_t output_stride;
  const float *bias, *residual;
  size_t residual_stride;
} tile_end;

/// STORED for epilogues that have no instance of their own: a multiplier, or most activations.
TENFOLD_INLINE tile_finish finish_of(const tenfold_epilogue *e) {
  if (e->activation == TENFOLD_ACTIVATION_GELU && e->bias && !e->multiplier && !e->residual) return WITH_BIAS_AND_GELU;
  if (e->activation != TENFOLD_ACTIVATION_NONE || e->multiplier) return STORED;
  if (e->bias) return e->residual ? WITH_BIAS_AND_RESIDUAL : WITH_BIAS;
  return e->residual ? WITH_RESIDUAL : PLAIN;
}

TENFOLD_INLINE tile_end tile_end_of(const tenfold_epilogue *e, size_t row, size_t column) {
  return (tile_end){
    .output = tenfold_output_at(e, row, column), .output_stride = e->output_stride,
    .bias = e->bias ? e->bias + column : NULL,
    .residual = e->residual ? e->residual + row * e->residual_stride + column : NULL,
    .residual_stride = e->residual_stride};
}

/// Calls an instance for the finish at hand, which isn't STORED.
#define EACH_FINISH(finish, CALL) \
  switch (finish) { \
  case WITH_BIAS: CALL(WITH_BIAS); break; \
  case WITH_BIAS_AND_GELU: CALL(WITH_BIAS_AND_GELU); break; \
  case WITH_RESIDUAL: CALL(WITH_RESIDUAL); break; \
  case WITH_BIAS_AND_RESIDUAL: CALL(WITH_BIAS_AND_RESIDUAL); break; \
  default: CALL(PLAIN); break; \
  }

/// Asks for row `row` of `panels` panels of the output while its sums are computed.
TENFOLD_INLINE __attribute__((target("avx512f"))) void fetch_output(
  tile_finish finish, int panels, size_t row, tile_end end) {
#pragma clang loop unroll(full)
  for (int p = 0; p < panels; p++) {
    _mm_prefetch((const char *)(end.output + row * end.output_stride + 16 * p), _MM_HINT_T1);
    if (finish >= WITH_RESIDUAL)
      _mm_prefetch((const char *)(end.residual + row * end.residual_stride + 16 * p), _MM_HINT_T1);
  }
}

/// Stores 16 finished sums of a row and a panel.
TENFOLD_INLINE TENFOLD_AVX512_VNNI void finish_sums(tile_finish finish, __m512 s, size_t row, int panel, tile_end end) {
  if (finish == WITH_BIAS || finish == WITH_BIAS_AND_GELU || finish == WITH_BIAS_AND_RESIDUAL)
    s = _mm512_add_ps(s, _mm512_loadu_ps(end.bias + 16 * panel));
  if (finish == WITH_BIAS_AND_GELU) s = gelu(s);
  if (finish >= WITH_RESIDUAL)
    s = _mm512_add_ps(s, _mm512_loadu_ps(end.residual + row * end.residual_stride + 16 * panel));
  _mm512_storeu_ps(end.output + row * end.output_stride + 16 * panel, s);
}
#endif
