// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Something that tells how likely an answer is right, so that a cascade can stop early.
public protocol CompletionConfidence: Sendable {
  /// Judges an answer.
  ///
  /// - Parameters:
  ///   - completion: The answer with its summary.
  ///   - request: What was asked.
  /// - Returns: A probability in 0...1 that the answer is right; calibrated as well as the implementation can.
  /// - Throws: The judge's own error when it can't run.
  func confidence(in completion: Completion, for request: InferenceRequest) async throws -> Double
}
