// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension LocalLanguageModel {
  /// Loads a model from a GGUF file and starts its engine.
  ///
  /// The file is checked and its weights are packed on threads of the model's own, not on the caller's; the file's
  /// pages are given back afterwards. Cancelling the task does not stop a load that has begun.
  ///
  /// - Parameters:
  ///   - path: The model file: architecture `llama`, `qwen2` or `qwen3`, with a byte-level BPE tokenizer (of Llama 3, SmolLM2,
  ///     Qwen 2 to 3 or GPT-2) or SentencePiece's (of Llama 2, TinyLlama or Mistral). Conversations need a template that
  ///     ``ChatTemplate`` knows; raw prompts need none.
  ///   - options: How the model runs.
  ///   - progress: Receives the share that is packed, 0 to 1, on any thread.
  /// - Returns: The running model.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/inputOutput``, ``ModelError/Code/truncated``,
  ///   ``ModelError/Code/invalidHeader``, ``ModelError/Code/invalidTensor``, ``ModelError/Code/missing``,
  ///   ``ModelError/Code/unsupported``, ``ModelError/Code/invalidTokenizer``, ``ModelError/Code/invalidOption``,
  ///   ``ModelError/Code/storageFull``, or ``ModelError/Code/vocabularyMismatch`` where the options name a draft model that
  ///   has other tokens.
  public static func load(
    gguf path: String,
    options: Options = Options(),
    progress: (@Sendable (Double) -> Void)? = nil
  ) async throws -> LocalLanguageModel {
    try await EngineThread.run { try open(path, options: options, progress: progress) }
  }

  private static func open(
    _ path: String,
    options: Options,
    progress: (@Sendable (Double) -> Void)?
  ) throws -> LocalLanguageModel {
    try options.check()
    ComputeNotice.logOnce()
    let file = try GGUFFile(path: path)
    let vocabulary = try GGUFVocabulary(file.metadata)
    let model = try DecoderModel(
      file,
      packedWeights: options.packedWeights,
      layerProvider: options.layerProvider,
      progress: progress
    )
    try vocabulary.check(against: model)
    var options = options
    if options.revision == nil {
      let contents = PackedWeightsLayout.Source.fingerprint(of: file)
      let backend = options.layerProvider.map { "-\($0.name)" } ?? ""
      options.revision =
        "\(contents)-\(Self.arithmetic)-\(options.precision)-\(options.keyValuePrecision)\(backend)"
    }
    let name = file.metadata["general.name"]?.string ?? model.configuration.architecture
    return try LocalLanguageModel(model: model, vocabulary: vocabulary, options: options, name: name)
  }

  /// Raised when products round differently, so that what earlier builds answered isn't taken for this one's.
  private static let arithmetic = 2
}
