// Tenfold kernels: weight formats. Bytes as on disk -> packed panels (layout in tenfold_matmul.h) and floats.
// SPDX-License-Identifier: Apache-2.0
#include "formats.h"

#include <string.h>

#include "include/tenfold_matmul.h"

float tenfold_half_to_float(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u, mantissa = bits & 0x3FFu, word;
  if (exponent == 31) {
    word = sign | 0x7F800000u | (mantissa << 13);
  } else if (exponent != 0) {
    word = sign | ((exponent + 112) << 23) | (mantissa << 13);
  } else {
    float tiny = (float)mantissa * 0x1p-24f;
    memcpy(&word, &tiny, 4);
    word |= sign;
  }
  float value;
  memcpy(&value, &word, 4);
  return value;
}

static uint16_t half_at(const uint8_t *bytes) { return (uint16_t)(bytes[0] | bytes[1] << 8); }

static float half_float_at(const uint8_t *bytes) { return tenfold_half_to_float(half_at(bytes)); }

const tenfold_format_traits tenfold_traits[10] = {
  [TENFOLD_Q8_0] = {34, 32, 512, 8, 0}, [TENFOLD_Q4_0] = {18, 32, 256, 4, 8},
  [TENFOLD_Q4_1] = {20, 32, 256, 4, 0}, [TENFOLD_Q5_0] = {22, 32, 320, 5, 16},
  [TENFOLD_Q5_1] = {24, 32, 320, 5, 0}, [TENFOLD_Q4_K] = {144, 256, 256, 4, 0},
  [TENFOLD_Q5_K] = {176, 256, 320, 5, 0}, [TENFOLD_Q6_K] = {210, 256, 384, 6, 32},
  [TENFOLD_Q3_K] = {110, 256, 256, 4, 4},          [TENFOLD_Q2_K] = {84, 256, 128, 2, 0},
};

size_t tenfold_block_disk_bytes(tenfold_block_format format) { return tenfold_traits[format].disk_bytes; }

size_t tenfold_block_elements(tenfold_block_format format) { return tenfold_traits[format].elements; }

size_t tenfold_block_scale_bytes(tenfold_block_format format, size_t k) {
  size_t bytes;
  switch (format) {
  case TENFOLD_Q4_1: case TENFOLD_Q5_1: bytes = k / 32 * 64; break;
  case TENFOLD_Q4_K: case TENFOLD_Q5_K: case TENFOLD_Q6_K: case TENFOLD_Q3_K: case TENFOLD_Q2_K:
    bytes = k / 256 * 320;
    break;
  default: bytes = k / 32 * 32; break;
  }
  return (bytes + 63) & ~(size_t)63;
}

size_t tenfold_block_scale_floats(tenfold_block_format format, size_t blocks) { return scale_floats(format, blocks); }

size_t tenfold_block_panel_bytes(tenfold_block_format format, size_t k) {
  return tenfold_block_scale_bytes(format, k) + k / 32 * tenfold_traits[format].panel_code_bytes;
}

/// The 6-bit scale and minimum number `j` (0...7) of a Q4_K or Q5_K super-block's 12 packed bytes.
static void k_scale_min(const uint8_t *packed, int j, uint8_t *scale, uint8_t *min) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *min = packed[j + 4] & 63;
  } else {
    *scale = (uint8_t)((packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4));
    *min = (uint8_t)((packed[j + 4] >> 4) | (packed[j] >> 6 << 4));
  }
}

/// The scale number `j` (0...15) of a Q3_K super-block's 12 packed bytes, 6 bits that stand for -32...31.
static int8_t q3_scale(const uint8_t *packed, int j) {
  int low = packed[j % 8] >> (j < 8 ? 0 : 4) & 15, high = packed[8 + j % 4] >> j / 4 * 2 & 3;
  return (int8_t)((low | high << 4) - 32);
}

