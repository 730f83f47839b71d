// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension MiniLMEmbedder {
  /// Loads a model from a directory that holds `model.safetensors` and `vocab.txt`.
  ///
  /// - Parameters:
  ///   - modelDirectory: The directory.
  ///   - options: Precision, limits, threads and the name.
  /// - Returns: The embedder, ready to use; shut it down when it isn't needed any more.
  /// - Throws: ``ModelError``, naming the file or tensor at fault.
  public static func load(modelDirectory: String, options: Options = Options()) async throws -> MiniLMEmbedder
  {
    try await load(
      weightsPath: modelDirectory + "/model.safetensors",
      vocabularyPath: modelDirectory + "/vocab.txt",
      options: options
    )
  }

  /// Loads a model from its files, on a thread of its own.
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
    // Packing takes some hundred milliseconds: too long for the cooperative pool.
    try await EngineThread.run {
      ComputeNotice.logOnce()
      let encoder = try BERTEncoder(weights: SafetensorsFile(path: weightsPath), options: options.encoder)
      let tokenizer = try WordPieceTokenizer(path: vocabularyPath)
      return try MiniLMEmbedder(encoder: encoder, tokenizer: tokenizer, options: options)
    }
  }
}
