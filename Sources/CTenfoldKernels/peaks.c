/* What a core can do at most: 12 chains of the instruction that a kernel lives on, all in registers, so that neither loads
 * nor dependencies count. The results are handed to an empty asm, or the compiler would drop the loops.
 * The int8 loop of AVX2 is the cheapest exact product of 32 pairs that set has: multiply-add pairs of bytes, pairs of
 * words, and an addition; a kernel whose weights have signs needs one instruction more. */
// SPDX-License-Identifier: Apache-2.0
#include "include/tenfold_peaks.h"

#include <string.h>

#define CHAINS 12
#define EACH_CHAIN(body) \
  _Pragma("clang loop unroll(full)") for (int c = 0; c < CHAINS; c++) { body; }

#if defined(__x86_64__)
#include <immintrin.h>
#define KEEP(x) __asm__ volatile("" : "+v"(x))
#define KEEP256(x) __asm__ volatile("" : "+x"(x))

__attribute__((target("avx2"))) static double int8_avx2(size_t steps) {
  __m256i sums[CHAINS], a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2), ones = _mm256_set1_epi16(1);
  EACH_CHAIN(sums[c] = _mm256_setzero_si256())
  for (size_t i = 0; i < steps; i++) {
    EACH_CHAIN({
      KEEP256(a);
      sums[c] = _mm256_add_epi32(sums[c], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    })
  }
  EACH_CHAIN(KEEP256(sums[c]))
  return (double)steps * CHAINS * 64;
}

__attribute__((target("avx2,fma"))) static double float_avx2(size_t steps) {
  __m256 sums[CHAINS], a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
  EACH_CHAIN(sums[c] = _mm256_setzero_ps())
  for (size_t i = 0; i < steps; i++) {
    EACH_CHAIN(KEEP256(sums[c]); sums[c] = _mm256_fmadd_ps(a, b, sums[c]))
  }
  EACH_CHAIN(KEEP256(sums[c]))
  return (double)steps * CHAINS * 16;
}

__attribute__((target("avx2,avxvnni"))) static double int8_avxvnni(size_t steps) {
  __m256i sums[CHAINS], a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2);
  EACH_CHAIN(sums[c] = _mm256_setzero_si256())
  for (size_t i = 0; i < steps; i++) {
    EACH_CHAIN(KEEP256(sums[c]); sums[c] = _mm256_dpbusd_avx_epi32(sums[c], a, b))
  }
  EACH_CHAIN(KEEP256(sums[c]))
  return (double)steps * CHAINS * 64;
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static double int8_avx512vnni(size_t steps) {
  __m512i sums[CHAINS], a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
  EACH_CHAIN(sums[c] = _mm512_setzero_si512())
  for (size_t i = 0; i < steps; i++) {
    EACH_CHAIN(KEEP(sums[c]); sums[c] = _mm512_dpbusd_epi32(sums[c], a, b))
  }
  EACH_CHAIN(KEEP(sums[c]))
  return (double)steps * CHAINS * 128;
}

__attribute__((target("avx512f"))) static double float_avx512(size_t steps) {
  __m512 sums[CHAINS], a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
  EACH_CHAIN(sums[c] = _mm512_setzero_ps())
  for (size_t i = 0; i < steps; i++) {
    EACH_CHAIN(KEEP(sums[c]); sums[c] = _mm512_fmadd_ps(a, b, sums[c]))
  }
  EACH_CHAIN(KEEP(sums[c]))
  return (double)steps * CHAINS * 32;
}
#endif

#if defined(__aarch64__)
#include <arm_neon.h>
#define KEEP128(x) __asm__ volatile("" : "+w"(x))

__attribute__((target("dotprod"))) static double int8_neon(size_t steps) {
  int32x4_t sums[CHAINS];
  int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(2);
  EACH_CHAIN(sums[c] = vdupq_n_s32(0))
  for (size_t i = 0; i < steps; i++) { EACH_CHAIN(KEEP128(sums[c]); sums[c] = vdotq_s32(sums[c], a, b)) }
  EACH_CHAIN(KEEP128(sums[c]))
  return (double)steps * CHAINS * 32;
}

__attribute__((target("i8mm"))) static double int8_neoni8mm(size_t steps) {
  int32x4_t sums[CHAINS];
  int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(2);
  EACH_CHAIN(sums[c] = vdupq_n_s32(0))
  for (size_t i = 0; i < steps; i++) { EACH_CHAIN(KEEP128(sums[c]); sums[c] = vmmlaq_s32(sums[c], a, b)) }
  EACH_CHAIN(KEEP128(sums[c]))
  return (double)steps * CHAINS * 64;
}

static double float_neon(size_t steps) {
  float32x4_t sums[CHAINS], a = vdupq_n_f32(0.5f), b = vdupq_n_f32(0.25f);
  EACH_CHAIN(sums[c] = vdupq_n_f32(0))
  for (size_t i = 0; i < steps; i++) { EACH_CHAIN(KEEP128(sums[c]); sums[c] = vfmaq_f32(sums[c], a, b)) }
  EACH_CHAIN(KEEP128(sums[c]))
  return (double)steps * CHAINS * 8;
}
#endif

const tenfold_peak_kernels *tenfold_peaks_named(const char *name) {
  static const struct {
    const char *name;
    tenfold_peak_kernels kernels;
  } table[] = {
#if defined(__x86_64__)
    {"avx2", {"vpmaddubsw + vpmaddwd + vpaddd, 256 bits", int8_avx2, "vfmadd, 256 bits", float_avx2}},
    {"avxvnni", {"vpdpbusd, 256 bits", int8_avxvnni, "vfmadd, 256 bits", float_avx2}},
    {"avx512vnni", {"vpdpbusd, 512 bits", int8_avx512vnni, "vfmadd, 512 bits", float_avx512}},
#endif
#if defined(__aarch64__)
    {"neon", {"sdot", int8_neon, "fmla", float_neon}},
    {"neoni8mm", {"smmla", int8_neoni8mm, "fmla", float_neon}},
#endif
    {"", {"", 0, "", 0}},
  };
  for (size_t i = 0; i + 1 < sizeof table / sizeof table[0]; i++)
    if (strcmp(table[i].name, name) == 0) return &table[i].kernels;
  return 0;
}

typedef uint64_t line __attribute__((vector_size(64)));

uint64_t tenfold_read_memory(const void *start, size_t bytes) {
  const char *p = start;
  line sums[4] = {{0}, {0}, {0}, {0}};
  for (size_t i = 0; i + 256 <= bytes; i += 256)
    for (int s = 0; s < 4; s++) {
      line v;
      memcpy(&v, p + i + 64 * s, sizeof v);
      sums[s] ^= v;
    }
  line all = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
  uint64_t result = 0;
  for (int i = 0; i < 8; i++) result ^= all[i];
  return result;
}
