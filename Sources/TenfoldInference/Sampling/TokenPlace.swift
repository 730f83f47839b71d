// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels

/// What a model thought of a place of its answer: how open it was, and the likeliest tokens.
struct TokenPlace: Equatable, Sendable {
  /// A token and its log probability.
  struct Candidate: Equatable, Sendable {
    var token: Int32
    var logProbability: Double
  }

  /// The entropy in nats.
  let entropy: Double
  /// The distance between the probabilities of the two likeliest tokens.
  let margin: Double
  /// The likeliest tokens, the lower id first of equals.
  let likeliest: [Candidate]

  /// - Parameters:
  ///   - logits: One for each token, at least one.
  ///   - weights: Room for as many numbers.
  ///   - summary: The logits' summary.
  ///   - count: How many tokens to list.
  ///   - kernels: The loops of the instruction set in use.
  init(
    _ logits: UnsafeMutableBufferPointer<Float>,
    weights: UnsafeMutableBufferPointer<Float>,
    summary: tenfold_logits_summary,
    count: Int,
    kernels: UnsafePointer<tenfold_elementwise_kernels>
  ) {
    let largest = summary.largest
    let total = summary.sum_of_exponentials
    var best: [(token: Int, logit: Float)] = []
    let wanted = max(2, count)
    var threshold = -Float.infinity
    // Both buffers have room for the logits, here and below.
    for index in 0..<logits.count {
      let logit = unsafe logits[index]
      unsafe weights[index] = logit - largest
      guard logit > threshold else { continue }
      let position = best.firstIndex { $0.logit < logit } ?? best.count
      best.insert((index, logit), at: position)
      if best.count > wanted { best.removeLast() }
      if best.count == wanted { threshold = best[wanted - 1].logit }
    }
    var weighted = 0.0
    if let base = weights.baseAddress {
      // In pieces, so that the differences are still there when their exponentials are.
      var piece: [Float] = Array(repeating: 0, count: 1_024)
      for start in stride(from: 0, to: logits.count, by: piece.count) {
        let length = min(piece.count, logits.count - start)
        unsafe piece.withUnsafeMutableBufferPointer { piece in
          guard let output = piece.baseAddress else { return }
          unsafe kernels.pointee.exponentials(base + start, output, length)
          var sum: Float = 0
          for index in 0..<length {
            unsafe sum += output[index] > 0 ? output[index] * base[start + index] : 0
          }
          weighted += Double(sum)
        }
      }
    }
    let logTotal = logarithm(total)
    entropy = max(0, logTotal - weighted / total)
    let probabilities = best.prefix(2).map { exponential(Double($0.logit - largest)) / total }
    margin = (probabilities.first ?? 0) - (probabilities.count > 1 ? probabilities[1] : 0)
    // As the sampler takes the chosen token's, so that both are the same number.
    let normaliser = Double(largest) + logTotal
    likeliest = best.prefix(count).map {
      Candidate(token: Int32($0.token), logProbability: Double($0.logit) - normaliser)
    }
  }
}
