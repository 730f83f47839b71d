// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldJobs
import TenfoldStorage

/// Fills the file system of a folder with jobs, makes room, and brings every job to its end.
enum Filling {
  static func run(_ folder: String) async throws {
    let ballast = folder + "/ballast"
    try Data(repeating: 1, count: 1 << 20).write(to: URL(fileURLWithPath: ballast))
    let store = try await SQLiteJobStore.open(.file(folder + "/jobs.db"))
    var accepted: Set<RawJobID> = []
    var refused: StorageError.Code?
    while refused == nil {
      do { accepted.formUnion(try await enqueue(store)) } catch let error as StorageError {
        refused = error.code
      }
    }
    say("refused as \(refused == .storageFull ? "full" : "\(refused.map { "\($0)" } ?? "nothing")")")
    say(
      "lost \(accepted.subtracting(try await known(store)).count) of \(accepted.count > 10 ? "many" : "few")"
    )
    try FileManager.default.removeItem(atPath: ballast)
    // A commit that was refused may have left its room taken until the next one.
    accepted.formUnion(try await enqueue(store))
    say("accepted again")
    var done: Set<RawJobID> = []
    while case let leases = try await store.claim(ClaimRequest(maximum: 50)), !leases.isEmpty {
      let ends = leases.map { JobSettlement($0.reference, .done(result: nil)) }
      for (lease, outcome) in zip(leases, try await store.settle(ends)) where outcome == .applied {
        done.insert(lease.reference.id)
      }
    }
    say("unfinished \(accepted.subtracting(done).count)")
    say("problems \(try await store.database.problems().count)")
    await store.close()
  }

  private static func enqueue(_ store: SQLiteJobStore) async throws -> [RawJobID] {
    let jobs = (0..<4).map { _ in NewJob(name: "fill", payload: [UInt8](repeating: 1, count: 2000)) }
    return zip(jobs, try await store.enqueue(jobs)).compactMap { $1 == .inserted ? $0.id : nil }
  }

  private static func known(_ store: SQLiteJobStore) async throws -> Set<RawJobID> {
    Set(try await store.observe(.init(list: .init(limit: 1_000_000))).listed.map(\.id))
  }
}
