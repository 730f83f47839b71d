// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Thins progress out to one report per cent, never backwards.
struct ProgressSteps {
  private let step: UInt64
  private var next: UInt64 = 0
  private let total: UInt64?

  /// Steps for a file; one every 8 MiB when its size isn't known.
  init(total: UInt64?) {
    self.total = total
    step = max(1, (total ?? 800 << 20) / 100)
  }

  /// Whether the count reached another step, or the end.
  mutating func isDue(_ bytes: UInt64) -> Bool {
    guard bytes >= next else { return false }
    if let total, bytes >= total {
      next = .max
    } else {
      next = (bytes / step + 1) * step
      if let total { next = min(next, total) }
    }
    return true
  }
}
