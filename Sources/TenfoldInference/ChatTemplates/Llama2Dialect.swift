// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Llama 2's instructions in brackets, each question and its answer between the tokens that begin and end a text.
///
/// The reference refuses conversations that don't alternate. Here whatever is not the model's is an instruction, and the
/// first system message becomes part of the instruction after it.
struct Llama2Dialect: ChatDialect {
  private static let open = "[INST]"
  private static let close = "[/INST]"
  private static let system = "<<SYS>>\n"
  private static let systemEnd = "\n<</SYS>>\n\n"

  var turnEnd: String? { nil }

  init?(_ source: ChatTemplateSource) throws(ModelError) {
    guard source.contains("\(Self.open) "), source.contains(" \(Self.close)"),
      source.contains(Self.system), source.contains(Self.systemEnd),
      source.contains("bos_token"), source.contains("eos_token")
    else { return nil }
  }

  func write(_ messages: [ChatMessage], addGenerationPrompt: Bool, to put: (ChatPiece) -> Void) {
    func instruction(_ content: String) {
      put(.beginning("<s>"))
      put(.text("\(Self.open) \(content.trimmed) \(Self.close)"))
    }
    var rest = messages[...]
    if let first = rest.first, first.role == .system {
      rest.removeFirst()
      let isFollowed = rest.first.map { $0.role != .assistant } ?? false
      instruction(
        Self.system + first.content + Self.systemEnd + (isFollowed ? rest.removeFirst().content : "")
      )
    }
    for message in rest {
      guard message.role == .assistant else {
        instruction(message.content)
        continue
      }
      put(.text(" \(message.content.trimmed) "))
      put(.ending("</s>"))
    }
  }
}
