// Tenfold kernels: SIMD tiles, packers, scans and element-wise loops. No allocation, threads or policy.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "tenfold_attention.h"
#include "tenfold_elementwise.h"
#include "tenfold_encoder.h"
#include "tenfold_matmul.h"
#include "tenfold_peaks.h"
#include "tenfold_scan.h"
