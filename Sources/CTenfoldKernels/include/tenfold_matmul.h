// Tenfold kernels: matrix products with quantised and float weights.
// SPDX-License-Identifier: Apache-2.0
//
// Every weight matrix W [n x k] (n output columns of y = x * W^T) is cut into panels of 16 output columns. All
// backends share one packed layout, so that a new instruction set is one new file per operation family.
// `c` is the column inside its panel (0...15), `b` a block of 32 along k, `q` a quad of 4 inside a block (0...7), `i`
// the element inside a quad (0...3): k = 32 b + 4 q + i.
//
// Codes, byte -> element:
//   8-bit  byte ((8 b + q) * 16 + c) * 4 + i                      = code(k, c) plus `byte_bias` of the table (0, 64, 128)
//   4-bit  byte ((4 b + p) * 16 + c) * 4 + i, low nibble          = code(32 b + 8 p + i, c)
//                                             high nibble         = code(32 b + 8 p + 4 + i, c)
//          (eight elements of one column, p = 0: bytes 4c, 4c+1, 4c+2, 4c+3 hold e0|e4<<4, e1|e5<<4, e2|e6<<4, e3|e7<<4)
//   2-bit  byte ((2 b + h) * 16 + c) * 4 + i, bits 2 j, 2 j + 1    = code(32 b + 16 h + 4 j + i, c); h is 0 or 1
//   5-bit  byte ((5 b + l) * 16 + c) * 4 + i, bits 0...4          = e(l), where e(q) = code(32 b + 4 q + i, c); l is 0...4
//          and above them, l = 0: bits 5...7                      = bits 2...4 of e(5)
//                          l = 1: bit 5, bits 6 and 7             = bit 1 of e(7), bits 0 and 1 of e(5)
//                          l = 2: bits 5...7                      = bits 2...4 of e(6)
//                          l = 3: bit 5, bits 6 and 7             = bit 0 of e(7), bits 0 and 1 of e(6)
//                          l = 4: bits 5...7                      = bits 2...4 of e(7)
//   6-bit  byte ((6 b + 3 h + l) * 16 + c) * 4 + i, bits 0...5    = e(4 h + l); h is 0 or 1, l is 0...2
//          and above them, bits 6 and 7                           = bits 4 - 2 l and 5 - 2 l of e(4 h + 3)
//
// Scales stand at the start of a panel, padded to 64 bytes, the codes after them:
//   Q8_0 Q4_0 Q5_0   f16 scale[b][c]                                              w = scale * (code - zero)
//   Q4_1 Q5_1        f16 scale[b][16], f16 offset[b][16] side by side             w = scale * code + offset
//   Q4_K Q5_K        per 256: f16 d[16], f16 m[16], u8 scale[8][16], u8 min[8][16] w = d scale code - m min
//   Q6_K             per 256: f16 d[16], 32 bytes of padding, s8 scale[16][16]    w = d scale * (code - 32)
//   Q3_K             the same, with codes of 3 bits in 4                          w = d scale * (code - 4)
//   Q2_K             per 256: f16 d[16], f16 m[16], u8 pair[16][16]               w = d (pair & 15) code - m (pair >> 4)
//   int8             f32 scale[16]                                                w = scale * code
// Columns past n have zero scales and codes. Nothing here reads or writes outside the ranges it documents.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

#define TENFOLD_PANEL_WIDTH 16
#define TENFOLD_BLOCK_LENGTH 32
/// Panels that few rows read side by side.
#define TENFOLD_GEMV_PANELS 4
/// Rows that one call of a tile takes at most, unless its table says otherwise.
#define TENFOLD_TILE_ROWS 8

typedef enum tenfold_block_format {
  TENFOLD_Q8_0 = 0,
  TENFOLD_Q4_0 = 1,
  TENFOLD_Q4_1 = 2,
  TENFOLD_Q5_0 = 3,
  TENFOLD_Q5_1 = 4,
  TENFOLD_Q4_K = 5,
  TENFOLD_Q5_K = 6,
  TENFOLD_Q6_K = 7,
  TENFOLD_Q3_K = 8,
  TENFOLD_Q2_K = 9,
} tenfold_block_format;

typedef enum tenfold_float_format { TENFOLD_F32 = 0, TENFOLD_F16 = 1, TENFOLD_BF16 = 2 } tenfold_float_format;

