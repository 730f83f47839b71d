// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

extension ModelError {
  /// Runs `body` and turns what the kernels throw into this module's error.
  ///
  /// - Parameters:
  ///   - what: What was being done, for people.
  ///   - body: The work.
  /// - Returns: What `body` returns.
  /// - Throws: ``ModelError`` with the kernels' error inside.
  static func wrapping<Result>(
    _ what: @autoclosure () -> String = "The kernels refused",
    _ body: () throws(KernelError) -> Result
  ) throws(ModelError) -> Result {
    do { return try body() } catch {
      let code: Code =
        error.code == .outOfMemory
        ? .storageFull : error.code == .unsupportedFormat ? .unsupported : .invalidTensor
      throw ModelError(code, "\(what()): \(error.message)", underlying: error)
    }
  }
}
