// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

/// The number format in which an encoder's matrices are multiplied.
///
/// Cosines are those of MiniLM-L6's vectors to the reference's, over the sentences of the golden tests.
public struct EncoderPrecision: Hashable, Sendable, CustomStringConvertible {
  /// The name, as it stands in an embedder's revision.
  public let description: String
  /// How much of a byte weights use; `nil` where they are floats.
  let weightRange: Int8Range?

  private init(_ description: String, _ weightRange: Int8Range?) {
    self.description = description
    self.weightRange = weightRange
  }

  /// 32-bit floats, the reference.
  public static let float32 = Self("float32", nil)
  /// Int8 weights with one scale per output column, int8 activations with one scale per token.
  ///
  /// A cosine of 0.9996 on average, 0.998 at worst. Attention multiplies in bfloat16 where the processor has products for it
  /// (AVX-512 BF16), else in floats. With VNNI or dot products it is some three times as fast as floats, with AVX2 alone
  /// hardly faster.
  public static let int8 = Self("int8", .full)
  /// The same with weights of 7 bits: a cosine of 0.9992 on average, 0.996 at worst.
  ///
  /// Faster than ``int8`` on x86-64 without VNNI, and there alone; see `Int8Range`.
  public static let int8Reduced = Self("int8Reduced", .reduced)
}
