// Tenfold kernels: causal attention over pages, compiled once per instruction set (private).
// SPDX-License-Identifier: Apache-2.0
//
// picture  up to 8 queries (rows x grouped heads) against one page of 32 positions:
//            scores[query][32] = queries[query][head_length] * keys[head_length][32]
//            output[query][32 of head_length] += p[query][32] * values[32][32 of head_length]
//          both are the same tile: C[queries][32] += A[queries][n] * B[n][32], A fp32, B half or int8; the scales of
//          int8 go to the scores and to p
// needs    from the including file: load_half16(const uint16_t *) and store_half(float *, uint16_t *, count);
//          TILE_QUERIES x TILE_VECTORS accumulators of 16 floats stay in registers, and where fewer queries leave room,
//          WIDE_QUERIES x 2
// over-read none: pages are whole
#pragma once
#include "elementwise_vectors.h"
#include "include/tenfold_attention.h"

#define QUERIES 8
#define PAGE TENFOLD_PAGE_LENGTH
#define STRETCH TENFOLD_STRETCH_LENGTH

typedef int8_t i8v __attribute__((ext_vector_type(16)));

/// 16 values of a page; `size` is the bytes of one.
TENFOLD_INLINE v16 load_page16(const uint8_t *p, const size_t size) {
  if (size == 2) return load_half16((const uint16_t *)(const void *)p);
  i8v bytes;
  memcpy(&bytes, p, sizeof bytes);
  return __builtin_convertvector(bytes, v16);
}

/// `ahead` bytes after each row of B lies one that is needed soon, to be fetched meanwhile; 0 fetches nothing new.
TENFOLD_INLINE void tile_fixed(
  const float *a, size_t a_stride, size_t n, const uint8_t *b, size_t b_stride, float *c, size_t c_stride,
  const size_t queries, const size_t vectors, const int accumulate, const size_t size, const ptrdiff_t ahead) {
  v16 sums[TILE_QUERIES][2];
  for (size_t q = 0; q < queries; q++) {
    for (size_t v = 0; v < vectors; v++) {
      sums[q][v] = accumulate ? load16(c + q * c_stride + 16 * v) : (v16)(0.0f);
    }
  }
  for (size_t k = 0; k < n; k++, b += b_stride * size) {
    __builtin_prefetch((const void *)((uintptr_t)b + (uintptr_t)ahead), 0, 2);
    for (size_t v = 0; v < vectors; v++) {
      v16 column = load_page16(b + 16 * v * size, size);
      for (size_t q = 0; q < queries; q++) sums[q][v] = (v16)(a[q * a_stride + k]) * column + sums[q][v];
    }
  }
  for (size_t q = 0; q < queries; q++) {
    for (size_t v = 0; v < vectors; v++) store16(c + q * c_stride + 16 * v, sums[q][v]);
  }
}

/// C[queries][32] (+)= A[queries][n] * B[n][32]; each element is summed in the order of n.
TENFOLD_INLINE void multiply_page(
  const float *a, size_t a_stride, size_t n, const uint8_t *b, size_t b_stride, float *c, size_t c_stride,
  size_t queries, const int accumulate, const size_t size, const ptrdiff_t ahead) {
  for (size_t q = 0; q < queries; q += TILE_QUERIES) {
    size_t count = queries - q < TILE_QUERIES ? queries - q : TILE_QUERIES;
    const float *aq = a + q * a_stride;
    float *cq = c + q * c_stride;
#define TENFOLD_TILE(N, VECTORS) \
  for (size_t v = 0; v < 2; v += VECTORS) \
    tile_fixed(aq, a_stride, n, b + 16 * v * size, b_stride, cq + 16 * v, c_stride, N, VECTORS, accumulate, size, ahead);
    switch (count) {
#define TENFOLD_CASE(N) \
  case N: TENFOLD_TILE(N, (N <= WIDE_QUERIES ? 2 : TILE_VECTORS)) break;
      TENFOLD_TILE_CASES
#undef TENFOLD_CASE
#undef TENFOLD_TILE
    }
  }
}

