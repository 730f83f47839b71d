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

  private struct Tables: Sendable {
    var mapping: [UInt32: UInt32] = [:]
    var expansion: [UInt32: [UInt32]] = [:]
    var combining: [UInt32: UInt8] = [:]
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
          changed += [UInt32(scalar), UInt32(scalar)]
        }
      }
      for (first, results) in UnicodeTables.bertBlocks {
        for (scalar, result) in zip(first..., results.unicodeScalars) where scalar != result.value {
          mapping[scalar] = result.value
          changed += [scalar, scalar]
        }
      }
      let multiple = UnicodeTables.bertExpansion
      for index in stride(from: 0, to: multiple.count - 3, by: 4) {
        expansion[multiple[index]] = multiple[index + 1...index + 3].filter { $0 != 0 }
        changed += [multiple[index], multiple[index]]
      }
      let marks = UnicodeTables.combiningClasses
      for index in stride(from: 0, to: marks.count - 2, by: 3) {
        for scalar in marks[index]...marks[index + 1] {
          combining[scalar] = UInt8(marks[index + 2])
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

  /// Calls `word` with the UTF-8 of each normalised word, until it returns `false`.
  ///
  /// - Complexity: O(*n*); marks of different classes in one unbroken run are sorted.
  func words(_ text: Span<UInt8>, _ range: Range<Int>, _ word: (Span<UInt8>) -> Bool) {
    var pending: [UInt8] = []
    /// Marks of a run whose order is not yet known: (class, scalar).
    var marks: [(order: UInt8, scalar: UInt32)] = []
    var index = range.lowerBound

    func flushMarks() {
      guard !marks.isEmpty else { return }
      if marks.count > 1 {
        // A stable sort by class: the canonical order.
        var sorted: [[UInt32]] = Array(repeating: [], count: 256)
        for mark in marks { sorted[Int(mark.order)].append(mark.scalar) }
        for list in sorted { for scalar in list { UTF8Scanner.append(scalar, to: &pending) } }
      } else {
        UTF8Scanner.append(marks[0].scalar, to: &pending)
      }
      marks.removeAll(keepingCapacity: true)
    }
    func endWord() -> Bool {
      flushMarks()
      guard !pending.isEmpty else { return true }
      defer { pending.removeAll(keepingCapacity: true) }
      return word(pending.span)
    }
    /// Adds a scalar that normalisation left behind.
    func emit(_ scalar: UInt32) -> Bool {
      if let order = tables.combining[scalar] {
        marks.append((order, scalar))
        return true
      }
      flushMarks()
      let kind = tables.classes[scalar]
      guard kind == Self.punctuation else {
        UTF8Scanner.append(scalar, to: &pending)
        return true
      }
      guard endWord() else { return false }
      UTF8Scanner.append(scalar, to: &pending)
      return endWord()
    }

    while index < range.upperBound {
      let byte = text[index]
      if byte < 0x80, marks.isEmpty {
        let kind = tables.classes[UInt32(byte)]
        if kind == Self.plain || kind == Self.complex {
          pending.append(byte >= 0x41 && byte <= 0x5a ? byte | fold : byte)
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
        guard endWord() else { return }
      case Self.ideograph:
        guard endWord() else { return }
        UTF8Scanner.append(tables.mapping[scalar] ?? scalar, to: &pending)
        guard endWord() else { return }
      case Self.complex:
        guard decompose(scalar, emit) else { return }
      default:
        guard emit(scalar) else { return }
      }
    }
    _ = endWord()
  }

  private func decompose(_ scalar: UInt32, _ emit: (UInt32) -> Bool) -> Bool {
    if (0xac00...0xd7a3).contains(scalar) {
      let syllable = scalar - 0xac00
      let tail = syllable % 28
      return emit(0x1100 + syllable / 588) && emit(0x1161 + syllable % 588 / 28)
        && (tail == 0 || emit(0x11a7 + tail))
    }
    if let parts = tables.expansion[scalar] { return parts.allSatisfy(emit) }
    return emit(tables.mapping[scalar] ?? scalar)
  }
}
