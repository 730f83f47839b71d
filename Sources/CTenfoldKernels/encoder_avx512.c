/* Encoder loops for AVX-512: 16 lanes; 4 queries x 4 vectors of keys are 16 accumulators (zmm), with 4 keys and 1 query
 * beside them. See encoder_loops.h. */
// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)
#include <math.h>
#include <string.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))), apply_to = function)
#define LANES 16
#define KEY_VECTORS 4
#define FMA(a, b, c) __builtin_elementwise_fma(a, b, c)
#define TABLE tenfold_encoder_avx512
#define NAME "avx512vnni"
#include "encoder_loops.h"
#pragma clang attribute pop
#endif
