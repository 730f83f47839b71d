// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import TenfoldInference

/// A small BERT with random weights.
struct SyntheticEncoder: EncoderWeights {
  var tensors: [String: (shape: [Int], values: [Float])] = [:]
  let width: Int
  let heads: Int
  let layers: Int

  init(
    seed: UInt64,
    width: Int = 48,
    heads: Int = 3,
    feedForward: Int = 80,
    layers: Int = 2,
    vocabulary: Int = 60
  ) {
    self.width = width
    self.heads = heads
    self.layers = layers
    var state = seed
    func number() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
    }
    func add(
      _ name: String,
      _ shape: [Int],
      scale: Float,
      offset: Float = 0,
      to tensors: inout [String: (shape: [Int], values: [Float])]
    ) {
      tensors[name] = (shape, (0..<shape.reduce(1, *)).map { _ in offset + scale * number() })
    }
    var all: [String: (shape: [Int], values: [Float])] = [:]
    add(BERTTensor.words, [vocabulary, width], scale: 1, to: &all)
    add(BERTTensor.positions, [40, width], scale: 0.3, to: &all)
    add(BERTTensor.types, [2, width], scale: 0.3, to: &all)
    func norm(_ name: String) {
      add(name + ".weight", [width], scale: 0.3, offset: 1, to: &all)
      add(name + ".bias", [width], scale: 0.2, to: &all)
    }
    func linear(_ name: String, _ rows: Int, _ columns: Int) {
      add(name + ".weight", [rows, columns], scale: 0.3, to: &all)
      add(name + ".bias", [rows], scale: 0.2, to: &all)
    }
    norm(BERTTensor.embeddingNorm)
    for layer in 0..<layers {
      for part in ["query", "key", "value"] { linear(BERTTensor.attention(layer, part), width, width) }
      linear(BERTTensor.attentionOutput(layer), width, width)
      norm(BERTTensor.attentionNorm(layer))
      linear(BERTTensor.intermediate(layer), feedForward, width)
      linear(BERTTensor.output(layer), width, feedForward)
      norm(BERTTensor.outputNorm(layer))
    }
    tensors = all
  }

  func shape(of name: String) -> [Int]? { tensors[name]?.shape }

  func floats(of name: String) throws(ModelError) -> [Float] {
    guard let tensor = tensors[name] else { throw ModelError(.missing, name) }
    return tensor.values
  }

  // MARK: - The oracle: the textbook's loops in double precision

  func oracle(_ ids: [Int32]) -> [Double] {
    func values(_ name: String) -> [Double] { (tensors[name]?.values ?? []).map(Double.init) }
    func norm(_ x: [Double], _ name: String) -> [Double] {
      let mean = x.reduce(0, +) / Double(x.count)
      let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
      let (gain, bias) = (values(name + ".weight"), values(name + ".bias"))
      return x.indices.map { (x[$0] - mean) / (variance + 1e-12).squareRoot() * gain[$0] + bias[$0] }
    }
    func linear(_ x: [Double], _ name: String) -> [Double] {
      let (matrix, bias) = (values(name + ".weight"), values(name + ".bias"))
      return bias.indices.map { row in
        bias[row] + x.indices.reduce(0) { $0 + x[$1] * matrix[row * x.count + $1] }
      }
    }
    func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map(+) }
    let (words, positions) = (values(BERTTensor.words), values(BERTTensor.positions))
    let types = values(BERTTensor.types)
    var x = ids.enumerated().map { position, id in
      norm(
        (0..<width).map { words[Int(id) * width + $0] + positions[position * width + $0] + types[$0] },
        BERTTensor.embeddingNorm
      )
    }
    let headWidth = width / heads
    for layer in 0..<layers {
      let parts = ["query", "key", "value"].map { part in
        x.map { linear($0, BERTTensor.attention(layer, part)) }
      }
      x = x.indices.map { token in
        var mixed = [Double](repeating: 0, count: width)
        for head in 0..<heads {
          let range = head * headWidth..<(head + 1) * headWidth
          let scores = x.indices.map { other in
            range.reduce(0) { $0 + parts[0][token][$1] * parts[1][other][$1] }
              / Double(headWidth).squareRoot()
          }
          let weights = scores.map { exp($0 - (scores.max() ?? 0)) }
          let total = weights.reduce(0, +)
          for column in range {
            mixed[column] = x.indices.reduce(0) { $0 + weights[$1] / total * parts[2][$1][column] }
          }
        }
        let attended = norm(
          sum(linear(mixed, BERTTensor.attentionOutput(layer)), x[token]),
          BERTTensor.attentionNorm(layer)
        )
        let inner = linear(attended, BERTTensor.intermediate(layer)).map {
          $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot()))
        }
        return norm(sum(linear(inner, BERTTensor.output(layer)), attended), BERTTensor.outputNorm(layer))
      }
    }
    let mean = (0..<width).map { column in x.reduce(0) { $0 + $1[column] } / Double(x.count) }
    let length = mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return mean.map { $0 / length }
  }
}
