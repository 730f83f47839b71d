// Tenfold kernel check: block-format products, bit for bit in the documented order of additions.
// SPDX-License-Identifier: Apache-2.0
#include "file_formats.h"

typedef struct problem {
  const char *name;
  tenfold_block_format format;
  size_t rows, columns, k, panels, width, panel_bytes;
  uint8_t *weights, *packed;
  size_t row_bytes;
  tenfold_block_activations view;
  float *expected;
} problem;

enum { RANDOM, HIGHEST, LOWEST };

/// Blocks of 32 that a call takes at least, and that share a scale of the activations.
static size_t step_of(tenfold_block_format format) { return file_formats[format].elements / 32; }

static void make_activations(problem *p, int pattern) {
  size_t blocks = p->k / 32, stride = p->k + 64 * (p->rows % 2);
  bool is_long = step_of(p->format) == 8;
  int8_t *values = guarded(p->rows * stride);
  float *scales = guarded_floats(p->rows * blocks), *scaled = guarded_floats(is_long ? 0 : p->rows * blocks);
  int32_t *negated = guarded(p->rows * blocks * 8);
  int16_t *halves = guarded(is_long ? p->rows * blocks * 4 : 0), *whole = guarded(is_long ? p->rows * blocks * 2 : 0);
  memset(values, 0, p->rows * stride);
  for (size_t r = 0; r < p->rows; r++)
    for (size_t b = 0; b < blocks; b++) {
      int32_t sums[2] = {0, 0};
      for (size_t j = 0; j < 32; j++) {
        int8_t value = pattern == RANDOM ? (int8_t)((int)below(255) - 127) : pattern == HIGHEST ? 127 : -127;
        values[r * stride + 32 * b + j] = value;
        sums[j / 16] += value;
      }
      size_t at = r * blocks + b;
      scales[at] = is_long && b % 8 > 0 ? scales[at - 1] : fabsf(unit()) / 64;
      negated[2 * at] = -(sums[0] + sums[1]);
      negated[2 * at + 1] = -sums[0];
      if (is_long) {
        for (int half = 0; half < 2; half++) halves[2 * at + (size_t)half] = (int16_t)sums[half];
        whole[at] = (int16_t)(sums[0] + sums[1]);
      } else {
        scaled[at] = scales[at] * (float)(sums[0] + sums[1]);
      }
    }
  p->view = (tenfold_block_activations){
    .values = values, .scales = scales, .scaled_sums = scaled, .negated_sums = negated, .half_sums = halves,
    .block_sums = whole, .value_stride = stride, .block_stride = blocks};
}

/// The activations from a row and a block on.
static tenfold_block_activations view_at(const problem *p, size_t row, size_t block) {
  tenfold_block_activations view = p->view;
  size_t at = row * view.block_stride + block;
  view.values += row * view.value_stride + 32 * block;
  view.scales += at;
  view.negated_sums += 2 * at;
  if (step_of(p->format) == 8) view.half_sums += 2 * at, view.block_sums += at;
  else view.scaled_sums += at;
  return view;
}

/// What a run of codes that share a scale gives.
typedef struct run_sums {
  int32_t integer, activations, minimum;
  float scale, offset;
} run_sums;

/// The sums of the run that begins at element `first`; adds to the exact result and the magnitude of its terms.
static run_sums sums_of_run(
  const problem *p, size_t r, const uint8_t *row, size_t first, double *exact, double *magnitude) {
  run_sums sums = {0};
  double da = p->view.scales[r * p->view.block_stride + first / 32];
  for (size_t k = first; k < first + file_formats[p->format].run; k++) {
    file_element e = element_at(p->format, row, k);
    int value = p->view.values[r * p->view.value_stride + k];
    sums.integer += e.code * value;
    sums.activations += value;
    sums.scale = e.scale;
    sums.offset = e.offset;
    sums.minimum = e.minimum;
    *exact += ((double)e.scale * e.code + e.offset) * (da * value);
    *magnitude += (fabs((double)e.scale * e.code) + fabs((double)e.offset)) * fabs(da * value);
  }
  return sums;
}

/// The documented sum of one output, and the same in double precision with the magnitude of its terms.
static float oracle(const problem *p, size_t r, size_t c, double *exact, double *magnitude) {
  const file_format *f = &file_formats[p->format];
  const uint8_t *row = p->weights + c * p->row_bytes;
  bool fused = fuses(p->name);
  float sum = 0;
  *exact = *magnitude = 0;
  for (size_t first = 0; first < p->k; first += f->elements) {
    size_t at = r * p->view.block_stride + first / 32;
    float da = p->view.scales[at], total = 0, minimum_scale = 0;
    int32_t minima = 0;
    for (size_t k = first; k < first + f->elements; k += f->run) {
      run_sums run = sums_of_run(p, r, row, k, exact, magnitude);
      if (f->elements == 32) {
        volatile float step = run.scale * da;
        sum = multiply_add(fused, (float)run.integer, step, sum);
        if (f->has_offset) sum = multiply_add(fused, run.offset, p->view.scaled_sums[at], sum);
      } else {
        total = multiply_add(fused, (float)run.integer, run.scale, total);
        minima += run.minimum * run.activations;
        minimum_scale = element_at(p->format, row, k).minimum_scale;
      }
    }
    if (f->elements == 32) continue;
    if (f->has_offset) total = multiply_add(fused, (float)minima, -minimum_scale, total);
    sum = multiply_add(fused, total, da, sum);
  }
  return sum;
}

