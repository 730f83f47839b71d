// Tenfold kernel check: AVX-512 and AVX-VNNI played by an AVX2 processor.
// SPDX-License-Identifier: Apache-2.0
//
// Included before each kernel file (`-include`), it stands in for those intrinsics that the kernels use, with plain C of
// the same meaning, and lowers every function to AVX2. So the kernels' own source is judged by the oracles on machines that
// can't run it; what the compiler makes of the real intrinsics isn't, nor any speed. The meanings are those of Intel's
// "Intel 64 and IA-32 Architectures Software Developer's Manual", volume 2.
// Masked-off bytes are not touched, and aligned accesses stop the program where they aren't.
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#pragma clang diagnostic ignored "-Wpsabi"
// Every function in the files that follow, whatever it asks for. A macro isn't expanded within itself.
#define target(features) target("avx2,fma,f16c")
#define EMULATED static inline __attribute__((always_inline, target(whatever)))

/// Every lane of a vector as what it is taken for.
typedef union {
  __m512i i;
  __m512 f;
  __m256i halves[2];
  uint8_t u8[64];
  uint32_t u32[16];
  int32_t s32[16];
  float f32[16];
} emulated_lanes;

EMULATED void emulated_aligned(const void *p) {
  if ((uintptr_t)p % 64 != 0) __builtin_trap();
}

// MARK: Loads, stores, casts, constants

EMULATED __m512 emulated_loadu_ps(const void *p) {
  __m512 v;
  memcpy(&v, p, 64);
  return v;
}
EMULATED __m512 emulated_load_ps(const void *p) {
  emulated_aligned(p);
  return emulated_loadu_ps(p);
}
EMULATED __m512i emulated_loadu_si512(const void *p) { return (__m512i)emulated_loadu_ps(p); }
EMULATED __m512i emulated_load_si512(const void *p) { return (__m512i)emulated_load_ps(p); }
EMULATED __m512 emulated_maskz_loadu_ps(__mmask16 mask, const float *p) {
  emulated_lanes v = {0};
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) v.f32[i] = p[i];
  return v.f;
}
EMULATED __m512i emulated_maskz_loadu_epi8(__mmask64 mask, const void *p) {
  emulated_lanes v = {0};
  for (int i = 0; i < 64; i++)
    if (mask >> i & 1) v.u8[i] = ((const uint8_t *)p)[i];
  return v.i;
}
EMULATED void emulated_storeu_ps(void *p, __m512 v) { memcpy(p, &v, 64); }
EMULATED void emulated_store_ps(void *p, __m512 v) {
  emulated_aligned(p);
  emulated_storeu_ps(p, v);
}
EMULATED void emulated_storeu_si512(void *p, __m512i v) { memcpy(p, &v, 64); }
EMULATED void emulated_store_si512(void *p, __m512i v) {
  emulated_aligned(p);
  emulated_storeu_si512(p, v);
}
EMULATED void emulated_mask_storeu_ps(float *p, __mmask16 mask, __m512 v) {
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) p[i] = v[i];
}
EMULATED void emulated_mask_cvtepi32_storeu_epi8(void *p, __mmask16 mask, __m512i v) {
  emulated_lanes a = {.i = v};
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) ((uint8_t *)p)[i] = (uint8_t)a.u32[i];
}
EMULATED void emulated_mask_storeu_epi16(void *p, __mmask16 mask, __m256i v) {
  uint16_t lanes[16];
  memcpy(lanes, &v, 32);
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) ((uint16_t *)p)[i] = lanes[i];
}
EMULATED __m512 emulated_set1_ps(float x) { return (__m512)(__v16sf){} + x; }
EMULATED __m512i emulated_set1_epi32(int x) { return (__m512i)((__v16si){} + x); }
EMULATED __m512i emulated_set1_epi8(char x) { return (__m512i)((__v64qi){} + x); }

// MARK: Floats

