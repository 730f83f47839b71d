// Tenfold kernels: element-wise loops for any CPU.
// SPDX-License-Identifier: Apache-2.0
#include "elementwise_loops.h"

const tenfold_elementwise_kernels tenfold_elementwise_portable = TENFOLD_ELEMENTWISE_TABLE("portable");
