// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldInference

/// One line of an input file, in the form of the widely used batch API.
///
/// ```json
/// {"custom_id": "q7", "method": "POST", "url": "/v1/chat/completions",
///  "body": {"messages": [{"role": "user", "content": "What is BM25?"}], "max_tokens": 64}}
/// ```
struct BatchRequest: Sendable {
  var customID: String?
  var prompt: InferencePrompt
  var options: GenerationOptions

  /// Whether the answer is a chat message, not text that goes on.
  var isChat: Bool {
    if case .chat = prompt { true } else { false }
  }

  /// Reads a line.
  ///
  /// - Parameters:
  ///   - line: The line.
  ///   - limit: The limit that the line has broken if its bytes are missing.
  ///   - defaultMaxTokens: The token limit when the line names none.
  /// - Throws: ``BatchError`` with code ``BatchError/Code/lineTooLong``, ``BatchError/Code/malformedLine`` or
  ///   ``BatchError/Code/unsupportedRequest``; with the line's `custom_id` wherever that could be read.
  init(_ line: BatchFile.Line, limit: Int, defaultMaxTokens: Int) throws(BatchError) {
    guard let bytes = line.bytes, bytes.count <= limit else {
      throw BatchError(.lineTooLong, "it has more than \(limit) bytes; shorten it", inputLine: line.number)
    }
    self = try Self.read(bytes, line.number, defaultMaxTokens)
  }

  /// The error of a `custom_id` that an earlier line has.
  static func duplicate(_ id: String, _ line: Int) -> BatchError {
    BatchError(.duplicateID, "an earlier line has the custom_id “\(id.prefix(200))”", inputLine: line)
  }

  private init(customID: String?, prompt: InferencePrompt, options: GenerationOptions) {
    self.customID = customID
    self.prompt = prompt
    self.options = options
  }

