// Tenfold kernels: what the arm64 files switch on (private to this target).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#if defined(__aarch64__)
#include <arm_neon.h>
#define TENFOLD_NEON __attribute__((target("dotprod")))
#define TENFOLD_NEON_I8MM __attribute__((target("dotprod,i8mm")))
#endif
#define TENFOLD_INLINE static inline __attribute__((always_inline))
