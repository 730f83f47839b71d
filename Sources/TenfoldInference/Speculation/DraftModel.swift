// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A small model that guesses what a larger one of the same vocabulary will say, for the larger one to check.
///
/// Its weights are immutable and held once, however many models it drafts for, and whether or not it answers requests
/// itself. ``DecoderSpeculation/draftModel(_:maximumDraftTokens:promptLookup:)`` puts it to work.
///
/// ```swift
/// let draft = try await DraftModel.load(gguf: "/models/qwen2.5-coder-0.5b.gguf")
/// let model = try await LocalLanguageModel.load(
///   gguf: "/models/qwen2.5-coder-1.5b.gguf",
///   options: .init(speculation: .draftModel(draft))
/// )
/// ```
public struct DraftModel: Sendable {
  /// The name in the model file, or that of the model whose weights are shared.
  public let name: String
  /// The weights.
  public let model: DecoderModel
  private let vocabulary: any DecoderVocabulary
  /// Costs in place of measured ones; for tests, which must not depend on time.
  var costs: (target: PassCost, draft: PassCost)?

  init(name: String, model: DecoderModel, vocabulary: any DecoderVocabulary) {
    self.name = name
    self.model = model
    self.vocabulary = vocabulary
  }

  /// Drafts with the weights of a model that is there anyway, such as the small one of a cascade.
  ///
  /// The model goes on answering its own requests; it may also be shut down, as the weights stay.
  ///
  /// - Parameter model: The small model.
  public init(sharing model: LocalLanguageModel) {
    self.init(name: model.profile.id, model: model.model, vocabulary: model.vocabulary)
  }

  /// Loads a draft model from a GGUF file.
  ///
  /// The file is checked and its weights are packed on threads of the model's own, not on the caller's. Cancelling the
  /// task does not stop a load that has begun.
  ///
  /// - Parameters:
  ///   - path: The model file, of the kinds that ``LocalLanguageModel/load(gguf:options:progress:)`` takes. Its chat template
  ///     is not used.
  ///   - packedWeights: Where packed weights are kept for the next start.
  ///   - progress: Receives the share that is packed, 0 to 1, on any thread.
  /// - Returns: The draft model.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/inputOutput``, ``ModelError/Code/truncated``,
  ///   ``ModelError/Code/invalidHeader``, ``ModelError/Code/invalidTensor``, ``ModelError/Code/missing``,
  ///   ``ModelError/Code/unsupported``, ``ModelError/Code/invalidTokenizer`` or ``ModelError/Code/storageFull``.
  public static func load(
    gguf path: String,
    packedWeights: PackedWeightsCache = .off,
    progress: (@Sendable (Double) -> Void)? = nil
  ) async throws -> DraftModel {
    try await EngineThread.run {
      let file = try GGUFFile(path: path)
      let vocabulary = try GGUFVocabulary(file.metadata)
      let model = try DecoderModel(file, packedWeights: packedWeights, progress: progress)
      try vocabulary.check(against: model)
      let name = file.metadata["general.name"]?.string ?? model.configuration.architecture
      return DraftModel(name: name, model: model, vocabulary: vocabulary)
    }
  }

  /// Checks that every token means the same to the draft model and to the one it drafts for.
  ///
  /// - Parameters:
  ///   - other: The tokens of the model to draft for.
  ///   - model: Its name.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/vocabularyMismatch``; the message says what differs first.
  /// - Complexity: O(*n*) in the number of tokens.
  func check(_ other: any DecoderVocabulary, of model: String) throws(ModelError) {
    func mismatch(_ difference: String) -> ModelError {
      ModelError(
        .vocabularyMismatch,
        """
        \(name) can't draft for \(model): \(difference). Draft with a model of the same family and generation, or \
        without a draft model.
        """
      )
    }
    guard vocabulary.count == other.count else {
      throw mismatch("it has \(vocabulary.count) tokens and \(model) \(other.count)")
    }
    func text(_ bytes: [UInt8]) -> String {
      bytes.isEmpty ? "a control token" : "\"\(String(decoding: bytes, as: UTF8.self))\""
    }
    for token in 0..<Int32(vocabulary.count) {
      let (mine, others) = (vocabulary.bytes(of: token), other.bytes(of: token))
      guard mine == others else {
        throw mismatch("token \(token) is \(text(mine)) to it and \(text(others)) to \(model)")
      }
    }
    if let token = vocabulary.endTokens.symmetricDifference(other.endTokens).min() {
      throw mismatch("token \(token) ends an answer of one of them and not of the other")
    }
  }
}

extension DraftModel: Hashable {
  /// Whether both draft with the same weights, held once.
  public static func == (lhs: Self, rhs: Self) -> Bool { lhs.model === rhs.model }

  /// Feeds the weights' identity.
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(model)) }
}
