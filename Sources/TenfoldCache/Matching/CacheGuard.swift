// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A second look at two questions whose vectors are alike, which tells whether the same answer would do.
///
/// Vectors hardly notice a changed number, a "not", another name, or two names in swapped places: such questions sit at a
/// cosine of 0.93 to 0.99, above most paraphrases. The guard compares the words themselves and vetoes. It takes
/// microseconds, needs no model, and is made for English; in other languages that put spaces between words its checks on
/// numbers, word order and substituted words still work. In Chinese, Japanese, Thai, Lao, Khmer and Burmese it can't tell
/// words apart, so it vetoes whenever any character of those scripts differs: only other spacing, punctuation and case
/// pass.
///
/// ```swift
/// CacheGuard().objection(to: "Is it safe to take 200 mg?", for: "Is it safe to take 400 mg?")   // .numbers
/// ```
public struct CacheGuard: Sendable {
  /// What the guard can object to.
  public struct Checks: OptionSet, Hashable, Sendable {
    /// The raw bits.
    public let rawValue: UInt8

    /// Creates a set from raw bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The numbers, their signs, the units of money, the operators or marks such as "#", "&" and "@" differ.
    public static let numbers = Self(rawValue: 1)
    /// One denies what the other asserts, or holds the opposite word.
    public static let negation = Self(rawValue: 2)
    /// A word written as a name is missing on the other side.
    public static let names = Self(rawValue: 4)
    /// The same words, or the same operators, in another order.
    public static let order = Self(rawValue: 8)
    /// One word of meaning is exchanged for an unrelated one, the others are the same; or a script without spaces between
    /// words differs at all.
    public static let substitution = Self(rawValue: 16)
    /// Every check.
    public static let all: Self = [.numbers, .negation, .names, .order, .substitution]
  }

  /// Which checks are made.
  public var checks: Checks

  /// Creates a guard; the default makes every check.
  public init(checks: Checks = .all) { self.checks = checks }

  /// Compares a stored question with a new one.
  ///
  /// - Parameters:
  ///   - stored: The question whose answer is there.
  ///   - question: The question that is asked.
  /// - Returns: The first check that objects, or `nil` when none does.
  /// - Complexity: O(*n*) in the length of the questions.
  public func objection(to stored: String, for question: String) -> Checks? {
    let a = GuardedText(stored)
    let b = GuardedText(question)
    if checks.contains(.numbers), a.numbers != b.numbers { return .numbers }
    if checks.contains(.negation), a.negations != b.negations || Self.oppose(a, b) { return .negation }
    if checks.contains(.names), !Self.namesAgree(a, b) { return .names }
    if checks.contains(.order), a.content != b.content, a.content.sorted() == b.content.sorted() {
      return .order
    }
    if checks.contains(.order), a.words != b.words, a.words.sorted() == b.words.sorted() { return .order }
    if checks.contains(.order), a.symbols != b.symbols, a.symbols.sorted() == b.symbols.sorted() {
      return .order
    }
    if checks.contains(.substitution), a.unspaced != b.unspaced { return .substitution }
    if checks.contains(.substitution), Self.isSubstitution(a.content, b.content) { return .substitution }
    return nil
  }

  private static func oppose(_ a: GuardedText, _ b: GuardedText) -> Bool {
    let left = Set(a.words)
    let right = Set(b.words)
    let onlyLeft = left.subtracting(right)
    let onlyRight = right.subtracting(left)
    guard !onlyLeft.isEmpty, !onlyRight.isEmpty else { return false }
    return GuardedText.opposites.contains { pair in
      (onlyLeft.contains(pair.0) && onlyRight.contains(pair.1))
        || (onlyLeft.contains(pair.1) && onlyRight.contains(pair.0))
    }
  }

  private static func namesAgree(_ a: GuardedText, _ b: GuardedText) -> Bool {
    let left = Set(a.words.map(GuardedText.stem))
    let right = Set(b.words.map(GuardedText.stem))
    return a.names.allSatisfy { right.contains(GuardedText.stem($0)) }
      && b.names.allSatisfy { left.contains(GuardedText.stem($0)) }
  }

  /// Whether each side has exactly one word of meaning that the other lacks, and the two are not forms of one word.
  private static func isSubstitution(_ a: [String], _ b: [String]) -> Bool {
    let onlyA = Set(a).subtracting(b)
    let onlyB = Set(b).subtracting(a)
    guard onlyA.count == 1, onlyB.count == 1, let x = onlyA.first, let y = onlyB.first else { return false }
    let shared = zip(x, y).prefix { $0 == $1 }.count
    return shared < 4 || shared * 2 < max(x.count, y.count)
  }
}