/// Turns the scores of the first `count` (1...32) positions of a page into exp(score - maximum), the others into 0;
/// returns what earlier sums must be multiplied by.
TENFOLD_INLINE float soften_page(float *scores, size_t count, float *maximum, float *total) {
  const i16v lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  i16v low = lanes < (i16v)(int32_t)count, high = lanes + 16 < (i16v)(int32_t)count;
  const v16 nothing = (v16)(-INFINITY);
  v16 a = select16(low, load16(scores), nothing), b = select16(high, load16(scores + 16), nothing);
  float largest = largest16(max16(a, b));
  float before = *maximum;
  float now = largest > before ? largest : before;
  v16 pa = exp16(a - now), pb = exp16(b - now);
  store16(scores, pa);
  store16(scores + 16, pb);
  float sum = sum16(pa + pb);
  *maximum = now;
  if (now == before) {
    *total += sum;
    return 1;
  }
  float factor = exp16((v16)(before - now)).x;
  *total = *total * factor + sum;
  return factor;
}

/// Multiplies the scores of each query by the positions' scales.
TENFOLD_INLINE void scale_page(float *scores, size_t queries, const float *scales) {
// Not fused with what follows for some numbers of queries and not for others.
#pragma clang fp contract(off)
  v16 low = load16(scales), high = load16(scales + 16);
  for (size_t q = 0; q < queries; q++) {
    float *row = scores + q * PAGE;
    store16(row, load16(row) * low);
    store16(row + 16, load16(row + 16) * high);
  }
}

/// Up to 8 queries that walk the pages together.
typedef struct query_block {
  size_t count, longest;
  size_t visible[QUERIES];
  float queries[QUERIES * TENFOLD_MAX_HEAD_LENGTH];
  // Of the last stretch.
  float scores[QUERIES * PAGE], maxima[QUERIES], totals[QUERIES], sums[QUERIES * TENFOLD_MAX_HEAD_LENGTH];
} query_block;

TENFOLD_INLINE void take_queries(const tenfold_attention_span *s, size_t first, query_block *block) {
  const size_t length = s->head_length, rest = s->rows * s->group - first;
  block->count = rest < QUERIES ? rest : QUERIES;
  block->longest = 0;
  for (size_t q = 0; q < block->count; q++) {
    size_t row = (first + q) / s->group, head = (first + q) % s->group;
    const float *query = s->queries + row * s->query_stride + head * length;
    for (size_t i = 0; i < length; i++) block->queries[q * length + i] = query[i] * s->scale;
    block->visible[q] = s->first_position + row + 1;
    if (block->visible[q] > block->longest) block->longest = block->visible[q];
  }
}

/// Softens the stretch that begins at a position, and sums its values. Pages before position `fetched` are asked for one
/// page ahead.
TENFOLD_INLINE void walk_pages(
  const tenfold_attention_span *s, query_block *block, size_t begin, size_t fetched, const size_t size) {
  const size_t length = s->head_length, stride = tenfold_value_stride(length), count = block->count;
  size_t end = block->longest < begin + STRETCH ? block->longest : begin + STRETCH;
  float *scores = block->scores, *sums = block->sums;
  memset(sums, 0, count * stride * sizeof(float));
  for (size_t q = 0; q < count; q++) {
    block->maxima[q] = -INFINITY;
    block->totals[q] = 0;
  }
  for (size_t base = begin; base < end; base += PAGE) {
    const uint16_t *page = s->memory + (size_t)s->pages[base / PAGE] * s->page_stride;
    const uint8_t *keys = (const uint8_t *)(page + s->key_offset);
    const uint8_t *values = (const uint8_t *)(page + s->value_offset);
    // Pages lie far apart, which no processor guesses.
    ptrdiff_t ahead = 0;
    if (base + PAGE < fetched)
      ahead = ((ptrdiff_t)s->pages[base / PAGE + 1] - (ptrdiff_t)s->pages[base / PAGE]) * (ptrdiff_t)s->page_stride * 2;
    multiply_page(block->queries, length, length, keys, PAGE, scores, PAGE, count, 0, size, ahead);
    if (size == 1) scale_page(scores, count, (const float *)(const void *)(keys + length * PAGE));
    for (size_t q = 0; q < count; q++) {
      if (block->visible[q] <= base) {
        memset(scores + q * PAGE, 0, PAGE * sizeof(float));
        continue;
      }
      size_t seen = block->visible[q] - base < PAGE ? block->visible[q] - base : PAGE;
      float factor = soften_page(scores + q * PAGE, seen, &block->maxima[q], &block->totals[q]);
      if (factor != 1) {
        float *row = sums + q * stride;
        for (size_t i = 0; i < stride; i += 16) store16(row + i, load16(row + i) * factor);
      }
    }
    // Scales of positions that nobody sees yet may be anything; their products are not used.
    if (size == 1) scale_page(scores, count, (const float *)(const void *)(values + stride * PAGE));
    size_t used = end - base < PAGE ? end - base : PAGE;
    for (size_t column = 0; column < stride; column += 32) {
      multiply_page(scores, PAGE, used, values + column * size, stride, sums + column, stride, count, 1, size, ahead);
    }
  }
}