static void compare(const problem *p, const float *sums, size_t stride, const char *what) {
  for (size_t r = 0; r < p->rows; r++)
    for (size_t c = 0; c < p->width; c++)
      expect_bits(sums[r * stride + c], p->expected[r * p->width + c], what, r, c);
}

static void run_gemv(const problem *p, const tenfold_block_kernels *kernels) {
  float *sums = guarded_floats(p->rows * p->width);
  for (size_t panel = 0; panel < p->panels; panel++)
    kernels->gemv(
      p->format, p->packed + panel * p->panel_bytes, p->k / 32, &p->view, p->rows, sums + 16 * panel, p->width);
  compare(p, sums, p->width, "gemv");
}

/// Panels side by side with what becomes of the sums: all at once, and up to nine of them.
static void run_finished_gemv(const problem *p, const tenfold_backend *backend) {
  for (size_t i = 0; i < finish_case_count(); i++) {
    finish_case f = make_finish_case(i, p->rows, p->columns);
    // Few rows are the first ones of the output.
    size_t most = i % 2 ? p->panels : 1 + p->k / 32 % 9;
    backend->rows->finish_float(p->expected, p->width, p->rows, p->columns, 0, f.first_column, &f.expected);
    for (size_t panel = 0; panel < p->panels; panel += most) {
      size_t count = p->panels - panel < most ? p->panels - panel : most, left = p->columns - 16 * panel;
      backend->blocks->finished_gemv(
        p->format, p->packed + panel * p->panel_bytes, p->panel_bytes, count, p->k / 32, &p->view, p->rows,
        left < 16 * count ? left : 16 * count, f.first_column + 16 * panel, &f.actual);
    }
    compare_finish_case(&f);
  }
}

/// The first half of the blocks, then the second one with what becomes of the sums.
static void run_finished_tile(const problem *p, const tenfold_backend *backend) {
  const tenfold_block_kernels *kernels = backend->blocks;
  size_t blocks = p->k / 32, at = blocks / 2 / step_of(p->format) * step_of(p->format), count = blocks - at;
  size_t floats = tenfold_block_scale_floats(p->format, blocks);
  float *sums = guarded_floats(p->rows * p->width), *scales = guarded_floats(p->panels * floats);
  uint8_t *codes = guarded(p->panels * blocks * 512);
  for (size_t i = 0; i < finish_case_count(); i++) {
    finish_case f = make_finish_case(i, p->rows, p->columns);
    backend->rows->finish_float(
      p->expected, p->width, p->rows, p->columns, f.first_row, f.first_column, &f.expected);
    memset(sums, 0, p->rows * p->width * 4);
    for (size_t panel = 0; panel < p->panels; panel++)
      kernels->expand(
        p->format, p->packed + panel * p->panel_bytes, blocks, 0, blocks, codes + panel * blocks * 512,
        scales + panel * floats);
    kernels->tile(
      p->format, codes, blocks * 512, scales, floats, p->panels, at, &p->view, p->rows, sums, p->width);
    tenfold_block_activations rest = view_at(p, 0, at);
    kernels->finished_tile(
      p->format, codes + 512 * at, blocks * 512, scales + tenfold_block_scale_floats(p->format, at), floats, p->panels,
      count, &rest, p->rows, sums, p->width, p->columns, f.first_row, f.first_column, &f.actual);
    compare_finish_case(&f);
  }
}

/// All panels and rows at once, or in groups as they come; `chunk` blocks at a time.
static void run_tile(const problem *p, const tenfold_block_kernels *kernels, size_t chunk, size_t group) {
  size_t blocks = p->k / 32, floats = tenfold_block_scale_floats(p->format, chunk);
  float *sums = guarded_floats(p->rows * p->width), *scales = guarded_floats(p->panels * floats);
  uint8_t *codes = guarded(p->panels * chunk * 512);
  memset(sums, 0, p->rows * p->width * 4);
  for (size_t block = 0; block < blocks; block += chunk) {
    size_t count = blocks - block < chunk ? blocks - block : chunk;
    for (size_t panel = 0; panel < p->panels; panel++)
      kernels->expand(
        p->format, p->packed + panel * p->panel_bytes, blocks, block, count, codes + panel * chunk * 512,
        scales + panel * floats);
    for (size_t row = 0; row < p->rows; row += group) {
      tenfold_block_activations view = view_at(p, row, block);
      kernels->tile(
        p->format, codes, chunk * 512, scales, floats, p->panels, count, &view,
        p->rows - row < group ? p->rows - row : group, sums + row * p->width, p->width);
    }
  }
  compare(p, sums, p->width, "tile");
}

