/* GGUF block weights x int8 activations per 32 or 256, plain C.
 * Per block of 32, row and column:  i = sum_k code * a - zero * sum_k a  (exact);  s += i * (scale * da);
 * with an offset also               s += offset * (da * sum_k a).
 * Blocks of 256 sum t first: per block of 32 (Q6_K, Q3_K and Q2_K per half of it)  t += i * scale;
 * with minima then  t += (sum of minimum * sum_k a, exact) * -m;  in the end  s += t * da.
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

static void put_word(float *target, size_t index, int16_t word) { memcpy((uint8_t *)target + 2 * index, &word, 2); }
static int16_t word_at(const float *source, size_t index) {
  int16_t word;
  memcpy(&word, (const uint8_t *)source + 2 * index, 2);
  return word;
}

/// Scales, and offsets, of a block of 32.
static void expand_scales(tenfold_block_format format, const uint8_t *panel, size_t b, float *scales) {
  bool has_offset = kind_of(format) == OFFSET;
  for (size_t c = 0; c < 16; c++) {
    scales[c] = half_at(panel + (has_offset ? 64 : 32) * b + 2 * c);
    scales[16 + c] = has_offset ? half_at(panel + 64 * b + 32 + 2 * c) : 0;
  }
}

/// Scales and minima of a block of 256.
static void expand_long_scales(tenfold_block_format format, const uint8_t *super, float *scales) {
  size_t runs = 8 * (size_t)parts_of(format);
  for (size_t c = 0; c < 16; c++) {
    for (size_t run = 0; run < runs; run++) {
      uint8_t byte = super[64 + 16 * run + c], minimum = kind_of(format) == MINIMA ? super[192 + 16 * run + c] : byte >> 4;
      float scale = kind_of(format) == HALVES ? (float)(int8_t)byte : (float)(kind_of(format) == MINIMA ? byte : byte & 15);
      scales[16 * run + c] = half_at(super + 2 * c) * scale;
      if (has_minima(format)) put_word(scales + minima_at(format), 16 * run + c, minimum);
    }
    if (has_minima(format)) scales[minimum_scale_at(format) + c] = -half_at(super + 32 + 2 * c);
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
    if (!is_long(format)) expand_scales(format, panel, first + b, scales + scale_floats(format, b));
    else if (b % 8 == 0) expand_long_scales(format, panel + (first + b) / 8 * 320, scales + scale_floats(format, b));
    expand_codes(format, packed + (first + b) * tenfold_traits[format].panel_code_bytes, codes + 512 * b);
  }
}

/// The exact sums of the halves of one expanded block and one row.
TENFOLD_FORMAT_INLINE void half_products(
  tenfold_block_format format, const uint8_t *codes, const tenfold_block_activations *view, size_t r, size_t b,
  int32_t half[2][16]) {
  const int8_t *x = view->values + r * view->value_stride + 32 * b;
  const int32_t *negated = view->negated_sums + 2 * (r * view->block_stride + b);
  int32_t zero = tenfold_traits[format].zero;
  for (size_t h = 0; h < 2; h++) {
    int32_t sum = h == 0 ? negated[1] : negated[0] - negated[1];
    for (size_t c = 0; c < 16; c++) half[h][c] = zero * sum;
    for (size_t q = 4 * h; q < 4 * h + 4; q++)
      for (size_t c = 0; c < 16; c++)
        for (size_t i = 0; i < 4; i++) {
          uint8_t code = codes[(q * 16 + c) * 4 + i];
          half[h][c] += (format == TENFOLD_Q8_0 ? (int32_t)(int8_t)code : (int32_t)code) * x[4 * q + i];
        }
  }
}

/// Adds one expanded block of 32 to the sums of one row.
static void add_block(
  tenfold_block_format format, const uint8_t *codes, const float *scales, const tenfold_block_activations *view,
  size_t r, size_t b, float *sums) {
  size_t at = r * view->block_stride + b;
  int32_t half[2][16];
  half_products(format, codes, view, r, b, half);
  float da = view->scales[at], sum = view->scaled_sums[at];
  bool has_offset = kind_of(format) == OFFSET;
  for (size_t c = 0; c < 16; c++) {
    sums[c] += (float)(half[0][c] + half[1][c]) * (scales[c] * da);
    if (has_offset) sums[c] += scales[16 + c] * sum;
  }
}

/// Adds one expanded block of 256, from block b of 32 on, to the sums of one row.
static void add_long_block(
  tenfold_block_format format, const uint8_t *codes, const float *scales, const tenfold_block_activations *view,
  size_t r, size_t b, float *sums) {
  size_t at = r * view->block_stride + b, parts = (size_t)parts_of(format);
  float total[16] = {0};
  for (size_t i = 0; i < 8; i++, codes += 512) {
    int32_t half[2][16];
    half_products(format, codes, view, r, b + i, half);
    for (size_t c = 0; c < 16; c++) {
      if (parts == 1) total[c] += (float)(half[0][c] + half[1][c]) * scales[16 * i + c];
      for (size_t h = 0; parts == 2 && h < 2; h++) total[c] += (float)half[h][c] * scales[32 * i + 16 * h + c];
    }
  }
  const int16_t *a_sums = parts == 1 ? view->block_sums + at : view->half_sums + 2 * at;
  for (size_t c = 0; c < 16; c++) {
    int32_t minima = 0;
    for (size_t run = 0; has_minima(format) && run < 8 * parts; run++)
      minima += word_at(scales + minima_at(format), 16 * run + c) * a_sums[run];
    if (has_minima(format)) total[c] += (float)minima * scales[minimum_scale_at(format) + c];
    sums[c] += total[c] * view->scales[at];
  }
}

/// Adds `count` expanded blocks of 32 to the sums of one row.
static void add_blocks(
  tenfold_block_format format, const uint8_t *codes, const float *scales, const tenfold_block_activations *view,
  size_t r, size_t first, size_t count, float *sums) {
  for (size_t b = 0; b < count; b += is_long(format) ? 8 : 1) {
    const float *at = scales + scale_floats(format, b);
    if (is_long(format)) add_long_block(format, codes + 512 * b, at, view, r, first + b, sums);
    else add_block(format, codes + 512 * b, at, view, r, first + b, sums);
  }
}

static void tile(
  tenfold_block_format format, const uint8_t *codes, size_t codes_stride, const float *scales, size_t scales_stride,
  size_t panels, size_t count, const tenfold_block_activations *view, size_t rows, float *sums, size_t sums_stride) {
  for (size_t p = 0; p < panels; p++)
    for (size_t r = 0; r < rows; r++)
      add_blocks(
        format, codes + p * codes_stride, scales + p * scales_stride, view, r, 0, count, sums + r * sums_stride + 16 * p);
}

static void gemv(
  tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *view, size_t rows,
  float *sums, size_t sums_stride) {
  for (size_t r = 0; r < rows; r++) memset(sums + r * sums_stride, 0, 64);
  size_t step = is_long(format) ? 8 : 1;
  for (size_t b = 0; b < blocks; b += step) {
    uint8_t codes[8 * 512];
    float scales[400];
    expand(format, panel, blocks, b, step, codes, scales);
    for (size_t r = 0; r < rows; r++) add_blocks(format, codes, scales, view, r, b, step, sums + r * sums_stride);
  }
}

const tenfold_block_kernels tenfold_blocks_portable = {
  .byte_bias = 0, .max_panels = 1, .gemv = gemv, .expand = expand, .tile = tile};
