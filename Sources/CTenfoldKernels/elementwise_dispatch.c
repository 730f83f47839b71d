// Tenfold kernels: which element-wise loops belong to an instruction set.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "include/tenfold_elementwise.h"

extern const tenfold_elementwise_kernels tenfold_elementwise_portable;
#if defined(__x86_64__)
extern const tenfold_elementwise_kernels tenfold_elementwise_avx2, tenfold_elementwise_avx512vnni;
#endif

// On arm64 the portable loops are compiled to NEON with fused operations, which every such processor has: a table of
// its own would be the same code.
static const tenfold_elementwise_kernels *const tables[] = {
#if defined(__x86_64__)
  &tenfold_elementwise_avx512vnni,
  &tenfold_elementwise_avx2,
#endif
  &tenfold_elementwise_portable,
};

const tenfold_elementwise_kernels *tenfold_elementwise_named(const char *name) {
  // AVX-VNNI has these loops from AVX2.
  if (strcmp(name, "avxvnni") == 0) name = "avx2";
  size_t count = sizeof tables / sizeof tables[0];
  for (size_t i = 0; i < count; i++) {
    if (strcmp(tables[i]->name, name) == 0) return tables[i];
  }
  return tables[count - 1];
}