EMULATED __m512 emulated_fmadd_ps(__m512 a, __m512 b, __m512 c) { return __builtin_elementwise_fma(a, b, c); }
EMULATED __m512 emulated_fnmadd_ps(__m512 a, __m512 b, __m512 c) { return __builtin_elementwise_fma(-a, b, c); }
/// The second operand where one is NaN or both are zeros.
EMULATED __m512 emulated_min_ps(__m512 a, __m512 b) {
  for (int i = 0; i < 16; i++) b[i] = a[i] < b[i] ? a[i] : b[i];
  return b;
}
EMULATED __m512 emulated_max_ps(__m512 a, __m512 b) {
  for (int i = 0; i < 16; i++) b[i] = a[i] > b[i] ? a[i] : b[i];
  return b;
}
EMULATED __m512 emulated_abs_ps(__m512 a) { return (__m512)((__v16su)a & 0x7FFFFFFFu); }
EMULATED __m512 emulated_mask_sub_ps(__m512 source, __mmask16 mask, __m512 a, __m512 b) {
  for (int i = 0; i < 16; i++)
    if (mask >> i & 1) source[i] = a[i] - b[i];
  return source;
}
/// To whole numbers, halves to even.
EMULATED __m512 emulated_roundscale_ps(__m512 a, int how) {
  if (how != 8) __builtin_trap();
  for (int i = 0; i < 16; i++) a[i] = rintf(a[i]);
  return a;
}
/// a * 2^floor(b), rounded once.
EMULATED __m512 emulated_scalef_ps(__m512 a, __m512 b) {
  for (int i = 0; i < 16; i++)
    a[i] = isnan(b[i]) ? b[i] : (float)ldexp(a[i], (int)fminf(fmaxf(floorf(b[i]), -1000), 1000));
  return a;
}
EMULATED __mmask16 emulated_cmp_ps_mask(__m512 a, __m512 b, int how) {
  unsigned mask = 0;
  if (how != _CMP_GT_OQ) __builtin_trap();
  for (int i = 0; i < 16; i++) mask |= (unsigned)(a[i] > b[i]) << i;
  return (__mmask16)mask;
}
EMULATED __mmask8 emulated_cmp_ps_mask_128(__m128 a, __m128 b, int how) {
  unsigned mask = 0;
  if (how != _CMP_GE_OQ) __builtin_trap();
  for (int i = 0; i < 4; i++) mask |= (unsigned)(a[i] >= b[i]) << i;
  return (__mmask8)mask;
}
/// Zero where the mask is.
EMULATED __m128 emulated_maskz_div_ps_128(__mmask8 mask, __m128 a, __m128 b) {
  for (int i = 0; i < 4; i++) a[i] = mask >> i & 1 ? a[i] / b[i] : 0;
  return a;
}
/// The upper lanes, which may be anything, are NaN.
EMULATED __m512 emulated_widened_ps(__m128 a) {
  emulated_lanes v = {.i = emulated_set1_epi8((char)0xFF)};
  memcpy(v.f32, &a, 16);
  return v.f;
}
EMULATED float emulated_reduce_add_ps(__m512 a) {
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; i++) a[i] += a[i + half];
  return a[0];
}

// MARK: Integers

EMULATED __m512i emulated_srli_epi16(__m512i a, unsigned count) { return (__m512i)((__v32hu)a >> (uint16_t)count); }
EMULATED __m512i emulated_srli_epi32(__m512i a, unsigned count) { return (__m512i)((__v16su)a >> count); }
EMULATED __m512i emulated_slli_epi32(__m512i a, unsigned count) { return (__m512i)((__v16su)a << count); }
EMULATED __m512i emulated_add_epi32(__m512i a, __m512i b) { return (__m512i)((__v16su)a + (__v16su)b); }
EMULATED __m512i emulated_sub_epi32(__m512i a, __m512i b) { return (__m512i)((__v16su)a - (__v16su)b); }
EMULATED __m512i emulated_max_epu32(__m512i a, __m512i b) {
  return (__m512i)__builtin_elementwise_max((__v16su)a, (__v16su)b);
}
/// Bit by bit, the table's entry whose number is made of the three operands' bits, the first the highest.
EMULATED __m512i emulated_ternarylogic_epi32(__m512i a, __m512i b, __m512i c, int table) {
  __m512i result = {0};
  for (int entry = 0; entry < 8; entry++)
    if (table >> entry & 1) result |= (entry & 4 ? a : ~a) & (entry & 2 ? b : ~b) & (entry & 1 ? c : ~c);
  return result;
}
/// To each int32, four products of an unsigned byte and a signed one: the even pair and the odd one; wraps around.
EMULATED __m256i emulated_dpbusd_256(__m256i sums, __m256i a, __m256i b) {
  __m256i even = _mm256_madd_epi16(
    _mm256_and_si256(a, _mm256_set1_epi16(0xFF)), _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  return _mm256_add_epi32(sums, _mm256_add_epi32(even, odd));
}
EMULATED __m512i emulated_dpbusd_epi32(__m512i sums, __m512i a, __m512i b) {
  emulated_lanes s = {.i = sums}, x = {.i = a}, y = {.i = b};
  for (int h = 0; h < 2; h++) s.halves[h] = emulated_dpbusd_256(s.halves[h], x.halves[h], y.halves[h]);
  return s.i;
}
/// To each int32, two products of 16-bit numbers; wraps around.
EMULATED __m512i emulated_dpwssd_epi32(__m512i sums, __m512i a, __m512i b) {
  emulated_lanes s = {.i = sums}, x = {.i = a}, y = {.i = b};
  for (int h = 0; h < 2; h++)
    s.halves[h] = _mm256_add_epi32(s.halves[h], _mm256_madd_epi16(x.halves[h], y.halves[h]));
  return s.i;
}
EMULATED __m128i emulated_dpbusd_128(__m128i sums, __m128i a, __m128i b) {
  __m256i wide = emulated_dpbusd_256(_mm256_zextsi128_si256(sums), _mm256_zextsi128_si256(a), _mm256_zextsi128_si256(b));
  return _mm256_castsi256_si128(wide);
}
/// Within each 128 bits: both operands' lanes by turns, from the lower half or the upper one.
#define EMULATED_UNPACKING(bits, type) \
  EMULATED __m512i emulated_unpack_epi##bits(__m512i a, __m512i b, int upper) { \
    type x[512 / bits], y[512 / bits], z[512 / bits]; \
    __m512i result; \
    memcpy(x, &a, 64); \
    memcpy(y, &b, 64); \
    for (int i = 0; i < 512 / bits; i++) { \
      int lanes = 128 / bits, from = i / lanes * lanes + i % lanes / 2 + (upper ? lanes / 2 : 0); \
      z[i] = i % 2 ? y[from] : x[from]; \
    } \
    memcpy(&result, z, 64); \
    return result; \
  }
