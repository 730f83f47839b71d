// Tenfold kernels: the list of encoder loops. A new instruction set is its file and one line here.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cpu.h"
#include "include/tenfold_encoder.h"

extern const tenfold_encoder_kernels tenfold_encoder_portable;
#if defined(__x86_64__)
extern const tenfold_encoder_kernels tenfold_encoder_avx2;
extern const tenfold_encoder_kernels tenfold_encoder_avx512;
extern const tenfold_encoder_attention tenfold_encoder_avx512bf16;
#endif
#if defined(__aarch64__)
extern const tenfold_encoder_kernels tenfold_encoder_neon;
#endif

const tenfold_encoder_kernels *tenfold_encoder_kernels_named(const char *name) {
#if defined(__x86_64__)
  if (strncmp(name, "avx512", 6) == 0) return &tenfold_encoder_avx512;
  if (strncmp(name, "avx", 3) == 0) return &tenfold_encoder_avx2;
#elif defined(__aarch64__)
  if (strncmp(name, "neon", 4) == 0) return &tenfold_encoder_neon;
#else
  (void)name;
#endif
  return &tenfold_encoder_portable;
}

const tenfold_encoder_attention *tenfold_encoder_bf16_attention(const char *name) {
#if defined(__x86_64__)
  if (strncmp(name, "avx512", 6) == 0 && tenfold_cpu_has_avx512bf16()) return &tenfold_encoder_avx512bf16;
#else
  (void)name;
#endif
  return NULL;
}
