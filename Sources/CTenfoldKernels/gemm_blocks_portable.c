/* GGUF block weights x int8 activations per 32, plain C.
 * Per block of 32, row and column:  i = sum_k code * a - zero * sum_k a  (exact);  s += i * (scale * da);
 * with an offset also               s += offset * (da * sum_k a).   Q6_K, Q3_K and Q2_K do this per half block of 16,
 * both halves' sums before both offsets.
 * layout  tenfold_matmul.h; 8-bit codes are two's complement (bias 0)
 * tails   none: k is a multiple of 32, absent columns have zero scales.  over-read: none */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "backends.h"
#include "formats.h"

static float half_at(const uint8_t *bytes) {
  uint16_t bits;
  memcpy(&bits, bytes, 2);
  return tenfold_half_to_float(bits);
}

static void expand_scales(tenfold_block_format format, const uint8_t *panel, size_t b, float *scales) {
  const uint8_t *super = panel + b / 8 * 320, *runs = super + 64 + b % 8 * 32;
  for (size_t c = 0; c < 16; c++) {
    switch (format) {
    case TENFOLD_Q4_1: case TENFOLD_Q5_1:
      scales[c] = half_at(panel + 64 * b + 2 * c);
      scales[16 + c] = half_at(panel + 64 * b + 32 + 2 * c);
      break;
    case TENFOLD_Q4_K: case TENFOLD_Q5_K:
      scales[c] = half_at(super + 2 * c) * (float)super[64 + b % 8 * 16 + c];
      scales[16 + c] = -(half_at(super + 32 + 2 * c) * (float)super[192 + b % 8 * 16 + c]);
      break;
    case TENFOLD_Q6_K: case TENFOLD_Q3_K:
      scales[c] = half_at(super + 2 * c) * (float)(int8_t)runs[c];
      scales[16 + c] = half_at(super + 2 * c) * (float)(int8_t)runs[16 + c];
      break;
    case TENFOLD_Q2_K:
      for (size_t t = 0; t < 2; t++) {
        scales[16 * t + c] = half_at(super + 2 * c) * (float)(runs[16 * t + c] & 15);
        scales[32 + 16 * t + c] = -(half_at(super + 32 + 2 * c) * (float)(runs[16 * t + c] >> 4));
      }
      break;
    default:
      scales[c] = half_at(panel + 32 * b + 2 * c);
      scales[16 + c] = 0;
      break;
    }
  }
}

static void expand_codes(tenfold_block_format format, const uint8_t *block, uint8_t *codes) {
  int bits = tenfold_traits[format].bits;
  if (bits == 8) {
    memcpy(codes, block, 512);
    return;
  }
  for (size_t j = 0; bits == 2 && j < 512; j++) codes[j] = block[j / 256 * 64 + j % 64] >> j / 64 % 4 * 2 & 3;
  for (size_t p = 0; bits == 4 && p < 4; p++)
    for (size_t j = 0; j < 64; j++) {
      codes[128 * p + j] = block[64 * p + j] & 15;
      codes[128 * p + 64 + j] = block[64 * p + j] >> 4;
    }
  if (bits == 5) {
    for (size_t j = 0; j < 320; j++) codes[j] = block[j] & 31;
    for (size_t j = 0; j < 64; j++) {
      uint8_t first = block[64 + j], third = block[192 + j];
      codes[320 + j] = (uint8_t)(block[j] >> 5 << 2 | first >> 6);
      codes[384 + j] = (uint8_t)(block[128 + j] >> 5 << 2 | third >> 6);
      codes[448 + j] = (uint8_t)(block[256 + j] >> 5 << 2 | (first >> 5 & 1) << 1 | (third >> 5 & 1));
    }
  }
  for (size_t h = 0; bits == 6 && h < 2; h++, block += 192, codes += 256) {
    for (size_t j = 0; j < 192; j++) codes[j] = block[j] & 63;
    for (size_t j = 0; j < 64; j++)
      codes[192 + j] = (uint8_t)(block[j] >> 6 << 4 | block[64 + j] >> 6 << 2 | block[128 + j] >> 6);
  }
}

static void expand(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, size_t first, size_t count, uint8_t *codes,
  float *scales) {
  const uint8_t *packed = panel + tenfold_block_scale_bytes(format, 32 * blocks);
  for (size_t b = 0; b < count; b++) {
    expand_scales(format, panel, first + b, scales + scale_floats(format) * b);
    expand_codes(format, packed + (first + b) * tenfold_traits[format].panel_code_bytes, codes + 512 * b);
  }
}

/// Adds one expanded block to the sums of one row.
static void add_block(
  tenfold_block_format format, const uint8_t *codes, const float *scales, const tenfold_block_activations *view,
  size_t r, size_t b, float *sums) {
  const int8_t *x = view->values + r * view->value_stride + 32 * b;
  size_t at = r * view->block_stride + b;
  int32_t half[2][16], zero = tenfold_traits[format].zero;
  for (size_t h = 0; h < 2; h++) {
    int32_t first = view->negated_sums[2 * at + 1], sum = h == 0 ? first : view->negated_sums[2 * at] - first;
    for (size_t c = 0; c < 16; c++) half[h][c] = zero * sum;
    for (size_t q = 4 * h; q < 4 * h + 4; q++)
      for (size_t c = 0; c < 16; c++)
        for (size_t i = 0; i < 4; i++) {
          uint8_t code = codes[(q * 16 + c) * 4 + i];
          half[h][c] += (format == TENFOLD_Q8_0 ? (int32_t)(int8_t)code : (int32_t)code) * x[4 * q + i];
        }
  }
  float da = view->scales[at], sum = view->scaled_sums[at];
  for (size_t c = 0; c < 16; c++) {
    if (parts_of(format) == 2) {
      sums[c] += (float)half[0][c] * (scales[c] * da);
      sums[c] += (float)half[1][c] * (scales[16 + c] * da);
      for (size_t t = 0; kind_of(format) == OFFSET_HALVES && t < 2; t++)
        sums[c] += scales[32 + 16 * t + c] * scaled_half_sum(da, view->negated_sums + 2 * at, (int)t);
    } else {
      sums[c] += (float)(half[0][c] + half[1][c]) * (scales[c] * da);
      if (kind_of(format) == OFFSET) sums[c] += scales[16 + c] * sum;
    }
  }
}

static void tile(
  tenfold_block_format format, const uint8_t *codes, size_t codes_stride, const float *scales, size_t scales_stride,
  size_t panels, size_t count, const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride) {
  for (size_t p = 0; p < panels; p++)
    for (size_t b = 0; b < count; b++)
      for (size_t r = 0; r < rows; r++)
        add_block(
          format, codes + p * codes_stride + 512 * b, scales + p * scales_stride + scale_floats(format) * b, view, r, b,
          sums + r * sums_stride + 16 * p);
}

static void gemv(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride) {
  for (size_t r = 0; r < rows; r++) memset(sums + r * sums_stride, 0, 64);
  for (size_t b = 0; b < blocks; b++) {
    uint8_t codes[512];
    float scales[64];
    expand(format, panel, blocks, b, 1, codes, scales);
    for (size_t r = 0; r < rows; r++) add_block(format, codes, scales, view, r, b, sums + r * sums_stride);
  }
}

const tenfold_block_kernels tenfold_blocks_portable = {
  .byte_bias = 0, .max_panels = 1, .gemv = gemv, .expand = expand, .tile = tile};
