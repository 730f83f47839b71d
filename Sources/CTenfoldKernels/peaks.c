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

/* The loop of one instruction: each step sets the sum of every chain to `next`, which is `operations` operations.
 * The sum and one operand pass through an asm in each step, or what depends on neither would be done once. */
#define PEAK(function, isa, keep, sum, zero, operand, first, second, next, operations)          \
  __attribute__((target(isa))) static double function(size_t steps) {                           \
    sum sums[CHAINS];                                                                           \
    operand a = first, b = second;                                                              \
    EACH_CHAIN(sums[c] = zero)                                                                  \
    for (size_t i = 0; i < steps; i++) { EACH_CHAIN(keep(a); keep(sums[c]); sums[c] = next) }   \
    EACH_CHAIN(keep(sums[c]))                                                                   \
    return (double)steps * CHAINS * operations;                                                 \
  }

#if defined(__x86_64__)
#include <immintrin.h>
#define KEEP256(x) __asm__ volatile("" : "+x"(x))
#define KEEP512(x) __asm__ volatile("" : "+v"(x))
#define PEAK_I8_256(function, isa, next) \
  PEAK(function, isa, KEEP256, __m256i, _mm256_setzero_si256(), __m256i, _mm256_set1_epi8(1), _mm256_set1_epi8(2), \
       next, 64)

PEAK_I8_256(int8_avx2, "avx2",
            _mm256_add_epi32(sums[c], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1))))
PEAK_I8_256(int8_avxvnni, "avx2,avxvnni", _mm256_dpbusd_avx_epi32(sums[c], a, b))
PEAK(int8_avx512vnni, "avx512f,avx512bw,avx512vnni", KEEP512, __m512i, _mm512_setzero_si512(), __m512i,
     _mm512_set1_epi8(1), _mm512_set1_epi8(2), _mm512_dpbusd_epi32(sums[c], a, b), 128)
PEAK(float_avx2, "avx2,fma", KEEP256, __m256, _mm256_setzero_ps(), __m256, _mm256_set1_ps(0.5f),
     _mm256_set1_ps(0.25f), _mm256_fmadd_ps(a, b, sums[c]), 16)
PEAK(float_avx512, "avx512f", KEEP512, __m512, _mm512_setzero_ps(), __m512, _mm512_set1_ps(0.5f),
     _mm512_set1_ps(0.25f), _mm512_fmadd_ps(a, b, sums[c]), 32)
#endif

#if defined(__aarch64__)
#include <arm_neon.h>
#define KEEP128(x) __asm__ volatile("" : "+w"(x))
#define PEAK_I8_128(function, isa, next, operations) \
  PEAK(function, isa, KEEP128, int32x4_t, vdupq_n_s32(0), int8x16_t, vdupq_n_s8(1), vdupq_n_s8(2), next, operations)

PEAK_I8_128(int8_neon, "dotprod", vdotq_s32(sums[c], a, b), 32)
PEAK_I8_128(int8_neoni8mm, "i8mm", vmmlaq_s32(sums[c], a, b), 64)
PEAK(float_neon, "neon", KEEP128, float32x4_t, vdupq_n_f32(0), float32x4_t, vdupq_n_f32(0.5f), vdupq_n_f32(0.25f),
     vfmaq_f32(sums[c], a, b), 8)
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
