// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a token is for; the numbers are those of GGUF's `tokenizer.ggml.token_type`.
enum TokenKind: Int, Sendable {
  case normal = 1
  case unknown = 2
  case control = 3
  case userDefined = 4
  case unused = 5
  case byte = 6

  /// The kinds of `count` tokens; all normal where the file tells none.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer`` for another number of kinds.
  static func all(_ metadata: GGUFMetadata, count: Int) throws(ModelError) -> [TokenKind] {
    guard let numbers = metadata["tokenizer.ggml.token_type"]?.intArray else {
      return Array(repeating: .normal, count: count)
    }
    guard numbers.count == count else {
      throw ModelError(
        .invalidTokenizer,
        "The vocabulary has \(count) tokens but \(numbers.count) token types; use another model file."
      )
    }
    return numbers.map { TokenKind(rawValue: $0) ?? .normal }
  }
}
