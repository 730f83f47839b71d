// Tenfold kernels: what the files of the block formats share (private to this target).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct tenfold_format_traits {
  uint16_t disk_bytes;        ///< bytes of a block in the file
  uint16_t elements;          ///< elements of a block in the file: 32 or 256
  uint16_t panel_code_bytes;  ///< packed code bytes of 32 elements of 16 columns
  uint8_t bits;               ///< bits of a code
  uint8_t zero;               ///< code that stands for zero
} tenfold_format_traits;

extern const tenfold_format_traits tenfold_traits[8];
