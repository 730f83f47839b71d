// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Runs an encoder on the calling thread with buffers of its own: for benchmarks and batch work.
///
/// ```swift
/// let runner = try EncoderRunner(encoder, stepTokens: 2_048, threads: 1)
/// let vectors = try runner.embed([[101, 7592, 102]])
/// ```
public final class EncoderRunner {
  /// The weights.
  public let encoder: BERTEncoder
  private let workspace: EncoderWorkspace

  /// Makes the buffers.
  ///
  /// - Parameters:
  ///   - encoder: The weights.
  ///   - stepTokens: The most tokens of a step; at least as many as the longest text has.
  ///   - threads: How many threads compute, the caller included; `nil` for all that this process may use.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidOption`` or ``ModelError/Code/storageFull``.
  public init(_ encoder: BERTEncoder, stepTokens: Int = 2_048, threads: Int? = nil) throws(ModelError) {
    guard (1...1 << 20).contains(stepTokens) else {
      throw ModelError(.invalidOption, "stepTokens is \(stepTokens); it must be in 1...1048576.")
    }
    self.encoder = encoder
    workspace = try EncoderWorkspace(encoder, capacity: stepTokens, threads: threads)
  }

  /// Embeds token sequences.
  ///
  /// - Parameter texts: The ids of each text, with the tokens that start and end it.
  /// - Returns: `[texts × width]`, row-major, each of length 1.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/promptTooLong``, ``ModelError/Code/invalidOption`` for an empty
  ///   sequence or an unknown id, or ``ModelError/Code/invalidTensor`` when the weights give a NaN.
  public func embed(_ texts: [[Int32]]) throws(ModelError) -> [Float] {
    var vectors: [Float] = []
    vectors.reserveCapacity(texts.count * encoder.configuration.width)
    var step: [[Int32]] = []
    var tokens = 0
    for text in texts {
      try encoder.check(text)
      guard text.count <= workspace.capacity else {
        throw ModelError(.promptTooLong, "A text has \(text.count) tokens; a step has \(workspace.capacity).")
      }
      if tokens + text.count > workspace.capacity {
        vectors += try unsafe encoder.run(step, in: workspace)
        step = []
        tokens = 0
      }
      step.append(text)
      tokens += text.count
    }
    if !step.isEmpty { vectors += try unsafe encoder.run(step, in: workspace) }
    return vectors
  }
}
