// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

/// The weights of one transformer block.
///
/// Steps refer to it instead of copying it, which would count a reference to each matrix.
final class DecoderBlock: Sendable {
  let attentionNorm: AlignedBuffer<Float>
  let query: DecoderProjection
  let key: DecoderProjection
  let value: DecoderProjection
  /// The weights of a query head's elements once it is normalised; `nil` where heads aren't.
  let queryNorm: AlignedBuffer<Float>?
  /// The same for keys.
  let keyNorm: AlignedBuffer<Float>?
  let attentionOutput: DecoderProjection
  let feedForwardNorm: AlignedBuffer<Float>
  let gate: DecoderProjection
  let up: DecoderProjection
  let down: DecoderProjection

  /// What rows become before the queries, keys and values, and before the feed-forward part.
  let attentionForms: RowForms
  let feedForwardForms: RowForms

  var projections: [DecoderProjection] { [query, key, value, attentionOutput, gate, up, down] }

  init(
    attentionNorm: AlignedBuffer<Float>,
    query: DecoderProjection,
    key: DecoderProjection,
    value: DecoderProjection,
    queryNorm: AlignedBuffer<Float>?,
    keyNorm: AlignedBuffer<Float>?,
    attentionOutput: DecoderProjection,
    feedForwardNorm: AlignedBuffer<Float>,
    gate: DecoderProjection,
    up: DecoderProjection,
    down: DecoderProjection
  ) {
    self.attentionNorm = attentionNorm
    self.query = query
    self.key = key
    self.value = value
    self.queryNorm = queryNorm
    self.keyNorm = keyNorm
    self.attentionOutput = attentionOutput
    self.feedForwardNorm = feedForwardNorm
    self.gate = gate
    self.up = up
    self.down = down
    attentionForms = RowForms(of: query, key, value)
    feedForwardForms = RowForms(of: gate, up)
  }
}
