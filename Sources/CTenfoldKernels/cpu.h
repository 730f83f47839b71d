// Tenfold kernels: what the CPU has (private to this target).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdbool.h>

#if defined(__x86_64__)
bool tenfold_cpu_has_avx2(void);
bool tenfold_cpu_has_avxvnni(void);
bool tenfold_cpu_has_avx512vnni(void);
/// Whether it has the products of bfloat16, beside AVX-512 VNNI.
bool tenfold_cpu_has_avx512bf16(void);
#endif

#if defined(__aarch64__)
bool tenfold_cpu_has_dotprod(void);
/// Whether it has the int8 matrix products and the dot products.
bool tenfold_cpu_has_i8mm(void);
#endif
