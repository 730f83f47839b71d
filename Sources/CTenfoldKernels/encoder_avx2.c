/* Encoder loops for AVX2 with FMA: 8 lanes; 4 queries x 2 vectors of keys are 8 accumulators (ymm), enough to cover the
 * 4 cycles of a fused multiply-add on two ports, with 2 keys and 1 query beside them. See encoder_loops.h. */
// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)
#include <math.h>
#include <string.h>
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define LANES 8
#define KEY_VECTORS 2
#define FMA(a, b, c) __builtin_elementwise_fma(a, b, c)
#define TABLE tenfold_encoder_avx2
#define NAME "avx2"
#include "encoder_loops.h"
#pragma clang attribute pop
#endif
