// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// What a ChatML template makes of the reasoning that an earlier answer begins with, between `<think>` and `</think>`.
///
/// Models that reason are shown their earlier answers without it. Qwen3 keeps it in answers after the last question: those
/// between which tools answered.
struct ChatMLReasoning: Hashable, Sendable {
  private static let open = "<think>"
  private static let close = "</think>"

  /// Whether answers after the last question keep their reasoning.
  private let keepsLatest: Bool

  /// Reads a template; `nil` if it leaves answers as they are.
  init?(_ source: ChatTemplateSource) {
    // Both ways of saying what comes after the last mark.
    let split = source.components(separatedBy: ".split('\(Self.close)')").dropFirst()
    guard split.contains(where: { $0.hasPrefix("[-1]") || $0.hasPrefix("|last") }) else { return nil }
    keepsLatest = source.contains("last_query_index")
  }

  /// The place of the last question in a conversation; that of its last message if it has none.
  func lastQuestion(in messages: [ChatMessage]) -> Int {
    guard keepsLatest else { return messages.count }
    let last = messages.lastIndex { message in
      // Tools' answers that are written as a user's.
      message.role == .user
        && !(message.content.hasPrefix("<tool_response>") && message.content.hasSuffix("</tool_response>"))
    }
    return last ?? messages.count - 1
  }

  /// What is written of an answer.
  ///
  /// - Parameters:
  ///   - answer: The answer as the model gave it.
  ///   - isLatest: Whether it comes after the last question.
  ///   - isLast: Whether it ends the conversation.
  /// - Returns: The answer, without its reasoning or with it as the model was taught to see it.
  func written(_ answer: String, isLatest: Bool, isLast: Bool) -> String {
    let parts = ChatTemplateSource.components(of: answer, separatedBy: Self.close)
    guard let first = parts.first, let last = parts.last else { return answer }
    let content = parts.count == 1 ? Substring(answer) : last.drop { $0 == "\n" }
    guard isLatest else { return String(content) }
    var reasoning: Substring = ""
    if parts.count > 1 {
      let opened = ChatTemplateSource.components(of: first, separatedBy: Self.open)
      reasoning = Self.withoutLineBreaks(opened.last ?? "")
    }
    guard isLast || !reasoning.isEmpty else { return String(content) }
    return "\(Self.open)\n\(reasoning)\n\(Self.close)\n\n\(content.drop { $0 == "\n" })"
  }

  /// A text without line breaks at its ends.
  private static func withoutLineBreaks(_ text: String) -> Substring {
    var rest = text.drop { $0 == "\n" }
    while rest.last == "\n" { rest.removeLast() }
    return rest
  }
}
