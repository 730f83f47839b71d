// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Learns what a pass costs by its rows, and says how many prompt rows fit into a time.
///
/// A pass reads all weights once and then works for each row, so its time is nearly a line over its rows. The line is
/// fitted to past passes by least squares, recent ones counting more, as contexts grow and neighbours come and go.
struct PassTimes: Sendable {
  /// Prompt rows that a pass carries however slow it is: fewer would read the weights again for little work.
  static let fewestRows = 32
  /// What remains of a pass's weight after the next one: some 30 passes count.
  private static let memory = 0.97

  private var count = 0.0
  private var sumOfRows = 0.0
  private var sumOfTimes = 0.0
  private var sumOfSquares = 0.0
  private var sumOfProducts = 0.0
  /// Rows a second at best, as long as a pass with many rows is known; what was long ago counts less.
  private var rate: Double?

  /// Notes a pass.
  ///
  /// - Parameters:
  ///   - rows: All its rows.
  ///   - duration: What it took by the clock.
  mutating func note(rows: Int, duration: Duration) {
    let (rows, time) = (Double(rows), duration / .seconds(1))
    guard rows > 0, time > 0 else { return }
    count = count * Self.memory + 1
    sumOfRows = sumOfRows * Self.memory + rows
    sumOfTimes = sumOfTimes * Self.memory + time
    sumOfSquares = sumOfSquares * Self.memory + rows * rows
    sumOfProducts = sumOfProducts * Self.memory + rows * time
    if rows >= Double(2 * Self.fewestRows) {
      rate = max(rows / time, (rate ?? 0) * Self.memory)
    } else if let known = rate {
      // Fewer rows are slower each, but may show that the machine has become faster.
      rate = max(known, rows / time)
    }
  }

  /// How many prompt rows a pass may carry.
  ///
  /// - Parameters:
  ///   - target: How long the pass may take.
  ///   - others: Rows that it has anyway.
  ///   - limit: The most in any case.
  /// - Returns: A multiple of ``fewestRows`` or `limit`; `limit` as long as no pass is known.
  func promptRows(within target: Duration, besides others: Int, limit: Int) -> Int {
    guard count > 0 else { return limit }
    let (fixed, perRow) = line
    let rows = (target / .seconds(1) - fixed) / perRow - Double(others)
    guard rows < Double(limit) else { return limit }
    // What fits but for a rounding error fits.
    let whole = Int(max(0, rows + 1e-3)) / Self.fewestRows * Self.fewestRows
    return min(limit, max(Self.fewestRows, whole))
  }

  /// What so many rows take at least; `nil` as long as no pass with many rows is known.
  ///
  /// It is not read off the line, which is good for rows like those that were seen: after passes of single rows only, it would
  /// say that each row takes what reading all the weights does.
  func leastDuration(ofRows rows: Int) -> Duration? { rate.map { .seconds(Double(rows) / $0) } }

  /// How many rows of the passes so far have taken as long; 0 as long as no pass is known.
  func rows(in duration: Duration) -> Double {
    sumOfTimes > 0 ? max(0, duration / .seconds(1)) * sumOfRows / sumOfTimes : 0
  }

  /// The time of a pass without rows and of each row, neither negative.
  private var line: (fixed: Double, perRow: Double) {
    let even = sumOfTimes / sumOfRows
    let spread = count * sumOfSquares - sumOfRows * sumOfRows
    // Passes that are all alike say nothing about the slope; then all of the time counts as the rows'.
    guard spread > 1e-3 * sumOfRows * sumOfRows else { return (0, even) }
    let slope = (count * sumOfProducts - sumOfRows * sumOfTimes) / spread
    let fixed = (sumOfTimes - slope * sumOfRows) / count
    guard slope > 0, fixed > 0 else { return (0, even) }
    return (fixed, slope)
  }
}
