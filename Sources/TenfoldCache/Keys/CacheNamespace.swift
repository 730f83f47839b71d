// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// The boundary that no cached answer crosses: who asked, which model, how it samples, on what instructions and data.
///
/// Every field is required, and there is no namespace for everybody. Two requests share answers only if all fields are
/// equal, so another tenant, a new model revision, another temperature, a changed system prompt or a re-indexed corpus
/// each mean a miss.
///
/// ```swift
/// let namespace = CacheNamespace(
///   tenant: "acme", model: profile, options: request.options, instructions: digest, corpusEpoch: index.epoch)
/// ```
public struct CacheNamespace: Hashable, Sendable, Codable {
  /// Whose answers these are.
  public let tenant: TenantID
  /// The id of the model that answers on a miss.
  public let model: String
  /// The revision of that model.
  public let modelRevision: String
  /// The digest of every sampling option.
  public let options: ContentDigest
  /// The digest of everything that the model is told besides the question: system prompt, earlier turns, passages.
  public let instructions: ContentDigest
  /// The state of the documents that answers are drawn from.
  public let corpusEpoch: UInt64

  /// Creates a namespace.
  ///
  /// - Parameters:
  ///   - tenant: Whose answers these are.
  ///   - model: The model, or the composition of models, that answers on a miss.
  ///   - options: How answers are sampled; all fields count.
  ///   - instructions: The digest of what the model is told besides the question.
  ///   - corpusEpoch: The state of the documents; a constant where answers draw on none.
  public init(
    tenant: TenantID,
    model: ModelProfile,
    options: GenerationOptions,
    instructions: ContentDigest,
    corpusEpoch: UInt64
  ) {
    self.tenant = tenant
    self.model = model.id
    self.modelRevision = model.revision
    self.options = Self.digest(of: options)
    self.instructions = instructions
    self.corpusEpoch = corpusEpoch
  }

  /// Creates the namespace that a request belongs to.
  ///
  /// The instructions are the request's whole prompt with the question cut out of the last user turn, and the passages
  /// that are attached already. So a question in the middle of a conversation only meets the same question after the
  /// same turns.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - model: The model that answers on a miss.
  ///   - corpusEpoch: The state of the documents.
  public init(of request: InferenceRequest, model: ModelProfile, corpusEpoch: UInt64) {
    self.init(
      tenant: request.context.tenant,
      model: model,
      options: request.options,
      instructions: Self.instructions(of: request),
      corpusEpoch: corpusEpoch
    )
  }

  /// The digest of everything that a request tells the model besides its question.
  ///
  /// - Parameter request: The request.
  /// - Returns: The digest; equal for requests that differ in nothing but the question.
  public static func instructions(of request: InferenceRequest) -> ContentDigest {
    var hasher = ContentDigest.Hasher()
    switch request.prompt {
    case .text(let text):
      hasher.append("text")
      append(text, without: request.question, to: &hasher)
    case .chat(let messages):
      hasher.append("chat")
      hasher.append(UInt64(messages.count))
      let last = messages.lastIndex { $0.role == .user }
      for (index, message) in messages.enumerated() {
        hasher.append(message.role.rawValue)
        if index == last {
          append(message.content, without: request.question, to: &hasher)
        } else {
          hasher.append(message.content)
        }
      }
    }
    hasher.append(UInt64(request.passages.count))
    for passage in request.passages {
      hasher.append(passage.document.rawValue)
      hasher.append(passage.title)
      hasher.append(passage.text)
    }
    return hasher.finish()
  }

  private static func append(_ text: String, without question: String, to hasher: inout ContentDigest.Hasher)
  {
    guard text != question else {
      hasher.append("question")
      return
    }
    guard !question.isEmpty, let found = text.firstRange(of: question) else {
      hasher.append("whole")
      hasher.append(text)
      return
    }
    hasher.append("around")
    hasher.append(String(text[..<found.lowerBound]))
    hasher.append(String(text[found.upperBound...]))
  }

  private static func digest(of options: GenerationOptions) -> ContentDigest {
    var hasher = ContentDigest.Hasher()
    hasher.append(UInt64(clamping: options.maxTokens))
    hasher.append(UInt64(options.temperature.bitPattern))
    hasher.append(UInt64(clamping: options.topK))
    hasher.append(UInt64(options.topP.bitPattern))
    hasher.append(UInt64(options.minP.bitPattern))
    hasher.append(UInt64(options.repetitionPenalty.bitPattern))
    hasher.append(UInt64(options.frequencyPenalty.bitPattern))
    hasher.append(UInt64(options.presencePenalty.bitPattern))
    hasher.append(UInt64(options.logitBias.count))
    for (token, bias) in options.logitBias.sorted(by: { $0.key < $1.key }) {
      hasher.append(UInt64(token.magnitude))
      hasher.append(UInt64(bias.bitPattern))
    }
    hasher.append(UInt64(clamping: options.minTokens))
    hasher.append(options.seed == nil ? 0 : 1)
    hasher.append(options.seed ?? 0)
    for list in [options.stop, options.choices] {
      hasher.append(UInt64(list.count))
      for text in list { hasher.append(text) }
    }
    hasher.append(options.responseFormat.kind.rawValue)
    hasher.append(options.responseFormat.source)
    hasher.append(UInt64(clamping: (options.logProbabilities ?? -1) + 1))
    hasher.append(UInt64(clamping: options.alternatives))
    return hasher.finish()
  }

  func append(to hasher: inout ContentDigest.Hasher) {
    hasher.append(tenant.rawValue)
    hasher.append(model)
    hasher.append(modelRevision)
    hasher.append(raw: options.bytes)
    hasher.append(raw: instructions.bytes)
    hasher.append(corpusEpoch)
  }
}
