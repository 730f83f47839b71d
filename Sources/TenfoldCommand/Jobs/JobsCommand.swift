// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TenfoldJobs
import TenfoldStorage

struct JobsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jobs",
    abstract: "Look at a job queue and change it, also while workers use it.",
    subcommands: [
      JobsStatsCommand.self, JobsListCommand.self, JobsShowCommand.self, JobsRetryCommand.self,
      JobsCancelCommand.self, JobsDrainCommand.self, JobsResumeCommand.self, JobsBackupCommand.self,
      JobsCheckCommand.self, JobsPruneCommand.self, JobsEraseCommand.self,
    ]
  )
}

/// Where the queue is; every subcommand has it.
struct JobsFileOption: ParsableArguments {
  @Option(name: .customLong("file"), help: "The queue's SQLite file.")
  var path: String

  /// Opens the queue for one command, printing what goes wrong as one sentence for people.
  func withStore(_ body: (SQLiteJobStore) async throws -> Void) async throws {
    guard FileManager.default.fileExists(atPath: path) else {
      ConsoleText.complain("error: there is no file \(path)")
      throw ExitCode.failure
    }
    do {
      // Opened as a queue, any other database would become one.
      guard try await SQLiteDatabase.hasTable("job", inFile: path) else {
        ConsoleText.complain("error: there is no queue in \(path)")
        throw ExitCode.failure
      }
      let store = try await SQLiteJobStore.open(.file(path), options: .init(readerCount: 1))
      do { try await body(store) } catch {
        await store.close()
        throw error
      }
      await store.close()
    } catch let error as StorageError {
      ConsoleText.complain("error (\(error.code)): \(error.message)")
      throw ExitCode.failure
    } catch let error as JobError {
      ConsoleText.complain("error (\(error.code)): \(error.message)")
      throw ExitCode.failure
    }
  }
}

extension JobsFileOption {
  /// Fails for a queue that the file has never had: its name is most likely mistyped.
  func require(queue: String, in store: SQLiteJobStore) async throws {
    let isKnown = try await store.database.read { tx in
      try tx.first("SELECT 1 FROM job_level WHERE queue = ?1", queue) { _ in true } ?? false
    }
    guard !isKnown else { return }
    ConsoleText.complain("error: there is no queue \(ConsoleText.printable(queue)) in \(path)")
    throw ExitCode.failure
  }
}

/// Which jobs a command is about.
struct JobIDArguments: ParsableArguments {
  @Argument(help: "The jobs' ids, as `tenfold jobs list` prints them.")
  var ids: [String]

  func parsed() throws -> [RawJobID] { try Self.parsed(ids) }

  static func parsed(_ texts: [String]) throws -> [RawJobID] {
    try texts.map { text in
      guard let id = RawJobID(text) else {
        throw ValidationError("“\(text)” is no job id: 32 hexadecimal digits.")
      }
      return id
    }
  }

  /// Says which of the jobs that were named are not among those found, and fails if there is one.
  static func require(_ ids: [RawJobID], among found: [JobSnapshot]) throws {
    let known = Set(found.map(\.id))
    for id in ids where !known.contains(id) {
      ConsoleText.complain("job \(id) is unknown, or no longer kept")
    }
    if !known.isSuperset(of: ids) { throw ExitCode.failure }
  }
}