// Compiled once each, so that all callers get the same bits.
static __attribute__((noinline)) void walk_halves(
  const tenfold_attention_span *s, query_block *block, size_t begin, size_t fetched) {
  walk_pages(s, block, begin, fetched, 2);
}

static __attribute__((noinline)) void walk_bytes(
  const tenfold_attention_span *s, query_block *block, size_t begin, size_t fetched) {
  walk_pages(s, block, begin, fetched, 1);
}

TENFOLD_INLINE void walk_stretch(
  const tenfold_attention_span *s, query_block *block, size_t begin, size_t fetched, const size_t size) {
  if (size == 1) walk_bytes(s, block, begin, fetched);
  else walk_halves(s, block, begin, fetched);
}

/// Adds a stretch to the stretches before it: maximum, total and `stride` sums.
TENFOLD_INLINE void merge_stretch(
  float *maximum, float *total, float *sums, float new_maximum, float new_total, const float *new_sums, size_t stride) {
// Rounded the same wherever it is inlined.
#pragma clang fp contract(off)
  float largest = new_maximum > *maximum ? new_maximum : *maximum;
  float old_factor = exp16((v16)(*maximum - largest)).x, new_factor = exp16((v16)(new_maximum - largest)).x;
  *maximum = largest;
  *total = *total * old_factor + new_total * new_factor;
  for (size_t i = 0; i < stride; i += 16)
    store16(sums + i, load16(sums + i) * old_factor + load16(new_sums + i) * new_factor);
}

TENFOLD_INLINE void put_output(const tenfold_attention_span *s, size_t query, float total, const float *sums) {
  const size_t length = s->head_length;
  float *output = s->outputs + query / s->group * s->output_stride + query % s->group * length;
  float factor = 1.0f / total;
  for (size_t i = 0; i < length; i++) output[i] = sums[i] * factor;
}

TENFOLD_INLINE void attend_pages(const tenfold_attention_span *s, const size_t size) {
  const size_t stride = tenfold_value_stride(s->head_length), total = s->rows * s->group;
  query_block block;
  float maxima[QUERIES], totals[QUERIES], sums[QUERIES * TENFOLD_MAX_HEAD_LENGTH];
  for (size_t first = 0; first < total; first += QUERIES) {
    take_queries(s, first, &block);
    for (size_t begin = 0; begin < block.longest; begin += STRETCH) {
      // The other blocks of queries find the pages in the cache.
      walk_stretch(s, &block, begin, first == 0 ? block.longest : 0, size);
      if (begin == 0) {
        memcpy(maxima, block.maxima, sizeof maxima);
        memcpy(totals, block.totals, sizeof totals);
        memcpy(sums, block.sums, block.count * stride * sizeof(float));
        continue;
      }
      for (size_t q = 0; q < block.count; q++) {
        if (block.visible[q] <= begin) continue;
        merge_stretch(
          &maxima[q], &totals[q], sums + q * stride, block.maxima[q], block.totals[q], block.sums + q * stride, stride);
      }
    }
    for (size_t q = 0; q < block.count; q++) put_output(s, first + q, totals[q], sums + q * stride);
  }
}

TENFOLD_INLINE void attend_one_stretch(
  const tenfold_attention_span *s, size_t stretch, float *partials, const size_t size) {
  const size_t stride = tenfold_value_stride(s->head_length), total = s->rows * s->group;
  query_block block;
  for (size_t first = 0; first < total; first += QUERIES) {
    take_queries(s, first, &block);
    if (block.longest <= stretch * STRETCH) continue;
    // The stretch after it is another thread's.
    size_t end = (stretch + 1) * STRETCH;
    walk_stretch(s, &block, stretch * STRETCH, first > 0 ? 0 : end < block.longest ? end : block.longest, size);
    for (size_t q = 0; q < block.count; q++) {
      float *partial = partials + (stretch * total + first + q) * tenfold_partial_length(s->head_length);
      partial[0] = block.maxima[q];
      partial[1] = block.totals[q];
      memcpy(partial + 2, block.sums + q * stride, stride * sizeof(float));
    }
  }
}