typedef enum tenfold_activation {
  TENFOLD_ACTIVATION_NONE = 0,
  TENFOLD_ACTIVATION_GELU = 1,
  TENFOLD_ACTIVATION_SILU = 2,
} tenfold_activation;

/// What happens to a finished sum s of row r, column j before it is stored:
/// output[r][j] = activation(s + bias[j]) * multiplier[r][j] + residual[r][j]; absent parts are left out.
/// `multiplier` and `residual` may be the output itself.
typedef struct tenfold_epilogue {
  float *output;
  size_t output_stride;
  /// The column of the result that `output` starts with; the other parts start with column 0.
  size_t first_column;
  const float *_Nullable bias;
  const float *_Nullable multiplier;
  size_t multiplier_stride;
  const float *_Nullable residual;
  size_t residual_stride;
  int32_t activation;
} tenfold_epilogue;

/// Where the result of a row and a column, from `first_column` on, is stored.
static inline float *tenfold_output_at(const tenfold_epilogue *epilogue, size_t row, size_t column) {
  return epilogue->output + row * epilogue->output_stride + (column - epilogue->first_column);
}

/// Asks for the stored rows of a tile while its sums are computed; else every row that is stored waits for its line, 64
/// bytes a row apart from each other by a whole row of the output. In the second-level cache they don't drive out the tile's
/// inputs. Worth 1.05 (1,024 cubed) to 1.25 times (512 x 1,536 x 384) the int8 product's speed on a Zen 3.
static inline void tenfold_prefetch_output(
  const tenfold_epilogue *epilogue, size_t first_row, size_t rows, size_t first_column, size_t columns) {
  for (size_t r = first_row; r < first_row + rows; r++)
    for (size_t c = first_column; c < first_column + columns; c += 16) {
      __builtin_prefetch(tenfold_output_at(epilogue, r, c), 1, 2);
      if (epilogue->residual) __builtin_prefetch(epilogue->residual + r * epilogue->residual_stride + c, 0, 2);
      if (epilogue->multiplier) __builtin_prefetch(epilogue->multiplier + r * epilogue->multiplier_stride + c, 0, 2);
    }
}

/// Rows quantised to int8, from the first row and block of a call on: with a scale for every 32 elements or, for the formats
/// whose blocks are 256 elements long, a scale for every 256, which then stands eight times.
typedef struct tenfold_block_activations {
  const int8_t *values;          ///< [row][value_stride], element k of a row at k
  const float *scales;           ///< [row][block_stride], x = scale * value
  const float *scaled_sums;      ///< [row][block_stride], scale * sum of the block's values; of scales per 32 only
  const int32_t *negated_sums;   ///< [row][2 * block_stride], minus the sums of a block and of its first half (16)
  const int16_t *half_sums;      ///< [row][2 * block_stride], sums of 16 values; of scales per 256 only
  const int16_t *block_sums;     ///< [row][block_stride], sums of 32 values; of scales per 256 only
  size_t value_stride;
  size_t block_stride;
} tenfold_block_activations;

// MARK: - Formats (formats.c): packing and row dequantisation, the same for all backends

/// Bytes of one block as on disk, elements of one block, bytes of a packed panel of k elements a column.
size_t tenfold_block_disk_bytes(tenfold_block_format format);
size_t tenfold_block_elements(tenfold_block_format format);
size_t tenfold_block_panel_bytes(tenfold_block_format format, size_t k);
size_t tenfold_block_scale_bytes(tenfold_block_format format, size_t k);
/// Floats of the scales of `blocks` expanded blocks of 32: 32 a block; for blocks of 256, 208 a block (Q4_K, Q5_K), 256 (Q6_K,
/// Q3_K) or 400 (Q2_K).
size_t tenfold_block_scale_floats(tenfold_block_format format, size_t blocks);

/// Packs `columns` (1...16) rows of the file, `row_bytes` apart, into one panel.
void tenfold_block_pack_panel(
  tenfold_block_format format, const uint8_t *rows, size_t row_bytes, size_t columns, size_t k, uint8_t byte_bias,
  uint8_t *panel);

/// Writes k floats from one row of the file.
void tenfold_block_dequantize(tenfold_block_format format, const uint8_t *row, size_t k, float *output);

