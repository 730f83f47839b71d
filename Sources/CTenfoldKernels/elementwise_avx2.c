// Tenfold kernels: element-wise loops with AVX2 and FMA.
// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "include/tenfold_elementwise.h"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "elementwise_loops.h"
#pragma clang attribute pop

const tenfold_elementwise_kernels tenfold_elementwise_avx2 = TENFOLD_ELEMENTWISE_TABLE("avx2");
#else
typedef int tenfold_elementwise_avx2_is_for_x86;
#endif
