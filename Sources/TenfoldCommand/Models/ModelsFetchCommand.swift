// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TenfoldInference

/// `tenfold models fetch`.
struct ModelsFetchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch",
    abstract: "Download models that are not here yet; an interrupted download goes on where it stopped."
  )

  @Argument(help: "The models to fetch (see `tenfold models list`).")
  var ids: [String] = []

  @Flag(help: "Fetch every known model.")
  var all = false

  func validate() throws {
    if ids.isEmpty != all {
      throw ValidationError("name the models to fetch, or --all; `tenfold models list` shows them")
    }
  }

  func run() async throws {
    try await ModelsCommand.explained {
      let store = try ModelStore()
      let wanted = all ? try store.knownModels().models.map(\.id) : ids
      for id in wanted {
        var progress = FetchProgressPrinter(model: id)
        for try await event in store.events(fetching: id) { progress.show(event) }
      }
    }
  }
}
