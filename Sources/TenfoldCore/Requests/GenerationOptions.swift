// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How an answer is sampled and where it ends.
///
/// Temperature 0, the default, is exact arg-max: the same request gives the same answer on a given instruction set,
/// whatever else the engine is doing.
///
/// ```swift
/// let options = try GenerationOptions(maxTokens: 64, temperature: 0.7, topP: 0.9, seed: 7)
/// ```
public struct GenerationOptions: Hashable, Sendable {
  /// At most this many tokens are generated; 1 or more.
  public let maxTokens: Int
  /// 0 is arg-max, larger is more random; in 0...100.
  public let temperature: Float
  /// Only the `topK` likeliest tokens are drawn from; 0 means all.
  public let topK: Int
  /// Only the likeliest tokens that together reach this probability are drawn from; in 0 (exclusive)...1.
  public let topP: Float
  /// Only tokens at least this likely relative to the likeliest are drawn from; in 0...1.
  public let minP: Float
  /// Logits of tokens already seen are divided (if positive) or multiplied by this, in 0.01...100; 1 changes nothing.
  public let repetitionPenalty: Float
  /// What a token's logit loses for each time that the answer so far has the token, in -2...2; 0 changes nothing.
  ///
  /// The prompt's tokens don't count, other than with ``repetitionPenalty``.
  public let frequencyPenalty: Float
  /// What a token's logit loses once the answer so far has the token, however often, in -2...2; 0 changes nothing.
  ///
  /// The prompt's tokens don't count, other than with ``repetitionPenalty``.
  public let presencePenalty: Float
  /// What is added to the logits of these tokens, by the model's token ids, each in -100...100; at most 1,024.
  ///
  /// With -100 a token is never said, and with 100 no token is said but those that have 100, at any temperature. The
  /// answer's format goes before: where it allows none but tokens with -100, the likeliest of them is said.
  public let logitBias: [Int32: Float]
  /// The seed of the sampler; `nil` draws one.
  public let seed: UInt64?
  /// Before the answer has so many tokens the model can't end it, and stop texts are not looked for; in 0...maxTokens.
  ///
  /// A format goes before: an answer that is complete by it ends, and so does one that must to keep within `maxTokens`.
  public let minTokens: Int
  /// Generation ends before the first of these texts, which is not part of the answer; at most 64, none empty, of 65,536
  /// bytes in all.
  public let stop: [String]
  /// When not empty, the answer is one of these texts, and the summary gives the probability of each; at most 1,024, all of
  /// them different and none empty.
  public let choices: [String]
  /// What the answer has to look like.
  public let responseFormat: ResponseFormat
  /// How many of the likeliest tokens the summary lists for each place of the answer, in 0...20; `nil` for no list.
  ///
  /// With a number, 0 too, the summary holds the chosen tokens, and its certainty tells entropy and margin.
  public let logProbabilities: Int?
  /// How many answers are drawn, in 1...16; the first is streamed, the summary holds the others.
  public let alternatives: Int

