// Tenfold kernels: what the AVX2 and AVX-VNNI files switch on (private to this target).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>
#define TENFOLD_AVX2 __attribute__((target("avx2,fma,f16c")))
#define TENFOLD_AVXVNNI __attribute__((target("avxvnni,avx2,fma,f16c")))
#endif
#define TENFOLD_INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
/// Keeps the order of sums: regrouped by the compiler, more of them are alive than there are registers.
TENFOLD_INLINE TENFOLD_AVX2 void pin(__m256i *sum) { __asm__ volatile("" : "+x"(*sum)); }
#endif
