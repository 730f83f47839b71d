// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

@main
struct TenfoldCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenfold",
    abstract: "Carry ten times the traffic of an AI system.",
    discussion:
      "Warnings go to standard error; \(ConsoleLog.variable)=info shows what it computes with, too.",
    subcommands: [BatchCommand.self, DemoCommand.self, JobsCommand.self, ModelsCommand.self]
  )

  static func main() async {
    ConsoleLog.start()
    await main(nil)
  }
}
