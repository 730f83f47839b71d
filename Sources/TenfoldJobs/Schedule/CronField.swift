// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One field of a cron expression: which values it matches.
struct CronField: Hashable, Sendable {
  /// One bit for each value; the widest field has 60.
  private var bits: UInt64 = 0
  /// Begins with `*`: the field doesn't restrict, or only by a step.
  private(set) var isWildcard = false

  /// Reads a field.
  ///
  /// - Parameters:
  ///   - text: Values, ranges, steps and lists of these, such as `1-5,30/10`.
  ///   - range: The values that exist.
  ///   - names: Names for the values from the start of the range on.
  /// - Throws: ``JobError`` with code ``JobError/Code/invalidOption``.
  init(_ text: Substring, in range: ClosedRange<Int>, names: [String] = []) throws(JobError) {
    isWildcard = text.hasPrefix("*")
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
      guard (1...2).contains(pieces.count), let body = pieces.first else { throw Self.wrong(text, range) }
      var step = 1
      if pieces.count == 2 {
        guard let value = Int(pieces[1]), value >= 1, value <= range.count else {
          throw Self.wrong(text, range)
        }
        step = value
      }
      let bounds = try Self.bounds(body, in: range, names, hasStep: pieces.count == 2, text)
      for value in stride(from: bounds.lowerBound, through: bounds.upperBound, by: step) {
        bits |= 1 << value
      }
    }
  }

  func matches(_ value: Int) -> Bool { bits & 1 << value != 0 }

  /// Adds what another value means, as 7 means Sunday.
  mutating func alias(_ value: Int, for other: Int) { if matches(value) { bits |= 1 << other } }

  private static func bounds(
    _ body: Substring,
    in range: ClosedRange<Int>,
    _ names: [String],
    hasStep: Bool,
    _ text: Substring
  ) throws(JobError) -> ClosedRange<Int> {
    if body == "*" { return range }
    func value(_ word: Substring) -> Int? {
      if let index = names.firstIndex(of: word.lowercased()) { return range.lowerBound + index }
      guard word.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(word) else { return nil }
      return range.contains(value) ? value : nil
    }
    let ends = body.split(separator: "-", omittingEmptySubsequences: false)
    guard (1...2).contains(ends.count), let first = value(ends[0]) else { throw wrong(text, range) }
    // A lone value with a step runs to the end of the range.
    guard ends.count == 2 else { return first...(hasStep ? range.upperBound : first) }
    guard let last = value(ends[1]), last >= first else { throw wrong(text, range) }
    return first...last
  }

  private static func wrong(_ text: Substring, _ range: ClosedRange<Int>) -> JobError {
    JobError(
      .invalidOption,
      "“\(text)” is no field of a cron expression for values \(range.lowerBound)-\(range.upperBound)"
    )
  }
}