  private static func read(
    _ bytes: [UInt8],
    _ number: Int,
    _ defaultMaxTokens: Int
  ) throws(BatchError) -> Self {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw BatchError(.malformedLine, "it is not UTF-8", inputLine: number)
    }
    let document: JSONDocument
    do { document = try JSONDocument(text, source: "the line") } catch {
      throw BatchError(.malformedLine, error.message, inputLine: number, underlying: error)
    }
    let line = BatchFields(document, "the line", number)
    try line.requireObject()
    let customID = try line.string("custom_id")
    guard customID?.utf8.count ?? 0 <= 512 else {
      throw BatchError(.malformedLine, "custom_id has more than 512 bytes", inputLine: number)
    }
    do {
      return try request(in: line, customID, defaultMaxTokens)
    } catch {
      var error = error
      error.customID = customID
      throw error
    }
  }

  private static func request(
    in line: BatchFields,
    _ customID: String?,
    _ defaultMaxTokens: Int
  ) throws(BatchError) -> Self {
    guard try line.string("method") ?? "POST" == "POST" else {
      throw line.unsupported("method must be POST")
    }
    let url = try line.string("url") ?? "/v1/chat/completions"
    let body = try line.object("body")
    let prompt: InferencePrompt
    let likeliest: Int?
    switch url {
    case "/v1/chat/completions":
      prompt = .chat(try messages(of: body))
      likeliest = try self.likeliest(of: body)
    case "/v1/completions":
      prompt = .text(try body.required(body.string("prompt"), "prompt"))
      // A number there; what the other URL takes is taken, too.
      if case .number? = body.value("logprobs") {
        likeliest = try body.integer("logprobs")
      } else {
        likeliest = try self.likeliest(of: body)
      }
    default: throw line.unsupported("url must be /v1/chat/completions or /v1/completions")
    }
    let options = try options(of: body, logProbabilities: likeliest, defaultMaxTokens)
    return Self(customID: customID, prompt: prompt, options: options)
  }

  private static func messages(of body: BatchFields) throws(BatchError) -> [ChatMessage] {
    guard let values = try body.array("messages"), !values.isEmpty else {
      throw body.malformed("messages must be an array with at least one message")
    }
    var messages: [ChatMessage] = []
    for (index, value) in values.enumerated() {
      let message = BatchFields(value, "messages[\(index)]", body.line)
      try message.requireObject()
      let role = try message.required(message.string("role"), "role")
      messages.append(ChatMessage(role: ChatRole(role), content: try content(of: message)))
    }
    return messages
  }

  /// A string, or an array of parts that are all text.
  private static func content(of message: BatchFields) throws(BatchError) -> String {
    guard case .array(let parts)? = message.value("content") else {
      return try message.required(message.string("content"), "content")
    }
    var text = ""
    for part in parts {
      let fields = BatchFields(part, "\(message.name).content", message.line)
      guard try fields.string("type") == "text" else {
        throw fields.unsupported("parts must be of type text")
      }
      text += try fields.required(fields.string("text"), "text")
    }
    return text
  }

  /// How many of the likeliest tokens each token comes with; `nil` for no probabilities.
  private static func likeliest(of body: BatchFields) throws(BatchError) -> Int? {
    let isWanted = try body.bool("logprobs") ?? false
    let count = try body.integer("top_logprobs")
    return isWanted ? count ?? 0 : nil
  }

  private static func options(
    of body: BatchFields,
    logProbabilities: Int?,
    _ defaultMaxTokens: Int
  ) throws(BatchError) -> GenerationOptions {
    try refuseUnknownWishes(body)
    var maxTokens = try body.integer("max_completion_tokens")
    if maxTokens == nil { maxTokens = try body.integer("max_tokens") }
    let seed = try body.integer("seed")
    let format = try format(of: body)
    let (temperature, topP) = (try body.number("temperature"), try body.number("top_p"))
    let (topK, minP) = (try body.integer("top_k"), try body.number("min_p"))
    let penalty = try body.number("repetition_penalty")
    let (frequency, presence) = (try body.number("frequency_penalty"), try body.number("presence_penalty"))
    let (bias, minTokens) = (try bias(of: body), try body.integer("min_tokens"))
    let (stop, alternatives) = (try body.strings("stop"), try body.integer("n"))
    do {
      return try GenerationOptions(
        maxTokens: maxTokens ?? defaultMaxTokens,
        temperature: Float(temperature ?? 0),
        // Servers write "all" as 0 or as -1.
        topK: max(0, topK ?? 0),
        topP: Float(topP ?? 1),
        minP: Float(minP ?? 0),
        repetitionPenalty: Float(penalty ?? 1),
        frequencyPenalty: Float(frequency ?? 0),
        presencePenalty: Float(presence ?? 0),
        logitBias: bias,
        minTokens: minTokens ?? 0,
        seed: seed.map { UInt64(bitPattern: Int64($0)) },
        stop: stop,
        responseFormat: format,
        logProbabilities: logProbabilities,
        alternatives: alternatives ?? 1
      )
    } catch {
      throw BatchError(.unsupportedRequest, error.message, inputLine: body.line, underlying: error)
    }
  }

  /// An object whose members have the tokens' ids as names.
  private static func bias(of body: BatchFields) throws(BatchError) -> [Int32: Float] {
    guard let fields = try body.optionalObject("logit_bias"), case .object(let members) = fields.document
    else {
      return [:]
    }
    var bias: [Int32: Float] = [:]
    for member in members {
      // Only as an id is usually written, so that no two names mean the same token.
      guard let token = Int32(member.name), String(token) == member.name else {
        throw fields.malformed("“\(member.name.prefix(64))” must be a token's id")
      }
      guard case .number(let digits) = member.value, let number = Float(digits) else {
        throw fields.malformed("the bias of token \(token) must be a number")
      }
      bias[token] = number
    }
    return bias
  }

  /// Refuses what would change the answer and can't be had: an answer to another question is worse than none.
  private static func refuseUnknownWishes(_ body: BatchFields) throws(BatchError) {
    for name in ["tools", "functions", "audio", "suffix"] where body.value(name) != nil {
      throw body.unsupported("\(name) can't be asked for in a batch")
    }
    guard try body.bool("echo") != true else { throw body.unsupported("echo must be false") }
    let (best, wanted) = (try body.integer("best_of"), try body.integer("n"))
    guard best ?? 1 <= wanted ?? 1 else { throw body.unsupported("best_of must not be more than n") }
  }

  private static func format(of body: BatchFields) throws(BatchError) -> ResponseFormat {
    guard let format = try body.optionalObject("response_format") else { return .text }
    switch try format.string("type") {
    case "text": return .text
    case "json_object": return .jsonObject
    case "json_schema":
      let schema = try format.object("json_schema").object("schema")
      return .jsonSchema(schema.document.text)
    default: throw format.unsupported("type must be text, json_object or json_schema")
    }
  }
}
