// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The value that a share of the most recent scores lies above; pure.
struct RecentQuantile: Sendable {
  private var ring: [Double] = []
  private var next = 0
  private let window: Int
  private var cached = 0.5
  private var untilRefresh = 0

  init(window: Int) { self.window = max(64, window) }

  /// Takes a score in and gives the threshold; sorting happens once every sixteenth of the window.
  mutating func observe(_ score: Double, upperShare: Double) -> Double {
    guard score.isFinite else { return cached }
    if ring.count < window {
      ring.append(score)
    } else {
      ring[next] = score
      next = (next + 1) % window
    }
    guard ring.count >= 64 else { return 0.5 }
    if untilRefresh == 0 {
      let share = upperShare.isNaN ? 0.5 : min(max(upperShare, 0), 1)
      let sorted = ring.sorted()
      let position = Int((Double(sorted.count) * (1 - share)).rounded(.down))
      cached = position >= sorted.count ? sorted[sorted.count - 1].nextUp : sorted[position]
      untilRefresh = window / 16
    }
    untilRefresh -= 1
    return cached
  }
}
