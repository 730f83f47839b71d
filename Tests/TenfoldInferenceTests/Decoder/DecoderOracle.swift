// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The transformer written down plainly, in double precision and without any cleverness.
struct DecoderOracle {
  private let shape: SyntheticModel
  private let tensors: [String: [Float]]
  /// Radians a position, where they aren't those of the plain rotation.
  var frequencies: [Double]?
  /// What rotated queries and keys are multiplied by.
  var magnitude = 1.0

  init(_ synthetic: SyntheticModel) {
    shape = synthetic
    tensors = synthetic.contents.tensors
  }

  func logits(_ tokens: [Int32]) -> [[Double]] {
    let head = shape.headLength ?? shape.width / shape.heads
    let group = shape.heads / shape.keyValueHeads
    var rows = tokens.map { token in
      (0..<shape.width).map { Double(tensor("token_embd.weight")[Int(token) * shape.width + $0]) }
    }
    for block in 0..<shape.blockCount {
      let prefix = "blk.\(block)."
      let normed = rows.map { normalised($0, prefix + "attn_norm.weight") }
      var queries = normed.map { project($0, prefix + "attn_q") }
      var keys = normed.map { project($0, prefix + "attn_k") }
      let values = normed.map { project($0, prefix + "attn_v") }
      for position in rows.indices {
        normaliseHeads(&queries[position], prefix + "attn_q_norm.weight", head)
        normaliseHeads(&keys[position], prefix + "attn_k_norm.weight", head)
        rotate(&queries[position], position, head)
        rotate(&keys[position], position, head)
      }
      for position in rows.indices {
        var attended = [Double](repeating: 0, count: shape.heads * head)
        for number in 0..<shape.heads {
          let shared = number / group
          let scores = (0...position).map { other in
            (0..<head).reduce(0.0) {
              $0 + queries[position][number * head + $1] * keys[other][shared * head + $1]
            } / Double(head).squareRoot()
          }
          let largest = scores.max() ?? 0
          let weights = scores.map { exp($0 - largest) }
          let total = weights.reduce(0, +)
          for element in 0..<head {
            attended[number * head + element] =
              (0...position).reduce(0.0) { $0 + weights[$1] * values[$1][shared * head + element] } / total
          }
        }
        rows[position] = zip(rows[position], project(attended, prefix + "attn_output")).map { $0 + $1 }
      }
      for position in rows.indices {
        let normed = normalised(rows[position], prefix + "ffn_norm.weight")
        let gate = project(normed, prefix + "ffn_gate")
        let up = project(normed, prefix + "ffn_up")
        let product = zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }
        rows[position] = zip(rows[position], project(product, prefix + "ffn_down")).map { $0 + $1 }
      }
    }
    return rows.map {
      project(normalised($0, "output_norm.weight"), tensors["output.weight"] == nil ? "token_embd" : "output")
    }
  }

  private func tensor(_ name: String) -> [Float] { tensors[name] ?? [] }

  private func normalised(_ row: [Double], _ name: String) -> [Double] {
    let mean = row.reduce(0) { $0 + $1 * $1 } / Double(row.count)
    return zip(row, tensor(name)).map { $0 / (mean + 1e-5).squareRoot() * Double($1) }
  }

  /// Normalises each head of a row, in models that have weights for that.
  private func normaliseHeads(_ row: inout [Double], _ name: String, _ head: Int) {
    guard tensors[name] != nil else { return }
    row = stride(from: 0, to: row.count, by: head).flatMap { normalised(Array(row[$0..<$0 + head]), name) }
  }

  private func project(_ row: [Double], _ name: String) -> [Double] {
    let weights = tensor(name + ".weight")
    let bias = tensors[name + ".bias"]
    return (0..<weights.count / row.count).map { column in
      row.indices.reduce(Double(bias?[column] ?? 0)) {
        $0 + row[$1] * Double(weights[column * row.count + $1])
      }
    }
  }

  private func rotate(_ row: inout [Double], _ position: Int, _ head: Int) {
    for start in stride(from: 0, to: row.count, by: head) {
      for index in 0..<head / 2 {
        let factor = shape.rotationFactors.isEmpty ? 1 : Double(shape.rotationFactors[index])
        let plain = pow(10_000, -2 * Double(index) / Double(head)) / factor
        let angle = Double(position) * (frequencies?[index] ?? plain)
        let isPairs = shape.architecture == "llama"
        let (i, j) =
          isPairs ? (start + 2 * index, start + 2 * index + 1) : (start + index, start + index + head / 2)
        let (a, b) = (row[i], row[j])
        row[i] = (a * cos(angle) - b * sin(angle)) * magnitude
        row[j] = (a * sin(angle) + b * cos(angle)) * magnitude
      }
    }
  }
}
