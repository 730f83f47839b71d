/* Attention of the text encoder for AVX-512 BF16: vdpbf16ps adds two products of bfloat16 a lane to a float.
 *
 * keys     transposed in pairs along the head: word p * keys + j = k[j][2 p] | k[j][2 p + 1] << 16
 * values   in pairs of keys: word i * columns + c = v[2 i][c] | v[2 i + 1][c] << 16
 * tiles    scores 4 queries x 4 vectors of keys, values 4 queries x 2 vectors of columns; a query's pair, or a pair of its
 *          weights, is broadcast
 * softmax  in floats, as for the other sets; weights are rounded after they are summed
 * tails    keys, columns and pairs are padded with zeros in scratch; missing queries repeat the last one. over-read: none
 * peak     32 products per vdpbf16ps, twice those of an FMA */
// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>
#pragma clang attribute push( \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma"))), apply_to = function)
#define LANES 16
#define KEY_VECTORS 4
#define FMA(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "encoder_vectors.h"

/// The scratch of one head.
typedef struct head_scratch {
  uint32_t *keys, *values, *queries;
  uint16_t *weights;
  float *scores, *mixed;
} head_scratch;

INLINE size_t halved(size_t n) { return (n + 1) / 2; }

/// Words of a row of pairs, padded to a vector.
INLINE size_t pair_words(size_t head_width) { return padded_to_lanes(halved(head_width)); }

static size_t attention_scratch(size_t tokens, size_t head_width) {
  size_t keys = padded_to_lanes(tokens), columns = padded_to_lanes(head_width);
  size_t words = halved(head_width) * keys + halved(tokens) * columns + QUERIES * pair_words(head_width);
  return words * sizeof(uint32_t) + QUERIES * (keys * (sizeof(float) + sizeof(uint16_t)) + columns * sizeof(float));
}

static head_scratch scratch_at(void *start, size_t tokens, size_t head_width) {
  size_t keys = padded_to_lanes(tokens), columns = padded_to_lanes(head_width);
  head_scratch s;
  s.keys = start;
  s.values = s.keys + halved(head_width) * keys;
  s.queries = s.values + halved(tokens) * columns;
  s.scores = (float *)(void *)(s.queries + QUERIES * pair_words(head_width));
  s.mixed = s.scores + QUERIES * keys;
  s.weights = (uint16_t *)(void *)(s.mixed + QUERIES * columns);
  return s;
}

/// Up to 16 floats, then zeros.
INLINE __m512 load_some(const float *x, size_t count) {
  return _mm512_maskz_loadu_ps(count >= 16 ? 0xFFFF : (__mmask16)((1u << count) - 1), x);
}

/// A row in pairs, padded with zeros to whole vectors.
INLINE void pair_row(const float *x, size_t count, uint32_t *pairs) {
  for (size_t i = 0; i < count; i += 32) {
    size_t rest = count - i;
    __m512 high = rest > 16 ? load_some(x + i + 16, rest - 16) : _mm512_setzero_ps();
    _mm512_storeu_si512(pairs + i / 2, (__m512i)_mm512_cvtne2ps_pbh(high, load_some(x + i, rest)));
  }
}

/// Two rows of up to 16 columns as pairs.
INLINE __m512i paired(__m512 first, __m512 second) {
  __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(first));
  __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(second));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

INLINE __m512 add_products(__m512 sum, uint32_t pair, const uint32_t *pairs) {
  return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32((int)pair), (__m512bh)_mm512_loadu_si512(pairs));
}

/// sums[r][v] = sum over `count` pairs of row r's pair times the pairs of vector v, rows and vectors apart by their strides.
INLINE void product_tile(
  const uint32_t *rows, size_t row_stride, const uint32_t *pairs, size_t pair_stride, size_t count, int vectors,
  float *sums, size_t sums_stride) {
  __m512 sum[QUERIES][KEY_VECTORS];
#pragma clang loop unroll(full)
  for (int r = 0; r < QUERIES; r++)
    for (int v = 0; v < vectors; v++) sum[r][v] = _mm512_setzero_ps();
  for (size_t i = 0; i < count; i++)
#pragma clang loop unroll(full)
    for (int r = 0; r < QUERIES; r++)
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++)
        sum[r][v] = add_products(sum[r][v], rows[(size_t)r * row_stride + i], pairs + i * pair_stride + 16 * v);
#pragma clang loop unroll(full)
  for (int r = 0; r < QUERIES; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) _mm512_storeu_ps(sums + (size_t)r * sums_stride + 16 * v, sum[r][v]);
}

static void attend(
  const float *q, const float *k, const float *v, size_t stride, size_t tokens, size_t head_width, float scale,
  float *output, size_t output_stride, void *scratch) {
  if (tokens == 0) return;
  size_t keys = padded_to_lanes(tokens), columns = padded_to_lanes(head_width);
  size_t pairs = halved(head_width), words = pair_words(head_width);
  head_scratch s = scratch_at(scratch, tokens, head_width);
  for (size_t j = 0; j < keys; j++) {
    if (j < tokens) pair_row(k + j * stride, head_width, s.queries);
    for (size_t p = 0; p < pairs; p++) s.keys[p * keys + j] = j < tokens ? s.queries[p] : 0;
  }
  for (size_t j = 0; j < tokens; j += 2)
    for (size_t c = 0; c < columns; c += 16) {
      const float *row = v + j * stride + c;
      size_t rest = head_width - c;
      __m512 next = j + 1 < tokens ? load_some(row + stride, rest) : _mm512_setzero_ps();
      _mm512_storeu_si512(s.values + j / 2 * columns + c, paired(load_some(row, rest), next));
    }
  for (size_t t = 0; t < tokens; t += QUERIES) {
    size_t count = tokens - t < QUERIES ? tokens - t : QUERIES;
    for (size_t r = 0; r < QUERIES; r++)
      pair_row(q + (t + (r < count ? r : count - 1)) * stride, head_width, s.queries + r * words);
    size_t j = 0;
    for (; j + 64 <= keys; j += 64) product_tile(s.queries, words, s.keys + j, keys, pairs, 4, s.scores + j, keys);
    for (; j < keys; j += 16) product_tile(s.queries, words, s.keys + j, keys, pairs, 1, s.scores + j, keys);
    float inverse[QUERIES];
    for (size_t r = 0; r < QUERIES; r++) {
      float *row = s.scores + r * keys;
      inverse[r] = softmax_row(row, tokens, keys, scale);
      for (j = 0; j < keys; j += 16)
        _mm256_storeu_si256(
          (__m256i *)(void *)(s.weights + r * keys + j), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(row + j)));
    }
    const uint32_t *weights = (const uint32_t *)(const void *)s.weights;
    size_t c = 0;
    for (; c + 32 <= columns; c += 32)
      product_tile(weights, keys / 2, s.values + c, columns, halved(tokens), 2, s.mixed + c, columns);
    for (; c < columns; c += 16)
      product_tile(weights, keys / 2, s.values + c, columns, halved(tokens), 1, s.mixed + c, columns);
    for (size_t r = 0; r < count; r++)
      for (size_t d = 0; d < head_width; d++)
        output[(t + r) * output_stride + d] = s.mixed[r * columns + d] * inverse[r];
  }
}

#pragma clang attribute pop

const tenfold_encoder_attention tenfold_encoder_avx512bf16 = {.scratch = attention_scratch, .attend = attend};
#endif