/// Codes of block `b` (32 elements) of one row; 8-bit codes come as two's complement bytes.
static void block_codes(tenfold_block_format format, const uint8_t *row, size_t b, uint8_t codes[32]) {
  const tenfold_format_traits *traits = &tenfold_traits[format];
  if (traits->elements == 32) {
    const uint8_t *block = row + b * traits->disk_bytes;
    const uint8_t *nibbles = block + traits->disk_bytes - 16;
    uint32_t fifth = 0;
    if (format == TENFOLD_Q8_0) {
      memcpy(codes, block + 2, 32);
      return;
    }
    if (traits->bits == 5) memcpy(&fifth, nibbles - 4, 4);
    for (int j = 0; j < 16; j++) {
      codes[j] = (uint8_t)((nibbles[j] & 15) | ((fifth >> j & 1) << 4));
      codes[j + 16] = (uint8_t)((nibbles[j] >> 4) | ((fifth >> (j + 16) & 1) << 4));
    }
    return;
  }
  const uint8_t *super = row + b / 8 * traits->disk_bytes;
  int part = (int)(b % 8);
  if (format == TENFOLD_Q6_K) {
    const uint8_t *low = super + part / 4 * 64 + (part % 2) * 32, *high = super + 128 + part / 4 * 32;
    int shift = part % 4 >= 2 ? 4 : 0, pair = part % 4 * 2;
    for (int j = 0; j < 32; j++) codes[j] = (uint8_t)((low[j] >> shift & 15) | (high[j] >> pair & 3) << 4);
    return;
  }
  if (format == TENFOLD_Q3_K) {
    // 32 bytes of third bits, bit `part` of each, then 64 bytes of low pairs.
    const uint8_t *low = super + 32 + part / 4 * 32;
    for (int j = 0; j < 32; j++) codes[j] = (uint8_t)((low[j] >> part % 4 * 2 & 3) | (super[j] >> part & 1) << 2);
    return;
  }
  if (format == TENFOLD_Q2_K) {
    // 16 bytes of scales and minimums, then 64 bytes of codes.
    for (int j = 0; j < 32; j++) codes[j] = super[16 + part / 4 * 32 + j] >> part % 4 * 2 & 3;
    return;
  }
  const uint8_t *nibbles = super + traits->disk_bytes - 128 + part / 2 * 32;
  const uint8_t *fifth = super + 16;
  int shift = part % 2 * 4;
  for (int j = 0; j < 32; j++) {
    codes[j] = nibbles[j] >> shift & 15;
    if (format == TENFOLD_Q5_K) codes[j] |= (uint8_t)((fifth[j] >> part & 1) << 4);
  }
}

/// Adds the bias to four codes at once, each byte for itself: the top bits without what is carried into them.
static void put_quad(uint8_t *target, const uint8_t *codes, uint8_t byte_bias) {
  const uint32_t tops = 0x80808080u, bias = byte_bias * 0x01010101u;
  uint32_t word;
  memcpy(&word, codes, 4);
  word = ((word & ~tops) + (bias & ~tops)) ^ ((word ^ bias) & tops);
  memcpy(target, &word, 4);
}

/// Packs 32 codes of one column of 2 bits, four quads a line of 64 bytes.
static void put_2_bits(uint8_t *bytes, const uint8_t *codes) {
  for (int j = 0; j < 32; j++) bytes[j / 16 * 64 + j % 4] |= (uint8_t)(codes[j] << (j / 4 % 4 * 2));
}

/// Two quads a line.
static void put_4_bits(uint8_t *bytes, const uint8_t *codes) {
  for (int q = 0; q < 8; q += 2)
    for (int i = 0; i < 4; i++) bytes[32 * q + i] = (uint8_t)(codes[4 * q + i] | codes[4 * q + 4 + i] << 4);
}

/// Quads 0...4 a line each, above them the bits of quads 5, 6 and 7.
static void put_5_bits(uint8_t *bytes, const uint8_t *codes) {
  for (int i = 0; i < 4; i++) {
    uint8_t fifth = codes[20 + i], sixth = codes[24 + i], seventh = codes[28 + i];
    bytes[i] = (uint8_t)(codes[i] | fifth >> 2 << 5);
    bytes[64 + i] = (uint8_t)(codes[4 + i] | (seventh >> 1 & 1) << 5 | (fifth & 3) << 6);
    bytes[128 + i] = (uint8_t)(codes[8 + i] | sixth >> 2 << 5);
    bytes[192 + i] = (uint8_t)(codes[12 + i] | (seventh & 1) << 5 | (sixth & 3) << 6);
    bytes[256 + i] = (uint8_t)(codes[16 + i] | seventh >> 2 << 5);
  }
}

