// Tenfold kernels: what a core can do at most, measured in registers and on plain reads.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Loops that do nothing but the instruction a kernel lives on; none reads or writes memory.
typedef struct tenfold_peak_kernels {
  /// The instructions behind `int8`, for people.
  const char *int8_name;
  /// Runs `steps` steps; returns the operations done (a multiplication and an addition are two).
  double (*int8)(size_t steps);
  const char *float_name;
  double (*floats)(size_t steps);
} tenfold_peak_kernels;

/// The loops of a backend (`tenfold_backend.name`), or NULL where it has none, as for `portable`.
const tenfold_peak_kernels *_Nullable tenfold_peaks_named(const char *name);

/// Reads memory once, 64 bytes at a time in four streams; returns a value that depends on every byte read.
/// `bytes` is rounded down to a multiple of 256.
uint64_t tenfold_read_memory(const void *start, size_t bytes);

#pragma clang assume_nonnull end
