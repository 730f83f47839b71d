// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

@main
struct TenfoldCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenfold",
    abstract: "Carry ten times the traffic of an AI system.",
    subcommands: [BatchCommand.self, DemoCommand.self, JobsCommand.self, ModelsCommand.self]
  )
}