EMULATED_UNPACKING(32, uint32_t)
EMULATED_UNPACKING(64, uint64_t)
/// Each 256 bits as the processor's own instruction does them.
EMULATED __m512i emulated_packs_epi32(__m512i a, __m512i b) {
  emulated_lanes x = {.i = a}, y = {.i = b};
  for (int h = 0; h < 2; h++) x.halves[h] = _mm256_packs_epi32(x.halves[h], y.halves[h]);
  return x.i;
}
EMULATED __m512i emulated_packs_epi16(__m512i a, __m512i b) {
  emulated_lanes x = {.i = a}, y = {.i = b};
  for (int h = 0; h < 2; h++) x.halves[h] = _mm256_packs_epi16(x.halves[h], y.halves[h]);
  return x.i;
}
EMULATED __m512i emulated_permutexvar_epi32(__m512i order, __m512i a) {
  emulated_lanes x = {.i = a}, from = {.i = order}, result;
  for (int i = 0; i < 16; i++) result.u32[i] = x.u32[from.u32[i] % 16];
  return result.i;
}
EMULATED __m512i emulated_shuffle_epi32(__m512i a, int order) {
  emulated_lanes x = {.i = a}, result;
  for (int i = 0; i < 16; i++) result.u32[i] = x.u32[i / 4 * 4 + (order >> 2 * (i % 4) & 3)];
  return result.i;
}
EMULATED __m256i emulated_half(__m512i a, int upper) {
  emulated_lanes x = {.i = a};
  return x.halves[upper];
}
EMULATED __mmask8 emulated_cmpge_epu32_mask_128(__m128i a, __m128i b) {
  uint32_t x[4], y[4];
  unsigned mask = 0;
  memcpy(x, &a, 16);
  memcpy(y, &b, 16);
  for (int i = 0; i < 4; i++) mask |= (unsigned)(x[i] >= y[i]) << i;
  return (__mmask8)mask;
}
EMULATED int emulated_reduce_add_epi32(__m512i a) {
  emulated_lanes v = {.i = a};
  uint32_t sum = 0;
  for (int i = 0; i < 16; i++) sum += v.u32[i];
  return (int)sum;
}
EMULATED unsigned emulated_reduce_max_epu32(__m512i a) {
  emulated_lanes v = {.i = a};
  uint32_t largest = 0;
  for (int i = 0; i < 16; i++) largest = v.u32[i] > largest ? v.u32[i] : largest;
  return largest;
}

// MARK: Conversions

