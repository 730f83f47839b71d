// Tenfold kernels: unpacking of the block formats with NEON, shared by the two arm64 files (private to this target).
// SPDX-License-Identifier: Apache-2.0
//
// Included below the target pragma. A panel's 16 columns are four vectors of four: `h` (0...3) says which.
#pragma once
#include "backends.h"
#include "formats.h"
#include "neon.h"

#if defined(__aarch64__)

/// The products of a few rows, by dot products (gemm_blocks_neon.c).
void tenfold_blocks_neon_gemv(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride);

TENFOLD_INLINE float32x4_t halves_at(const uint8_t *bytes) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(bytes))); }

TENFOLD_INLINE uint8x8_t four_bytes_at(const uint8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, 4);
  return vcreate_u8(word);
}

TENFOLD_INLINE uint32x4_t bytes_at(const uint8_t *bytes) {
  return vmovl_u16(vget_low_u16(vmovl_u8(four_bytes_at(bytes))));
}

TENFOLD_INLINE float32x4_t unsigned_at(const uint8_t *bytes) { return vcvtq_f32_u32(bytes_at(bytes)); }

TENFOLD_INLINE float32x4_t signed_at(const uint8_t *bytes) {
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(four_bytes_at(bytes))))));
}

/// Scale and offset of block b of 32 for columns 4 h ..< 4 h + 4, or in a block of 256 its scale or those of its halves.
TENFOLD_INLINE void block_scales(
  tenfold_block_format format, const uint8_t *panel, size_t b, int h, float32x4_t scales[2]) {
  const uint8_t *super = panel + b / 8 * 320 + 8 * h;
  const uint8_t *part = panel + b / 8 * 320 + 64 + b % 8 * 16 * (size_t)parts_of(format) + 4 * h;
  scales[1] = vdupq_n_f32(0);
  switch (kind_of(format)) {
  case CENTRED: scales[0] = halves_at(panel + 32 * b + 8 * h); break;
  case OFFSET:
    scales[0] = halves_at(panel + 64 * b + 8 * h);
    scales[1] = halves_at(panel + 64 * b + 32 + 8 * h);
    break;
  case MINIMA: scales[0] = vmulq_f32(halves_at(super), unsigned_at(part)); break;
  case HALVES:
    for (int t = 0; t < 2; t++) scales[t] = vmulq_f32(halves_at(super), signed_at(part + 16 * t));
    break;
  default:
    for (int t = 0; t < 2; t++)
      scales[t] = vmulq_f32(halves_at(super), vcvtq_f32_u32(vandq_u32(bytes_at(part + 16 * t), vdupq_n_u32(15))));
    break;
  }
}

/// Minimum `run` (a block of 32, or half of one) of a block of 256, of columns 4 h ..< 4 h + 4.
TENFOLD_INLINE int16x4_t minima_of(tenfold_block_format format, const uint8_t *super, int h, int run) {
  uint8x8_t bytes = four_bytes_at(super + (kind_of(format) == MINIMA ? 192 : 64) + 16 * run + 4 * h);
  if (kind_of(format) == MINIMA_HALVES) bytes = vshr_n_u8(bytes, 4);
  return vreinterpret_s16_u16(vget_low_u16(vmovl_u8(bytes)));
}

/// -m of a block of 256.
TENFOLD_INLINE float32x4_t minimum_scale(const uint8_t *super, int h) {
  return vnegq_f32(halves_at(super + 32 + 8 * h));
}

/// Minima of a block of 256 of one column.
TENFOLD_INLINE int minimum_count(tenfold_block_format format) {
  return has_minima(format) ? 8 * parts_of(format) : 0;
}

/// Where an expanded block of 256 keeps them, [run][16].
TENFOLD_INLINE const int16_t *expanded_minima(tenfold_block_format format, const float *scales) {
  return (const int16_t *)(const void *)(scales + minima_at(format));
}

/// The sums of a row's activations that meet them, from block `at` of 32 on.
TENFOLD_INLINE const int16_t *sums_of_runs(
  tenfold_block_format format, const tenfold_block_activations *view, size_t at) {
  return parts_of(format) == 1 ? view->block_sums + at : view->half_sums + 2 * at;
}

