// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

/// A matrix and its addend, if it has one.
final class DecoderProjection: Sendable {
  let layer: any LinearLayer
  let bias: AlignedBuffer<Float>?
  let forms: RowForms

  init(layer: any LinearLayer, bias: AlignedBuffer<Float>? = nil) {
    self.layer = layer
    self.bias = bias
    forms = RowForms(layer.activationFormat)
  }
}

/// What rows become before a product: floats, int8 blocks, or both where several products take the same rows.
///
/// Loading refuses layers that take anything else.
struct RowForms: Sendable {
  let floats: Bool
  let blocks: Bool

  init(_ format: ActivationFormat) {
    assert(format == .float32 || format == .int8PerBlock32, "loading lets no layer for \(format) pass")
    floats = format == .float32
    blocks = !floats
  }

  init(of projections: DecoderProjection...) {
    floats = projections.contains { $0.forms.floats }
    blocks = projections.contains { $0.forms.blocks }
  }
}
