// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct EnvironmentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "env",
    abstract: "Prints the machine, the kernels chosen and why."
  )

  @OptionGroup var options: BenchmarkOptions

  func run() throws {
    try BenchmarkReport(suite: "environment", options: options).finish()
  }
}
