// Tenfold kernels: the list of backends. A new instruction set is its files and one line here.
// SPDX-License-Identifier: Apache-2.0
#include "backends.h"
#include "cpu.h"

static bool always(void) { return true; }

#define BACKEND(name, requirement, supported, narrow_i8) \
  {#name, requirement, supported, &tenfold_i8_##name, &tenfold_blocks_##name, &tenfold_floats_##name, \
   &tenfold_rows_##name, &tenfold_scan_##name, narrow_i8}

static const tenfold_backend backends[] = {
#if defined(__x86_64__)
  BACKEND(avx512vnni, "AVX-512 F, BW, VL, DQ and VNNI", tenfold_cpu_has_avx512vnni, NULL),
  // Only products with int8 activations differ from avx2.
  {"avxvnni", "AVX-VNNI, AVX2, FMA and F16C", tenfold_cpu_has_avxvnni, &tenfold_i8_avxvnni, &tenfold_blocks_avxvnni,
   &tenfold_floats_avx2, &tenfold_rows_avx2, &tenfold_scan_avx2, NULL},
  BACKEND(avx2, "AVX2, FMA and F16C", tenfold_cpu_has_avx2, &tenfold_narrow_i8_avx2),
#endif
#if defined(__aarch64__)
  // Its other families are those of neon.
  {"neoni8mm", "the dot-product and int8 matrix instructions of ARMv8.6", tenfold_cpu_has_i8mm, &tenfold_i8_neoni8mm,
   &tenfold_blocks_neoni8mm, &tenfold_floats_neon, &tenfold_rows_neon, &tenfold_scan_neon, NULL},
  BACKEND(neon, "the dot-product instructions of ARMv8.2", tenfold_cpu_has_dotprod, NULL),
#endif
  BACKEND(portable, "nothing", always, NULL),
};

size_t tenfold_backend_count(void) { return sizeof backends / sizeof backends[0]; }

const tenfold_backend *tenfold_backend_at(size_t index) { return &backends[index]; }
