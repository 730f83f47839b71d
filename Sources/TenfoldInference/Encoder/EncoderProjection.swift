// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

/// One matrix of the encoder with its bias, in floats or in int8.
struct EncoderProjection: Sendable {
  let layer: any LinearLayer
  let bias: AlignedBuffer<Float>
  /// How rows become int8 codes; `nil` for float weights.
  let split: SplitColumns?
  /// For each output what a zero point of 1 adds to its product, negated; `nil` where rows have none.
  private let negatedSums: AlignedBuffer<Float>?

  /// Packs float weights.
  init(_ weights: ProjectionWeights) throws(ModelError) {
    layer = try ModelError.wrapping { () throws(KernelError) in
      // The array lives for the call.
      try unsafe weights.matrix.withUnsafeBufferPointer { (buffer) throws(KernelError) -> any LinearLayer in
        try unsafe LinearLayerFactory.make(
          format: .f32,
          bytes: UnsafeRawBufferPointer(buffer),
          rows: weights.rows,
          columns: weights.columns
        )
      }
    }
    bias = try Self.buffer(weights.bias)
    split = nil
    negatedSums = nil
  }

  /// Quantises weights to int8.
  init(
    _ weights: ProjectionWeights,
    magnitudes: [Float],
    place: EncoderMagnitudes.Place,
    range: Int8Range,
    instructionSet: InstructionSet
  ) throws(ModelError) {
    let split = SplitColumns(
      magnitudes: magnitudes,
      weights: weights,
      headroom: place.headroom,
      smoothing: 0.25,
      hasZeroPoint: place.isOneSided
    )
    let quantized = split.quantize(weights, range: range)
    layer = try ModelError.wrapping { () throws(KernelError) in
      try unsafe quantized.codes.withUnsafeBufferPointer { (buffer) throws(KernelError) -> any LinearLayer in
        guard let base = buffer.baseAddress else { throw KernelError(.invalidShape, "The matrix is empty.") }
        return try unsafe LinearLayerFactory.makeInt8(
          codes: base,
          scales: quantized.scales,
          columns: split.total,
          instructionSet: instructionSet
        )
      }
    }
    bias = try Self.buffer(weights.bias)
    self.split = split
    negatedSums = place.isOneSided ? try Self.buffer(quantized.sums.map { -$0 }) : nil
  }

  /// The length of a row of activations, copies included.
  var inputWidth: Int { layer.inputWidth }

  /// Gets activations ready for `rows` rows.
  func prepare(_ activations: Activations, rows: Int) throws(ModelError) {
    try ModelError.wrapping { () throws(KernelError) in
      try activations.prepare(rows: rows, width: layer.inputWidth, format: layer.activationFormat)
    }
  }

  /// Fills some of the prepared rows; `source` is row 0.
  ///
  /// - Parameters:
  ///   - activations: What ``prepare(_:rows:)`` got ready.
  ///   - rows: The rows to fill.
  ///   - source: Row 0 of the input.
  ///   - stride: Floats from one row of the input to the next.
  ///   - residual: What the products are added to, `[rows × outputs]`; needed where rows have zero points, whose share is
  ///     taken off it.
  ///   - kernels: The loops.
  func fill(
    _ activations: Activations,
    rows: Range<Int>,
    from source: UnsafePointer<Float>,
    stride: Int,
    correcting residual: UnsafeMutablePointer<Float>?,
    kernels: tenfold_encoder_kernels
  ) {
    guard let split else {
      unsafe activations.quantizeRows(rows, from: source, stride: stride)
      return
    }
    // The rows were prepared with the layer's width, so the codes of a row fit.
    unsafe split.withC { split in
      for row in rows {
        var shift: Float = 0
        unsafe kernels.quantize_split(
          source + row * stride,
          split,
          (layer.inputWidth + 63) & ~63,
          activations.values + row * activations.valueStride,
          activations.scales + row,
          activations.negatedSums + row,
          &shift
        )
        guard let negatedSums else { continue }
        guard let residual = unsafe residual else {
          preconditionFailure("a zero point is taken off a residual")
        }
        unsafe kernels.add_scaled(
          residual + row * layer.outputWidth,
          negatedSums.base,
          shift,
          layer.outputWidth
        )
      }
    }
  }

  static func buffer(_ values: [Float]) throws(ModelError) -> AlignedBuffer<Float> {
    let buffer = try ModelError.wrapping { () throws(KernelError) in
      try AlignedBuffer<Float>(count: values.count)
    }
    for index in values.indices { unsafe buffer.base[index] = values[index] }
    return buffer
  }
}
