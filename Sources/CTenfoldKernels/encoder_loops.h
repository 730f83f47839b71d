/* The encoder's loops, written once over vectors of LANES floats; each encoder_<set>.c includes this after defining
 *   LANES         floats in a vector register
 *   KEY_VECTORS   vectors of keys in a score tile: 4 query rows x KEY_VECTORS accumulators stay in registers
 *   FMA(a, b, c)  a * b + c, fused where the set has it
 *   TABLE, NAME   the name of the constant table that the file defines, and the backend's name
 * tiles   scores 4 queries x KEY_VECTORS * LANES keys, K transposed in scratch [head_width][keys];
 *         values 4 queries x 2 * LANES columns, V copied to scratch [tokens][columns]
 * tails   keys and columns are padded with zeros in scratch; missing queries repeat the last one
 * over-read: none */
// SPDX-License-Identifier: Apache-2.0
#include "encoder_vectors.h"

static void normalize(
  const float *x, const float *addend, size_t width, const float *gain, const float *bias, float epsilon,
  float *output) {
  size_t whole = width / LANES * LANES;
  vf sums = {0};
  float tail = 0;
  for (size_t j = 0; j < whole; j += LANES) {
    vf v = addend ? load(x + j) + load(addend + j) : load(x + j);
    store(output + j, v);
    sums += v;
  }
  for (size_t j = whole; j < width; j++) {
    output[j] = addend ? x[j] + addend[j] : x[j];
    tail += output[j];
  }
  float mean = (sum_of(sums) + tail) / (float)width;
  vf squares = {0};
  tail = 0;
  for (size_t j = 0; j < whole; j += LANES) {
    vf v = load(output + j) - mean;
    squares = FMA(v, v, squares);
  }
  for (size_t j = whole; j < width; j++) tail += (output[j] - mean) * (output[j] - mean);
  float factor = 1.0f / sqrtf((sum_of(squares) + tail) / (float)width + epsilon);
  for (size_t j = 0; j < whole; j += LANES)
    store(output + j, FMA((load(output + j) - mean) * factor, load(gain + j), load(bias + j)));
  for (size_t j = whole; j < width; j++) output[j] = (output[j] - mean) * factor * gain[j] + bias[j];
}

/// How a row becomes codes, in registers: stores of bytes would have the compiler read it from memory again and again.
typedef struct coding {
  const float *factors, *offsets;
  vf inverse;
  vi zero;
} coding;

/// The codes of one vector of columns, as integers.
INLINE vi codes_of(coding c, vf x, vf factor, vf offset) {
  // floor(y) is round(y - 1/2) but for ties, where either is right.
  vf y = FMA(x * factor, c.inverse, offset - 0.5f);
  vi code = (vi)(y + ROUNDING) + c.zero;
  return __builtin_elementwise_max(__builtin_elementwise_min(code, (vi){0} + 127), (vi){0} - 127);
}

/// Stores a whole vector of codes, for which padding leaves room, and counts them.
INLINE void put_codes(vi codes, int8_t *values, vi *sums) {
  vb bytes = __builtin_convertvector(codes, vb);
  memcpy(values, &bytes, sizeof bytes);
  *sums += codes;
}

/// The last codes: fewer than a vector, or inputs and copies together.
static void put_last_codes(
  coding c, const float *x, const int32_t *sources, size_t width, size_t first, size_t count, int8_t *values, vi *sums) {
  float source[LANES] = {0}, factor[LANES] = {0}, offset[LANES] = {0};
  for (size_t i = 0; i < count; i++) {
    size_t e = first + i;
    source[i] = e < width ? x[e] : x[sources[e - width]];
    factor[i] = c.factors[e];
    offset[i] = c.offsets[e];
  }
  vi codes = codes_of(c, load(source), load(factor), load(offset));
  for (size_t i = count; i < LANES; i++) codes[i] = 0;
  put_codes(codes, values + first, sums);
}

