// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldInference

/// The result of one line, which becomes one line of the output file.
///
/// ```json
/// {"id":"nightly-7","custom_id":"q7","response":{"status_code":200,"request_id":"nightly-7","body":{…}},"error":null}
/// ```
enum BatchResult: Sendable {
  case answer(Completion, isChat: Bool, model: String, created: Int64)
  case failure(code: String, message: String)

  var isFailure: Bool {
    if case .failure = self { true } else { false }
  }

  /// The tokens of prompt and answer.
  var usage: TokenUsage {
    if case .answer(let completion, _, _, _) = self { completion.summary.usage } else { TokenUsage() }
  }

  /// The result as a line of the output file, without its end.
  func line(id: String, customID: String?) -> [UInt8] {
    let response: JSONDocument
    let error: JSONDocument
    switch self {
    case .answer(let completion, let isChat, let model, let created):
      response = .members(
        ("status_code", .number("200")),
        ("request_id", .string(id)),
        ("body", Self.body(completion, id, isChat, model, created))
      )
      error = .null
    case .failure(let code, let message):
      response = .null
      error = .members(("code", .string(code)), ("message", .string(String(message.prefix(2000)))))
    }
    let line = JSONDocument.members(
      ("id", .string(id)),
      ("custom_id", customID.map { .string($0) } ?? .null),
      ("response", response),
      ("error", error)
    )
    return Array(line.text.utf8)
  }

  private static func body(
    _ completion: Completion,
    _ id: String,
    _ isChat: Bool,
    _ model: String,
    _ created: Int64
  ) -> JSONDocument {
    let summary = completion.summary
    let answers =
      [(completion.text, summary.reason)] + summary.alternatives.map { ($0.text, $0.reason) }
    let choices = answers.enumerated().map { index, answer -> JSONDocument in
      let content: (String, JSONDocument) =
        isChat
        ? ("message", .members(("role", .string("assistant")), ("content", .string(answer.0))))
        : ("text", .string(answer.0))
      // Only the first answer comes with its tokens' probabilities.
      let tokens = index == 0 ? summary.tokenLogProbabilities : []
      return .object(
        [
          .init(name: "index", value: .number("\(index)")), .init(name: content.0, value: content.1),
          .init(name: "finish_reason", value: .string(finish(answer.1))),
        ] + (tokens.isEmpty ? [] : [.init(name: "logprobs", value: logProbabilities(tokens))])
      )
    }
    let usage = summary.usage
    return .members(
      ("id", .string(id)),
      ("object", .string(isChat ? "chat.completion" : "text_completion")),
      ("created", .number("\(created)")),
      ("model", .string(model)),
      ("choices", .array(choices)),
      (
        "usage",
        .members(
          ("prompt_tokens", .number("\(usage.promptTokens)")),
          ("completion_tokens", .number("\(usage.completionTokens)")),
          ("total_tokens", .number("\(usage.promptTokens.addingClamped(usage.completionTokens))"))
        )
      )
    )
  }

  private static func logProbabilities(_ tokens: [TokenLogProbability]) -> JSONDocument {
    func members(_ candidate: TokenLogProbability.Candidate) -> [JSONDocument.Member] {
      // JSON has no infinity; the API writes this number for it.
      let value = candidate.logProbability.isFinite ? candidate.logProbability : -9999
      return [
        .init(name: "token", value: .string(String(decoding: candidate.bytes, as: UTF8.self))),
        .init(name: "logprob", value: .number("\(value)")),
        .init(name: "bytes", value: .array(candidate.bytes.map { .number("\($0)") })),
      ]
    }
    let content = tokens.map { token -> JSONDocument in
      let likeliest = token.likeliest.map { JSONDocument.object(members($0)) }
      return .object(members(token.chosen) + [.init(name: "top_logprobs", value: .array(likeliest))])
    }
    return .members(("content", .array(content)))
  }

  /// The API knows two reasons: the answer came to its end, or a limit cut it.
  private static func finish(_ reason: FinishReason) -> String {
    switch reason {
    case .maxTokens, .contextFull, .deadline: "length"
    default: "stop"
    }
  }
}

extension JSONDocument {
  /// An object with its members in order.
  static func members(_ members: (String, JSONDocument)...) -> JSONDocument {
    .object(members.map { Member(name: $0.0, value: $0.1) })
  }
}
