// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// A piece of a conversation that is written down.
enum ChatPiece {
  /// The token that begins a text, and how it is spelled.
  case beginning(String)
  /// The token that ends an answer, and how it is spelled.
  case ending(String)
  /// A control token by its spelling.
  case control(String)
  /// Text, whatever is in it.
  case text(String)
}

/// One family of templates.
protocol ChatDialect: Hashable, Sendable {
  /// Reads a template's text; `nil` if it is of another family.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/unsupported`` for one of this family that can't be followed.
  init?(_ source: ChatTemplateSource) throws(ModelError)

  /// The control token that ends a turn; `nil` where that is the one that ends an answer.
  var turnEnd: String? { get }

  /// The text of a message that is certain to be written, wherever it stands.
  func certainText(of message: ChatMessage) -> Substring

  /// Hands over a conversation piece by piece.
  func write(_ messages: [ChatMessage], addGenerationPrompt: Bool, to put: (ChatPiece) -> Void)
}

extension ChatDialect {
  func certainText(of message: ChatMessage) -> Substring { message.content.trimmed }
}

extension String {
  /// The text without white space at its ends, as templates trim it.
  var trimmed: Substring {
    // What Python's `str.strip` removes: white space and four separators.
    func isSpace(_ scalar: Unicode.Scalar) -> Bool {
      scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value)
    }
    let scalars = unicodeScalars
    guard let first = scalars.firstIndex(where: { !isSpace($0) }),
      let last = scalars.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return self[first..<scalars.index(after: last)]
  }
}
