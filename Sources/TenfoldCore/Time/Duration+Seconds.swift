// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension Duration {
  /// This duration as a number of seconds.
  public var inSeconds: Double {
    // Its components trap where the seconds don't fit into 64 bits.
    guard self > .seconds(Int64.min), self < .seconds(Int64.max) else { return self / .seconds(1) }
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }

  /// This duration as a number of milliseconds.
  public var inMilliseconds: Double { inSeconds * 1000 }
}
