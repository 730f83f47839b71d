// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
import TenfoldKernels

extension LocalLanguageModel {
  /// How a local model runs; every field has a default.
  public struct Options: Sendable {
    /// Threads that compute, the engine's own included; `nil` for one less than this process may use, at least one.
    public var threads: Int?
    /// The most tokens of prompt and answer together; `nil` for as many as the model and the key-value memory allow.
    ///
    /// A model refuses to load where the memory has no room for a length given here.
    public var contextLength: Int?
    /// The most memory for keys and values; pages that were never used take none.
    public var keyValueCacheBytes: Int
    /// The part of ``keyValueCacheBytes`` that finished requests may leave behind for prompts that begin as theirs did;
    /// `nil` for all that running requests don't need, 0 to reuse nothing.
    public var prefixCacheBytes: Int?
    /// Requests computed at the same time.
    public var maximumConcurrentSequences: Int
    /// Requests accepted and not finished, beyond which new ones are refused as overloaded.
    public var maximumQueuedRequests: Int
    /// How long new prompts may make answers under way wait for their next token.
    ///
    /// Prompts are computed in pieces that fit into it, learnt from the passes before, so that answers keep flowing. It is a
    /// choice between readers and throughput: pieces of 32 tokens can cost nearly twice what pieces of 192, the largest,
    /// cost per token. It is no promise: 32 tokens of prompts go into a pass in any case.
    public var timePerTokenTarget: Duration
    /// How much of the engine tenants get relative to others when there is not room for all; 1 for those not named.
    public var tenantWeights: [TenantID: Double]
    /// Whether packed weights are kept in a file, for a quicker start.
    public var packedWeights: PackedWeightsCache
    /// A back end of the host's own for products; what it doesn't take is left to the processor's kernels.
    public var layerProvider: (any LinearLayerProvider)?
    /// How finely activations are rounded.
    public var precision: DecoderPrecision
    /// How finely keys and values are kept.
    public var keyValuePrecision: KeyValuePrecision
    /// Whether tokens are guessed and checked several at once; on by default, as it never changes an answer.
    public var speculation: DecoderSpeculation
    /// The model's name within a pipeline; `nil` for the name in the model file.
    public var id: String?
    /// Part of every cache key; `nil` for one made of the model file's contents and of how finely it computes, so that
    /// answers of another file or setting are never taken for this one's.
    public var revision: String?
    /// How capable the model is relative to others.
    public var tier: ModelTier
    /// What its work costs.
    public var price: ModelPrice

    /// Creates options.
    public init(
      threads: Int? = nil,
      contextLength: Int? = nil,
      keyValueCacheBytes: Int = 256 << 20,
      prefixCacheBytes: Int? = nil,
      maximumConcurrentSequences: Int = 16,
      maximumQueuedRequests: Int = 1_024,
      timePerTokenTarget: Duration = .milliseconds(500),
      tenantWeights: [TenantID: Double] = [:],
      packedWeights: PackedWeightsCache = .off,
      precision: DecoderPrecision = .standard,
      keyValuePrecision: KeyValuePrecision = .float16,
      speculation: DecoderSpeculation = .promptLookup,
      id: String? = nil,
      revision: String? = nil,
      tier: ModelTier = .small,
      price: ModelPrice = ModelPrice()
    ) {
      self.threads = threads
      self.contextLength = contextLength
      self.keyValueCacheBytes = keyValueCacheBytes
      self.prefixCacheBytes = prefixCacheBytes
      self.maximumConcurrentSequences = maximumConcurrentSequences
      self.maximumQueuedRequests = maximumQueuedRequests
      self.timePerTokenTarget = timePerTokenTarget
      self.tenantWeights = tenantWeights
      self.packedWeights = packedWeights
      self.precision = precision
      self.keyValuePrecision = keyValuePrecision
      self.speculation = speculation
      self.id = id
      self.revision = revision
      self.tier = tier
      self.price = price
    }

    func check() throws(ModelError) {
      func check(_ isValid: Bool, _ name: String, _ value: Int?, _ range: String) throws(ModelError) {
        guard isValid else {
          throw ModelError(.invalidOption, "\(name) is \(value ?? 0); it must be in \(range).")
        }
      }
      try check((1...256).contains(threads ?? 1), "threads", threads, "1...256")
      try check((contextLength ?? 2) >= 2, "contextLength", contextLength, "2 and up")
      try check(
        (1...1 << 44).contains(keyValueCacheBytes),
        "keyValueCacheBytes",
        keyValueCacheBytes,
        "1...\(1 << 44)"
      )
      try check((prefixCacheBytes ?? 0) >= 0, "prefixCacheBytes", prefixCacheBytes, "0 and up")
      try check(
        (1...256).contains(maximumConcurrentSequences),
        "maximumConcurrentSequences",
        maximumConcurrentSequences,
        "1...256"
      )
      for (tenant, weight) in tenantWeights where !(weight >= 1e-3 && weight <= 1e3) {
        throw ModelError(.invalidOption, "The weight of \(tenant) is \(weight); it must be in 0.001...1000.")
      }
      try check(
        (0...31).contains(speculation.maximumDraftTokens),
        "speculation's maximumDraftTokens",
        speculation.maximumDraftTokens,
        "0...31"
      )
      guard timePerTokenTarget > .zero else {
        throw ModelError(
          .invalidOption,
          "timePerTokenTarget is \(timePerTokenTarget); it must be longer than nothing."
        )
      }
      try check(maximumQueuedRequests >= 1, "maximumQueuedRequests", maximumQueuedRequests, "1 and up")
    }
  }
}
