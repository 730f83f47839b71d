/* Encoder loops in plain C: vectors of 4 that every compiler splits or maps as it can. See encoder_loops.h. */
// SPDX-License-Identifier: Apache-2.0
#define LANES 4
#define KEY_VECTORS 2
#define FMA(a, b, c) ((a) * (b) + (c))
#define TABLE tenfold_encoder_portable
#define NAME "portable"
#include "encoder_loops.h"
