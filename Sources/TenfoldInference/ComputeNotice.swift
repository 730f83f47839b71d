// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import TenfoldKernels

/// The one line that says with which kernels and on how many threads a process computes.
///
/// A processor without the better instructions and a container with half a CPU are no errors, only slow: whoever asks why
/// finds the answer in the log.
enum ComputeNotice {
  private static let isLogged: Bool = {
    Logger(label: "tenfold.inference").info(
      "\(text(kernels: InstructionSet.current.explanation, budget: .current))"
    )
    return true
  }()

  /// Logs the line, once a process, however many models are loaded.
  static func logOnce() { _ = isLogged }

  /// The line.
  static func text(kernels: String, budget: CPUBudget) -> String {
    "Computing with the kernels \(kernels); a model takes \(budget) unless its options say otherwise."
  }
}
