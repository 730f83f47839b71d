// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The template of Zephyr and TinyLlama: each message under its role, closed by the token that ends an answer.
struct ZephyrDialect: ChatDialect {
  var turnEnd: String? { nil }

  init?(_ source: ChatTemplateSource) throws(ModelError) {
    // Phi's templates look alike, but have an end token of their own.
    guard source.contains("<|user|>\n"), source.contains("<|system|>\n"), source.contains("<|assistant|>"),
      source.contains("eos_token"), !source.contains("<|end|>"), source.endsTurnOpening("<|assistant|>")
    else { return nil }
  }

  func write(_ messages: [ChatMessage], addGenerationPrompt: Bool, to put: (ChatPiece) -> Void) {
    for message in messages {
      // There is no role for tools.
      let role = message.role == .tool ? ChatRole.user : message.role
      put(.text("<|\(role.rawValue)|>\n\(message.content)"))
      put(.ending("</s>"))
      put(.text("\n"))
    }
    if addGenerationPrompt { put(.text("<|assistant|>\n")) }
  }
}
