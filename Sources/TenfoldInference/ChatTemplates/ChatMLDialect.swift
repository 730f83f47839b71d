// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// ChatML, in the variants of SmolLM2 and Qwen, which differ in the system turn that a conversation without one gets.
struct ChatMLDialect: ChatDialect {
  private static let start = "<|im_start|>"
  private static let end = "<|im_end|>"

  /// The system turn's text where the conversation brings none, or `nil` to add no turn.
  var defaultSystem: String?
  /// Whether tool answers are wrapped in `<tool_response>` inside a user turn.
  var wrapsToolResponses = false
  /// Whether messages lose white space at their ends.
  var trims = false
  /// What becomes of the reasoning in earlier answers; `nil` if that stays.
  var reasoning: ChatMLReasoning?
  /// Whether the template itself writes the token that begins a text.
  var writesBeginning = false

  var turnEnd: String? { Self.end }

  init(defaultSystem: String?) { self.defaultSystem = defaultSystem }

  init?(_ source: ChatTemplateSource) throws(ModelError) {
    let turn = "\(Self.start)assistant\n"
    guard source.contains(Self.start), source.contains(Self.end), source.contains(turn),
      source.contains("role"), source.contains("content")
    else { return nil }
    // What a model is told to begin its turn with belongs to the template, and is not read here.
    guard
      source.endsTurnOpening(turn)
        || source.components(separatedBy: turn).last?.hasPrefix("{%") == true
    else {
      throw ModelError(
        .unsupported,
        """
        The model's chat template puts more into the model's turn than its beginning, which is not supported. \
        Write the prompt yourself and send it as raw text.
        """
      )
    }
    let forms = ChatMLTurn.all(in: source, start: Self.start)
    guard let form = forms.first, forms.allSatisfy({ $0 == form }),
      ChatMLTurn.trimCount(in: source) == (form.trims ? forms.count : 0)
    else {
      throw ChatTemplateSource.unreadable("has ChatML's tokens but doesn't write messages as ChatML does")
    }
    trims = form.trims
    // Every system turn the template spells out; the default one has literal text up to its end marker.
    let parts = source.components(separatedBy: "\(Self.start)system\n")
    for (before, part) in zip(parts, parts.dropFirst()) {
      guard let first = part.utf8.first, first != UInt8(ascii: "'"), first != UInt8(ascii: "\""),
        let close = ChatTemplateSource.components(of: part, separatedBy: Self.end).first,
        close.utf8.count < part.utf8.count,
        !close.contains("{{"), !close.contains("{%")
      else { continue }
      defaultSystem = try Self.text(close, after: before.utf8.last)
    }
    wrapsToolResponses = source.contains("<tool_response>")
    reasoning = ChatMLReasoning(source)
    writesBeginning = source.contains("bos_token")
  }

  /// What the template writes between two marks.
  private static func text(_ spelled: String, after quote: UInt8?) throws(ModelError) -> String {
    guard let quote, ChatTemplateSource.isQuote(quote) else {
      // Between quotes or not, a text without backslashes is the same.
      guard !spelled.utf8.contains(UInt8(ascii: "\\")) else {
        throw ChatTemplateSource.unreadable("has a system turn with backslashes that can't be read")
      }
      return spelled
    }
    guard ChatTemplateSource.end(of: spelled, quote) == nil else {
      throw ChatTemplateSource.unreadable("puts its system turn together from parts, which is not supported")
    }
    return try ChatTemplateSource.unescaped(spelled)
  }

  func certainText(of message: ChatMessage) -> Substring {
    guard let reasoning, message.role == .assistant else { return message.content.trimmed }
    return reasoning.written(message.content, isLatest: false, isLast: false).trimmed
  }

  func write(_ messages: [ChatMessage], addGenerationPrompt: Bool, to put: (ChatPiece) -> Void) {
    func turn(_ role: String, _ content: String) {
      put(.control(Self.start))
      put(.text("\(role)\n\(content)"))
      put(.control(Self.end))
      put(.text("\n"))
    }
    // How the token is spelled is not written in the template.
    if writesBeginning { put(.beginning("")) }
    if let defaultSystem, let first = messages.first, first.role != .system { turn("system", defaultSystem) }
    let lastQuestion = reasoning?.lastQuestion(in: messages) ?? messages.count
    for (index, message) in messages.enumerated() {
      guard wrapsToolResponses, message.role == .tool else {
        var content = trims ? String(message.content.trimmed) : message.content
        if let reasoning, message.role == .assistant {
          let isLast = index + 1 == messages.count
          content = reasoning.written(content, isLatest: index > lastQuestion, isLast: isLast)
        }
        turn(message.role.rawValue, content)
        continue
      }
      // Consecutive tool answers share one user turn.
      if index == 0 || messages[index - 1].role != .tool {
        put(.control(Self.start))
        put(.text("user"))
      }
      put(.text("\n<tool_response>\n\(message.content)\n</tool_response>"))
      if index + 1 == messages.count || messages[index + 1].role != .tool {
        put(.control(Self.end))
        put(.text("\n"))
      }
    }
    if addGenerationPrompt {
      put(.control(Self.start))
      put(.text("assistant\n"))
    }
  }
}
