// Tenfold kernels: the list of backends. A new instruction set is its files and one line here.
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"

static bool always(void) { return true; }

static const tenfold_backend backends[] = {
  {"portable", "nothing", always, &tenfold_i8_portable, &tenfold_blocks_portable, &tenfold_floats_portable,
   &tenfold_rows_portable, &tenfold_scan_portable},
};

size_t tenfold_backend_count(void) { return sizeof backends / sizeof backends[0]; }

const tenfold_backend *tenfold_backend_at(size_t index) { return &backends[index]; }