  /// Creates options after checking every range.
  ///
  /// - Throws: ``RequestError`` with code ``RequestError/Code/invalidOption``; the message names the range.
  public init(
    maxTokens: Int = 256,
    temperature: Float = 0,
    topK: Int = 0,
    topP: Float = 1,
    minP: Float = 0,
    repetitionPenalty: Float = 1,
    frequencyPenalty: Float = 0,
    presencePenalty: Float = 0,
    logitBias: [Int32: Float] = [:],
    minTokens: Int = 0,
    seed: UInt64? = nil,
    stop: [String] = [],
    choices: [String] = [],
    responseFormat: ResponseFormat = .text,
    logProbabilities: Int? = nil,
    alternatives: Int = 1
  ) throws(RequestError) {
    func check(
      _ isValid: Bool,
      _ name: String,
      _ value: some CustomStringConvertible,
      _ range: String
    )
      throws(RequestError)
    {
      guard isValid else {
        throw RequestError(.invalidOption, "\(name) is \(value); it must be \(range).")
      }
    }
    try check(maxTokens >= 1, "maxTokens", maxTokens, "at least 1")
    // Comparisons with NaN are false, so NaN fails each of these.
    try check(temperature >= 0 && temperature <= 100, "temperature", temperature, "in 0...100")
    try check(topK >= 0, "topK", topK, "0 (all tokens) or more")
    try check(topP > 0 && topP <= 1, "topP", topP, "above 0 and at most 1")
    try check(minP >= 0 && minP <= 1, "minP", minP, "in 0...1")
    try check(
      repetitionPenalty >= 0.01 && repetitionPenalty <= 100,
      "repetitionPenalty",
      repetitionPenalty,
      "in 0.01...100"
    )
    try check((-2...2).contains(frequencyPenalty), "frequencyPenalty", frequencyPenalty, "in -2...2")
    try check((-2...2).contains(presencePenalty), "presencePenalty", presencePenalty, "in -2...2")
    try check(logitBias.count <= 1024, "logitBias", "\(logitBias.count) tokens", "for at most 1,024 tokens")
    for (token, bias) in logitBias {
      try check(token >= 0, "logitBias", "for token \(token)", "for tokens from 0 on")
      try check((-100...100).contains(bias), "logitBias", "\(bias) for token \(token)", "in -100...100")
    }
    try check(
      (0...maxTokens).contains(minTokens),
      "minTokens",
      minTokens,
      "in 0...\(maxTokens), which is maxTokens"
    )
    try check(stop.count <= 64, "stop", "\(stop.count) texts", "at most 64 texts")
    let stopBytes = stop.reduce(0) { $0 + $1.utf8.count }
    try check(stopBytes <= 1 << 16, "stop", "\(stopBytes) bytes of text", "at most 65,536 bytes in all")
    try check(!stop.contains(""), "stop", "an empty text", "made of texts that are not empty")
    try check(choices.count <= 1024, "choices", "\(choices.count) texts", "at most 1,024 texts")
    try check(!choices.contains(""), "choices", "an empty text", "made of texts that are not empty")
    try check(Set(choices).count == choices.count, "choices", "a repeated text", "made of different texts")
    try check(
      responseFormat.kind == .text || choices.isEmpty && stop.isEmpty,
      "responseFormat",
      responseFormat.kind,
      "text when there are choices or stop texts"
    )
    // What choices are worth is said by the model itself, all of each.
    let changesDraws = frequencyPenalty != 0 || presencePenalty != 0 || !logitBias.isEmpty || minTokens > 0
    try check(
      choices.isEmpty || !changesDraws,
      "choices",
      "\(choices.count) texts",
      "empty beside frequencyPenalty, presencePenalty, logitBias and minTokens, which have no effect on choices"
    )
    try check(
      (0...20).contains(logProbabilities ?? 0),
      "logProbabilities",
      logProbabilities ?? 0,
      "in 0...20"
    )
    try check((1...16).contains(alternatives), "alternatives", alternatives, "in 1...16")
    try check(
      alternatives == 1 || (temperature > 0 && choices.isEmpty),
      "alternatives",
      alternatives,
      "1 at temperature 0, where all would be equal, and with choices"
    )
    let formatLength = responseFormat.source.utf8.count
    try check(formatLength <= 1 << 20, "responseFormat", "\(formatLength) bytes long", "at most 1 MiB")
    self.maxTokens = maxTokens
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.minP = minP
    self.repetitionPenalty = repetitionPenalty
    self.frequencyPenalty = frequencyPenalty
    self.presencePenalty = presencePenalty
    self.logitBias = logitBias
    self.minTokens = minTokens
    self.seed = seed
    self.stop = stop
    self.choices = choices
    self.responseFormat = responseFormat
    self.logProbabilities = logProbabilities
    self.alternatives = alternatives
  }

  private init() {
    self.maxTokens = 256
    self.temperature = 0
    self.topK = 0
    self.topP = 1
    self.minP = 0
    self.repetitionPenalty = 1
    self.frequencyPenalty = 0
    self.presencePenalty = 0
    self.logitBias = [:]
    self.minTokens = 0
    self.seed = nil
    self.stop = []
    self.choices = []
    self.responseFormat = .text
    self.logProbabilities = nil
    self.alternatives = 1
  }

  /// At most 256 tokens at temperature 0.
  public static let standard = Self()

  /// These options with other limits or choices.
  ///
  /// - Parameters:
  ///   - maxTokens: The new limit, or `nil` to keep it; a larger ``minTokens`` is lowered to it.
  ///   - choices: The new choices, or `nil` to keep them.
  /// - Returns: The changed options.
  /// - Throws: ``RequestError`` with code ``RequestError/Code/invalidOption``.
  public func with(maxTokens: Int? = nil, choices: [String]? = nil) throws(RequestError) -> Self {
    // At least 0, so that a limit that is none is refused by its own name.
    let mostTokens = max(0, maxTokens ?? self.maxTokens)
    return try Self(
      maxTokens: maxTokens ?? self.maxTokens,
      temperature: temperature,
      topK: topK,
      topP: topP,
      minP: minP,
      repetitionPenalty: repetitionPenalty,
      frequencyPenalty: frequencyPenalty,
      presencePenalty: presencePenalty,
      logitBias: logitBias,
      minTokens: min(minTokens, mostTokens),
      seed: seed,
      stop: stop,
      choices: choices ?? self.choices,
      responseFormat: responseFormat,
      logProbabilities: logProbabilities,
      alternatives: alternatives
    )
  }
}
