// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension SafetensorsFile: EncoderWeights {
  /// The shape of a tensor.
  ///
  /// - Parameter name: The tensor's name.
  /// - Returns: Its dimensions, outermost first; `nil` when there is no such tensor.
  public func shape(of name: String) -> [Int]? { (try? tensor(named: name))?.shape }

  /// The numbers of a tensor.
  ///
  /// - Parameter name: The tensor's name.
  /// - Returns: All elements, row-major.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing`` or ``ModelError/Code/unsupported``.
  public func floats(of name: String) throws(ModelError) -> [Float] { try tensor(named: name).floats() }
}
