// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold
import TenfoldTestSupport

/// A folder for one run of `tenfold` as a user runs it: a process with arguments, an exit code and two outputs.
struct CommandFolder: Sendable {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  var path: String { directory.path }

  func file(_ name: String) -> String { directory.file(name) }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: file(name)) }

  func write(_ text: String, to name: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)))
  }

  /// A new queue with jobs of these tenants.
  func queue(tenants: [String]) async throws -> SQLiteJobStore {
    let store = try await SQLiteJobStore.open(.file(file("jobs.db")))
    let jobs = tenants.map { tenant in
      NewJob(
        name: "test",
        payload: Array("of \(tenant)".utf8),
        options: JobOptions(tenant: TenantID(tenant), resultRetention: .zero)
      )
    }
    _ = try await store.enqueue(jobs)
    return store
  }

  func tenfold(_ arguments: [String], environment: [String: String] = [:]) async throws -> ChildProgram.Ending
  {
    try await ChildProgram("tenfold").run(arguments, environment: environment)
  }
}
