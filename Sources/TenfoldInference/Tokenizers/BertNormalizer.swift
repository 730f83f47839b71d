// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Text normalisation and word splitting of BERT models: controls deleted, ideographs set apart, and for uncased ones
/// accents stripped after decomposition, lower-cased; words end at white space and around punctuation.
struct BertNormalizer: Sendable {
  private static let plain: UInt8 = 0
  private static let removed: UInt8 = 1
  private static let space: UInt8 = 2
  private static let ideograph: UInt8 = 3
  private static let punctuation: UInt8 = 4
  /// Letters whose lower-case form is another scalar, marks that need ordering, Hangul syllables.
  private static let complex: UInt8 = 5

  /// Beyond all scalars.
  private static let expansionMark: UInt32 = 1 << 24

  /// Working memory, to be used again from call to call.
  struct Memory: Sendable {
    /// The UTF-8 of the word so far.
    fileprivate var pending: [UInt8] = []
    /// Marks of a run whose order is not yet known.
    fileprivate var marks: [(order: UInt32, scalar: UInt32)] = []
  }

  private struct Tables: Sendable {
    /// What a scalar becomes: another, or from ``expansionMark`` on where its parts are in `parts`.
    var mapping = ScalarMap()
    /// Up to three scalars each, then zeros.
    var parts: [UInt32] = []
    var combining = ScalarMap()
    private(set) var classes = ScalarClassTable([])

    init(_ options: WordPieceTokenizer.Options) {
      let changed = options.isCased ? [] : readMappings()
      classes = ScalarClassTable([
        (options.isCased ? UnicodeTables.bertControls : UnicodeTables.bertRemoved, removed),
        (UnicodeTables.whitespace, space),
        (UnicodeTables.bertPunctuation, punctuation),
        // After punctuation: the Greek question mark is both, and becomes a semicolon.
        (changed, complex),
        (options.splitsIdeographs ? UnicodeTables.bertIdeographs : [], ideograph),
        ([0x00, 0x1f, 0x7f, 0x7f, 0x85, 0x85], removed),
        ([0x09, 0x0a, 0x0d, 0x0d, 0x20, 0x20], space),
        ([0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e], punctuation),
      ])
    }

    /// Reads what lower-casing and decomposition make of scalars; returns the ranges of those they change.
    private mutating func readMappings() -> [UInt32] {
      let runs = UnicodeTables.bertRuns
      var changed: [UInt32] = []
      for index in stride(from: 0, to: runs.count - 3, by: 4) {
        for step in 0..<runs[index + 1] {
          let scalar = runs[index] + step * runs[index + 2]
          mapping[UInt32(scalar)] = UInt32(scalar + runs[index + 3])
          changed.append(UInt32(scalar))
          changed.append(UInt32(scalar))
        }
      }
      for (first, results) in UnicodeTables.bertBlocks {
        for (scalar, result) in zip(first..., results.unicodeScalars) where scalar != result.value {
          mapping[scalar] = result.value
          changed.append(scalar)
          changed.append(scalar)
        }
      }
      let multiple = UnicodeTables.bertExpansion
      for index in stride(from: 0, to: multiple.count - 3, by: 4) {
        mapping[multiple[index]] = BertNormalizer.expansionMark + UInt32(parts.count)
        parts += multiple[index + 1...index + 3]
        changed += [multiple[index], multiple[index]]
      }
      let marks = UnicodeTables.combiningClasses
      for index in stride(from: 0, to: marks.count - 2, by: 3) {
        for scalar in marks[index]...marks[index + 1] {
          combining[scalar] = marks[index + 2]
          changed += [scalar, scalar]
        }
      }
      changed += [0xac00, 0xd7a3]
      return changed
    }
  }

  private static let uncased = Tables(WordPieceTokenizer.Options())
  private static let cased = Tables(WordPieceTokenizer.Options(isCased: true))
  private let tables: Tables
  /// What turns an ASCII capital into a small letter, or 0.
  private let fold: UInt8

  init(_ options: WordPieceTokenizer.Options = WordPieceTokenizer.Options()) {
    fold = options.isCased ? 0 : 0x20
    // The common ones are made once.
    guard options.splitsIdeographs else {
      tables = Tables(options)
      return
    }
    tables = options.isCased ? Self.cased : Self.uncased
  }

  // MARK: - Stretches

  /// What a text is cut into before it is normalised: nothing that normalisation does reaches across.
  enum Stretch {
    /// A character that ends words.
    case space
    /// A punctuation mark or an ideograph, which is a word of its own.
    case single
    /// Other characters, as many as follow each other.
    case run
  }

  /// The stretch that begins at `start`, and its end.
  @inline(__always)
  func stretch(_ text: Span<UInt8>, from start: Int, limit: Int) -> (kind: Stretch, end: Int) {
    let (scalar, length) = UTF8Scanner.scalar(text, at: start)
    switch tables.classes[scalar] {
    case Self.space: return (.space, start + length)
    case Self.punctuation, Self.ideograph: return (.single, start + length)
    default: return (.run, runEnd(text, start + length, limit))
    }
  }

