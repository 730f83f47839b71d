// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The form in which the rows of a product are handed to a ``LinearLayer``.
public enum ActivationFormat: Hashable, Sendable {
  /// 32-bit floats, for float weights.
  case float32
  /// Int8 with one scale a row, for int8 weights.
  case int8PerRow
  /// Int8 with one scale per 32 elements, for GGUF formats with blocks as long.
  case int8PerBlock32
  /// Int8 with one scale per 256 elements, for GGUF formats with blocks as long (Q2_K to Q6_K).
  case int8PerBlock256

  /// Elements that share a scale, or `nil` where all of a row do or there is none.
  public var blockLength: Int? {
    switch self {
    case .float32, .int8PerRow: nil
    case .int8PerBlock32: 32
    case .int8PerBlock256: 256
    }
  }
}
