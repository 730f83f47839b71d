// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// Keeps e-mail addresses away from everything inside: caches, indexes, models and their logs.
struct RedactionMiddleware: InferenceMiddleware {
  func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    var request = request
    var count = 0
    // The prompt is what the model reads, the question what caches and retrieval look up: both must change alike.
    switch request.prompt {
    case .text(let text):
      request.prompt = .text(Self.redact(text, &count))
    case .chat(let messages):
      request.prompt = .chat(
        messages.map { ChatMessage(role: $0.role, content: Self.redact($0.content, &count)) }
      )
    }
    var again = 0
    request.question = Self.redact(request.question, &again)
    // A vector made from the old wording doesn't fit the new one.
    if again > 0 { request.embedding = nil }
    request.context.trace.record(
      StageRecord(stage: "redaction", work: .zero, note: "\(count) addresses removed")
    )
    return try await next(request)
  }

  /// Replaces what looks like an e-mail address.
  static func redact(_ text: String, _ count: inout Int) -> String {
    var found = 0
    let result = text.replacing(/[A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+\.[A-Za-z]{2,}/) { _ in
      found += 1
      return "[address]"
    }
    count += found
    return result
  }
}
