// Tenfold kernels: scans of the rows that a bitmap admits (private to this target). Each scan file includes this after its
// dense loops, which then compute runs of rows whose bits are set.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Takes the next run of set bits from a word: its first bit and its length. The word must not be 0.
static inline size_t tenfold_next_run(uint64_t *word, size_t *length) {
  size_t first = (size_t)__builtin_ctzll(*word);
  uint64_t rest = ~(*word >> first);
  *length = rest == 0 ? 64 : (size_t)__builtin_ctzll(rest);
  *word = *length == 64 ? 0 : *word & ~((((uint64_t)1 << *length) - 1) << first);
  return first;
}

/// Defines NAME: a word of 64 rows at a time, those of no set bit skipped at once. DENSE is the loop over adjacent rows.
#define TENFOLD_MASKED_SCAN(NAME, DENSE, ELEMENT, SUM) \
  static void NAME( \
    const ELEMENT *query, const ELEMENT *rows, size_t stride, size_t count, size_t dimension, const uint64_t *mask, \
    SUM *output) { \
    for (size_t base = 0; base < count; base += 64) { \
      uint64_t word = mask[base / 64]; \
      if (count - base < 64) word &= ((uint64_t)1 << (count - base)) - 1; \
      while (word != 0) { \
        size_t length, row = base + tenfold_next_run(&word, &length); \
        DENSE(query, rows + row * stride, stride, length, dimension, output + row); \
      } \
    } \
  }
