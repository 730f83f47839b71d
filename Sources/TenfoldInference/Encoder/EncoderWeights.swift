// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Where an encoder's tensors come from.
///
/// ```swift
/// let encoder = try BERTEncoder(weights: source)
/// ```
public protocol EncoderWeights {
  /// The shape of a tensor.
  ///
  /// - Parameter name: The tensor's name.
  /// - Returns: Its dimensions, outermost first; `nil` when there is no such tensor.
  func shape(of name: String) -> [Int]?

  /// The numbers of a tensor.
  ///
  /// - Parameter name: The tensor's name.
  /// - Returns: All elements, row-major.
  /// - Throws: ``ModelError`` when it is missing or holds another type.
  func floats(of name: String) throws(ModelError) -> [Float]
}
