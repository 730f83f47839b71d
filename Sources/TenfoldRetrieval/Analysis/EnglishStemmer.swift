// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The Snowball English stemmer.
///
/// Also known as "Porter2", after Martin Porter; written from its published description.
///
/// R1 is the part of a word after the first consonant that follows a vowel; R2 is the same within R1. A suffix is
/// taken off only where it lies within the region that its rule names.
///
/// ```swift
/// EnglishStemmer.stem("generalizations")  // "general"
/// ```
public enum EnglishStemmer {
  /// The stem of a word.
  ///
  /// - Parameter word: A lower-case word; one with letters beyond ASCII is returned as it is.
  /// - Returns: Its stem.
  /// - Complexity: O(length of the word).
  public static func stem(_ word: String) -> String {
    var bytes = Array(word.utf8)
    guard bytes.allSatisfy({ $0 < 0x80 }) else { return word }
    stem(&bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Reduces a lower-case ASCII word to its stem in place.
  static func stem(_ word: inout [UInt8]) {
    guard word.count > 2 else { return }
    // The longest exceptional form has 7 letters.
    if word.count <= 7, let special = exceptions[Suffix(word)] {
      word = special
      return
    }
    var stemming = Stemming(word)
    stemming.run()
    word = stemming.word
  }

  /// Words up to 8 bytes packed into a number, so that a look-up hashes no array.
  private struct Suffix: Hashable {
    let packed: UInt64

    init(_ bytes: [UInt8]) { packed = bytes.reduce(0) { $0 << 8 | UInt64($1) } }
    init(_ text: String) { self.init(Array(text.utf8)) }
  }

  private static let exceptions: [Suffix: [UInt8]] = {
    let forms = [
      "skis": "ski", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "idly": "idl",
      "gently": "gentl", "ugly": "ugli", "early": "earli", "only": "onli", "singly": "singl", "sky": "sky",
      "news": "news", "howe": "howe", "atlas": "atlas", "cosmos": "cosmos", "bias": "bias", "andes": "andes",
    ]
    return Dictionary(uniqueKeysWithValues: forms.map { (Suffix($0.key), Array($0.value.utf8)) })
  }()
}

/// One word on its way to its stem.
private struct Stemming {
  private(set) var word: [UInt8]
  private var r1 = 0
  private var r2 = 0

  /// Stands for a `y` that is a consonant.
  private static let consonantY = UInt8(ascii: "Y")

  init(_ word: [UInt8]) {
    self.word = word
    if self.word[0] == UInt8(ascii: "'") { self.word.removeFirst() }
    for index in self.word.indices where self.word[index] == UInt8(ascii: "y") {
      if index == 0 || isVowel(index - 1) { self.word[index] = Self.consonantY }
    }
    r1 = regionStart(after: 0)
    for prefix: StaticString in ["gener", "commun", "arsen"] where starts(with: prefix) {
      r1 = prefix.utf8CodeUnitCount
    }
    r2 = regionStart(after: r1)
  }

  mutating func run() {
    if let length = ends(with: ["'s'", "'s", "'"]) { drop(length) }
    plural()
    if isInvariant { return restore() }
    pastAndParticiple()
    finalY()
    derivations()
    furtherDerivations()
    residues()
    finalEAndL()
    restore()
  }

  // MARK: - Steps

  /// Step 1a.
  private mutating func plural() {
    guard let last = word.last, last == UInt8(ascii: "s") || last == UInt8(ascii: "d") else { return }
    switch ends(with: ["sses", "ied", "ies", "us", "ss", "s"], longest: ()) {
    case "sses": drop(2)
    case "ied", "ies": drop(word.count > 4 ? 2 : 1)
    case "s":
      // A vowel that is not right before the s.
      if word.count > 2, hasVowel(before: word.count - 2) { drop(1) }
    default: break
    }
  }

  private var isInvariant: Bool {
    guard word.count == 6 || word.count == 7 else { return false }
    for form: StaticString in [
      "inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed",
    ] where form.utf8CodeUnitCount == word.count && starts(with: form) {
      return true
    }
    return false
  }

  /// Step 1b.
  private mutating func pastAndParticiple() {
    guard let suffix = ends(with: ["eedly", "ingly", "edly", "eed", "ing", "ed"], longest: ()) else { return }
    if suffix == "eed" || suffix == "eedly" {
      if isInR1(suffix.utf8.count) { drop(suffix == "eed" ? 1 : 3) }
      return
    }
    guard hasVowel(before: word.count - suffix.utf8.count) else { return }
    drop(suffix.utf8.count)
    if ends(with: ["at", "bl", "iz"]) != nil {
      word.append(UInt8(ascii: "e"))
    } else if ends(with: ["bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt"]) != nil {
      drop(1)
    } else if r1 >= word.count, endsInShortSyllable(word.count) {
      word.append(UInt8(ascii: "e"))
    }
  }

  /// Step 1c.
  private mutating func finalY() {
    guard word.count > 2, word[word.count - 1] | 0x20 == UInt8(ascii: "y"), !isVowel(word.count - 2) else {
      return
    }
    word[word.count - 1] = UInt8(ascii: "i")
  }

  /// Step 2.
  private mutating func derivations() {
    guard let rule = rule(in: Self.derivationRules), isInR1(rule.suffix.utf8CodeUnitCount) else { return }
    let before = word.count - rule.suffix.utf8CodeUnitCount - 1
    switch rule.suffix.description {
    case "ogi":
      guard before >= 0, word[before] == UInt8(ascii: "l") else { return }
    case "li":
      // The letters that may stand before -li: c d e g h k m n r t.
      guard before >= 0, "cdeghkmnrt".utf8.contains(word[before]) else { return }
    default: break
    }
    apply(rule)
  }

  /// Step 3.
  private mutating func furtherDerivations() {
    guard let rule = rule(in: Self.furtherRules), isInR1(rule.suffix.utf8CodeUnitCount) else { return }
    if rule.suffix.description == "ative", !isInR2(5) { return }
    apply(rule)
  }

  /// Step 4.
  private mutating func residues() {
    guard let rule = rule(in: Self.residueRules), isInR2(rule.suffix.utf8CodeUnitCount) else { return }
    if rule.suffix.description == "ion" {
      let before = word.count - 4
      guard before >= 0, word[before] == UInt8(ascii: "s") || word[before] == UInt8(ascii: "t") else {
        return
      }
    }
    apply(rule)
  }

  /// Step 5.
  private mutating func finalEAndL() {
    guard let last = word.last else { return }
    if last == UInt8(ascii: "e") {
      if isInR2(1) || (isInR1(1) && !endsInShortSyllable(word.count - 1)) { drop(1) }
    } else if last == UInt8(ascii: "l"), isInR2(1), word.count > 1, word[word.count - 2] == last {
      drop(1)
    }
  }

  private mutating func restore() {
    for index in word.indices where word[index] == Self.consonantY { word[index] = UInt8(ascii: "y") }
  }

  // MARK: - Rules

  private struct Rule {
    let suffix: StaticString
    let replacement: StaticString

    init(_ suffix: StaticString, _ replacement: StaticString) {
      self.suffix = suffix
      self.replacement = replacement
    }
  }

  // In each list a longer suffix stands before a shorter one that ends it.
  private static let derivationRules = [
    Rule("ational", "ate"), Rule("tional", "tion"), Rule("ization", "ize"), Rule("fulness", "ful"),
    Rule("ousness", "ous"), Rule("iveness", "ive"), Rule("biliti", "ble"), Rule("lessli", "less"),
    Rule("entli", "ent"), Rule("ation", "ate"), Rule("alism", "al"), Rule("aliti", "al"),
    Rule("ousli", "ous"),
    Rule("iviti", "ive"), Rule("fulli", "ful"), Rule("enci", "ence"), Rule("anci", "ance"),
    Rule("abli", "able"),
    Rule("izer", "ize"), Rule("ator", "ate"), Rule("alli", "al"), Rule("bli", "ble"), Rule("ogi", "og"),
    Rule("li", ""),
  ]

  private static let furtherRules = [
    Rule("ational", "ate"), Rule("tional", "tion"), Rule("alize", "al"), Rule("icate", "ic"),
    Rule("iciti", "ic"), Rule("ative", ""), Rule("ical", "ic"), Rule("ness", ""), Rule("ful", ""),
  ]

  private static let residueRules = [
    Rule("ement", ""), Rule("ment", ""), Rule("ance", ""), Rule("ence", ""), Rule("able", ""),
    Rule("ible", ""),
    Rule("ant", ""), Rule("ent", ""), Rule("ism", ""), Rule("ate", ""), Rule("iti", ""), Rule("ous", ""),
    Rule("ive", ""), Rule("ize", ""), Rule("ion", ""), Rule("al", ""), Rule("er", ""), Rule("ic", ""),
  ]

  private func rule(in rules: [Rule]) -> Rule? { rules.first { endsWith($0.suffix) } }

  private mutating func apply(_ rule: Rule) {
    drop(rule.suffix.utf8CodeUnitCount)
    unsafe word.append(
      contentsOf: UnsafeBufferPointer(
        start: rule.replacement.utf8Start,
        count: rule.replacement.utf8CodeUnitCount
      )
    )
  }

  // MARK: - Looking at the word

  private mutating func drop(_ count: Int) { word.removeLast(count) }

  private func isVowel(_ index: Int) -> Bool {
    switch word[index] {
    case UInt8(ascii: "a"), UInt8(ascii: "e"), UInt8(ascii: "i"), UInt8(ascii: "o"), UInt8(ascii: "u"),
      UInt8(ascii: "y"):
      true
    default: false
    }
  }

  private func hasVowel(before end: Int) -> Bool { (0..<max(0, end)).contains(where: isVowel) }

  private func regionStart(after start: Int) -> Int {
    var index = start
    while index < word.count, !isVowel(index) { index += 1 }
    while index < word.count, isVowel(index) { index += 1 }
    return min(word.count, index + 1)
  }

  private func isInR1(_ length: Int) -> Bool { word.count - length >= r1 }
  private func isInR2(_ length: Int) -> Bool { word.count - length >= r2 }

  /// Whether the first `end` letters end in a short syllable.
  private func endsInShortSyllable(_ end: Int) -> Bool {
    if end == 2 { return isVowel(0) && !isVowel(1) }
    guard end > 2, !isVowel(end - 3), isVowel(end - 2), !isVowel(end - 1) else { return false }
    switch word[end - 1] {
    case UInt8(ascii: "w"), UInt8(ascii: "x"), Self.consonantY: return false
    default: return true
    }
  }

  private func starts(with prefix: StaticString) -> Bool {
    let count = prefix.utf8CodeUnitCount
    guard count <= word.count else { return false }
    return (0..<count).allSatisfy { unsafe word[$0] == prefix.utf8Start[$0] }
  }

  private func endsWith(_ suffix: StaticString) -> Bool {
    let count = suffix.utf8CodeUnitCount
    let start = word.count - count
    guard start >= 0 else { return false }
    // A static string's bytes live as long as the process.
    return (0..<count).allSatisfy { unsafe word[start + $0] == suffix.utf8Start[$0] }
  }

  private func ends(with suffixes: [StaticString]) -> Int? {
    suffixes.first(where: endsWith)?.utf8CodeUnitCount
  }

  private func ends(with suffixes: [StaticString], longest: Void) -> String? {
    suffixes.first(where: endsWith)?.description
  }
}
