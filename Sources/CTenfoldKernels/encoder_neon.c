/* Encoder loops for NEON: 8 lanes in two registers; 4 queries x 2 vectors of keys are 16 accumulators, enough to cover
 * the 4 cycles of a fused multiply-add on four pipes, with 4 registers of keys and 1 query beside them. See
 * encoder_loops.h. */
// SPDX-License-Identifier: Apache-2.0
#if defined(__aarch64__)
#define LANES 8
#define KEY_VECTORS 2
#define FMA(a, b, c) __builtin_elementwise_fma(a, b, c)
#define TABLE tenfold_encoder_neon
#define NAME "neon"
#include "encoder_loops.h"
#endif
