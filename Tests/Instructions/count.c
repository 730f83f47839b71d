// Tenfold instruction counts: one product of one backend, for a simulator to count.
// SPDX-License-Identifier: Apache-2.0
//
//   count BACKEND PRODUCT    runs `measured_product` once, prints its multiply-adds; fails for an unknown name
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CTenfoldKernels.h"

enum { PANELS = 4, K = 512, BLOCKS = K / 32, FEW_ROWS = 8, MOST_ROWS = 24 };

/// One product: `rows` rows of K elements times 16 * PANELS columns.
typedef struct product {
  const char *name;
  size_t rows;
  /// An int8 product if -1, or of codes within 7 bits if -2; else a block format.
  int format;
} product;

static const product products[] = {
  {"int8-gemm", MOST_ROWS, -1},        {"int8-gemv", 1, -1},
  {"int8-narrow-gemm", MOST_ROWS, -2}, {"int8-narrow-gemv", 1, -2},
  {"q8_0-gemm", MOST_ROWS, TENFOLD_Q8_0}, {"q8_0-gemv", 1, TENFOLD_Q8_0},
  {"q4_0-gemm", MOST_ROWS, TENFOLD_Q4_0}, {"q4_0-gemv", 1, TENFOLD_Q4_0},
  {"q4_k-gemm", MOST_ROWS, TENFOLD_Q4_K}, {"q4_k-gemv", 1, TENFOLD_Q4_K},
  {"q5_0-gemm", MOST_ROWS, TENFOLD_Q5_0}, {"q5_0-gemv", 1, TENFOLD_Q5_0},
  {"q6_k-gemm", MOST_ROWS, TENFOLD_Q6_K}, {"q6_k-gemv", 1, TENFOLD_Q6_K},
  {"int8-few", FEW_ROWS, -1},             {"int8-narrow-few", FEW_ROWS, -2},
  {"q8_0-few", FEW_ROWS, TENFOLD_Q8_0},   {"q4_0-few", FEW_ROWS, TENFOLD_Q4_0},
  {"q5_0-few", FEW_ROWS, TENFOLD_Q5_0},   {"q6_k-few", FEW_ROWS, TENFOLD_Q6_K},
};

static int8_t values[MOST_ROWS * K];
static float row_scales[MOST_ROWS * BLOCKS], scaled_sums[MOST_ROWS * BLOCKS];
static int32_t negated_sums[2 * MOST_ROWS * BLOCKS];
static int16_t half_sums[2 * MOST_ROWS * BLOCKS], block_sums[MOST_ROWS * BLOCKS];
static float float_sums[MOST_ROWS * 16 * PANELS];
static int32_t integer_sums[MOST_ROWS * 16 * PANELS];
// Zeros do: no path depends on what the numbers are.
static uint8_t source[16 * PANELS * K * 2];

static void *aligned(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
  if (!memory) exit(3);
  memset(memory, 0, bytes);
  return memory;
}

/// As Int8LinearLayer calls tiles that leave their sums: as many rows and panels at once as the table takes. A few rows fetch
/// the next panel.
static void run_i8(const tenfold_i8_kernels *kernels, const uint8_t *packed, size_t panel_bytes, size_t rows) {
  size_t tile_rows = kernels->tile_rows ? kernels->tile_rows : TENFOLD_TILE_ROWS;
  size_t group = rows == 1 ? PANELS : kernels->max_panels;
  for (size_t panel = 0; panel < PANELS; panel += group)
    for (size_t row = 0; row < rows; row += tile_rows)
      kernels->tile(
        packed + panel * panel_bytes, panel_bytes, PANELS - panel < group ? PANELS - panel : group, K, values + row * K, K,
        negated_sums + row, rows - row < tile_rows ? rows - row : tile_rows, integer_sums + row * 16 * PANELS + 16 * panel,
        16 * PANELS, rows == FEW_ROWS && panel + group < PANELS ? packed + (panel + group) * panel_bytes : NULL);
}

/// The activations from a row on.
static tenfold_block_activations view_of(size_t row) {
  size_t at = row * BLOCKS;
  return (tenfold_block_activations){
    .values = values + row * K, .scales = row_scales + at, .scaled_sums = scaled_sums + at,
    .negated_sums = negated_sums + 2 * at, .half_sums = half_sums + 2 * at, .block_sums = block_sums + at,
    .value_stride = K, .block_stride = BLOCKS};
}

