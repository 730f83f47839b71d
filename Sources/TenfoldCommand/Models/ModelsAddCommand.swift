// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TenfoldInference

/// `tenfold models add`.
struct ModelsAddCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Add a file that you have, or name an address of your own for a model's file."
  )

  @Argument(help: "The model: a known one, or a new name.")
  var id: String

  @Option(help: "A file to copy into the store.")
  var file: String?

  @Option(help: "An https address, asked when the model is fetched.")
  var url: String?

  @Option(
    name: .customLong("sha256"),
    help: "The SHA-256 of the contents; needed with --url for a new model."
  )
  var sha256: String?

  @Option(help: "The size in bytes, with --url.")
  var size: UInt64?

  @Option(help: "The file's name in the model, where it isn't clear.")
  var name: String?

  @Option(help: "The SPDX name of the licence of a new model.")
  var licence = "unknown"

  func validate() throws {
    if (file == nil) == (url == nil) { throw ValidationError("give either --file or --url") }
  }

  func run() async throws {
    try await ModelsCommand.explained {
      let store = try ModelStore()
      if let file {
        let added = try await store.add(id, file: file, name: name, sha256: sha256, licence: licence)
        print("added \(added.name) to \(id): SHA-256 \(added.sha256)")
      } else if let url {
        let added = try await store.add(
          id,
          url: url,
          name: name,
          sha256: sha256,
          size: size,
          licence: licence
        )
        print("noted the address for \(added.name) of \(id); get it with `tenfold models fetch \(id)`")
      }
    }
  }
}
