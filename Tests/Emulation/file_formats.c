// Tenfold kernel check: an independent reading of the GGUF block formats, one element at a time.
// SPDX-License-Identifier: Apache-2.0
#include "file_formats.h"

const file_format file_formats[10] = {
  [TENFOLD_Q8_0] = {"Q8_0", 32, 34, 0, -1, false, 32},   [TENFOLD_Q4_0] = {"Q4_0", 32, 18, 0, -1, false, 32},
  [TENFOLD_Q4_1] = {"Q4_1", 32, 20, 0, 2, true, 32},     [TENFOLD_Q5_0] = {"Q5_0", 32, 22, 0, -1, false, 32},
  [TENFOLD_Q5_1] = {"Q5_1", 32, 24, 0, 2, true, 32},     [TENFOLD_Q4_K] = {"Q4_K", 256, 144, 0, 2, true, 32},
  [TENFOLD_Q5_K] = {"Q5_K", 256, 176, 0, 2, true, 32},   [TENFOLD_Q6_K] = {"Q6_K", 256, 210, 208, -1, false, 16},
  [TENFOLD_Q3_K] = {"Q3_K", 256, 110, 108, -1, false, 16}, [TENFOLD_Q2_K] = {"Q2_K", 256, 84, 80, 82, true, 16},
};

static float half_float(const uint8_t *bytes) { return (float)half_value((uint16_t)(bytes[0] | bytes[1] << 8)); }

/// The bit `index` of a little-endian bit string.
static int bit_of(const uint8_t *bytes, size_t index) { return bytes[index / 8] >> index % 8 & 1; }

/// The 6-bit number `index` of a Q4_K or Q5_K block's 12 bytes: eight scales, then eight minima.
static int six_bits(const uint8_t *packed, size_t index) {
  size_t part = index % 8, table = index / 8;
  if (part < 4) return packed[4 * table + part] & 63;
  return (packed[4 + part] >> 4 * table & 15) | packed[4 * table + part - 4] >> 6 << 4;
}

file_element element_at(tenfold_block_format format, const uint8_t *row, size_t k) {
  const file_format *f = &file_formats[format];
  const uint8_t *block = row + k / f->elements * f->bytes;
  size_t j = k % f->elements, half = j / 16, low = j % 16;
  file_element e = {.scale = half_float(block + f->first_half)};
  switch (format) {
  case TENFOLD_Q8_0: e.code = (int8_t)block[2 + j]; break;
  case TENFOLD_Q4_0: e.code = (block[2 + low] >> 4 * half & 15) - 8; break;
  case TENFOLD_Q4_1:
    e.code = block[4 + low] >> 4 * half & 15;
    e.offset = half_float(block + 2);
    break;
  case TENFOLD_Q5_0: e.code = (block[6 + low] >> 4 * half & 15) + 16 * bit_of(block + 2, j) - 16; break;
  case TENFOLD_Q5_1:
    e.code = (block[8 + low] >> 4 * half & 15) + 16 * bit_of(block + 4, j);
    e.offset = half_float(block + 2);
    break;
  case TENFOLD_Q4_K: case TENFOLD_Q5_K: {
    size_t part = j / 32, lane = j % 32;
    e.code = block[(format == TENFOLD_Q5_K ? 48 : 16) + part / 2 * 32 + lane] >> part % 2 * 4 & 15;
    if (format == TENFOLD_Q5_K) e.code += 16 * bit_of(block + 16, 8 * lane + part);
    e.scale *= (float)six_bits(block + 4, part);
    e.minimum = six_bits(block + 4, 8 + part);
    e.minimum_scale = half_float(block + 2);
    e.offset = -(e.minimum_scale * (float)e.minimum);
    break;
  }
  case TENFOLD_Q6_K: {
    size_t side = j / 128, lane = j % 32, quarter = j % 128 / 32;
    e.code = block[64 * side + 32 * (quarter % 2) + lane] >> quarter / 2 * 4 & 15;
    e.code += (block[128 + 32 * side + lane] >> 2 * quarter & 3) * 16 - 32;
    e.scale *= (float)(int8_t)block[192 + j / 16];
    break;
  }
  case TENFOLD_Q3_K: {
    // 256 third bits, 256 low pairs, 16 scales of 4 low and 2 high bits, the scale of all.
    size_t side = j / 128, lane = j % 32, quarter = j % 128 / 32, run = j / 16;
    e.code = block[32 + 32 * side + lane] >> 2 * quarter & 3;
    e.code += 4 * bit_of(block, 8 * lane + j / 32) - 4;
    int scale = block[96 + run % 8] >> run / 8 * 4 & 15;
    scale += 16 * (block[104 + run % 4] >> run / 4 * 2 & 3);
    e.scale *= (float)(scale - 32);
    break;
  }
  case TENFOLD_Q2_K: {
    // 16 pairs of scale and minimum, 256 codes, the scale of all and the minimum of all.
    e.code = block[16 + j / 128 * 32 + j % 32] >> j % 128 / 32 * 2 & 3;
    e.scale *= (float)(block[j / 16] & 15);
    e.minimum = block[j / 16] >> 4;
    e.minimum_scale = half_float(block + 82);
    e.offset = -(e.minimum_scale * (float)e.minimum);
    break;
  }
  }
  return e;
}

void fill_blocks(tenfold_block_format format, uint8_t *bytes, size_t count) {
  const file_format *f = &file_formats[format];
  for (size_t b = 0; b < count; b++, bytes += f->bytes) {
    for (size_t i = 0; i < f->bytes; i++) bytes[i] = (uint8_t)(next_bits() >> 20);
    int halves[2] = {f->first_half, f->second_half};
    for (int h = 0; h < 2; h++)
      if (halves[h] >= 0) {
        // One in 16 is subnormal.
        uint8_t *top = bytes + halves[h] + 1;
        *top = (uint8_t)(below(16) == 0 ? *top & 0x83 : 0x20 | (*top & 0x8F));
      }
  }
}
