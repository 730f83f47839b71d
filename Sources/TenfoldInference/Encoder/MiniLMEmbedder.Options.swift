// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension MiniLMEmbedder {
  /// What can be chosen when loading.
  public struct Options: Hashable, Sendable {
    /// The embedder's name in its profile.
    public var name: String
    /// The number format, and what the tensors' shapes don't tell.
    public var encoder: BERTEncoder.Options
    /// How text is normalised; `nil` for uncased BERT, or as the model's folder says.
    public var tokenizer: WordPieceTokenizer.Options?
    /// Texts are cut after this many tokens, `[CLS]` and `[SEP]` included; `nil` for 256, or as the model's folder says.
    public var maxTokens: Int?
    /// The most tokens of a step.
    public var stepTokens: Int
    /// Calls are refused while more tokens than this wait.
    public var waitingTokens: Int
    /// How long a call that finds nothing under way waits for others to share its step, unless ``stepTokens`` wait before
    /// that; at most ten minutes.
    ///
    /// With zero it waits for none; calls share steps all the same as soon as they come while one is computed. Callers that
    /// send short texts one by one, all at once, gain from a millisecond or so.
    public var mergeWindow: Duration
    /// How many threads compute, brought into 1...256; `nil` for all that this process may use.
    public var threads: Int?

    /// Creates options; what is given wins over what a model's folder says.
    public init(
      name: String = "all-MiniLM-L6-v2",
      encoder: BERTEncoder.Options = BERTEncoder.Options(),
      tokenizer: WordPieceTokenizer.Options? = nil,
      maxTokens: Int? = nil,
      stepTokens: Int = 2_048,
      waitingTokens: Int = 1 << 21,
      mergeWindow: Duration = .zero,
      threads: Int? = nil
    ) {
      self.name = name
      self.encoder = encoder
      self.tokenizer = tokenizer
      self.maxTokens = maxTokens
      self.stepTokens = stepTokens
      self.waitingTokens = waitingTokens
      self.mergeWindow = mergeWindow
      self.threads = threads
    }

    /// The same, with what is `nil` taken from a model's folder.
    func completed(by folder: EncoderFolder) -> Self {
      var result = self
      result.encoder.headCount = encoder.headCount ?? folder.headCount
      result.encoder.layerNormEpsilon = encoder.layerNormEpsilon ?? folder.layerNormEpsilon
      result.encoder.pooling = encoder.pooling ?? folder.pooling
      result.tokenizer = tokenizer ?? folder.tokenizer
      result.maxTokens = maxTokens ?? folder.maxTokens
      return result
    }
  }
}
