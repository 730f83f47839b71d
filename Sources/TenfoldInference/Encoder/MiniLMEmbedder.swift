// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
import TenfoldStorage

/// Embeds texts with MiniLM-L6 or another BERT encoder (BGE, E5, …), on threads of its own.
///
/// Texts of concurrent callers share steps up to a budget of tokens and take turns in them. A text's vector has the
/// same bits whatever shares its step. Cancelling a call's task takes its waiting texts out.
///
/// ```swift
/// let embedder = try await MiniLMEmbedder.load(modelDirectory: "/models/all-MiniLM-L6-v2")
/// let batch = try await embedder.embed(["A man eats pasta.", "Someone is having a meal."])
/// await embedder.shutdown()
/// ```
public final class MiniLMEmbedder: TextEmbedder {
  /// What is known of the embedder without asking it.
  public let profile: EmbedderProfile
  /// The weights.
  public let encoder: BERTEncoder
  private let tokenizer: WordPieceTokenizer
  private let mailbox: EmbedderMailbox

  /// Starts an embedder over loaded weights.
  ///
  /// - Parameters:
  ///   - encoder: The weights.
  ///   - tokenizer: The vocabulary that belongs to them.
  ///   - options: Limits, threads and the name.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidOption``, ``ModelError/Code/invalidTokenizer`` or
  ///   ``ModelError/Code/storageFull``.
  public init(
    encoder: BERTEncoder,
    tokenizer: WordPieceTokenizer,
    options: Options = Options()
  ) throws(ModelError) {
    let maxTokens = options.maxTokens ?? min(256, encoder.configuration.positionCount)
    guard maxTokens >= 2, maxTokens <= encoder.configuration.positionCount else {
      throw ModelError(
        .invalidOption,
        "maxTokens is \(maxTokens); it must be in 2...\(encoder.configuration.positionCount)."
      )
    }
    guard (1...1 << 20).contains(options.stepTokens), options.waitingTokens > 0 else {
      throw ModelError(.invalidOption, "stepTokens must be in 1...1048576 and waitingTokens above 0.")
    }
    guard (.zero ... .seconds(600)).contains(options.mergeWindow) else {
      throw ModelError(.invalidOption, "mergeWindow is \(options.mergeWindow); it must be 0 to 600 seconds.")
    }
    guard tokenizer.vocabularySize <= encoder.configuration.vocabularySize else {
      throw ModelError(
        .invalidTokenizer,
        """
        The vocabulary has \(tokenizer.vocabularySize) tokens, the weights \(encoder.configuration.vocabularySize): \
        they belong to different models.
        """
      )
    }
    self.encoder = encoder
    self.tokenizer = tokenizer
    profile = EmbedderProfile(
      id: options.name,
      revision: Self.revision(encoder, tokenizer),
      dimension: encoder.configuration.width,
      maxTokens: maxTokens
    )
    let workspace = try EncoderWorkspace(
      encoder,
      capacity: max(options.stepTokens, maxTokens),
      threads: options.threads
    )
    let mailbox = EmbedderMailbox(
      batcher: EmbeddingBatcher(stepTokens: options.stepTokens, waitingLimit: options.waitingTokens),
      width: encoder.configuration.width,
      mergeWindow: options.mergeWindow
    )
    self.mailbox = mailbox
    try Self.start(encoder, workspace, mailbox)
  }

  deinit { mailbox.stop() }

  /// What distinguishes vectors: weights, how they are used, vocabulary and precision, and whatever is not as in MiniLM.
  ///
  /// Not the processor: what its instructions round otherwise is less than int8 does.
  private static func revision(_ encoder: BERTEncoder, _ tokenizer: WordPieceTokenizer) -> String {
    var fingerprint = Fingerprint()
    fingerprint.add(encoder.fingerprint.utf8)
    fingerprint.add("\(encoder.configuration.headCount) \(encoder.layerNormEpsilon)".utf8)
    tokenizer.addPieces(to: &fingerprint)
    var parts = [fingerprint.description, "\(encoder.options.precision)"]
    if let pooling = encoder.options.pooling, pooling != .mean { parts.append("\(pooling)") }
    if tokenizer.options.isCased { parts.append("cased") }
    if !tokenizer.options.splitsIdeographs { parts.append("joined") }
    return parts.joined(separator: "-")
  }

  /// The thread's life: it owns the workspace and keeps neither the embedder nor its callers alive.
  private static func start(
    _ encoder: BERTEncoder,
    _ workspace: sending EncoderWorkspace,
    _ mailbox: EmbedderMailbox
  ) throws(ModelError) {
    try EngineThread.start {
      while let step = mailbox.next() {
        do throws(ModelError) {
          let (vectors, unsound) = try unsafe encoder.runEach(step.texts, in: workspace)
          mailbox.finish(step, vectors: vectors, unsound: unsound)
        } catch {
          mailbox.fail(step, error)
        }
      }
      mailbox.end()
    }
  }

  /// Embeds texts.
  ///
  /// Texts are cut at ``Options/maxTokens``. A call larger than a step takes several. Cancelling the task ends the call at
  /// once; a step that is running finishes without it.
  ///
  /// - Parameter texts: Any texts, also empty ones.
  /// - Returns: One vector of length 1 for each, in order.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/storageFull`` when too much waits,
  ///   ``ModelError/Code/invalidTensor`` when the weights give one of these texts a NaN, or
  ///   ``ModelError/Code/engineStopped``; `CancellationError`.
  public func embed(_ texts: [String]) async throws -> EmbeddingBatch {
    var sequences: [[Int32]] = []
    var isTruncated: [Bool] = []
    sequences.reserveCapacity(texts.count)
    for (index, text) in texts.enumerated() {
      if index.isMultiple(of: 64) { try Task.checkCancellation() }
      let (ids, wasCut) = tokenizer.encode(text, maximumTokens: profile.maxTokens)
      sequences.append(ids)
      isTruncated.append(wasCut)
    }
    guard !sequences.isEmpty else {
      return EmbeddingBatch(values: [], dimension: profile.dimension, tokenCounts: [], isTruncated: [])
    }
    let id = mailbox.reserve()
    defer { mailbox.forget(id) }
    let (ready, flags) = (sequences, isTruncated)
    return try await withTaskCancellationHandler {
      try await EmbedderMailbox.Outcome.receive { outcome in
        mailbox.submit(id, texts: ready, isTruncated: flags, outcome: outcome)
      }
    } onCancel: {
      mailbox.cancel(id)
    }
  }

  /// How many tokens a text has, without the two that begin and end it; for cutting long texts before they are embedded.
  ///
  /// - Parameter text: Any text.
  /// - Returns: The number, which no limit cuts.
  /// - Complexity: O(*n*) in the text's length.
  public func tokenCount(of text: some StringProtocol) -> Int {
    tokenizer.encode(utf8: Array(text.utf8), parsingSpecial: true).count - 2
  }

  /// What has been done so far.
  public var statistics: EmbedderStatistics { mailbox.statistics }

  /// Ends all calls with ``ModelError/Code/engineStopped`` and waits until the thread has ended.
  public func shutdown() async {
    mailbox.stop()
    await mailbox.waitForEnd()
  }
}
