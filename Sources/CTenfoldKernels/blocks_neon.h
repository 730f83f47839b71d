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

/// Scale and offset (or the scales of both half blocks, then for Q2_K their offsets) of block b for columns 4 h ..< 4 h + 4.
TENFOLD_INLINE void block_scales(
  tenfold_block_format format, const uint8_t *panel, size_t b, int h, float32x4_t scales[4]) {
  const uint8_t *super = panel + b / 8 * 320 + 8 * h, *part = panel + b / 8 * 320 + 64 + b % 8 * 16 + 4 * h;
  switch (format) {
  case TENFOLD_Q4_1: case TENFOLD_Q5_1:
    scales[0] = halves_at(panel + 64 * b + 8 * h);
    scales[1] = halves_at(panel + 64 * b + 32 + 8 * h);
    break;
  case TENFOLD_Q4_K: case TENFOLD_Q5_K:
    scales[0] = vmulq_f32(halves_at(super), unsigned_at(part));
    scales[1] = vnegq_f32(vmulq_f32(halves_at(super + 32), unsigned_at(part + 128)));
    break;
  case TENFOLD_Q6_K: case TENFOLD_Q3_K:
    part += b % 8 * 16;
    scales[0] = vmulq_f32(halves_at(super), signed_at(part));
    scales[1] = vmulq_f32(halves_at(super), signed_at(part + 16));
    break;
  case TENFOLD_Q2_K:
    part += b % 8 * 16;
    for (int t = 0; t < 2; t++) {
      uint32x4_t pair = bytes_at(part + 16 * t);
      scales[t] = vmulq_f32(halves_at(super), vcvtq_f32_u32(vandq_u32(pair, vdupq_n_u32(15))));
      scales[2 + t] = vnegq_f32(vmulq_f32(halves_at(super + 32), vcvtq_f32_u32(vshrq_n_u32(pair, 4))));
    }
    break;
  default:
    scales[0] = halves_at(panel + 32 * b + 8 * h);
    scales[1] = vdupq_n_f32(0);
    break;
  }
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
  default: CALL(TENFOLD_Q4_1); break; \
  }

#endif
