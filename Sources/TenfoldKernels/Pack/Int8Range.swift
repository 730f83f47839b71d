// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How much of a byte the codes of int8 weights use.
///
/// Without VNNI, an x86-64 processor multiplies bytes by an instruction that saturates at 16 bits. Codes of 8 bits need an
/// extra instruction to stay exact there; codes of 7 bits don't, and their products are 1.1 to 1.7 times as fast on AVX2,
/// 1.4 times in the geometric mean (`tenfold-bench kernels --format int8 --reduced`). All other sets are equally fast with
/// both. Sums are exact either way, and the same on all sets.
///
/// ```swift
/// let layer = try LinearLayerFactory.makeInt8(
///   weights: weights.span, rows: 1_536, columns: 384, range: .reduced)
/// ```
public struct Int8Range: Hashable, Sendable, CustomStringConvertible {
  /// The code of a row's largest weight.
  public let largestCode: Int
  /// The name.
  public let description: String

  /// Codes in -127...127: the default.
  public static let full = Self(largestCode: 127, description: "full")
  /// Codes in -64...64: half the steps, so twice the rounding error of the weights.
  ///
  /// The error of products, root mean square relative to the products', for rows of 1,024: 1.8 % in place of 1.1 % where
  /// weights are normally distributed, 5.4 % in place of 2.8 % where they have the heavy tails of Student's distribution
  /// with three degrees of freedom, 1.1 % in place of 0.9 % where they are uniform. Rounding the activations is part of it.
  public static let reduced = Self(largestCode: 64, description: "reduced")

  private init(largestCode: Int, description: String) {
    self.largestCode = largestCode
    self.description = description
  }
}
