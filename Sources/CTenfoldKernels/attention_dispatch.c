// Tenfold kernels: which attention belongs to an instruction set.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "include/tenfold_attention.h"

extern const tenfold_attention_kernels tenfold_attention_portable;
#if defined(__x86_64__)
extern const tenfold_attention_kernels tenfold_attention_avx2, tenfold_attention_avx512vnni;
#endif
#if defined(__aarch64__)
extern const tenfold_attention_kernels tenfold_attention_neon;
#endif

static const tenfold_attention_kernels *const tables[] = {
#if defined(__x86_64__)
  &tenfold_attention_avx512vnni,
  &tenfold_attention_avx2,
#endif
#if defined(__aarch64__)
  &tenfold_attention_neon,
#endif
  &tenfold_attention_portable,
};

const tenfold_attention_kernels *tenfold_attention_named(const char *name) {
  // AVX-VNNI has these loops from AVX2.
  if (strcmp(name, "avxvnni") == 0) name = "avx2";
  size_t count = sizeof tables / sizeof tables[0];
  for (size_t i = 0; i < count; i++) {
    // A backend that extends another, as neoni8mm does neon, shares its attention.
    if (strncmp(tables[i]->name, name, strlen(tables[i]->name)) == 0) return tables[i];
  }
  return tables[count - 1];
}
