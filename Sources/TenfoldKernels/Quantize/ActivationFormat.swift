// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The form in which the rows of a product are handed to a ``LinearLayer``.
public enum ActivationFormat: Hashable, Sendable {
  /// 32-bit floats, for float weights.
  case float32
  /// Int8 with one scale a row, for int8 weights.
  case int8PerRow
  /// Int8 with one scale per 32 elements, for GGUF block formats.
  case int8PerBlock32
}