/// Three quads of each half a line each, above them the fourth.
static void put_6_bits(uint8_t *bytes, const uint8_t *codes) {
  for (int half = 0; half < 2; half++, bytes += 192, codes += 16)
    for (int j = 0; j < 3; j++)
      for (int i = 0; i < 4; i++)
        bytes[64 * j + i] = (uint8_t)(codes[4 * j + i] | (codes[12 + i] >> (4 - 2 * j) & 3) << 6);
}

static void put_half(uint8_t *panel, size_t index, uint16_t bits) { memcpy(panel + 2 * index, &bits, 2); }

static void pack_scales(tenfold_block_format format, const uint8_t *row, size_t c, size_t k, uint8_t *panel) {
  const tenfold_format_traits *traits = &tenfold_traits[format];
  for (size_t s = 0; s < k / traits->elements; s++) {
    const uint8_t *block = row + s * traits->disk_bytes;
    switch (format) {
    case TENFOLD_Q4_1: case TENFOLD_Q5_1:
      put_half(panel, s * 32 + c, half_at(block));
      put_half(panel, s * 32 + 16 + c, half_at(block + 2));
      break;
    case TENFOLD_Q4_K: case TENFOLD_Q5_K:
      put_half(panel, s * 160 + c, half_at(block));
      put_half(panel, s * 160 + 16 + c, half_at(block + 2));
      for (int j = 0; j < 8; j++) {
        uint8_t *scales = panel + s * 320 + 64 + (size_t)j * 16 + c;
        k_scale_min(block + 4, j, scales, scales + 128);
      }
      break;
    case TENFOLD_Q6_K:
      put_half(panel, s * 160 + c, half_at(block + 208));
      for (int j = 0; j < 16; j++) panel[s * 320 + 64 + (size_t)j * 16 + c] = block[192 + j];
      break;
    case TENFOLD_Q3_K:
      put_half(panel, s * 160 + c, half_at(block + 108));
      for (int j = 0; j < 16; j++) panel[s * 320 + 64 + (size_t)j * 16 + c] = (uint8_t)q3_scale(block + 96, j);
      break;
    case TENFOLD_Q2_K:
      put_half(panel, s * 160 + c, half_at(block + 80));
      put_half(panel, s * 160 + 16 + c, half_at(block + 82));
      for (int j = 0; j < 16; j++) panel[s * 320 + 64 + (size_t)j * 16 + c] = block[j];
      break;
    default: put_half(panel, s * 16 + c, half_at(block)); break;
    }
  }
}

void tenfold_block_pack_panel(
  tenfold_block_format format, const uint8_t *rows, size_t row_bytes, size_t columns, size_t k, uint8_t byte_bias,
  uint8_t *panel) {
  size_t scale_bytes = tenfold_block_scale_bytes(format, k), code_bytes = tenfold_traits[format].panel_code_bytes;
  int bits = tenfold_traits[format].bits;
  memset(panel, 0, tenfold_block_panel_bytes(format, k));
  for (size_t c = 0; c < columns; c++) pack_scales(format, rows + c * row_bytes, c, k, panel);
  for (size_t b = 0; b < k / 32; b++) {
    uint8_t *block = panel + scale_bytes + b * code_bytes;
    for (size_t c = 0; c < columns; c++) {
      uint8_t codes[32], *bytes = block + 4 * c;
      block_codes(format, rows + c * row_bytes, b, codes);
      if (bits == 8) {
        for (int q = 0; q < 8; q++) put_quad(bytes + 64 * q, codes + 4 * q, byte_bias);
        continue;
      }
      if (bits == 2) put_2_bits(bytes, codes);
      if (bits == 4) put_4_bits(bytes, codes);
      if (bits == 5) put_5_bits(bytes, codes);
      if (bits == 6) put_6_bits(bytes, codes);
    }
  }
}

