// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

// A host that imports `Tenfold` gets every module; one that imports a single module builds nothing else.
@_exported public import TenfoldCache
@_exported public import TenfoldCore
@_exported public import TenfoldInference
@_exported public import TenfoldJobs
@_exported public import TenfoldKernels
@_exported public import TenfoldRetrieval
@_exported public import TenfoldRouting
@_exported public import TenfoldStorage
@_exported public import TenfoldVectors
