// Tenfold kernel check: an independent reading of the GGUF block formats, one element at a time.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "harness.h"

/// One element of a row: w = scale * code + offset. The code is signed: what stands for zero is taken off already. In blocks
/// of 256 the offset is -minimum_scale * minimum.
typedef struct file_element {
  int code;
  float scale, offset;
  int minimum;
  float minimum_scale;
} file_element;

/// What the whole format is like.
typedef struct file_format {
  const char *name;
  size_t elements, bytes;
  /// Where halves stand in a block, -1 for none.
  int first_half, second_half;
  bool has_offset;
  /// Elements that share a scale.
  size_t run;
} file_format;

extern const file_format file_formats[10];

file_element element_at(tenfold_block_format format, const uint8_t *row, size_t k);

/// Random blocks whose scales are ordinary numbers of both signs.
void fill_blocks(tenfold_block_format format, uint8_t *bytes, size_t count);
