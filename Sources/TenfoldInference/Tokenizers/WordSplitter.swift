// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The pre-tokenizer of a byte-level BPE model: cuts text into the words inside which merges happen.
///
/// Hand-written scanners of the two patterns, without a regular expression engine; one pass, and each step
/// looks at most as far ahead as the word it returns.
struct WordSplitter: Sendable {
  /// The pattern.
  enum Style: Hashable, Sendable {
    /// GPT-2: contractions, letters, digits and other characters each with the space before them.
    case gpt2
    /// Runs of punctuation, digits in threes, GPT-2's pattern between them: files that name no pattern of their own.
    case plain
    /// Every digit alone, then GPT-2's pattern between digits.
    case smollm
    /// Qwen 2: contractions in any case, one leading character kept with letters, every digit alone.
    case qwen2
    /// Llama 3: as Qwen 2, but with digits in threes.
    case llama3

    private static let byName: [String: Style] = [
      "gpt-2": .gpt2, "default": .plain, "smollm": .smollm, "qwen2": .qwen2, "deepseek-r1-qwen": .qwen2,
      "llama-bpe": .llama3, "llama3": .llama3, "llama-v3": .llama3, "falcon3": .llama3,
    ]

    /// The names that GGUF files give the patterns.
    static var names: [String] { byName.keys.sorted() }

    /// The pattern of a name in a GGUF file.
    init?(name: String) {
      guard let style = Self.byName[name] else { return nil }
      self = style
    }
  }

  static let other: UInt8 = 0
  static let letter: UInt8 = 1
  static let number: UInt8 = 2
  static let space: UInt8 = 3
  /// What the plain style counts as punctuation; the other styles don't tell it from ``other``.
  static let punctuation: UInt8 = 4
  private static let end: UInt8 = 255

  private static let classes: ScalarClassTable = {
    ScalarClassTable([
      (UnicodeTables.letters, letter), (UnicodeTables.numbers, number), (UnicodeTables.whitespace, space),
      ([0x41, 0x5a, 0x61, 0x7a], letter), ([0x30, 0x39], number), ([0x09, 0x0d, 0x20, 0x20], space),
    ])
  }()

  private static let plainClasses: ScalarClassTable = {
    ScalarClassTable([
      (UnicodeTables.letters, letter), (UnicodeTables.numbers, number), (UnicodeTables.whitespace, space),
      (UnicodeTables.punctuation, punctuation),
      // All punctuation and symbols of ASCII but the grave accent.
      ([0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x5f, 0x7b, 0x7e], punctuation),
      ([0x41, 0x5a, 0x61, 0x7a], letter), ([0x30, 0x39], number), ([0x09, 0x0d, 0x20, 0x20], space),
    ])
  }()

  let style: Style
  private let classes: ScalarClassTable

  init(style: Style) {
    self.style = style
    classes = style == .plain ? Self.plainClasses : Self.classes
  }

  /// The end of the word that starts at `start`, which lies before `limit`; text beyond `limit` is not seen.
  @inline(__always)
  func wordEnd(_ text: Span<UInt8>, from start: Int, limit: Int) -> Int {
    // Letters, with or without a space before them, are a word in every style, and most words are that.
    let body = text[start] == UInt8(ascii: " ") ? start + 1 : start
    if body + 8 <= limit {
      let count = ASCIIBlock(text, body).leadingLetters
      if count > 0 {
        let end = body + count
        return count < 8 && text[end] < 0x80 ? end : lettersEnd(text, end, limit)
      }
    }
    return otherEnd(text, from: start, limit: limit)
  }

  private func otherEnd(_ text: Span<UInt8>, from start: Int, limit: Int) -> Int {
    switch style {
    case .gpt2: gpt2End(text, start, limit)
    case .plain: plainEnd(text, start, limit)
    case .smollm: smollmEnd(text, start, limit)
    case .qwen2: qwen2End(text, start, limit, digits: 1)
    case .llama3: qwen2End(text, start, limit, digits: 3)
    }
  }

  @inline(__always)
  private func look(_ text: Span<UInt8>, _ index: Int, _ limit: Int) -> (kind: UInt8, length: Int) {
    guard index < limit else { return (Self.end, 0) }
    let (scalar, length) = UTF8Scanner.scalar(text, at: index)
    return (classes[scalar], length)
  }

  /// The end of the run of `kind` at `index`.
  @inline(__always)
  private func runEnd(_ text: Span<UInt8>, _ index: Int, _ limit: Int, of kind: UInt8) -> Int {
    var index = index
    while true {
      let (found, length) = look(text, index, limit)
      guard found == kind else { return index }
      index += length
    }
  }

  /// The end of the run of letters at `index`.
  private func lettersEnd(_ text: Span<UInt8>, _ index: Int, _ limit: Int) -> Int {
    var index = index
    while true {
      if index + 8 <= limit, text[index] < 0x80 {
        let count = ASCIIBlock(text, index).leadingLetters
        index += count
        if count == 8 { continue }
        if text[index] < 0x80 { return index }
      }
      let (kind, length) = look(text, index, limit)
      guard kind == Self.letter else { return index }
      index += length
    }
  }

  /// The end of at most `count` characters of `kind` at `index`.
  @inline(__always)
  private func runEnd(
    _ text: Span<UInt8>,
    _ index: Int,
    _ limit: Int,
    of kind: UInt8,
    atMost count: Int
  ) -> Int {
    var index = index
    for _ in 0..<count {
      let (found, length) = look(text, index, limit)
      guard found == kind else { break }
      index += length
    }
    return index
  }

