// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TenfoldInference

/// `tenfold models`: what the model store holds, and how to change it.
struct ModelsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models",
    abstract: "List, fetch, check and add the models on this machine.",
    discussion: """
      Models lie in the folder that TENFOLD_MODELS names, by default in your cache folder. TENFOLD_OFFLINE=1 forbids \
      the network; HF_ENDPOINT and HF_TOKEN are used for the Hugging Face hub. To remove a model, delete its folder \
      under files/ and run `tenfold models prune`.
      """,
    subcommands: [
      ModelsListCommand.self, ModelsFetchCommand.self, ModelsVerifyCommand.self, ModelsAddCommand.self,
      ModelsPruneCommand.self,
    ],
    defaultSubcommand: ModelsListCommand.self
  )

  /// Runs `body`, printing what goes wrong in it as one sentence for people.
  static func explained(_ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch let error as ModelError {
      ConsoleText.complain("error (\(error.code)): \(error.message)")
      throw ExitCode.failure
    }
  }
}
