// Tenfold kernel check: counting, random numbers and guarded memory.
// SPDX-License-Identifier: Apache-2.0
//
// A plain C program that judges every kernel table of a build by oracles of its own. It needs no Swift, so that it
// runs under user-mode emulation of another processor; see Scripts/check-arm and Scripts/check-avx512.
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "CTenfoldKernels.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

// MARK: - Cases

/// Starts a case; all that follows until the next one belongs to it. Frees the memory of the case before.
void begin_case(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// Marks the current case as failed; the first reason of a case is printed.
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// Ends the last case.
void end_cases(void);
size_t passed_cases(void), failed_cases(void);

/// Fails unless the two floats have the same bits (any NaN equals any NaN).
void expect_bits(float value, float expected, const char *what, size_t i, size_t j);
/// Fails unless |value - expected| <= tolerance.
void expect_near(double value, double expected, double tolerance, const char *what, size_t i, size_t j);
void expect_equal(int64_t value, int64_t expected, const char *what, size_t i, size_t j);

// MARK: - Memory

/// Memory of the current case whose last byte stands before an inaccessible page: one byte read or written too far
/// stops the program with the name of the case. What stands before the first byte must not change.
void *guarded(size_t bytes);
static inline float *guarded_floats(size_t count) { return guarded(count * sizeof(float)); }

// MARK: - Random numbers

void seed(uint64_t value);
uint64_t next_bits(void);
/// 0 ..< bound.
static inline size_t below(size_t bound) { return (size_t)(next_bits() >> 33) % bound; }
/// -1 ..< 1.
static inline float unit(void) { return (float)((double)(next_bits() >> 40) / (double)(1 << 23) - 1.0); }
void fill_units(float *x, size_t count, float size);

// MARK: - What the oracles share

/// The value of a half-precision number.
double half_value(uint16_t bits);

/// a * b + c as the backend is documented to compute it: rounded once where the instruction set fuses.
static inline float multiply_add(bool fused, float a, float b, float c) {
  if (fused) return fmaf(a, b, c);
  volatile float product = a * b;
  return product + c;
}

/// The portable backend of x86-64 is compiled for a processor without fused operations; all others fuse.
static inline bool fuses(const char *name) {
#if defined(__x86_64__)
  return strcmp(name, "portable") != 0;
#else
  (void)name;
  return true;
#endif
}

// MARK: - Finished tiles

/// Two outputs with the same content and the same epilogue, one for the two steps and one for the tile that does both.
typedef struct finish_case {
  tenfold_epilogue expected, actual;
  size_t first_row, first_column;
  /// The elements of each output.
  size_t count;
} finish_case;

size_t finish_case_count(void);
finish_case make_finish_case(size_t index, size_t rows, size_t columns);
/// Fails unless both outputs are the same, outside the tile, too.
void compare_finish_case(const finish_case *f);

// MARK: - Families

void check_i8(const tenfold_backend *backend);
void check_blocks(const tenfold_backend *backend);
void check_floats(const tenfold_backend *backend);
void check_rows(const tenfold_backend *backend);
void check_scan(const tenfold_backend *backend);
void check_elementwise(const tenfold_elementwise_kernels *kernels);
void check_attention(const tenfold_attention_kernels *kernels);
void check_encoder(const tenfold_encoder_kernels *kernels);
