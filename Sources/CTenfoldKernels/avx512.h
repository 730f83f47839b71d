// Tenfold kernels: what the AVX-512 files switch on (private to this target).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>
#define TENFOLD_AVX512_VNNI \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")))
#endif
#define TENFOLD_INLINE static inline __attribute__((always_inline))