/// Packs `columns` rows of k int8 codes with one scale each; panel of 64 + 64 * ceil(k / 4) bytes.
void tenfold_i8_pack_panel(
  const int8_t *rows, size_t row_stride, const float *scales, size_t columns, size_t k, uint8_t byte_bias, uint8_t *panel);

/// Packs `columns` rows of k floats of 4 or 2 bytes as element[k][16].
void tenfold_float_pack_panel(
  tenfold_float_format format, const uint8_t *rows, size_t row_bytes, size_t columns, size_t k, uint8_t *panel);
void tenfold_float_dequantize(tenfold_float_format format, const uint8_t *row, size_t k, float *output);

float tenfold_half_to_float(uint16_t bits);

// MARK: - Backend tables

/// Products with int8 weights, one scale per output column, activations int8 with one scale per row.
typedef struct tenfold_i8_kernels {
  uint8_t byte_bias;
  /// Rows that one call takes at most; 0 stands for TENFOLD_TILE_ROWS.
  size_t tile_rows;
  /// Panels that one call takes at most for many rows; 16 for `few_rows` or fewer.
  size_t max_panels;
  /// 0 stands for 1.
  size_t few_rows;
  /// sums[r * sums_stride + 16 p + c] = exact sum of weights times activations.
  /// `values` rows are `value_stride` apart and readable, zero past k, to a multiple of 64 bytes.
  /// `next` is the panel that the following calls begin with, to be fetched meanwhile; NULL if that isn't wanted.
  void (*tile)(
    const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
    const int32_t *negated_row_sums, size_t rows, int32_t *sums, size_t sums_stride, const uint8_t *_Nullable next);
  /// `tile` and `finish_i8` in one, with the same bits: sums need not go through memory. NULL where that gains nothing.
  /// `columns` of the panels are stored.
  void (*_Nullable finished_tile)(
    const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const int8_t *values, size_t value_stride,
    const int32_t *negated_row_sums, const float *row_scales, size_t rows, size_t columns, size_t first_row,
    size_t first_column, const tenfold_epilogue *epilogue, const uint8_t *_Nullable next);
} tenfold_i8_kernels;

/// Products with GGUF block formats, activations int8 per 32 elements, or per 256 where the format's blocks are that long:
/// `blocks`, `first` and `count` are then multiples of 8.
typedef struct tenfold_block_kernels {
  uint8_t byte_bias;
  /// Rows that one call of `tile` takes at most; 0 stands for TENFOLD_TILE_ROWS.
  size_t tile_rows;
  /// Up to so many rows `gemv` is faster than `expand` and `tile` (measured); 0 stands for 3.
  size_t direct_rows;
  /// The same for codes of 8 bits, which are not unpacked; 0 stands for `direct_rows`.
  size_t direct_rows_of_bytes;
  size_t max_panels;
  /// A few rows against one panel, straight from its packed bytes: sums[r * sums_stride + c].
  void (*gemv)(
    tenfold_block_format format, const uint8_t *panel, size_t blocks, const tenfold_block_activations *rows_view,
    size_t rows, float *sums, size_t sums_stride);
  /// `gemv` of `panels` panels, `panel_stride` apart, and `finish_float`, with the same bits: row 0 is the output's first, the
  /// columns are `columns` from `first_column` on. Panels are read side by side, best TENFOLD_GEMV_PANELS of them. NULL where
  /// that gains nothing.
  void (*_Nullable finished_gemv)(
    tenfold_block_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t blocks,
    const tenfold_block_activations *rows_view, size_t rows, size_t columns, size_t first_column,
    const tenfold_epilogue *epilogue);
  /// Unpacks blocks first ..< first + count of a panel to 8-bit codes [count][8][16][4] and scales: per block of 32 float
  /// scale[16], offset[16]; per block of 256 float scale[8][16] (16 of them for Q6_K, Q3_K and Q2_K), then where there are
  /// minima int16_t minimum[8][16] (16 for Q2_K) and float -m[16]. A backend may order codes inside a block, and minima, to
  /// suit its tile.
  void (*expand)(
    tenfold_block_format format, const uint8_t *panel, size_t blocks, size_t first, size_t count, uint8_t *codes,
    float *scales);
  /// Adds `count` expanded blocks of `panels` panels, each `codes_stride` and `scales_stride` apart, to
  /// sums[r * sums_stride + 16 p + c]. The order of additions for a row and column is that of `gemv`.
  void (*tile)(
    tenfold_block_format format, const uint8_t *codes, size_t codes_stride, const float *scales, size_t scales_stride,
    size_t panels, size_t count, const tenfold_block_activations *rows_view, size_t rows, float *sums,
    size_t sums_stride);
  /// `tile` and `finish_float` in one, with the same bits, for the last blocks; `columns` are stored, and the sums may be
  /// left as they were. NULL where that gains nothing.
  void (*_Nullable finished_tile)(
    tenfold_block_format format, const uint8_t *codes, size_t codes_stride, const float *scales, size_t scales_stride,
    size_t panels, size_t count, const tenfold_block_activations *rows_view, size_t rows, float *sums,
    size_t sums_stride, size_t columns, size_t first_row, size_t first_column, const tenfold_epilogue *epilogue);
} tenfold_block_kernels;

