// Tenfold BLAS: which library was loaded.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <dlfcn.h>

#include "CTenfoldBLAS.h"

const char *tenfold_blas_library(void) {
  Dl_info info;
  if (dladdr((const void *)dgemm_, &info) == 0) return NULL;
  return info.dli_fname;
}
