// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Turns text into a model's token ids and back.
///
/// Implementations follow their reference exactly, id for id, and take time linear in the text's length
/// whatever the text. They are safe to share between threads.
///
/// ```swift
/// let tokenizer = try BytePairTokenizer(metadata: file.metadata)
/// let ids = tokenizer.encode("Hello, world!", parsingSpecial: false)
/// ```
public protocol Tokenizer: Sendable {
  /// The number of ids; every id is smaller.
  var vocabularySize: Int { get }

  /// Turns UTF-8 into token ids; invalid sequences become U+FFFD first.
  ///
  /// - Parameters:
  ///   - utf8: The text's bytes.
  ///   - parsingSpecial: Whether control tokens written out in the text become control ids. Leave it off for
  ///     anything a user or a document says: their text then stays text.
  /// - Returns: The ids.
  /// - Complexity: O(*n*) in the number of bytes.
  func encode(utf8: [UInt8], parsingSpecial: Bool) -> [Int32]

  /// The bytes `id` stands for in running text; empty for control tokens and for ids out of range.
  ///
  /// - Parameter id: A token id.
  /// - Returns: The bytes, which need not be whole UTF-8 scalars.
  func bytes(of id: Int32) -> [UInt8]

  /// The text of `ids`, without control tokens.
  ///
  /// - Parameter ids: Token ids.
  /// - Returns: The text, with invalid UTF-8 repaired.
  func decode(_ ids: [Int32]) -> String
}

extension Tokenizer {
  /// Turns text into token ids.
  ///
  /// - Parameters:
  ///   - text: The text.
  ///   - parsingSpecial: Whether control tokens written out in the text become control ids.
  /// - Returns: The ids.
  /// - Complexity: O(*n*) in the text's length.
  public func encode(_ text: String, parsingSpecial: Bool = false) -> [Int32] {
    encode(utf8: Array(text.utf8), parsingSpecial: parsingSpecial)
  }

  /// The text of `ids`, without control tokens.
  ///
  /// - Parameter ids: Token ids.
  /// - Returns: The text, with invalid UTF-8 repaired.
  public func decode(_ ids: [Int32]) -> String {
    var bytes: [UInt8] = []
    for id in ids { bytes += self.bytes(of: id) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
