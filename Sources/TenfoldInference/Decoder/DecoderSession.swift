// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

/// One sequence computed on the calling thread, with the logits of every position: for perplexity and benchmarks.
///
/// It goes through the same steps as the engine but has key-value memory of its own, no queue and no sampling.
///
/// ```swift
/// let session = try DecoderSession(model, contextLength: 1_024, threads: 1)
/// let losses = try session.negativeLogLikelihoods(of: tokens)
/// ```
public final class DecoderSession {
  /// The weights.
  public let model: DecoderModel
  /// The most tokens.
  public let contextLength: Int
  /// How many tokens are stored.
  public private(set) var position = 0
  private let runner: DecoderRunner
  private let pages: [UInt32]

  /// Makes room for one sequence.
  ///
  /// - Parameters:
  ///   - model: The weights.
  ///   - contextLength: The most tokens, prompt and answer together.
  ///   - threads: How many threads compute, the caller included; `nil` for all that this process may use.
  ///   - stepLength: The most tokens computed at once.
  ///   - precision: How finely rows are rounded before a product with quantised weights.
  ///   - keyValuePrecision: How finely keys and values are kept.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidOption`` or ``ModelError/Code/storageFull``.
  public init(
    _ model: DecoderModel,
    contextLength: Int,
    threads: Int? = nil,
    stepLength: Int = 512,
    precision: DecoderPrecision = .standard,
    keyValuePrecision: KeyValuePrecision = .float16
  ) throws(ModelError) {
    guard (1...model.configuration.contextLength).contains(contextLength), (1...4_096).contains(stepLength)
    else {
      throw ModelError(
        .invalidOption,
        """
        contextLength is \(contextLength) and stepLength \(stepLength); they must be in \
        1...\(model.configuration.contextLength) and 1...4096.
        """
      )
    }
    self.model = model
    self.contextLength = contextLength
    let count = (contextLength + BlockAllocator.blockLength - 1) / BlockAllocator.blockLength
    pages = (0..<UInt32(count)).map { $0 }
    runner = try DecoderRunner(
      model: model,
      memory: KeyValueMemory(model.configuration, pageCount: count, precision: keyValuePrecision),
      positions: contextLength,
      maximumRows: stepLength,
      maximumLogitRows: min(stepLength, 64),
      precision: precision,
      pool: WorkerPool(threads: threads)
    )
  }

  /// Forgets the tokens from `position` on.
  ///
  /// - Parameter position: How many tokens to keep, at most ``position``.
  public func rewind(to position: Int = 0) {
    self.position = max(0, min(self.position, position))
  }

  /// Adds tokens and hands over the logits of the last of them.
  ///
  /// - Parameters:
  ///   - tokens: The tokens, at least one.
  ///   - body: Receives one logit per token of the vocabulary.
  /// - Returns: What `body` returns.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/promptTooLong`` or ``ModelError/Code/invalidOption``.
  public func evaluate<Result>(
    _ tokens: [Int32],
    _ body: (Span<Float>) -> Result
  ) throws(ModelError) -> Result {
    try check(tokens)
    var first = 0
    while first < tokens.count {
      let end = min(tokens.count, first + runner.maximumRows)
      try compute(tokens[first..<end], logits: end == tokens.count ? 1 : 0)
      first = end
    }
    // The buffer lives as long as the runner, and nothing computes meanwhile.
    return unsafe body(UnsafeBufferPointer(runner.logits(0)).span)
  }

  /// Adds tokens and hands over the logits of each of them, in order.
  ///
  /// - Parameters:
  ///   - tokens: The tokens, at least one.
  ///   - body: Receives the index of a token and one logit per token of the vocabulary for what follows it.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/promptTooLong`` or ``ModelError/Code/invalidOption``.
  public func evaluateAll(_ tokens: [Int32], _ body: (Int, Span<Float>) -> Void) throws(ModelError) {
    try check(tokens)
    var first = 0
    while first < tokens.count {
      let end = min(tokens.count, first + runner.maximumLogitRows)
      try compute(tokens[first..<end], logits: end - first)
      // As above.
      for index in first..<end { unsafe body(index, UnsafeBufferPointer(runner.logits(index - first)).span) }
      first = end
    }
  }

  /// How unlikely each token is after those before it; the mean's exponential is the perplexity.
  ///
  /// - Parameter tokens: At least two tokens; they are added to the sequence.
  /// - Returns: For each token but the first, minus its natural-log probability.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/promptTooLong`` or ``ModelError/Code/invalidOption``.
  public func negativeLogLikelihoods(of tokens: [Int32]) throws(ModelError) -> [Double] {
    var losses: [Double] = []
    try evaluateAll(tokens) { index, logits in
      guard index + 1 < tokens.count else { return }
      unsafe logits.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        let summary = unsafe runner.elementwise.pointee.summarize_logits(base, buffer.count)
        let next = Double(logits[Int(tokens[index + 1])])
        losses.append(Double(summary.largest) + logarithm(summary.sum_of_exponentials) - next)
      }
    }
    return losses
  }

  private func check(_ tokens: [Int32]) throws(ModelError) {
    guard !tokens.isEmpty, tokens.allSatisfy({ $0 >= 0 && Int($0) < model.vocabularySize }) else {
      throw ModelError(.invalidOption, "There are no tokens, or one is not below \(model.vocabularySize).")
    }
    guard tokens.count <= contextLength - position else {
      throw ModelError(
        .promptTooLong,
        "\(position) and \(tokens.count) more tokens exceed the session's limit of \(contextLength)."
      )
    }
  }

  private func compute(_ tokens: ArraySlice<Int32>, logits: Int) throws(ModelError) {
    var step = DecoderStep()
    step.add(tokens, at: position, pages: pages, logits: logits)
    _ = try runner.run(step)
    position += tokens.count
  }
}
