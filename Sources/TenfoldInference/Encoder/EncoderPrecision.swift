// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The number format in which an encoder's matrices are multiplied.
public struct EncoderPrecision: Hashable, Sendable, CustomStringConvertible {
  /// The name, as it stands in an embedder's revision.
  public let description: String

  private init(_ description: String) { self.description = description }

  /// 32-bit floats, the reference.
  public static let float32 = Self("float32")
  /// Int8 weights with one scale per output column, int8 activations with one scale per token: some four times as
  /// fast, a cosine of 0.9997 to the reference on average.
  public static let int8 = Self("int8")
}