void tenfold_block_dequantize(tenfold_block_format format, const uint8_t *row, size_t k, float *output) {
  const tenfold_format_traits *traits = &tenfold_traits[format];
  for (size_t b = 0; b < k / 32; b++) {
    uint8_t codes[32];
    const uint8_t *block = row + b * 32 / traits->elements * traits->disk_bytes;
    int part = (int)(b % 8), zero = traits->zero;
    float scale = half_float_at(block), offset = 0;
    block_codes(format, row, b, codes);
    if (format == TENFOLD_Q8_0) {
      for (int j = 0; j < 32; j++) output[32 * b + (size_t)j] = scale * (float)(int8_t)codes[j];
      continue;
    }
    if (format == TENFOLD_Q6_K || format == TENFOLD_Q3_K) {
      for (int j = 0; j < 32; j++) {
        int run = 2 * part + j / 16;
        float sub = format == TENFOLD_Q6_K ? half_float_at(block + 208) * (float)(int8_t)block[192 + run]
                                           : half_float_at(block + 108) * (float)q3_scale(block + 96, run);
        output[32 * b + (size_t)j] = sub * (float)(codes[j] - zero);
      }
      continue;
    }
    if (format == TENFOLD_Q2_K) {
      for (int j = 0; j < 32; j++) {
        uint8_t pair = block[2 * part + j / 16];
        float sub = half_float_at(block + 80) * (float)(pair & 15), min = half_float_at(block + 82) * (float)(pair >> 4);
        output[32 * b + (size_t)j] = sub * (float)codes[j] - min;
      }
      continue;
    }
    if (format == TENFOLD_Q4_1 || format == TENFOLD_Q5_1) offset = half_float_at(block + 2);
    if (format == TENFOLD_Q4_K || format == TENFOLD_Q5_K) {
      uint8_t sub, min;
      k_scale_min(block + 4, part, &sub, &min);
      scale *= (float)sub;
      offset = -(half_float_at(block + 2) * (float)min);
    }
    for (int j = 0; j < 32; j++) output[32 * b + (size_t)j] = scale * (float)(codes[j] - zero) + offset;
  }
}

void tenfold_i8_pack_panel(
  const int8_t *rows, size_t row_stride, const float *scales, size_t columns, size_t k, uint8_t byte_bias,
  uint8_t *panel) {
  memset(panel, 0, 64);
  memcpy(panel, scales, columns * 4);
  memset(panel + 64, byte_bias, (k + 3) / 4 * 64);
  for (size_t c = 0; c < columns; c++) {
    const uint8_t *row = (const uint8_t *)rows + c * row_stride;
    size_t j = 0;
    for (; j + 4 <= k; j += 4) put_quad(panel + 64 + j * 16 + c * 4, row + j, byte_bias);
    for (; j < k; j++) panel[64 + j / 4 * 64 + c * 4 + j % 4] = (uint8_t)(row[j] + byte_bias);
  }
}

void tenfold_float_pack_panel(
  tenfold_float_format format, const uint8_t *rows, size_t row_bytes, size_t columns, size_t k, uint8_t *panel) {
  size_t size = format == TENFOLD_F32 ? 4 : 2;
  memset(panel, 0, k * 16 * size);
  // Runs of 64 elements, so that the lines written stay in the cache until all columns have filled them.
  for (size_t first = 0; first < k; first += 64)
    for (size_t c = 0; c < columns; c++)
      for (size_t j = first; j < k && j < first + 64; j++) {
        const uint8_t *source = rows + c * row_bytes + j * size;
        uint8_t *target = panel + (j * 16 + c) * size;
        if (size == 4) memcpy(target, source, 4);
        else memcpy(target, source, 2);
      }
}

void tenfold_float_dequantize(tenfold_float_format format, const uint8_t *row, size_t k, float *output) {
  if (format == TENFOLD_F32) {
    memcpy(output, row, k * 4);
    return;
  }
  for (size_t j = 0; j < k; j++) {
    uint16_t bits = half_at(row + 2 * j);
    uint32_t word = (uint32_t)bits << 16;
    if (format == TENFOLD_F16) output[j] = tenfold_half_to_float(bits);
    else memcpy(output + j, &word, 4);
  }
}