/// As BlockLinearLayer calls kernels that leave their sums to it: one row or a few straight from the packed bytes, more from blocks unpacked once.
static void run_blocks(
  const tenfold_block_kernels *kernels, tenfold_block_format format, const uint8_t *packed, size_t panel_bytes,
  size_t rows, uint8_t *codes, float *scales) {
  tenfold_block_activations view = view_of(0);
  size_t floats = tenfold_block_scale_floats(format, BLOCKS);
  for (size_t panel = 0; panel < PANELS; panel++) {
    if (rows <= FEW_ROWS) {
      kernels->gemv(format, packed + panel * panel_bytes, BLOCKS, &view, rows, float_sums + 16 * panel, 16 * PANELS);
      continue;
    }
    kernels->expand(
      format, packed + panel * panel_bytes, BLOCKS, 0, BLOCKS, codes + panel * BLOCKS * 512, scales + panel * floats);
  }
  size_t tile_rows = kernels->tile_rows ? kernels->tile_rows : TENFOLD_TILE_ROWS;
  for (size_t panel = 0; rows > FEW_ROWS && panel < PANELS; panel += kernels->max_panels)
    for (size_t row = 0; row < rows; row += tile_rows) {
      size_t panels = PANELS - panel < kernels->max_panels ? PANELS - panel : kernels->max_panels;
      tenfold_block_activations rows_view = view_of(row);
      kernels->tile(
        format, codes + panel * BLOCKS * 512, BLOCKS * 512, scales + panel * floats, floats, panels, BLOCKS, &rows_view,
        rows - row < tile_rows ? rows - row : tile_rows, float_sums + row * 16 * PANELS + 16 * panel, 16 * PANELS);
    }
}

/// What the simulator counts; not inlined, so that it has a name.
__attribute__((noinline)) void measured_product(
  const tenfold_backend *backend, const product *p, const uint8_t *packed, size_t panel_bytes, uint8_t *codes,
  float *scales) {
  if (p->format == -1) run_i8(backend->i8, packed, panel_bytes, p->rows);
  else if (p->format == -2) run_i8(backend->narrow_i8, packed, panel_bytes, p->rows);
  else run_blocks(backend->blocks, (tenfold_block_format)p->format, packed, panel_bytes, p->rows, codes, scales);
}

static int run(const tenfold_backend *backend, const product *p) {
  uint8_t *codes = aligned(PANELS * BLOCKS * 512);
  bool is_block = p->format >= 0;
  tenfold_block_format format = (tenfold_block_format)(is_block ? p->format : 0);
  float *scales = aligned(PANELS * tenfold_block_scale_floats(format, BLOCKS) * sizeof(float));
  size_t panel_bytes = is_block ? tenfold_block_panel_bytes(format, K) : 64 + K / 4 * 64;
  uint8_t *packed = aligned(PANELS * panel_bytes);
  for (size_t panel = 0; panel < PANELS; panel++) {
    uint8_t *target = packed + panel * panel_bytes;
    if (is_block) {
      size_t row_bytes = K / tenfold_block_elements(format) * tenfold_block_disk_bytes(format);
      tenfold_block_pack_panel(format, source, row_bytes, 16, K, backend->blocks->byte_bias, target);
    } else {
      uint8_t bias = p->format == -1 ? backend->i8->byte_bias : backend->narrow_i8->byte_bias;
      tenfold_i8_pack_panel((const int8_t *)source, K, row_scales, 16, K, bias, target);
    }
  }
  measured_product(backend, p, packed, panel_bytes, codes, scales);
  printf("%zu\n", p->rows * 16 * PANELS * K);
  free(codes);
  free(scales);
  free(packed);
  return 0;
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  for (size_t b = 0; b < tenfold_backend_count(); b++) {
    const tenfold_backend *backend = tenfold_backend_at(b);
    if (strcmp(backend->name, arguments[1]) != 0) continue;
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
      if (strcmp(products[i].name, arguments[2]) == 0) {
        if (!backend->supported() || (products[i].format == -2 && !backend->narrow_i8)) return 4;
        return run(backend, &products[i]);
      }
  }
  return 2;
}
