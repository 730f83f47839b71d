// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Reads tensors and checks their shape and that all numbers are finite.
struct EncoderTensorReader<Weights: EncoderWeights> {
  let weights: Weights

  /// The numbers of a tensor of exactly this shape.
  func read(_ name: String, _ shape: [Int]) throws(ModelError) -> [Float] {
    guard let found = weights.shape(of: name) else {
      throw ModelError(
        .missing,
        "The tensor \(name) is missing: the file is not complete, or of another model."
      )
    }
    guard found == shape else {
      throw ModelError(.invalidTensor, "The tensor \(name) has the shape \(found), not \(shape).")
    }
    let values = try weights.floats(of: name)
    guard values.count == shape.reduce(1, *) else {
      throw ModelError(
        .invalidTensor,
        "The tensor \(name) holds \(values.count) numbers; its shape is \(shape)."
      )
    }
    guard values.allSatisfy(\.isFinite) else {
      throw ModelError(.invalidTensor, "The tensor \(name) holds a NaN or an infinity: the file is damaged.")
    }
    return values
  }

  /// A matrix `[rows × columns]` with its bias.
  func projection(_ name: String, rows: Int, columns: Int) throws(ModelError) -> ProjectionWeights {
    ProjectionWeights(
      matrix: try read(name + ".weight", [rows, columns]),
      bias: try read(name + ".bias", [rows]),
      rows: rows,
      columns: columns
    )
  }

  /// A layer norm's gain and bias.
  func norm(_ name: String, width: Int) throws(ModelError) -> LayerNorm {
    LayerNorm(gain: try read(name + ".weight", [width]), bias: try read(name + ".bias", [width]))
  }
}

/// A matrix `[rows × columns]`, row-major, with one addend a row.
struct ProjectionWeights {
  var matrix: [Float]
  var bias: [Float]
  var rows: Int
  var columns: Int

  /// Puts matrices of the same width below each other.
  static func joined(_ parts: [ProjectionWeights]) -> ProjectionWeights {
    ProjectionWeights(
      matrix: parts.flatMap(\.matrix),
      bias: parts.flatMap(\.bias),
      rows: parts.reduce(0) { $0 + $1.rows },
      columns: parts.first?.columns ?? 0
    )
  }
}

/// A layer norm's numbers.
struct LayerNorm: Sendable {
  let gain: [Float]
  let bias: [Float]
}
