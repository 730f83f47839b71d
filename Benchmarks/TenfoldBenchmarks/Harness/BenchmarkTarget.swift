// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a figure is meant to reach.
struct BenchmarkTarget: CustomStringConvertible {
  private let bound: Double
  private let isFloor: Bool

  static func atLeast(_ bound: Double) -> Self { Self(bound: bound, isFloor: true) }
  static func atMost(_ bound: Double) -> Self { Self(bound: bound, isFloor: false) }

  var description: String { "\(isFloor ? "≥" : "≤") \(BenchmarkReport.short(bound))" }

  func verdict(on value: Double) -> String {
    guard value.isFinite else { return "unknown" }
    return (isFloor ? value >= bound : value <= bound) ? "met" : "missed"
  }
}
