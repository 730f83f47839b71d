// Tenfold kernels: what the files of the block formats share (private to this target).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "include/tenfold_matmul.h"

typedef struct tenfold_format_traits {
  uint16_t disk_bytes;        ///< bytes of a block in the file
  uint16_t elements;          ///< elements of a block in the file: 32 or 256
  uint16_t panel_code_bytes;  ///< packed code bytes of 32 elements of 16 columns
  uint8_t bits;               ///< bits of a code
  uint8_t zero;               ///< code that stands for zero
} tenfold_format_traits;

extern const tenfold_format_traits tenfold_traits[10];

// What the block kernels of all instruction sets ask of a format. Their loops are instances for one format each, so these
// are constants there.
#define TENFOLD_FORMAT_INLINE static inline __attribute__((always_inline, unused))

/// How sums become floats: with a scale, with a scale and an offset, with a scale and a minimum, with a scale for each half of
/// a block of 32, with a scale and a minimum for each half. All but the first two have blocks of 256.
enum { CENTRED, OFFSET, MINIMA, HALVES, MINIMA_HALVES };

TENFOLD_FORMAT_INLINE int kind_of(tenfold_block_format format) {
  switch (format) {
  case TENFOLD_Q8_0: case TENFOLD_Q4_0: case TENFOLD_Q5_0: return CENTRED;
  case TENFOLD_Q4_1: case TENFOLD_Q5_1: return OFFSET;
  case TENFOLD_Q4_K: case TENFOLD_Q5_K: return MINIMA;
  case TENFOLD_Q6_K: case TENFOLD_Q3_K: return HALVES;
  default: return MINIMA_HALVES;
  }
}

/// Whether blocks are 256 elements long, and activations have a scale for as many.
TENFOLD_FORMAT_INLINE bool is_long(tenfold_block_format format) { return kind_of(format) >= MINIMA; }

TENFOLD_FORMAT_INLINE bool has_minima(tenfold_block_format format) {
  return kind_of(format) == MINIMA || kind_of(format) == MINIMA_HALVES;
}

/// 2 where each half of a block of 32 has a scale of its own, else 1.
TENFOLD_FORMAT_INLINE int parts_of(tenfold_block_format format) { return kind_of(format) >= HALVES ? 2 : 1; }

/// Floats before the minima of an expanded block of 256, and before its -m.
TENFOLD_FORMAT_INLINE size_t minima_at(tenfold_block_format format) { return 128 * (size_t)parts_of(format); }
TENFOLD_FORMAT_INLINE size_t minimum_scale_at(tenfold_block_format format) { return 192 * (size_t)parts_of(format); }

/// Floats of the scales of expanded blocks of 32; of long blocks a multiple of 8.
TENFOLD_FORMAT_INLINE size_t scale_floats(tenfold_block_format format, size_t blocks) {
  if (!is_long(format)) return 32 * blocks;
  return blocks / 8 * (has_minima(format) ? minimum_scale_at(format) + 16 : minima_at(format));
}

/// Bits of a packed code.
TENFOLD_FORMAT_INLINE int bits_of(tenfold_block_format format) {
  switch (format) {
  case TENFOLD_Q8_0: return 8;
  case TENFOLD_Q5_0: case TENFOLD_Q5_1: case TENFOLD_Q5_K: return 5;
  case TENFOLD_Q6_K: return 6;
  case TENFOLD_Q2_K: return 2;
  default: return 4;
  }
}

/// The code that stands for zero; codes of 8 bits have theirs from the backend's bias.
TENFOLD_FORMAT_INLINE int zero_of(tenfold_block_format format) {
  switch (format) {
  case TENFOLD_Q4_0: return 8;
  case TENFOLD_Q5_0: return 16;
  case TENFOLD_Q6_K: return 32;
  case TENFOLD_Q3_K: return 4;
  default: return 0;
  }
}

/// log2 of that code where it is not 0.
TENFOLD_FORMAT_INLINE int zero_shift(tenfold_block_format format) {
  switch (format) {
  case TENFOLD_Q4_0: return 3;
  case TENFOLD_Q5_0: return 4;
  case TENFOLD_Q6_K: return 5;
  case TENFOLD_Q3_K: return 2;
  default: return 0;
  }
}

/// Bytes of a packed block of 16 columns.
TENFOLD_FORMAT_INLINE size_t code_bytes(int bits) { return 64 * (size_t)bits; }

/// Repeats a definition for every format.
#define EACH_FORMAT(DEFINE) \
  DEFINE(TENFOLD_Q8_0) \
  DEFINE(TENFOLD_Q4_0) \
  DEFINE(TENFOLD_Q4_1) \
  DEFINE(TENFOLD_Q5_0) \
  DEFINE(TENFOLD_Q5_1) \
  DEFINE(TENFOLD_Q4_K) \
  DEFINE(TENFOLD_Q5_K) \
  DEFINE(TENFOLD_Q6_K) \
  DEFINE(TENFOLD_Q3_K) \
  DEFINE(TENFOLD_Q2_K)

/// Calls an instance for one format.
#define ALL_FORMATS(CALL) \
  switch (format) { \
  case TENFOLD_Q8_0: CALL(TENFOLD_Q8_0); break; \
  case TENFOLD_Q4_0: CALL(TENFOLD_Q4_0); break; \
  case TENFOLD_Q4_1: CALL(TENFOLD_Q4_1); break; \
  case TENFOLD_Q5_0: CALL(TENFOLD_Q5_0); break; \
  case TENFOLD_Q5_1: CALL(TENFOLD_Q5_1); break; \
  case TENFOLD_Q4_K: CALL(TENFOLD_Q4_K); break; \
  case TENFOLD_Q5_K: CALL(TENFOLD_Q5_K); break; \
  case TENFOLD_Q6_K: CALL(TENFOLD_Q6_K); break; \
  case TENFOLD_Q3_K: CALL(TENFOLD_Q3_K); break; \
  case TENFOLD_Q2_K: CALL(TENFOLD_Q2_K); break; \
  }
