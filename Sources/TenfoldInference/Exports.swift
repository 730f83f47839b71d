// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

// The vocabulary comes with the module, so that its host sees the members of errors, requests and tenants.
@_exported public import TenfoldCore
