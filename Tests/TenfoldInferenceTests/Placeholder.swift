// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0
