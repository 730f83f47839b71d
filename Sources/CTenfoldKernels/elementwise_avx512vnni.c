// Tenfold kernels: element-wise loops with AVX-512.
// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "include/tenfold_elementwise.h"
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,avx2,f16c"))), apply_to = function)
#include "elementwise_loops.h"
#pragma clang attribute pop

const tenfold_elementwise_kernels tenfold_elementwise_avx512vnni = TENFOLD_ELEMENTWISE_TABLE("avx512vnni");
#else
typedef int tenfold_elementwise_avx512vnni_is_for_x86;
#endif
