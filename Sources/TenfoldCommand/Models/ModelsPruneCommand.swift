// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TenfoldInference

/// `tenfold models prune`.
struct ModelsPruneCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune",
    abstract: "Remove unreferenced contents, unfinished downloads and the quarantine."
  )

  @Flag(help: "Say what would be removed, and remove nothing.")
  var dryRun = false

  func run() async throws {
    try await ModelsCommand.explained {
      let report = try await ModelStore().prune(dryRun: dryRun)
      for item in report.items {
        print(
          "\(report.isRemoved ? "removed" : "would remove")  \(ConsoleText.size(item.size))  \(item.path): \(item.reason)"
        )
      }
      print("\(report.isRemoved ? "freed" : "would free") \(ConsoleText.size(report.size))")
    }
  }
}
