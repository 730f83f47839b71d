// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Cuts long texts into overlapping passages that an embedder takes whole.
///
/// An embedder sees a text up to its limit of tokens; what comes after is not found. The splitter cuts between
/// paragraphs and sentences, inside a sentence only where one is longer than a passage may be, and never inside a Unicode
/// scalar. The same text gives the same passages.
///
/// ```swift
/// let splitter = try PassageSplitter(maxTokens: embedder.profile.maxTokens - 2)
/// let passages = splitter.passages(of: document) { embedder.tokenCount(of: $0) }
/// try await index.add(passages)
/// ```
public struct PassageSplitter: Hashable, Sendable {
  /// The most tokens of a passage.
  public let maxTokens: Int
  /// The most tokens of a passage that the next one begins with; whole sentences, so that it may be fewer.
  public let overlapTokens: Int

  /// Creates a splitter.
  ///
  /// - Parameters:
  ///   - maxTokens: The most tokens of a passage, at least 8. Leave room for what an embedder adds: two for BERT.
  ///   - overlapTokens: The most tokens that two passages have in common, at most half of `maxTokens`; `nil` for an
  ///     eighth.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/invalidOption``.
  public init(maxTokens: Int = 254, overlapTokens: Int? = nil) throws(RetrievalError) {
    let overlap = overlapTokens ?? maxTokens / 8
    try RetrievalError.require(maxTokens >= 8, "maxTokens", "at least 8")
    try RetrievalError.require(
      overlap >= 0 && overlap <= maxTokens / 2,
      "overlapTokens",
      "in 0...maxTokens/2"
    )
    self.maxTokens = maxTokens
    self.overlapTokens = overlap
  }

  /// Cuts a text.
  ///
  /// A passage's count of tokens is the sum of its pieces', which for WordPiece is its own. A single character that
  /// counts more than ``maxTokens`` is a passage by itself.
  ///
  /// - Parameters:
  ///   - text: Any text.
  ///   - countTokens: How many tokens a part of the text has; called for sentences, and for the words and pieces of those
  ///     that are too long.
  /// - Returns: The passages in order; none for a text of white space. Together they have all of the text but white space.
  /// - Throws: What `countTokens` throws.
  /// - Complexity: O(*n*) in the text's length, as far as `countTokens` is.
  public func split<Failure: Error>(
    _ text: String,
    countTokens: (Substring) throws(Failure) -> Int
  ) throws(Failure) -> [TextPassage] {
    var text = text
    text.makeContiguousUTF8()
    var units: [TextUnit] = []
    for var sentence in SentenceBreaker(Array(text.utf8)).sentences() {
      sentence.tokenCount = max(0, try countTokens(text[utf8: sentence.range]))
      if sentence.tokenCount <= maxTokens {
        units.append(sentence)
      } else {
        try append(sentence, of: text, to: &units, countTokens)
      }
    }
    return assembled(units).map { range in
      let place = units[range.lowerBound].range.lowerBound..<units[range.upperBound - 1].range.upperBound
      return TextPassage(
        text: String(text[utf8: place]),
        utf8Range: place,
        tokenCount: units[range].reduce(0) { $0 + $1.tokenCount }
      )
    }
  }

  /// Cuts a text by estimated tokens, where no tokenizer is at hand.
  ///
  /// - Parameter text: Any text.
  /// - Returns: The passages in order, as ``split(_:countTokens:)`` with ``estimatedTokenCount(of:)`` gives them.
  /// - Complexity: O(*n*) in the text's length.
  public func split(_ text: String) -> [TextPassage] {
    split(text) { Self.estimatedTokenCount(of: $0) }
  }

