// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldFaultVFS
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("What was acknowledged survives a log that can't be moved into its file")
struct CheckpointFaultTests {
  private func enqueue(_ store: SQLiteJobStore, _ history: JobHistory) async throws {
    let jobs = (0..<20).map { _ in NewJob(name: "x", payload: [UInt8](repeating: 1, count: 2000)) }
    for (job, outcome) in zip(jobs, try await store.enqueue(jobs)) where outcome == .inserted {
      history.accepted(job.id)
    }
  }

  /// What the store says after its power went, with all that no sync has covered lost or not.
  private func judge(
    _ history: JobHistory,
    _ disk: FaultDisk,
    _ store: SQLiteJobStore,
    seed: UInt64
  ) async throws -> [String] {
    let after = try TemporaryDirectory()
    disk.cutPower(after: 0)
    await store.close()
    #expect(disk.image(to: after.path, seed: seed), "seed \(seed)")
    let restarted = try await SQLiteJobStore.open(.file(after.file("jobs.db")))
    let dump = try await restarted.observe(.init(list: .init(limit: 1_000_000))).listed
    let problems = try await restarted.database.problems()
    await restarted.close()
    return history.judge(dump) + problems.map { "\($0)" }
  }

  @Test(
    "writes to the file that fail hold nobody up: the log keeps what was accepted",
    arguments: 1...8 as ClosedRange<UInt64>,
    [TENFOLD_FAULT_WRITE.rawValue, TENFOLD_FAULT_FULL.rawValue]
  )
  func failingWrites(seed: UInt64, fault: UInt32) async throws {
    let directory = try TemporaryDirectory()
    let disk = try #require(FaultDisk())
    let store = try await SQLiteJobStore.open(.file(directory.file("jobs.db")), options: disk.options())
    let history = JobHistory()
    // Some fail at the first page, some midway.
    disk.armDatabase(tenfold_fault(rawValue: fault), Int(seed * 37 % 200), -1)
    while disk.failures == 0 { try await enqueue(store, history) }
    for _ in 0..<5 { try await enqueue(store, history) }
    if seed % 2 == 0 {
      // The disk is well again: what gathered in the log goes into the file.
      disk.heal()
      for _ in 0..<60 { try await enqueue(store, history) }
    }
    #expect(try await judge(history, disk, store, seed: seed) == [], "seed \(seed)")
  }

  @Test(
    "after a sync of the file that failed nothing is acknowledged until the store is opened again",
    arguments: 1...8 as ClosedRange<UInt64>
  )
  func failingSync(seed: UInt64) async throws {
    let directory = try TemporaryDirectory()
    let disk = try #require(FaultDisk())
    let path = directory.file("jobs.db")
    let store = try await SQLiteJobStore.open(.file(path), options: disk.options())
    let history = JobHistory()
    disk.armDatabase(TENFOLD_FAULT_SYNC, 0, 1)
    var refusals = 0
    for _ in 0..<400 where refusals < 3 {
      do { try await enqueue(store, history) } catch let error as StorageError {
        #expect(error.code == .syncFailed, "seed \(seed)")
        refusals += 1
      }
    }
    #expect(disk.failures == 1 && refusals == 3, "seed \(seed)")
    if seed % 2 == 0 {
      #expect(try await judge(history, disk, store, seed: seed) == [], "seed \(seed)")
    } else {
      await store.close()
      let again = try await SQLiteJobStore.open(.file(path), options: disk.options())
      try await enqueue(again, history)
      #expect(try await judge(history, disk, again, seed: seed) == [], "seed \(seed)")
    }
  }
}
