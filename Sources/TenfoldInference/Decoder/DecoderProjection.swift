// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

/// A matrix and its addend, if it has one.
final class DecoderProjection: Sendable {
  let layer: any LinearLayer
  let bias: AlignedBuffer<Float>?
  /// What rows become before the product.
  let form: ActivationFormat
  let forms: RowForms

  init(layer: any LinearLayer, bias: AlignedBuffer<Float>? = nil) {
    self.layer = layer
    self.bias = bias
    form = layer.activationFormat
    forms = RowForms([form])
  }
}

/// What rows become before products: one form, or several where not all products that take the same rows want the same.
///
/// Loading refuses layers that take anything else.
struct RowForms: Sendable {
  let floats: Bool
  let blocks: Bool
  let longBlocks: Bool

  init(_ forms: [ActivationFormat]) {
    floats = forms.contains(.float32)
    blocks = forms.contains(.int8PerBlock32)
    longBlocks = forms.contains(.int8PerBlock256)
    assert(forms.allSatisfy { $0 != .int8PerRow }, "loading lets no such layer pass")
  }

  init(of projections: DecoderProjection...) { self.init(projections.map(\.form)) }
}
