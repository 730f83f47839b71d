// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0
//
// Nothing to call: linking this target is what counts, see mutex_linux.c.
