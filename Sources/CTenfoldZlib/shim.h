// Tenfold: the system's zlib, as a Clang module.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <zlib.h>

// inflateInit2 and deflateInit2 are macros with a version string that Swift can't import.
static inline int tenfold_inflate_init(z_stream *stream, int window_bits) {
  return inflateInit2(stream, window_bits);
}
static inline int tenfold_deflate_init(z_stream *stream, int level, int window_bits) {
  return deflateInit2(stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
}
