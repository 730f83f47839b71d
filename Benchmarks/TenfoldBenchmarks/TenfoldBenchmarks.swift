// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

@main
struct TenfoldBenchmarks: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenfold-bench",
    abstract: "Measures Tenfold's modules; figures come with the machine they were taken on.",
    subcommands: [
      EnvironmentCommand.self, InferenceCommand.self, JobsCommand.self, JobsVictimCommand.self,
      KernelsCommand.self, ColdStartCommand.self, ResidentCommand.self,
    ]
  )
}
