// Tenfold kernels: what a text encoder does between its matrix products.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// How the columns of a row become int8 codes: large columns split into copies, and with a zero point of the row's own where
/// `has_zero_point`.
///
/// Column e < columns stands for input e (e < width) or sources[e - width]; its code is
/// floor(x * factors[e] / scale + offsets[e]) + z, with one scale and one z a row (else z = 0), chosen so that the codes fill
/// -127...127. A column split into c copies has factors 1 / c and offsets (j + 0.5) / c for j = 0 ..< c, so that the
/// copies' codes add up to round(x / scale) exactly. A product with these codes is too large by z * scale times the sum of
/// the weights; `add_scaled` takes that off.
typedef struct tenfold_split_columns {
  size_t width;
  size_t columns;
  bool has_zero_point;
  const int32_t *sources;  ///< [columns - width], each below width
  const float *factors;    ///< [columns], above 0
  const float *offsets;    ///< [columns]
} tenfold_split_columns;

/// One head of one text.
typedef struct tenfold_encoder_attention {
  /// Bytes of scratch that `attend` wants, aligned to 64.
  size_t (*scratch)(size_t tokens, size_t head_width);
  /// output[t] = softmax(q[t] * K^T * scale) * V over all tokens of the text, both ways.
  /// q, k, v and output rows are `stride` and `output_stride` floats apart and `head_width` long.
  void (*attend)(
    const float *q, const float *k, const float *v, size_t stride, size_t tokens, size_t head_width, float scale,
    float *output, size_t output_stride, void *scratch);
} tenfold_encoder_attention;

/// Loops of one instruction set. Rows are computed one by one: a row's result never depends on another row.
typedef struct tenfold_encoder_kernels {
  /// The backend's name, as in `tenfold_backend`.
  const char *name;
  /// output = (x + addend - mean) / sqrt(variance + epsilon) * gain + bias over `width` floats; no addend is
  /// zeros; output may be x.
  void (*normalize)(
    const float *x, const float *_Nullable addend, size_t width, const float *gain, const float *bias, float epsilon,
    float *output);
  /// Codes one row: values[0 ..< padded], zeros past the columns; `padded` is a multiple of 64. `shift` is z * scale. A row with
  /// a NaN or an infinity gets scale NaN, shift 0 and zero codes.
  void (*quantize_split)(
    const float *x, const tenfold_split_columns *split, size_t padded, int8_t *values, float *scale,
    int32_t *negated_sum, float *shift);
  /// output += addend * factor over `width` floats.
  void (*add_scaled)(float *output, const float *addend, float factor, size_t width);
  tenfold_encoder_attention attention;
  /// output = mean of the rows, scaled to length 1. Returns the length before scaling; where that is 0 or not finite,
  /// the output is the unscaled mean.
  float (*pool)(const float *rows, size_t stride, size_t tokens, size_t width, float *output);
} tenfold_encoder_kernels;

/// The loops for a backend's name; those of `portable` where the backend has none of its own.
const tenfold_encoder_kernels *tenfold_encoder_kernels_named(const char *name);

/// Attention whose products take factors of bfloat16 (8 bits of mantissa) and sum in float, for a backend's name; NULL where
/// the backend or this processor has none. Twice the products an instruction; queries, keys, values and their weights are each off by up to 1 / 256.
const tenfold_encoder_attention *_Nullable tenfold_encoder_bf16_attention(const char *name);

#pragma clang assume_nonnull end
