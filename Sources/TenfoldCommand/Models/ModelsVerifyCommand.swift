// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TenfoldInference

/// `tenfold models verify`.
struct ModelsVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Read the models' files whole and compare their hashes.",
    discussion: "Fails if a file is corrupt, or if a model that you named is not here."
  )

  @Argument(help: "The models to verify; all by default.")
  var ids: [String] = []

  func run() async throws {
    try await ModelsCommand.explained {
      let store = try ModelStore()
      var failed = false
      for result in try await store.verify(
        ids.isEmpty ? nil : ids,
        progress: { ConsoleText.complain("reading \($0)") }
      ) {
        print("\(result.outcome)  \(result.model)/\(result.file)  \(result.path)")
        if result.outcome == .corrupt || result.outcome == .missing && !ids.isEmpty { failed = true }
      }
      if failed {
        ConsoleText.complain("fetch what is missing or corrupt again with `tenfold models fetch ID`")
        throw ExitCode.failure
      }
    }
  }
}