  /// The length of a contraction at `index`, which holds an apostrophe, or 0.
  private func contraction(_ text: Span<UInt8>, _ index: Int, _ limit: Int, anyCase: Bool) -> Int {
    guard index + 1 < limit else { return 0 }
    let fold: UInt8 = anyCase ? 0x20 : 0
    func letter(_ offset: Int) -> UInt8 {
      let byte = text[index + offset]
      return byte >= 0x41 && byte <= 0x5a ? byte | fold : byte
    }
    let first = letter(1)
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 2
    default: break
    }
    guard index + 2 < limit else { return 0 }
    let second = letter(2)
    if first == UInt8(ascii: "l"), second == UInt8(ascii: "l") { return 3 }
    if first == UInt8(ascii: "r") || first == UInt8(ascii: "v"), second == UInt8(ascii: "e") { return 3 }
    return 0
  }

  private func gpt2End(_ text: Span<UInt8>, _ start: Int, _ limit: Int) -> Int {
    let byte = text[start]
    if byte == UInt8(ascii: "'") {
      let length = contraction(text, start, limit, anyCase: false)
      if length > 0 { return start + length }
    }
    var body = start
    var kind = look(text, start, limit).kind
    if byte == UInt8(ascii: " ") {
      let next = look(text, start + 1, limit).kind
      if next == Self.letter || next == Self.number || next == Self.other {
        body = start + 1
        kind = next
      }
    }
    guard kind == Self.space else { return runEnd(text, body, limit, of: kind) }
    return spaceEnd(text, start, limit, endingText: nil, keepingLines: false)
  }

  /// Punctuation ends a text for what is before it; digits lose the space before them.
  private func plainEnd(_ text: Span<UInt8>, _ start: Int, _ limit: Int) -> Int {
    let (kind, _) = look(text, start, limit)
    if kind == Self.punctuation { return runEnd(text, start, limit, of: kind) }
    if kind == Self.number { return digitsEnd(text, start, limit) }
    var (body, bodyKind) = (start, kind)
    if text[start] == UInt8(ascii: " ") {
      let next = look(text, start + 1, limit).kind
      if next == Self.number { return start + 1 }
      if next == Self.letter || next == Self.other { (body, bodyKind) = (start + 1, next) }
    }
    guard bodyKind == Self.space else { return runEnd(text, body, limit, of: bodyKind) }
    return spaceEnd(text, start, limit, endingText: Self.punctuation, keepingLines: false)
  }

  /// Three ASCII digits, or what comes before the next three of them in a run of numbers.
  private func digitsEnd(_ text: Span<UInt8>, _ start: Int, _ limit: Int) -> Int {
    var index = start
    var digits = 0
    while true {
      let (kind, length) = look(text, index, limit)
      guard kind == Self.number else { return index }
      index += length
      digits = length == 1 ? digits + 1 : 0
      if digits == 3 { return index - 3 == start ? index : index - 3 }
    }
  }

  private func smollmEnd(_ text: Span<UInt8>, _ start: Int, _ limit: Int) -> Int {
    let byte = text[start]
    if byte == UInt8(ascii: "'") {
      let length = contraction(text, start, limit, anyCase: false)
      if length > 0 { return start + length }
    }
    let (kind, length) = look(text, start, limit)
    if kind == Self.number { return start + length }
    var body = start
    var bodyKind = kind
    if byte == UInt8(ascii: " ") {
      let next = look(text, start + 1, limit)
      if next.kind == Self.letter || next.kind == Self.other {
        body = start + 1
        bodyKind = next.kind
      }
    }
    if bodyKind == Self.letter || bodyKind == Self.other { return runEnd(text, body, limit, of: bodyKind) }
    return spaceEnd(text, start, limit, endingText: Self.number, keepingLines: false)
  }

  private func qwen2End(_ text: Span<UInt8>, _ start: Int, _ limit: Int, digits: Int) -> Int {
    let byte = text[start]
    if byte == UInt8(ascii: "'") {
      let length = contraction(text, start, limit, anyCase: true)
      if length > 0 { return start + length }
    }
    let (kind, length) = look(text, start, limit)
    if kind == Self.letter { return lettersEnd(text, start + length, limit) }
    if kind == Self.number {
      return runEnd(text, start + length, limit, of: Self.number, atMost: digits - 1)
    }
    let isNewline = byte == 0x0a || byte == 0x0d
    let next = look(text, start + length, limit)
    if !isNewline, next.kind == Self.letter {
      return lettersEnd(text, start + length, limit)
    }
    let body = byte == UInt8(ascii: " ") && next.kind == Self.other ? start + 1 : start
    if kind == Self.other || body > start {
      var end = runEnd(text, body, limit, of: Self.other)
      while end < limit, text[end] == 0x0a || text[end] == 0x0d { end += 1 }
      return end
    }
    return spaceEnd(text, start, limit, endingText: nil, keepingLines: true)
  }

  /// The end of the white-space word at `start`.
  ///
  /// It reaches up to the last line break of the run where lines are kept; else over the run without its last character
  /// if text follows. A character of the kind `endingText` is no text.
  private func spaceEnd(
    _ text: Span<UInt8>,
    _ start: Int,
    _ limit: Int,
    endingText: UInt8?,
    keepingLines: Bool
  ) -> Int {
    var index = start
    var last = start
    var lineEnd = start
    while true {
      let (kind, length) = look(text, index, limit)
      guard kind == Self.space else {
        if keepingLines, lineEnd > start { return lineEnd }
        return kind == Self.end || kind == endingText || last == start ? index : last
      }
      last = index
      index += length
      if text[last] == 0x0a || text[last] == 0x0d { lineEnd = index }
    }
  }
}