static void check_shape(
  const tenfold_backend *backend, tenfold_block_format format, size_t rows, size_t columns, size_t k, int pattern) {
  const tenfold_block_kernels *kernels = backend->blocks;
  const file_format *f = &file_formats[format];
  problem p = {.name = backend->name, .format = format, .rows = rows, .columns = columns, .k = k};
  begin_case("blocks %s: %s, %zu x %zu x %zu, pattern %d", backend->name, f->name, rows, columns, k, pattern);
  seed(rows * 131 + columns * 17 + k + (size_t)format);
  p.panels = (columns + 15) / 16;
  p.width = 16 * p.panels;
  p.row_bytes = k / f->elements * f->bytes;
  p.panel_bytes = tenfold_block_panel_bytes(format, k);
  p.weights = guarded(columns * p.row_bytes);
  fill_blocks(format, p.weights, columns * k / f->elements);
  if (pattern == HIGHEST && format == TENFOLD_Q8_0)
    for (size_t i = 0; i < columns * p.row_bytes; i++)
      if (i % 34 > 1) p.weights[i] = 0x80;
  // Of blocks of 256 all codes, scales and minima are the largest, or Q6_K's scales the lowest.
  if (pattern != RANDOM && f->elements == 256)
    for (size_t i = 0; i < columns * p.row_bytes; i++) {
      size_t at = i % f->bytes;
      bool is_half = at - (size_t)f->first_half < 2 || (f->second_half >= 0 && at - (size_t)f->second_half < 2);
      bool is_scale = format == TENFOLD_Q6_K && at >= 192;
      if (!is_half) p.weights[i] = is_scale ? (pattern == LOWEST ? 0x80 : 0x7F) : 0xFF;
    }
  if (pattern == LOWEST && f->elements == 32 && format != TENFOLD_Q8_0)
    for (size_t i = 0; i < columns * p.row_bytes; i++)
      if (i % f->bytes >= (f->has_offset ? 4 : 2)) p.weights[i] = 0xFF;
  p.packed = guarded(p.panels * p.panel_bytes);
  for (size_t panel = 0; panel < p.panels; panel++)
    tenfold_block_pack_panel(
      format, p.weights + 16 * panel * p.row_bytes, p.row_bytes, columns - 16 * panel < 16 ? columns - 16 * panel : 16,
      k, kernels->byte_bias, p.packed + panel * p.panel_bytes);
  make_activations(&p, pattern);
  p.expected = guarded_floats(rows * p.width);
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < p.width; c++) {
      double exact = 0, magnitude = 0;
      float sum = c < columns ? oracle(&p, r, c, &exact, &magnitude) : 0;
      p.expected[r * p.width + c] = sum;
      expect_near(sum, exact, 2e-7 * (double)(k / 32 + 2) * magnitude, "oracle", r, c);
    }
  run_gemv(&p, kernels);
  if (kernels->finished_gemv) run_finished_gemv(&p, backend);
  if (rows > TENFOLD_TILE_ROWS || p.panels > kernels->max_panels) return;
  size_t step = step_of(format);
  run_tile(&p, kernels, step, TENFOLD_TILE_ROWS);
  run_tile(&p, kernels, 3 * step, TENFOLD_TILE_ROWS);
  run_tile(&p, kernels, 16, 1 + rows / 2);
  if (kernels->finished_tile) run_finished_tile(&p, backend);
}

void check_blocks(const tenfold_backend *backend) {
  static const size_t small[] = {0, 32, 64, 96, 160, 544}, large[] = {0, 256, 512, 768};
  size_t most = 16 * backend->blocks->max_panels;
  for (int format = TENFOLD_Q8_0; format <= TENFOLD_Q2_K; format++) {
    tenfold_block_format f = (tenfold_block_format)format;
    bool of_256 = file_formats[f].elements == 256;
    const size_t *lengths = of_256 ? large : small;
    for (size_t rows = 1; rows <= TENFOLD_TILE_ROWS; rows++)
      for (size_t i = 0; i < (of_256 ? COUNT_OF(large) : COUNT_OF(small)); i++)
        check_shape(backend, f, rows, i % 2 ? 1 + below(most) : most, lengths[i], RANDOM);
    // Straight from packed blocks some tables take many more rows, and more panels.
    for (size_t rows = 9; rows <= 48; rows += 13) check_shape(backend, f, rows, 17, 512, RANDOM);
    for (size_t rows = 1; rows <= 6; rows++) check_shape(backend, f, rows, 16 * (7 + rows), rows % 2 ? 768 : 256, RANDOM);
    for (size_t rows = 1; rows <= 5; rows += 4)
      for (int pattern = HIGHEST; pattern <= LOWEST; pattern++) check_shape(backend, f, rows, 16, 1024, pattern);
  }
}
