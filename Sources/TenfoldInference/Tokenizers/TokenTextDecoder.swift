// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Turns a stream of token ids into text as it arrives, never splitting a Unicode scalar.
///
/// Byte-level tokens can end inside a scalar; its first bytes are held back until the rest comes.
///
/// ```swift
/// var decoder = TokenTextDecoder(tokenizer: tokenizer)
/// for id in ids { print(decoder.append(id), terminator: "") }
/// print(decoder.finish())
/// ```
public struct TokenTextDecoder: Sendable {
  private let tokenizer: any Tokenizer
  private var pending: [UInt8] = []

  /// Creates a decoder at the start of a text.
  ///
  /// - Parameter tokenizer: The tokenizer whose ids follow.
  public init(tokenizer: any Tokenizer) { self.tokenizer = tokenizer }

  /// Takes the next token.
  ///
  /// - Parameter id: A token id.
  /// - Returns: The text that is now certain; may be empty.
  public mutating func append(_ id: Int32) -> String {
    pending += tokenizer.bytes(of: id)
    let whole = pending.count - incompleteSuffix
    guard whole > 0 else { return "" }
    let text = String(decoding: pending[..<whole], as: UTF8.self)
    pending.removeFirst(whole)
    return text
  }

  /// Ends the text.
  ///
  /// - Returns: What was held back, repaired with U+FFFD if a scalar stayed incomplete.
  public mutating func finish() -> String {
    defer { pending.removeAll() }
    return String(decoding: pending, as: UTF8.self)
  }

  /// The length of a suffix that may still become a scalar: a lead byte with too few continuation bytes.
  private var incompleteSuffix: Int {
    for length in 1...3 where length <= pending.count {
      let byte = pending[pending.count - length]
      if byte & 0xc0 == 0x80 { continue }
      let needed =
        byte >= 0xf0 && byte <= 0xf4
        ? 4 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xc2 && byte < 0xe0 ? 2 : 1
      return needed > length ? length : 0
    }
    return 0
  }
}
