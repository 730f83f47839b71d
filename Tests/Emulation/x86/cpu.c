// Tenfold kernel check: a processor with AVX2 says that it has what `avx512.h` plays. Stands in for the kernels' cpu.c.
// SPDX-License-Identifier: Apache-2.0
#include "cpu.h"

bool tenfold_cpu_has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
bool tenfold_cpu_has_avxvnni(void) { return tenfold_cpu_has_avx2(); }
bool tenfold_cpu_has_avx512vnni(void) { return tenfold_cpu_has_avx2(); }
bool tenfold_cpu_has_avx512bf16(void) { return tenfold_cpu_has_avx2(); }
