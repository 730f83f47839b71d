// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension GenerationOptions: Codable {
  private enum CodingKeys: CodingKey {
    case maxTokens
    case temperature
    case topK
    case topP
    case minP
    case repetitionPenalty
    case frequencyPenalty
    case presencePenalty
    case logitBias
    case minTokens
    case seed
    case stop
    case choices
    case responseFormat
    case logProbabilities
    case alternatives
  }

  /// A token's id as the name of a member.
  private struct TokenKey: CodingKey {
    let token: Int32
    var stringValue: String { String(token) }
    var intValue: Int? { Int(token) }

    init(_ token: Int32) { self.token = token }

    /// Only as an id is usually written, so that no two names mean the same token.
    init?(stringValue: String) {
      guard let token = Int32(stringValue), String(token) == stringValue else { return nil }
      self.token = token
    }

    init?(intValue: Int) {
      guard let token = Int32(exactly: intValue) else { return nil }
      self.token = token
    }
  }

  /// A member's name as it stands there.
  private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { self.stringValue = String(intValue) }
  }

  /// Decodes and checks options; absent fields take their defaults.
  ///
  /// ``logitBias`` is an object whose members have the tokens' ids as names.
  ///
  /// - Throws: ``RequestError`` for a value out of range, `DecodingError` for a malformed one.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      maxTokens: values.decodeIfPresent(Int.self, forKey: .maxTokens) ?? 256,
      temperature: values.decodeIfPresent(Float.self, forKey: .temperature) ?? 0,
      topK: values.decodeIfPresent(Int.self, forKey: .topK) ?? 0,
      topP: values.decodeIfPresent(Float.self, forKey: .topP) ?? 1,
      minP: values.decodeIfPresent(Float.self, forKey: .minP) ?? 0,
      repetitionPenalty: values.decodeIfPresent(Float.self, forKey: .repetitionPenalty) ?? 1,
      frequencyPenalty: values.decodeIfPresent(Float.self, forKey: .frequencyPenalty) ?? 0,
      presencePenalty: values.decodeIfPresent(Float.self, forKey: .presencePenalty) ?? 0,
      logitBias: Self.bias(in: values),
      minTokens: values.decodeIfPresent(Int.self, forKey: .minTokens) ?? 0,
      seed: values.decodeIfPresent(UInt64.self, forKey: .seed),
      stop: values.decodeIfPresent([String].self, forKey: .stop) ?? [],
      choices: values.decodeIfPresent([String].self, forKey: .choices) ?? [],
      responseFormat: values.decodeIfPresent(ResponseFormat.self, forKey: .responseFormat) ?? .text,
      logProbabilities: values.decodeIfPresent(Int.self, forKey: .logProbabilities),
      alternatives: values.decodeIfPresent(Int.self, forKey: .alternatives) ?? 1
    )
  }

  private static func bias(in values: KeyedDecodingContainer<CodingKeys>) throws -> [Int32: Float] {
    guard values.contains(.logitBias), try !values.decodeNil(forKey: .logitBias) else { return [:] }
    let members = try values.nestedContainer(keyedBy: AnyKey.self, forKey: .logitBias)
    var bias: [Int32: Float] = [:]
    for key in members.allKeys {
      guard let token = TokenKey(stringValue: key.stringValue)?.token else {
        throw DecodingError.dataCorruptedError(
          forKey: key,
          in: members,
          debugDescription: "A member of logitBias must have a token's id as its name, such as \"50256\"."
        )
      }
      bias[token] = try members.decode(Float.self, forKey: key)
    }
    return bias
  }

  /// Encodes all options, the tokens of ``logitBias`` in ascending order.
  ///
  /// - Throws: What the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(maxTokens, forKey: .maxTokens)
    try values.encode(temperature, forKey: .temperature)
    try values.encode(topK, forKey: .topK)
    try values.encode(topP, forKey: .topP)
    try values.encode(minP, forKey: .minP)
    try values.encode(repetitionPenalty, forKey: .repetitionPenalty)
    try values.encode(frequencyPenalty, forKey: .frequencyPenalty)
    try values.encode(presencePenalty, forKey: .presencePenalty)
    var members = values.nestedContainer(keyedBy: TokenKey.self, forKey: .logitBias)
    for (token, bias) in logitBias.sorted(by: { $0.key < $1.key }) {
      try members.encode(bias, forKey: TokenKey(token))
    }
    try values.encode(minTokens, forKey: .minTokens)
    try values.encodeIfPresent(seed, forKey: .seed)
    try values.encode(stop, forKey: .stop)
    try values.encode(choices, forKey: .choices)
    try values.encode(responseFormat, forKey: .responseFormat)
    try values.encodeIfPresent(logProbabilities, forKey: .logProbabilities)
    try values.encode(alternatives, forKey: .alternatives)
  }
}