  /// Cuts a document into documents of their own, ready to be indexed.
  ///
  /// Passage *i* has the id of the document, a `#` and *i*, counted from 0, and the document's title. Its metadata is the
  /// document's with ``documentKey``, ``passageCountKey`` and ``utf8OffsetKey``. When a document is replaced by one with
  /// fewer passages, remove those that are left over: ``passageIDs(of:count:)`` names them.
  ///
  /// - Parameters:
  ///   - document: The document.
  ///   - countTokens: How many tokens a part of the text has. The title is counted too, as it is embedded with the text.
  /// - Returns: The passages; a title without text makes one.
  /// - Throws: What `countTokens` throws.
  /// - Complexity: O(*n*) in the text's length, and in the title's for each passage.
  public func passages<Failure: Error>(
    of document: IndexedDocument,
    countTokens: (Substring) throws(Failure) -> Int
  ) throws(Failure) -> [IndexedDocument] {
    // The title and the full stop behind it, but never more than half of a passage.
    let title = document.title.isEmpty ? 0 : try countTokens((document.title + ". ")[...])
    let reserved = max(0, min(title, maxTokens / 2))
    let splitter = PassageSplitter(
      room: maxTokens - reserved,
      overlap: min(overlapTokens, (maxTokens - reserved) / 2)
    )
    var passages = try splitter.split(document.text, countTokens: countTokens)
    if passages.isEmpty, title > 0 { passages = [TextPassage(text: "", utf8Range: 0..<0, tokenCount: 0)] }
    let ids = Self.passageIDs(of: document.id, count: passages.count)
    return zip(ids, passages).map { id, passage in
      var result = document
      result.id = id
      result.text = passage.text
      result.metadata[Self.documentKey] = document.id.rawValue
      result.metadata[Self.passageCountKey] = String(passages.count)
      result.metadata[Self.utf8OffsetKey] = String(passage.utf8Range.lowerBound)
      return result
    }
  }

  /// The metadata key under which a passage names its document.
  public static let documentKey = "tenfold.document"
  /// The metadata key under which a passage says how many passages its document has.
  public static let passageCountKey = "tenfold.passages"
  /// The metadata key under which a passage says where in its document it begins, in UTF-8 bytes.
  public static let utf8OffsetKey = "tenfold.offset"

  /// The ids of a document's passages.
  ///
  /// - Parameters:
  ///   - document: The document's id.
  ///   - count: How many passages there are.
  /// - Returns: The ids in order.
  public static func passageIDs(of document: DocumentID, count: Int) -> [DocumentID] {
    (0..<max(0, count)).map { DocumentID("\(document.rawValue)#\($0)") }
  }

  /// The document that a passage was cut from.
  ///
  /// - Parameter passage: The id of a passage, or any other.
  /// - Returns: The id without the `#` and the number at its end, if it has them.
  public static func document(of passage: DocumentID) -> DocumentID {
    let digits = passage.rawValue.utf8.reversed().prefix { (0x30...0x39).contains($0) }.count
    let prefix = passage.rawValue.utf8.dropLast(digits)
    guard digits > 0, prefix.last == UInt8(ascii: "#") else { return passage }
    return DocumentID(String(decoding: prefix.dropLast(), as: UTF8.self))
  }

  /// About how many tokens a text has, where no tokenizer is at hand.
  ///
  /// One for four ASCII letters or digits of a word, one for any other character but white space; English has rather fewer.
  ///
  /// - Parameter text: The text.
  /// - Returns: The estimate.
  /// - Complexity: O(*n*) in the text's length.
  public static func estimatedTokenCount(of text: some StringProtocol) -> Int {
    var count = 0
    var run = 0
    for scalar in text.unicodeScalars {
      switch scalar {
      case "0"..."9", "A"..."Z", "a"..."z":
        if run.isMultiple(of: 4) { count += 1 }
        run += 1
      case _:
        run = 0
        if !SentenceBreaker.isSpace(scalar.value) { count += 1 }
      }
    }
    return count
  }

  // MARK: - Private

  private init(room: Int, overlap: Int) {
    maxTokens = room
    overlapTokens = overlap
  }

  /// Appends the words of a sentence that is too long for a passage, and the pieces of words that are.
  private func append<Failure: Error>(
    _ sentence: TextUnit,
    of text: String,
    to units: inout [TextUnit],
    _ countTokens: (Substring) throws(Failure) -> Int
  ) throws(Failure) {
    let bytes = Array(text[utf8: sentence.range].utf8)
    let base = sentence.range.lowerBound
    var index = 0
    while index < bytes.count {
      let start = index
      while index < bytes.count {
        let (scalar, length) = SentenceBreaker.scalar(bytes, at: index)
        if SentenceBreaker.isSpace(scalar) { break }
        index += length
      }
      var word = TextUnit(range: base + start..<base + index, boundary: .word)
      while index < bytes.count {
        let (scalar, length) = SentenceBreaker.scalar(bytes, at: index)
        guard SentenceBreaker.isSpace(scalar) else { break }
        if SentenceBreaker.endsLine(scalar) { word.boundary = .line }
        index += length
      }
      word.tokenCount = max(0, try countTokens(text[utf8: word.range]))
      if word.tokenCount <= maxTokens {
        units.append(word)
      } else {
        try appendPieces(of: word, in: text, to: &units, countTokens)
      }
    }
    units[units.count - 1].boundary = sentence.boundary
  }