static void quantize_split(
  const float *x, const tenfold_split_columns *split, size_t padded, int8_t *values, float *scale,
  int32_t *negated_sum, float *shift) {
  size_t width = split->width, columns = split->columns, whole = width / LANES * LANES;
  const float *factors = split->factors;
  const int32_t *sources = split->sources;
  vf highs = {0}, lows = {0};
  // NaN from the first NaN or infinity on.
  vf zeros = {0};
  for (size_t j = 0; j < whole; j += LANES) {
    vf v = load(x + j) * load(factors + j);
    zeros = FMA(v, (vf){0}, zeros);
    highs = maximum(v, highs);
    lows = minimum(v, lows);
  }
  float high = maximum_of(highs), low = maximum_of(-lows);
  int all = sum_of(zeros) == 0;
  for (size_t j = whole; j < width; j++) {
    float v = x[j] * factors[j];
    all &= fabsf(v) < INFINITY;
    high = v > high ? v : high;
    low = -v > low ? -v : low;
  }
  if (!split->has_zero_point) high = low = high > low ? high : low;
  float range = high + low;
  if (!all || !(range > 1e-30f && range < INFINITY)) {
    memset(values, 0, padded);
    *scale = all && range < INFINITY ? 0.0f : NAN;
    *negated_sum = 0;
    *shift = 0;
    return;
  }
  // 252 steps leave one at each end for the rounding of copies.
  float inverse = 252.0f / range;
  *scale = range / 252.0f;
  int32_t zero = (int32_t)(low * inverse + 0.5f) - 126;
  coding c = {factors, split->offsets, splat(inverse), zero - (vi)splat(ROUNDING)};
  vi sums = {0};
  for (size_t j = 0; j < whole; j += LANES)
    put_codes(codes_of(c, load(x + j), load(c.factors + j), load(c.offsets + j)), values + j, &sums);
  size_t j = whole;
  if (j < width) {
    size_t count = columns - j < LANES ? columns - j : LANES;
    put_last_codes(c, x, sources, width, j, count, values, &sums);
    j += LANES;
  }
  for (; j + LANES <= columns; j += LANES) {
    float source[LANES];
    for (size_t i = 0; i < LANES; i++) source[i] = x[sources[j + i - width]];
    put_codes(codes_of(c, load(source), load(c.factors + j), load(c.offsets + j)), values + j, &sums);
  }
  if (j < columns) put_last_codes(c, x, sources, width, j, columns - j, values, &sums);
  memset(values + columns, 0, padded - columns);
  *shift = (float)zero * *scale;
  int32_t sum = 0;
  for (int i = 0; i < LANES; i++) sum += sums[i];
  *negated_sum = -sum;
}

static void add_scaled(float *output, const float *addend, float factor, size_t width) {
  size_t whole = width / LANES * LANES;
  for (size_t j = 0; j < whole; j += LANES)
    store(output + j, FMA(load(addend + j), splat(factor), load(output + j)));
  for (size_t j = whole; j < width; j++) output[j] += addend[j] * factor;
}

static size_t attention_scratch(size_t tokens, size_t head_width) {
  size_t keys = padded_to_lanes(tokens), columns = padded_to_lanes(head_width);
  return (head_width * keys + tokens * columns + QUERIES * keys + QUERIES * columns) * sizeof(float);
}

/// scores[r][j] for QUERIES rows and `vectors` vectors of keys from `k` on.
INLINE void score_tile(
  const float *const q[QUERIES], const float *k, size_t keys, size_t head_width, int vectors, float *scores) {
  vf sums[QUERIES][KEY_VECTORS];
  for (int r = 0; r < QUERIES; r++)
    for (int v = 0; v < vectors; v++) sums[r][v] = (vf){0};
  for (size_t d = 0; d < head_width; d++) {
    vf key[KEY_VECTORS];
    for (int v = 0; v < vectors; v++) key[v] = load(k + d * keys + (size_t)v * LANES);
    for (int r = 0; r < QUERIES; r++) {
      vf x = splat(q[r][d]);
      for (int v = 0; v < vectors; v++) sums[r][v] = FMA(x, key[v], sums[r][v]);
    }
  }
  for (int r = 0; r < QUERIES; r++)
    for (int v = 0; v < vectors; v++) store(scores + (size_t)r * keys + (size_t)v * LANES, sums[r][v]);
}