EMULATED __m512 emulated_cvtepi32_ps(__m512i a) { return (__m512)__builtin_convertvector((__v16si)a, __v16sf); }
/// To nearest, halves to even; what doesn't fit is the smallest number.
EMULATED __m512i emulated_cvtps_epi32(__m512 a) {
  emulated_lanes v;
  for (int i = 0; i < 16; i++) v.s32[i] = a[i] >= -2147483648.0f && a[i] < 2147483648.0f ? (int)rintf(a[i]) : INT32_MIN;
  return v.i;
}
EMULATED __m128i emulated_cvtepi32_epi8(__m512i a) {
  emulated_lanes v = {.i = a};
  uint8_t bytes[16];
  __m128i result;
  for (int i = 0; i < 16; i++) bytes[i] = (uint8_t)v.u32[i];
  memcpy(&result, bytes, 16);
  return result;
}
#define EMULATED_WIDENING(name, narrow, element) \
  EMULATED __m512i name(narrow a) { \
    element lanes[16]; \
    emulated_lanes v; \
    memcpy(lanes, &a, sizeof lanes); \
    for (int i = 0; i < 16; i++) v.s32[i] = lanes[i]; \
    return v.i; \
  }
EMULATED_WIDENING(emulated_cvtepu8_epi32, __m128i, uint8_t)
EMULATED_WIDENING(emulated_cvtepi8_epi32, __m128i, int8_t)
EMULATED_WIDENING(emulated_cvtepu16_epi32, __m256i, uint16_t)
EMULATED __m512 emulated_cvtph_ps(__m256i a) {
  __m256 low = _mm256_cvtph_ps(_mm256_castsi256_si128(a)), high = _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1));
  emulated_lanes v;
  memcpy(v.f32, &low, 32);
  memcpy(v.f32 + 8, &high, 32);
  return v.f;
}
EMULATED __m256i emulated_cvtps_ph(__m512 a, int how) {
  __m256 low, high;
  if ((how & 7) != _MM_FROUND_TO_NEAREST_INT) __builtin_trap();
  memcpy(&low, &a, 32);
  memcpy(&high, (const char *)&a + 32, 32);
  return _mm256_set_m128i(
    _mm256_cvtps_ph(high, _MM_FROUND_TO_NEAREST_INT), _mm256_cvtps_ph(low, _MM_FROUND_TO_NEAREST_INT));
}

/// Off by up to 2^-14, so that what follows it has something to mend.
EMULATED __m512 emulated_rcp14_ps(__m512 a) {
  emulated_lanes v = {.f = 1.0f / a};
  for (int i = 0; i < 16; i++) v.u32[i] &= 0xFFFFFE00;
  return v.f;
}

// MARK: bfloat16

// Else the compiler would go through its own half floats.
#define __m512bh __m512i
#define __m256bh __m256i

EMULATED uint16_t emulated_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if (isnan(x)) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
EMULATED float emulated_from_bf16(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
EMULATED __m256bh emulated_cvtneps_pbh(__m512 a) {
  uint16_t halves[16];
  for (int i = 0; i < 16; i++) halves[i] = emulated_bf16(a[i]);
  __m256bh v;
  memcpy(&v, halves, 32);
  return v;
}
EMULATED __m512bh emulated_cvtne2ps_pbh(__m512 a, __m512 b) {
  __m256bh halves[2] = {emulated_cvtneps_pbh(b), emulated_cvtneps_pbh(a)};
  __m512bh v;
  memcpy(&v, halves, 64);
  return v;
}
EMULATED __m512 emulated_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) {
  uint16_t x[32], y[32];
  memcpy(x, &a, 64);
  memcpy(y, &b, 64);
  for (int i = 0; i < 16; i++) {
    sum[i] += emulated_from_bf16(x[2 * i + 1]) * emulated_from_bf16(y[2 * i + 1]);
    sum[i] += emulated_from_bf16(x[2 * i]) * emulated_from_bf16(y[2 * i]);
  }
  return sum;
}

// MARK: The names that the kernels use

