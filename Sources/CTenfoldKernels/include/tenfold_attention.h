// Tenfold kernels: causal attention over paged keys and values in half precision or in 8 bits.
// SPDX-License-Identifier: Apache-2.0
//
// A page holds 32 positions of one key-value head:
//   keys    [head_length][32]                position is the inner index, so scores of 16 positions are one vector
//   values  [32][value_stride]               value_stride = head_length rounded up to 32; the rest is never used
// In 8 bits each head of a position has a scale of its own, its largest magnitude / 127:
//   keys    int8 [head_length][32], then 32 float scales
//   values  int8 [32][value_stride], then 32 float scales
// Scores, soft-max and sums are fp32. Each query walks the pages in order with a running maximum that begins anew with
// every stretch of 256 positions; stretches are merged in order. The order of a query's additions depends on its own
// position only, so neither chunking nor batching nor spreading stretches over threads changes a bit of the result, as
// long as keys and values are finite: positions of the last page that a query doesn't see count as zero times their value.
#pragma once
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

#define TENFOLD_PAGE_LENGTH 32
/// Positions that are softened together.
#define TENFOLD_STRETCH_LENGTH 256
/// The longest head that the kernels take.
#define TENFOLD_MAX_HEAD_LENGTH 256

/// Consecutive rows of one sequence and all query heads that share one key-value head.
typedef struct tenfold_attention_span {
  /// The first row's first query head of the group; heads lie side by side.
  const float *queries;
  /// Floats between rows.
  size_t query_stride;
  float *outputs;
  size_t output_stride;
  size_t rows;
  /// Query heads that share the key-value head.
  size_t group;
  size_t head_length;
  /// The memory of all pages, and which pages hold the sequence, first to last.
  const uint16_t *memory;
  const uint32_t *pages;
  /// Halves between pages.
  size_t page_stride;
  /// Halves from the start of a page to the keys and the values of this layer and head.
  size_t key_offset;
  size_t value_offset;
  /// The first row's position; row r sees positions 0 ... first_position + r.
  size_t first_position;
  /// What scores are multiplied by, usually 1 / sqrt(head_length).
  float scale;
} tenfold_attention_span;

typedef struct tenfold_attention_kernels {
  const char *name;
  /// Computes the attention of a span.
  void (*attend)(const tenfold_attention_span *span);
  /// Writes one head's key of one position into its page; values beyond the range of a half saturate.
  void (*store_key)(const float *key, size_t head_length, uint16_t *page_keys, size_t slot);
  /// Writes one head's value of one position.
  void (*store_value)(const float *value, size_t head_length, uint16_t *page_values, size_t slot);
  /// The same on pages of 8 bits; what is not a finite number makes the whole head of that position NaN.
  void (*attend_int8)(const tenfold_attention_span *span);
  void (*store_key_int8)(const float *key, size_t head_length, uint16_t *page_keys, size_t slot);
  void (*store_value_int8)(const float *value, size_t head_length, uint16_t *page_values, size_t slot);
  /// The part of `attend` that belongs to stretch n, positions 256 n ..< 256 (n + 1), for other threads to do the others:
  /// for each query that sees the stretch, `partials[n][query]` receives the maximum, the total and the sums.
  void (*attend_stretch)(const tenfold_attention_span *span, size_t stretch, float *partials);
  void (*attend_stretch_int8)(const tenfold_attention_span *span, size_t stretch, float *partials);
  /// Merges the stretches into the outputs; together the same bits as `attend`.
  void (*merge_stretches)(const tenfold_attention_span *span, const float *partials);
} tenfold_attention_kernels;

/// The kernels for an instruction set by its name; `portable` for a name that is not compiled in.
const tenfold_attention_kernels *tenfold_attention_named(const char *name);

/// Values between the values of two positions.
static inline size_t tenfold_value_stride(size_t head_length) { return (head_length + 31) / 32 * 32; }

/// Floats of one query's part of one stretch.
static inline size_t tenfold_partial_length(size_t head_length) { return 2 + tenfold_value_stride(head_length); }

#pragma clang assume_nonnull end
