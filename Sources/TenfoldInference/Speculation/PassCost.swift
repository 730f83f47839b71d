// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a pass through a model costs: one row of it, and each further one.
///
/// A pass reads all weights once and then works for each row, so its time is nearly a line over its rows. The line is
/// fitted to past passes by least squares, recent ones counting more. As long as they had much the same number of rows,
/// a modelled slope takes the place of what they don't tell.
struct PassCost: Sendable, Equatable {
  /// Passes of more rows than this are no longer on the line of the small ones.
  static let mostRows = 64
  /// The modelled cost of a further row relative to a pass of one row: 0.13 for Qwen2.5 0.5B and 0.16 for SmolLM2 on two
  /// threads, twice that on one, by `tenfold-bench inference --case batch`.
  static let rowCost = 0.2
  /// What remains of a pass's weight after another one: some 30 passes count.
  private static let memory = 0.97
  /// How many passes, one row apart, the modelled slope weighs.
  private static let weight = 2.0

  /// The cost of a pass of one row, in seconds.
  private(set) var first = 1.0
  /// What each further row adds.
  private(set) var further = PassCost.rowCost
  /// Whether ``first`` was measured; otherwise it is only a unit.
  private(set) var isKnown = false
  private let isFixed: Bool
  private var count = 0.0
  private var sumOfRows = 0.0
  private var sumOfTimes = 0.0
  private var sumOfSquares = 0.0
  private var sumOfProducts = 0.0

  /// Costs to be measured.
  init() { isFixed = false }

  /// Costs that stay as they are.
  init(first: Double, further: Double) {
    self.first = first
    self.further = further
    isKnown = true
    isFixed = true
  }

  /// The cost of a pass of `rows` rows, at least one.
  func seconds(rows: Int) -> Double { first + further * Double(rows - 1) }

  /// Notes a pass.
  ///
  /// - Parameters:
  ///   - rows: All its rows.
  ///   - seconds: What it took by the clock.
  /// - Returns: What it is taken to have cost.
  @discardableResult
  mutating func note(rows: Int, seconds: Double) -> Double {
    guard !isFixed, rows > 0, seconds > 0 else { return self.seconds(rows: max(1, rows)) }
    guard rows <= Self.mostRows else { return seconds }
    // What took far longer was interrupted.
    let time = isKnown ? min(seconds, 2 * self.seconds(rows: rows)) : seconds
    let further = Double(rows - 1)
    count = count * Self.memory + 1
    sumOfRows = sumOfRows * Self.memory + further
    sumOfTimes = sumOfTimes * Self.memory + time
    sumOfSquares = sumOfSquares * Self.memory + further * further
    sumOfProducts = sumOfProducts * Self.memory + further * time
    fit()
    return seconds
  }

  /// Minimises the squares of time − (first + further · rows), and `weight` times that of further − `rowCost` · first.
  private mutating func fit() {
    let (m, w) = (Self.rowCost, Self.weight)
    let (a, b, d) = (count + w * m * m, sumOfRows - w * m, sumOfSquares + w)
    // Positive: the two unknowns' columns are never parallel.
    let determinant = a * d - b * b
    let first = (sumOfTimes * d - sumOfProducts * b) / determinant
    let further = (sumOfProducts * a - sumOfTimes * b) / determinant
    guard first > 0, further >= 0, first.isFinite, further.isFinite else { return }
    (self.first, self.further, isKnown) = (first, further, true)
  }
}