#define _mm512_loadu_ps emulated_loadu_ps
#define _mm512_load_ps emulated_load_ps
#define _mm512_loadu_si512 emulated_loadu_si512
#define _mm512_load_si512 emulated_load_si512
#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_maskz_loadu_epi8 emulated_maskz_loadu_epi8
#define _mm512_storeu_ps emulated_storeu_ps
#define _mm512_store_ps emulated_store_ps
#define _mm512_storeu_si512 emulated_storeu_si512
#define _mm512_store_si512 emulated_store_si512
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm512_mask_cvtepi32_storeu_epi8 emulated_mask_cvtepi32_storeu_epi8
#define _mm256_mask_storeu_epi16 emulated_mask_storeu_epi16
#define _mm512_castps_si512(a) ((__m512i)(a))
#define _mm512_castsi512_ps(a) ((__m512)(a))
#define _mm512_setzero_ps() ((__m512){0})
#define _mm512_setzero_si512() ((__m512i){0})
#define _mm512_set1_ps emulated_set1_ps
#define _mm512_set1_epi32 emulated_set1_epi32
#define _mm512_set1_epi8 emulated_set1_epi8
#define _mm512_add_ps(a, b) ((__m512)(a) + (__m512)(b))
#define _mm512_sub_ps(a, b) ((__m512)(a) - (__m512)(b))
#define _mm512_mul_ps(a, b) ((__m512)(a) * (__m512)(b))
#define _mm512_cvtneps_pbh emulated_cvtneps_pbh
#define _mm512_cvtne2ps_pbh emulated_cvtne2ps_pbh
#define _mm512_dpbf16_ps emulated_dpbf16_ps
#define _mm512_or_si512(a, b) ((__m512i)(a) | (__m512i)(b))
#define _mm512_rcp14_ps emulated_rcp14_ps
#define _mm512_div_ps(a, b) ((__m512)(a) / (__m512)(b))
#define _mm512_fmadd_ps emulated_fmadd_ps
#define _mm512_fnmadd_ps emulated_fnmadd_ps
#define _mm512_min_ps emulated_min_ps
#define _mm512_max_ps emulated_max_ps
#define _mm512_abs_ps emulated_abs_ps
#define _mm512_mask_sub_ps emulated_mask_sub_ps
#undef _mm512_roundscale_ps
#define _mm512_roundscale_ps emulated_roundscale_ps
#define _mm512_scalef_ps emulated_scalef_ps
#undef _mm512_cmp_ps_mask
#define _mm512_cmp_ps_mask emulated_cmp_ps_mask
#define _mm512_reduce_add_ps emulated_reduce_add_ps
#define _mm512_and_si512(a, b) ((__m512i)(a) & (__m512i)(b))
#define _mm512_xor_si512(a, b) ((__m512i)(a) ^ (__m512i)(b))
#define _mm512_srli_epi16 emulated_srli_epi16
#define _mm512_srli_epi32 emulated_srli_epi32
#define _mm512_slli_epi32 emulated_slli_epi32
#define _mm512_add_epi32 emulated_add_epi32
#define _mm512_sub_epi32 emulated_sub_epi32
#define _mm512_max_epu32 emulated_max_epu32
#undef _mm512_ternarylogic_epi32
#define _mm512_ternarylogic_epi32 emulated_ternarylogic_epi32
#define _mm512_dpbusd_epi32 emulated_dpbusd_epi32
#define _mm512_dpwssd_epi32 emulated_dpwssd_epi32
#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32 emulated_dpbusd_256
#undef _mm_dpbusd_epi32
#define _mm_dpbusd_epi32 emulated_dpbusd_128
#define _mm512_unpacklo_epi32(a, b) emulated_unpack_epi32(a, b, 0)
#define _mm512_unpackhi_epi32(a, b) emulated_unpack_epi32(a, b, 1)
#define _mm512_unpacklo_epi64(a, b) emulated_unpack_epi64(a, b, 0)
#define _mm512_unpackhi_epi64(a, b) emulated_unpack_epi64(a, b, 1)
#define _mm512_packs_epi32 emulated_packs_epi32
#define _mm512_packs_epi16 emulated_packs_epi16
#define _mm512_permutexvar_epi32 emulated_permutexvar_epi32
#define _mm512_permutexvar_ps(order, a) ((__m512)emulated_permutexvar_epi32(order, (__m512i)(a)))
#undef _mm512_shuffle_epi32
#define _mm512_shuffle_epi32(a, order) emulated_shuffle_epi32(a, (int)(order))
#undef _mm512_setr_epi32
#define _mm512_setr_epi32(...) ((__m512i)(__v16si){__VA_ARGS__})
#define _mm512_castsi512_si256(a) emulated_half(a, 0)
#undef _mm512_extracti64x4_epi64
#define _mm512_extracti64x4_epi64 emulated_half
#define _mm512_castps128_ps512 emulated_widened_ps
#undef _mm_cmpge_epu32_mask
#define _mm_cmpge_epu32_mask emulated_cmpge_epu32_mask_128
#undef _mm_cmp_ps_mask
#define _mm_cmp_ps_mask emulated_cmp_ps_mask_128
#define _mm_maskz_div_ps emulated_maskz_div_ps_128
#define _mm512_reduce_add_epi32 emulated_reduce_add_epi32
#define _mm512_reduce_max_epu32 emulated_reduce_max_epu32
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#define _mm512_cvtps_epi32 emulated_cvtps_epi32
#define _mm512_cvtepi32_epi8 emulated_cvtepi32_epi8
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32
#define _mm512_cvtepi8_epi32 emulated_cvtepi8_epi32
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32
#define _mm512_cvtph_ps emulated_cvtph_ps
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph emulated_cvtps_ph
#endif
