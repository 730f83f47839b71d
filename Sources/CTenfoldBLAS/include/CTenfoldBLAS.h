// Tenfold BLAS: own prototypes of the Fortran symbols that Tenfold calls, so that no vendor header is needed.
// SPDX-License-Identifier: Apache-2.0
//
// All arguments are passed by address, matrices are column-major, integers have 32 bits. The trailing sizes are the lengths
// of the character arguments, as gfortran passes them; libraries written in C ignore them.
#pragma once
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

void sgemm_(
  const char *transa, const char *transb, const int32_t *m, const int32_t *n, const int32_t *k, const float *alpha,
  const float *a, const int32_t *lda, const float *b, const int32_t *ldb, const float *beta, float *c,
  const int32_t *ldc, size_t transa_length, size_t transb_length);

void dgemm_(
  const char *transa, const char *transb, const int32_t *m, const int32_t *n, const int32_t *k, const double *alpha,
  const double *a, const int32_t *lda, const double *b, const int32_t *ldb, const double *beta, double *c,
  const int32_t *ldc, size_t transa_length, size_t transb_length);

void dposv_(
  const char *uplo, const int32_t *n, const int32_t *nrhs, double *a, const int32_t *lda, double *b,
  const int32_t *ldb, int32_t *info, size_t uplo_length);

void dgels_(
  const char *trans, const int32_t *m, const int32_t *n, const int32_t *nrhs, double *a, const int32_t *lda, double *b,
  const int32_t *ldb, double *work, const int32_t *lwork, int32_t *info, size_t trans_length);

void dsyev_(
  const char *jobz, const char *uplo, const int32_t *n, double *a, const int32_t *lda, double *w, double *work,
  const int32_t *lwork, int32_t *info, size_t jobz_length, size_t uplo_length);

/// The file of the library that `dgemm_` comes from, or null where the loader does not tell.
const char *_Nullable tenfold_blas_library(void);

#pragma clang assume_nonnull end
