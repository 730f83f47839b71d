// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

/// The weights of one transformer block.
struct DecoderBlock: Sendable {
  var attentionNorm: AlignedBuffer<Float>
  var query: DecoderProjection
  var key: DecoderProjection
  var value: DecoderProjection
  /// The weights of a query head's elements once it is normalised; `nil` where heads aren't.
  var queryNorm: AlignedBuffer<Float>?
  /// The same for keys.
  var keyNorm: AlignedBuffer<Float>?
  var attentionOutput: DecoderProjection
  var feedForwardNorm: AlignedBuffer<Float>
  var gate: DecoderProjection
  var up: DecoderProjection
  var down: DecoderProjection

  var projections: [DecoderProjection] { [query, key, value, attentionOutput, gate, up, down] }
}

/// A matrix and its addend, if it has one.
struct DecoderProjection: Sendable {
  var layer: any LinearLayer
  var bias: AlignedBuffer<Float>?
}