/// output[r] = sum of weights[r][j] * v[j] for QUERIES rows and `vectors` vectors of columns.
INLINE void value_tile(
  const float *weights, size_t keys, const float *v, size_t columns, size_t tokens, int vectors, float *output) {
  vf sums[QUERIES][2];
  for (int r = 0; r < QUERIES; r++)
    for (int c = 0; c < vectors; c++) sums[r][c] = (vf){0};
  for (size_t j = 0; j < tokens; j++) {
    vf value[2];
    for (int c = 0; c < vectors; c++) value[c] = load(v + j * columns + (size_t)c * LANES);
    for (int r = 0; r < QUERIES; r++) {
      vf w = splat(weights[(size_t)r * keys + j]);
      for (int c = 0; c < vectors; c++) sums[r][c] = FMA(w, value[c], sums[r][c]);
    }
  }
  for (int r = 0; r < QUERIES; r++)
    for (int c = 0; c < vectors; c++) store(output + (size_t)r * columns + (size_t)c * LANES, sums[r][c]);
}

static void attend(
  const float *q, const float *k, const float *v, size_t stride, size_t tokens, size_t head_width, float scale,
  float *output, size_t output_stride, void *scratch) {
  if (tokens == 0) return;
  size_t keys = padded_to_lanes(tokens), columns = padded_to_lanes(head_width);
  float *transposed = scratch;
  float *values = transposed + head_width * keys;
  float *scores = values + tokens * columns;
  float *mixed = scores + QUERIES * keys;
  for (size_t j = 0; j < keys; j++)
    for (size_t d = 0; d < head_width; d++) transposed[d * keys + j] = j < tokens ? k[j * stride + d] : 0.0f;
  for (size_t j = 0; j < tokens; j++) {
    // Not memcpy, whose call takes longer than so short a row.
    size_t d = 0;
    for (; d + LANES <= head_width; d += LANES) store(values + j * columns + d, load(v + j * stride + d));
    for (; d < columns; d++) values[j * columns + d] = d < head_width ? v[j * stride + d] : 0.0f;
  }
  for (size_t t = 0; t < tokens; t += QUERIES) {
    size_t count = tokens - t < QUERIES ? tokens - t : QUERIES;
    const float *queries[QUERIES];
    for (size_t r = 0; r < QUERIES; r++) queries[r] = q + (t + (r < count ? r : count - 1)) * stride;
    size_t j = 0;
    for (; j + KEY_VECTORS * LANES <= keys; j += KEY_VECTORS * LANES)
      score_tile(queries, transposed + j, keys, head_width, KEY_VECTORS, scores + j);
    for (; j < keys; j += LANES) score_tile(queries, transposed + j, keys, head_width, 1, scores + j);
    float inverse[QUERIES];
    for (size_t r = 0; r < QUERIES; r++) inverse[r] = softmax_row(scores + r * keys, tokens, keys, scale);
    size_t c = 0;
    for (; c + 2 * LANES <= columns; c += 2 * LANES)
      value_tile(scores, keys, values + c, columns, tokens, 2, mixed + c);
    for (; c < columns; c += LANES) value_tile(scores, keys, values + c, columns, tokens, 1, mixed + c);
    for (size_t r = 0; r < count; r++)
      for (size_t d = 0; d < head_width; d++) output[(t + r) * output_stride + d] = mixed[r * columns + d] * inverse[r];
  }
}

static float pool(const float *rows, size_t stride, size_t tokens, size_t width, float *output) {
  memset(output, 0, width * sizeof(float));
  for (size_t t = 0; t < tokens; t++)
    for (size_t j = 0; j < width; j++) output[j] += rows[t * stride + j];
  float share = tokens > 0 ? 1.0f / (float)tokens : 0.0f;
  double square = 0;
  for (size_t j = 0; j < width; j++) {
    output[j] *= share;
    square += (double)output[j] * (double)output[j];
  }
  float length = (float)sqrt(square);
  if (length > 0 && length < INFINITY)
    for (size_t j = 0; j < width; j++) output[j] /= length;
  return length;
}

const tenfold_encoder_kernels TABLE = {
  .name = NAME,
  .normalize = normalize,
  .quantize_split = quantize_split,
  .add_scaled = add_scaled,
  .attention = {.scratch = attention_scratch, .attend = attend},
  .pool = pool,
};
