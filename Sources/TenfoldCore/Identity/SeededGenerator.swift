// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A random number generator that repeats itself from the same seed, for jitter, sampling and simulations.
///
/// It is SplitMix64 (Steele, Lea and Flood 2014): quick and well distributed, not for secrets.
///
/// ```swift
/// var generator = SeededGenerator(seed: 7)
/// let delay = Double.random(in: 0.9...1.1, using: &generator)
/// ```
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Creates a generator.
  ///
  /// - Parameter seed: Where the sequence begins; `nil` draws a seed from the system.
  public init(seed: UInt64?) { self.state = seed ?? UInt64.random(in: .min ... .max) }

  /// The next 64 random bits.
  ///
  /// - Returns: The bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
