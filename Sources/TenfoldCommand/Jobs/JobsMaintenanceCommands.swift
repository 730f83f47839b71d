// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Tenfold
import TenfoldCore
import TenfoldJobs
import TenfoldStorage

struct JobsBackupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Copy the queue to another file, also while workers use it."
  )

  @OptionGroup var file: JobsFileOption

  @Argument(help: "The copy; a file there is replaced once the new one is whole and checked.")
  var destination: String

  func run() async throws {
    try await file.withStore { store in
      try await store.database.backup(to: destination)
      ConsoleText.say("\(destination) is a whole and checked copy")
    }
  }
}

struct JobsCheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Look whether the queue's file is sound, also while workers use it."
  )

  @OptionGroup var file: JobsFileOption

  @Flag(help: "Don't compare the indexes with their tables.")
  var quick = false

  func run() async throws {
    try await file.withStore { store in
      let problems = try await store.database.problems(quick ? .quick : .full)
      for problem in problems { ConsoleText.complain(problem) }
      if !problems.isEmpty { throw ExitCode.failure }
      ConsoleText.say("the file is sound")
    }
  }
}

struct JobsPruneCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune",
    abstract: "Delete what is kept for tenants without any job; writes wait while all jobs are looked at."
  )

  @OptionGroup var file: JobsFileOption

  func run() async throws {
    try await file.withStore { store in
      ConsoleText.say("\(try await store.pruneLanes()) rows deleted")
    }
  }
}

struct JobsEraseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "erase",
    abstract: "Delete all jobs of a tenant, in every state, with all that belongs to them.",
    discussion: """
      Runs of the tenant lose their leases; other tenants' jobs that come after an erased one become dead letters. Where the \
      file holds batches, the tenant's are erased, too. It goes in short steps while workers go on, and can be repeated \
      after a kill. Backups made before hold the tenant still.
      """
  )

  @OptionGroup var file: JobsFileOption

  @Option(help: "Whose jobs.")
  var tenant: String

  @Flag(
    help:
      "Also write the file anew, so that no copy is left in unused parts of its pages; writes wait meanwhile."
  )
  var compact = false

  func validate() throws {
    guard !tenant.isEmpty else { throw ValidationError("--tenant must not be empty.") }
  }

  func run() async throws {
    try await file.withStore { store in
      let count = try await store.erase(TenantID(tenant))
      ConsoleText.say("\(count) jobs of tenant \(tenant) erased")
      if try await BatchInference.hasTables(in: store.database) {
        ConsoleText.say("\(try await eraseBatches()) batches of tenant \(tenant) erased")
      }
      if compact {
        try await store.database.compact()
        ConsoleText.say("the file was written anew")
      }
    }
  }

  /// Erases the tenant's batches, in a database that is opened anew: as one of batches, which looks at their format.
  private func eraseBatches() async throws -> Int {
    let database = try await SQLiteDatabase.open(
      .file(file.path),
      schemas: [SQLiteJobStore.schema, BatchInference.schema],
      options: .init(readerCount: 1)
    )
    let store = try await SQLiteJobStore.open(in: database)
    do {
      let count = try await BatchInference.Intake(store: store).erase(TenantID(tenant))
      await store.close()
      return count
    } catch {
      await store.close()
      throw error
    }
  }
}