static void attend(const tenfold_attention_span *s) { attend_pages(s, 2); }
static void attend_int8(const tenfold_attention_span *s) { attend_pages(s, 1); }
static void attend_stretch(const tenfold_attention_span *s, size_t stretch, float *partials) {
  attend_one_stretch(s, stretch, partials, 2);
}
static void attend_stretch_int8(const tenfold_attention_span *s, size_t stretch, float *partials) {
  attend_one_stretch(s, stretch, partials, 1);
}

static void merge_stretches(const tenfold_attention_span *s, const float *partials) {
  const size_t stride = tenfold_value_stride(s->head_length), total = s->rows * s->group;
  const size_t length = tenfold_partial_length(s->head_length);
  float sums[TENFOLD_MAX_HEAD_LENGTH];
  for (size_t query = 0; query < total; query++) {
    const float *partial = partials + query * length;
    float maximum = partial[0], sum = partial[1];
    memcpy(sums, partial + 2, stride * sizeof(float));
    size_t visible = s->first_position + query / s->group + 1;
    for (size_t begin = STRETCH; begin < visible; begin += STRETCH) {
      partial += total * length;
      merge_stretch(&maximum, &sum, sums, partial[0], partial[1], partial + 2, stride);
    }
    put_output(s, query, sum, sums);
  }
}

static void store_key(const float *key, size_t head_length, uint16_t *page_keys, size_t slot) {
  uint16_t halves[TENFOLD_MAX_HEAD_LENGTH];
  store_half(key, halves, head_length);
  for (size_t i = 0; i < head_length; i++) page_keys[i * PAGE + slot] = halves[i];
}

static void store_value(const float *value, size_t head_length, uint16_t *page_values, size_t slot) {
  store_half(value, page_values + slot * tenfold_value_stride(head_length), head_length);
}

/// Rounds to 8 bits and returns the scale; NaN if one of the values is not finite.
TENFOLD_INLINE float round_to_bytes(const float *x, size_t count, int8_t *bytes) {
// Rounded the same on every instruction set.
#pragma clang fp contract(off)
  float largest = 0, poison = 0;
  for (size_t i = 0; i < count; i++) {
    float magnitude = fabsf(x[i]);
    largest = magnitude > largest ? magnitude : largest;
    // 0 unless x is infinite or NaN.
    poison += x[i] * 0.0f;
  }
  float inverse = largest > 1e-30f && poison == 0 ? 127.0f / largest : 0;
  for (size_t i = 0; i < count; i++) {
    float value = inverse > 0 ? x[i] * inverse : 0;
    bytes[i] = (int8_t)(value + (value < 0 ? -0.5f : 0.5f));
  }
  return poison == 0 ? largest / 127.0f : NAN;
}

static void store_key_int8(const float *key, size_t head_length, uint16_t *page_keys, size_t slot) {
  int8_t bytes[TENFOLD_MAX_HEAD_LENGTH], *keys = (int8_t *)page_keys;
  float scale = round_to_bytes(key, head_length, bytes);
  for (size_t i = 0; i < head_length; i++) keys[i * PAGE + slot] = bytes[i];
  memcpy(keys + head_length * PAGE + slot * sizeof(float), &scale, sizeof scale);
}

static void store_value_int8(const float *value, size_t head_length, uint16_t *page_values, size_t slot) {
  size_t stride = tenfold_value_stride(head_length);
  int8_t *values = (int8_t *)page_values;
  float scale = round_to_bytes(value, head_length, values + slot * stride);
  memcpy(values + stride * PAGE + slot * sizeof(float), &scale, sizeof scale);
}

#define TENFOLD_ATTENTION_TABLE(NAME) \
  {NAME, attend, store_key, store_value, attend_int8, store_key_int8, store_value_int8, attend_stretch, \
   attend_stretch_int8, merge_stretches}
