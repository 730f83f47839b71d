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

  /// What marks turns and texts in the chat templates that are known: many a finetune's file lists it as plain or added text.
  ///
  /// As plain text the template would lack it; as added text a user could type it.
  private static let marks: Set<[UInt8]> = Set(
    [
      "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>",
      "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>",
    ].map { Array($0.utf8) }
  )
  private static let markLengths = 10...19
  /// The keys of the tokens that begin and end texts and turns.
  private static let named = ["bos", "eos", "eot"].map { "tokenizer.ggml.\($0)_token_id" }
  /// A spelling this short is one character of the byte alphabet: a file that names it has a wrong number.
  private static let longestCharacter = 2

  /// The kinds of a vocabulary's tokens; all normal where the file tells none.
  ///
  /// Chat marks are control tokens, whatever the file says, and so are the tokens that it names as beginning or ending
  /// texts: with text of its own an end could stand in the middle of an answer, or come from a user.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer`` for another number of kinds.
  static func all(_ metadata: GGUFMetadata, of tokens: GGUFStringArray) throws(ModelError) -> [TokenKind] {
    let value = metadata["tokenizer.ggml.token_type"]
    // Before any memory is taken for them.
    if let count = value?.arrayCount, count != tokens.count {
      throw ModelError(
        .invalidTokenizer,
        "The vocabulary has \(tokens.count) tokens but \(count) token types; use another model file."
      )
    }
    let numbers = value?.intArray
    var kinds =
      numbers?.map { TokenKind(rawValue: $0) ?? .normal } ?? Array(repeating: .normal, count: tokens.count)
    let named = Set(Self.named.compactMap { metadata[$0]?.int })
    var id = 0
    tokens.visit { source, range in
      defer { id += 1 }
      // All bytes are needed to spell a text, whatever the file names.
      if range.count > longestCharacter, named.contains(id), kinds[id] != .byte { kinds[id] = .control }
      guard markLengths.contains(range.count) else { return }
      // The range lies inside the array's checked bytes.
      unsafe source.extracting(range).withUnsafeBytes { spelling in
        guard unsafe spelling[1] == UInt8(ascii: "|"), marks.contains(unsafe Array(spelling)) else { return }
        kinds[id] = .control
      }
    }
    return kinds
  }
}
