// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TenfoldInference

/// `tenfold models list`.
struct ModelsListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Show the known models and which are here."
  )

  func run() async throws {
    try await ModelsCommand.explained {
      let store = try ModelStore()
      print("models in \(store.options.root)")
      for status in try store.status() {
        let state =
          status.isComplete ? "here" : status.present.isEmpty ? "not here" : "incomplete"
        print("  \(status.id)  \(ConsoleText.size(status.model.size))  \(status.model.licence)  \(state)")
        for file in status.model.files {
          print("    \(file.name): \(status.present[file.name] ?? "missing")")
        }
      }
    }
  }
}