/// What both tiles keep of block b's scales, and once for a block of 256 of its minima.
TENFOLD_INLINE void expand_scales(
  tenfold_block_format format, const uint8_t *panel, size_t first, size_t b, int h, float *scales) {
  float32x4_t parts[2];
  size_t count = is_long(format) ? (size_t)parts_of(format) : 2;
  block_scales(format, panel, first + b, h, parts);
  float *super = scales + scale_floats(format, is_long(format) ? b / 8 * 8 : b) + 4 * h;
  float *target = super + (is_long(format) ? 16 * count * (b % 8) : 0);
  for (size_t i = 0; i < count; i++) vst1q_f32(target + 16 * i, parts[i]);
  if (b % 8 != 0 || !has_minima(format)) return;
  const uint8_t *packed = panel + (first + b) / 8 * 320;
  int16_t *minima = (int16_t *)(void *)(super - 4 * h + minima_at(format)) + 4 * h;
  for (int run = 0; run < minimum_count(format); run++) vst1_s16(minima + 16 * run, minima_of(format, packed, h, run));
  vst1q_f32(super + minimum_scale_at(format), minimum_scale(packed, h));
}

/// Quad q of columns 4 h ..< 4 h + 4 of a packed block; codes of up to 6 bits are not negative.
TENFOLD_INLINE int8x16_t quad_codes(int bits, const uint8_t *block, int h, int q) {
  block += 16 * h;
#define LINE(L) vld1q_u8(block + 64 * (L))
  uint8x16_t codes;
  if (bits == 8) {
    codes = LINE(q);
  } else if (bits == 2) {
    // A shift must be a literal, and not of nothing.
    codes = LINE(q / 4);
    codes = q % 4 == 3 ? vshrq_n_u8(codes, 6) : q % 4 == 2 ? vshrq_n_u8(codes, 4) : q % 4 == 1 ? vshrq_n_u8(codes, 2) : codes;
    codes = vandq_u8(codes, vdupq_n_u8(3));
  } else if (bits == 4) {
    codes = q % 2 ? vshrq_n_u8(LINE(q / 2), 4) : vandq_u8(LINE(q / 2), vdupq_n_u8(15));
  } else if (bits == 5 && q < 5) {
    codes = vandq_u8(LINE(q), vdupq_n_u8(31));
  } else if (bits == 5 && q < 7) {
    // The top 3 bits of one line, the top 2 of the next below them.
    codes = vshrq_n_u8(vsriq_n_u8(LINE(2 * q - 10), LINE(2 * q - 9), 3), 3);
  } else if (bits == 5) {
    codes = vsriq_n_u8(LINE(4), vshlq_n_u8(LINE(1), 2), 3);
    codes = vshrq_n_u8(vsriq_n_u8(codes, vshlq_n_u8(LINE(3), 2), 4), 3);
  } else if (q % 4 < 3) {
    codes = vandq_u8(LINE(q / 4 * 3 + q % 4), vdupq_n_u8(63));
  } else {
    codes = vsriq_n_u8(LINE(q / 4 * 3), LINE(q / 4 * 3 + 1), 2);
    codes = vshrq_n_u8(vsriq_n_u8(codes, LINE(q / 4 * 3 + 2), 4), 2);
  }
#undef LINE
  return vreinterpretq_s8_u8(codes);
}

/// Where the integer sums of a block (of its half `half` where each has a scale) start: minus zero times the sum of a.
TENFOLD_INLINE int32_t first_sum(tenfold_block_format format, const int32_t *negated, int half) {
  int32_t zero = zero_of(format);
  if (parts_of(format) == 2) return zero * (half == 0 ? negated[1] : negated[0] - negated[1]);
  return zero * negated[0];
}

/// Keeps the compiler from moving work across: it would start more sums than there are registers.
#define IN_ORDER(vector) __asm__ volatile("" : "+w"(vector))

/// For tiles, which see unpacked codes: formats differ in kind and zero only.
#define ALL_KINDS(CALL) \
  switch (format) { \
  case TENFOLD_Q8_0: CALL(TENFOLD_Q8_0); break; \
  case TENFOLD_Q4_0: CALL(TENFOLD_Q4_0); break; \
  case TENFOLD_Q5_0: CALL(TENFOLD_Q5_0); break; \
  case TENFOLD_Q6_K: CALL(TENFOLD_Q6_K); break; \
  case TENFOLD_Q3_K: CALL(TENFOLD_Q3_K); break; \
  case TENFOLD_Q2_K: CALL(TENFOLD_Q2_K); break; \
  case TENFOLD_Q4_K: case TENFOLD_Q5_K: CALL(TENFOLD_Q4_K); break; \
  default: CALL(TENFOLD_Q4_1); break; \
  }

#endif
