// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension Duration {
  /// This duration as a number of seconds.
  public var inSeconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }

  /// This duration as a number of milliseconds.
  public var inMilliseconds: Double { inSeconds * 1000 }
}