/// Products with float weights and activations.
typedef struct tenfold_float_kernels {
  /// Rows that one call takes at most; 0 stands for TENFOLD_TILE_ROWS.
  size_t tile_rows;
  size_t max_panels;
  /// sums[r * sums_stride + 16 p + c], each summed in the order of k with one accumulator.
  void (*tile)(
    tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const float *values,
    size_t value_stride, size_t rows, float *sums, size_t sums_stride);
  /// `tile` and `finish_float` in one, with the same bits; `columns` are stored. NULL where that gains nothing.
  void (*_Nullable finished_tile)(
    tenfold_float_format format, const uint8_t *panel, size_t panel_stride, size_t panels, size_t k, const float *values,
    size_t value_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
    const tenfold_epilogue *epilogue);
} tenfold_float_kernels;

/// Loops over rows: activation quantisers and the epilogue.
typedef struct tenfold_row_kernels {
  /// values[0 ..< padded] = round(x / scale) to nearest even, scale = max |x| / 127, zeros from k on. A row with a NaN or
  /// an infinity gets scale NaN and zero codes.
  void (*quantize_row)(
    const float *x, size_t k, size_t padded, int8_t *values, float *scale, int32_t *negated_sum);
  /// The same per block of 32; k is a multiple of 32.
  void (*quantize_blocks)(
    const float *x, size_t k, int8_t *values, float *scales, float *scaled_sums, int32_t *negated_sums);
  /// The same per block of 256, whose scale is written eight times; k is a multiple of 256.
  void (*quantize_long_blocks)(
    const float *x, size_t k, int8_t *values, float *scales, int16_t *half_sums, int16_t *block_sums,
    int32_t *negated_sums);
  /// Finishes rows x columns sums from `first_row`, `first_column` of the output on.
  void (*finish_float)(
    const float *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
    const tenfold_epilogue *epilogue);
  /// The same for integer sums: s = sum * (row_scales[first_row + r] * column_scales[c]), column scales at
  /// `column_scales + (c / 16) * column_scale_stride` bytes.
  void (*finish_i8)(
    const int32_t *sums, size_t sums_stride, size_t rows, size_t columns, size_t first_row, size_t first_column,
    const float *row_scales, const uint8_t *column_scales, size_t column_scale_stride, const tenfold_epilogue *epilogue);
} tenfold_row_kernels;

struct tenfold_scan_kernels;

/// Everything one instruction set offers.
typedef struct tenfold_backend {
  const char *name;
  /// What the CPU must have, for people.
  const char *requirement;
  bool (*supported)(void);
  const tenfold_i8_kernels *i8;
  const tenfold_block_kernels *blocks;
  const tenfold_float_kernels *floats;
  const tenfold_row_kernels *rows;
  const struct tenfold_scan_kernels *scan;
  /// Like `i8`, for weights whose codes all lie in -64...64, where that makes a faster product; panels are packed with this
  /// table's bias.
  const tenfold_i8_kernels *_Nullable narrow_i8;
} tenfold_backend;

/// The backends compiled in, best first; `portable` is always the last.
size_t tenfold_backend_count(void);
const tenfold_backend *tenfold_backend_at(size_t index);

/// Tells the CPU that this thread is spinning.
static inline void tenfold_relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#pragma clang assume_nonnull end