  /// Cuts a word between characters into pieces that are short enough whatever a token is: a token is at least a byte.
  private func appendPieces<Failure: Error>(
    of word: TextUnit,
    in text: String,
    to units: inout [TextUnit],
    _ countTokens: (Substring) throws(Failure) -> Int
  ) throws(Failure) {
    var piece = word.range.lowerBound..<word.range.lowerBound
    func close() throws(Failure) {
      guard !piece.isEmpty else { return }
      let count = max(0, try countTokens(text[utf8: piece]))
      units.append(TextUnit(range: piece, boundary: .piece, tokenCount: count))
      piece = piece.upperBound..<piece.upperBound
    }
    for character in text[utf8: word.range] {
      // A character of many scalars, which nothing bounds, is cut between them.
      let isLong = character.utf8.count > maxTokens
      if !isLong, piece.count + character.utf8.count > maxTokens { try close() }
      for scalar in character.unicodeScalars {
        let length = scalar.utf8.count
        if isLong, piece.count + length > maxTokens { try close() }
        piece = piece.lowerBound..<piece.upperBound + length
      }
    }
    try close()
  }

  /// The units of each passage.
  private func assembled(_ units: [TextUnit]) -> [Range<Int>] {
    var passages: [Range<Int>] = []
    var start = 0
    // What must be in a passage that the ones before it don't have.
    var fresh = 0
    while fresh < units.count {
      var end = fresh
      var tokens = units[start..<fresh].reduce(0) { $0 + $1.tokenCount }
      repeat {
        tokens += units[end].tokenCount
        end += 1
      } while end < units.count && tokens + units[end].tokenCount <= maxTokens
      if end < units.count { end = cut(units, from: start, fresh: fresh, to: end) }
      passages.append(start..<end)
      start = overlapStart(units, after: start, end: end)
      fresh = end
    }
    return passages
  }

  /// The best place to end a passage that would end at `end`: after a paragraph rather than a sentence, and so on, and
  /// then as late as may be.
  ///
  /// At least half of a passage is filled, and a quarter with what is new in it, so that every unit is looked at a few
  /// times at most.
  private func cut(_ units: [TextUnit], from start: Int, fresh: Int, to end: Int) -> Int {
    var best = end
    let old = units[start..<fresh].reduce(0) { $0 + $1.tokenCount }
    var new = units[fresh..<end].reduce(0) { $0 + $1.tokenCount }
    for place in (fresh + 1..<end).reversed() {
      new -= units[place].tokenCount
      guard (old + new) * 2 >= maxTokens, new * 4 >= maxTokens else { break }
      if units[place - 1].boundary > units[best - 1].boundary { best = place }
    }
    return best
  }

  /// Where the next passage starts: as many whole sentences back as the overlap allows and the next unit leaves room for.
  private func overlapStart(_ units: [TextUnit], after start: Int, end: Int) -> Int {
    guard end < units.count else { return end }
    let room = min(overlapTokens, maxTokens - units[end].tokenCount)
    var place = end
    var best = end
    var tokens = 0
    while place - 1 > start {
      tokens += units[place - 1].tokenCount
      guard tokens <= room else { break }
      place -= 1
      // Begin after a sentence; inside a long one, after a word.
      if units[place - 1].boundary >= min(.sentence, units[end - 1].boundary) { best = place }
    }
    return best
  }
}

extension String {
  /// The part between two offsets in UTF-8 bytes, which lie between scalars.
  fileprivate subscript(utf8 range: Range<Int>) -> Substring {
    let start = utf8.index(utf8.startIndex, offsetBy: range.lowerBound)
    return self[start..<utf8.index(start, offsetBy: range.count)]
  }
}
