// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// The options that all suites share.
struct BenchmarkOptions: ParsableArguments {
  @Option(help: "Threads that compute.")
  var threads = 1

  @Option(help: "Repetitions; the median is reported.")
  var reps = 5

  @Option(help: "Write one JSON object a line to this file, the environment first ('-' for standard output).")
  var json: String?

  func validate() throws {
    guard (1...256).contains(threads) else { throw ValidationError("--threads must be in 1...256.") }
    guard (1...10_000).contains(reps) else { throw ValidationError("--reps must be in 1...10000.") }
  }
}
