// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension MiniLMEmbedder {
  /// Loads a model from a directory that holds `model.safetensors` and `vocab.txt`.
  ///
  /// What the options leave open is read from the files of transformers and sentence-transformers where they are beside
  /// the weights: heads and layer norm from `config.json`, pooling from `1_Pooling/config.json`, upper case and accents
  /// from `tokenizer_config.json`, the longest text from `sentence_bert_config.json`. A model that needs more than this
  /// embedder does, such as another pooling or a dense layer in `modules.json`, is refused.
  ///
  /// Some models want a prefix before a text, such as `query: ` and `passage: ` for E5. It is for the host to put there.
  ///
  /// - Parameters:
  ///   - modelDirectory: The directory.
  ///   - options: Precision, limits, threads and the name.
  /// - Returns: The embedder, ready to use; shut it down when it isn't needed any more.
  /// - Throws: ``ModelError``, naming the file or tensor at fault.
  public static func load(modelDirectory: String, options: Options = Options()) async throws -> MiniLMEmbedder
  {
    try await EngineThread.run {
      try open(
        weightsPath: modelDirectory + "/model.safetensors",
        vocabularyPath: modelDirectory + "/vocab.txt",
        options: options.completed(by: EncoderFolder(path: modelDirectory))
      )
    }
  }

  /// Loads a model from its files, on a thread of its own; the options say all that the files don't.
  ///
  /// - Parameters:
  ///   - weightsPath: The safetensors file.
  ///   - vocabularyPath: The WordPiece vocabulary, one piece a line.
  ///   - options: Precision, limits, threads and the name.
  /// - Returns: The embedder, ready to use; shut it down when it isn't needed any more.
  /// - Throws: ``ModelError``, naming the file or tensor at fault.
  public static func load(
    weightsPath: String,
    vocabularyPath: String,
    options: Options = Options()
  ) async throws -> MiniLMEmbedder {
    try await EngineThread.run {
      try open(weightsPath: weightsPath, vocabularyPath: vocabularyPath, options: options)
    }
  }

  /// Packing takes some hundred milliseconds: too long for the cooperative pool.
  private static func open(
    weightsPath: String,
    vocabularyPath: String,
    options: Options
  ) throws(ModelError) -> MiniLMEmbedder {
    ComputeNotice.logOnce()
    let file = try SafetensorsFile(path: weightsPath)
    let encoder = try BERTEncoder(weights: BERTTensor.Prefixed(file), options: options.encoder)
    let tokenizer = try WordPieceTokenizer(
      path: vocabularyPath,
      options: options.tokenizer ?? WordPieceTokenizer.Options()
    )
    return try MiniLMEmbedder(encoder: encoder, tokenizer: tokenizer, options: options)
  }
}