  private func runEnd(_ text: Span<UInt8>, _ start: Int, _ limit: Int) -> Int {
    var index = start
    while index < limit {
      if index + 8 <= limit, text[index] < 0x80 {
        let count = ASCIIBlock(text, index).leadingAlphanumerics
        index += count
        if count == 8 { continue }
      }
      let (scalar, length) = UTF8Scanner.scalar(text, at: index)
      let kind = tables.classes[scalar]
      guard kind == Self.plain || kind == Self.complex || kind == Self.removed else { return index }
      index += length
    }
    return index
  }

  // MARK: - Words

  /// Calls `word` with the UTF-8 of each normalised word, until it returns `false`.
  ///
  /// - Complexity: O(*n*) for *n* bytes; an unbroken run of *m* combining marks is sorted, in O(*m* log *m*).
  func words(_ text: Span<UInt8>, _ range: Range<Int>, _ memory: inout Memory, _ word: (Span<UInt8>) -> Bool)
  {
    var index = range.lowerBound
    memory.pending.removeAll(keepingCapacity: memory.pending.capacity <= 4_096)
    memory.marks.removeAll(keepingCapacity: memory.marks.capacity <= 4_096)
    while index < range.upperBound {
      let byte = text[index]
      if byte < 0x80, memory.marks.isEmpty {
        let kind = tables.classes[UInt32(byte)]
        if kind == Self.plain || kind == Self.complex {
          memory.pending.append(byte >= 0x41 && byte <= 0x5a ? byte | fold : byte)
          index += 1
          continue
        }
      }
      let (scalar, length) = UTF8Scanner.scalar(text, at: index)
      index += length
      switch tables.classes[scalar] {
      case Self.removed:
        continue
      case Self.space:
        guard endWord(&memory, word) else { return }
      case Self.ideograph:
        guard endWord(&memory, word) else { return }
        let mapped = tables.mapping[scalar]
        UTF8Scanner.append(mapped == 0 ? scalar : mapped, to: &memory.pending)
        guard endWord(&memory, word) else { return }
      case Self.complex:
        guard decompose(scalar, &memory, word) else { return }
      default:
        guard emit(scalar, &memory, word) else { return }
      }
    }
    _ = endWord(&memory, word)
  }

  private func decompose(_ scalar: UInt32, _ memory: inout Memory, _ word: (Span<UInt8>) -> Bool) -> Bool {
    if (0xac00...0xd7a3).contains(scalar) {
      let syllable = scalar - 0xac00
      let tail = syllable % 28
      return emit(0x1100 + syllable / 588, &memory, word)
        && emit(0x1161 + syllable % 588 / 28, &memory, word)
        && (tail == 0 || emit(0x11a7 + tail, &memory, word))
    }
    let mapped = tables.mapping[scalar]
    guard mapped >= Self.expansionMark else { return emit(mapped == 0 ? scalar : mapped, &memory, word) }
    let first = Int(mapped - Self.expansionMark)
    for index in first..<first + 3 where tables.parts[index] != 0 {
      guard emit(tables.parts[index], &memory, word) else { return false }
    }
    return true
  }

  /// Adds a scalar that normalisation left behind.
  private func emit(_ scalar: UInt32, _ memory: inout Memory, _ word: (Span<UInt8>) -> Bool) -> Bool {
    let kind = tables.classes[scalar]
    // All marks are complex.
    if kind == Self.complex {
      let order = tables.combining[scalar]
      if order != 0 {
        memory.marks.append((order, scalar))
        return true
      }
    }
    flushMarks(&memory)
    guard kind == Self.punctuation else {
      UTF8Scanner.append(scalar, to: &memory.pending)
      return true
    }
    guard endWord(&memory, word) else { return false }
    UTF8Scanner.append(scalar, to: &memory.pending)
    return endWord(&memory, word)
  }

  private func endWord(_ memory: inout Memory, _ word: (Span<UInt8>) -> Bool) -> Bool {
    flushMarks(&memory)
    guard !memory.pending.isEmpty else { return true }
    let goesOn = word(memory.pending.span)
    memory.pending.removeAll(keepingCapacity: true)
    return goesOn
  }

  /// Adds the marks of a run in their canonical order: by class, those of one class as they came.
  private func flushMarks(_ memory: inout Memory) {
    guard !memory.marks.isEmpty else { return }
    if memory.marks.count > 1 {
      // The standard library's sort is stable but does not promise to be.
      let order = memory.marks.enumerated().sorted {
        ($0.element.order, $0.offset) < ($1.element.order, $1.offset)
      }
      for mark in order { UTF8Scanner.append(mark.element.scalar, to: &memory.pending) }
    } else {
      UTF8Scanner.append(memory.marks[0].scalar, to: &memory.pending)
    }
    memory.marks.removeAll(keepingCapacity: true)
  }
}
