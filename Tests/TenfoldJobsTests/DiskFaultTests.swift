// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldFaultVFS
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("What was acknowledged survives loss of power and disks that fail")
struct DiskFaultTests {
  /// Works on a disk until its power goes; gives what was seen, and the store as it is after the restart.
  private func cutPower(
    seed: UInt64,
    _ durability: SQLiteDatabase.Durability
  ) async throws -> (history: JobHistory, violations: [String], lost: Int) {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let after = try TemporaryDirectory()
    let clock = ManualStoreClock()
    let history = JobHistory()
    let disk = try #require(FaultDisk())
    let store = try await SQLiteJobStore.open(
      .file(directory.file("jobs.db")),
      options: disk.options(durability),
      clock: clock.clock
    )
    // Some cuts come within the first commits, some after the log was moved into the file.
    disk.cutPower(after: Int.random(in: 20...(seed % 4 == 0 ? 6000 : 600), using: &random))
    let size = Int.random(in: 0...3000, using: &random)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<3 {
        group.addTask {
          while true {
            let jobs = (0..<3).map { _ in NewJob(name: "cut", payload: [UInt8](repeating: 1, count: size)) }
            guard let outcomes = try? await store.enqueue(jobs) else { return }
            for (job, outcome) in zip(jobs, outcomes) where outcome == .inserted { history.accepted(job.id) }
          }
        }
      }
      group.addTask {
        var ends: [JobSettlement] = []
        let request = ClaimRequest(maximum: 5, leaseFor: .seconds(3600))
        while let (outcomes, leases) = try? await store.settleAndClaim(ends, request) {
          for (end, outcome) in zip(ends, outcomes) where outcome == .applied {
            history.ended(end.reference, .done)
          }
          for lease in leases { history.started(lease.reference) }
          ends = leases.map { JobSettlement($0.reference, .done(result: nil)) }
          // A look at an empty queue writes nothing, so it would go on for ever without power.
          if disk.failures > 0 { return }
        }
      }
    }
    await store.close()
    #expect(disk.image(to: after.path, seed: seed), "seed \(seed)")
    clock.reboot()
    let restarted = try await SQLiteJobStore.open(.file(after.file("jobs.db")), clock: clock.clock)
    let check = try await restarted.database.read { tx in
      try tx.first("PRAGMA integrity_check") { try $0.text(0) }
    }
    #expect(check == "ok", "seed \(seed)")
    let dump = try await restarted.observe(.init(list: .init(limit: 1_000_000))).listed
    let violations = history.judge(dump)
    let known = Set(dump.map(\.id))
    let lost = history.acceptedIDs.filter { !known.contains($0) }.count
    // The runs of before are void, and what runs again has fences that were never seen.
    while try await restarted.reap(limit: 10_000) > 0 {}
    while true {
      let leases = try await restarted.claim(ClaimRequest(maximum: 10_000))
      if leases.isEmpty { break }
      for lease in leases where durability == .full { history.started(lease.reference) }
    }
    await restarted.close()
    return (history, violations + history.violations, lost)
  }

  @Test("with full durability nothing acknowledged is lost", arguments: 1...40)
  func powerLoss(seed: UInt64) async throws {
    let (history, violations, lost) = try await cutPower(seed: seed, .full)
    #expect(violations == [], "seed \(seed)")
    #expect(lost == 0, "seed \(seed): of \(history.acceptedIDs.count)")
  }

  @Test("the harness can see a loss: with relaxed durability there is one")
  func negativeControl() async throws {
    var lost = 0
    for seed in 1...12 as ClosedRange<UInt64> { lost += try await cutPower(seed: seed, .relaxed).lost }
    #expect(lost > 0)
  }

  @Test(
    "a disk that is full or fails refuses, loses nothing, and is used again when it is well",
    arguments: [true, false]
  )
  func passingFault(isFull: Bool) async throws {
    let directory = try TemporaryDirectory()
    let disk = try #require(FaultDisk())
    let store = try await SQLiteJobStore.open(.file(directory.file("jobs.db")), options: disk.options())
    let history = JobHistory()
    var refusals: [StorageError.Code] = []
    for round in 0..<30 {
      if round % 3 == 1 { disk.arm(isFull ? TENFOLD_FAULT_FULL : TENFOLD_FAULT_WRITE, round % 7, -1) }
      if round % 3 == 2 { disk.heal() }
      for _ in 0..<3 {
        let job = NewJob(name: "x", payload: [UInt8](repeating: 1, count: 2000))
        do {
          if try await store.enqueue([job]) == [.inserted] { history.accepted(job.id) }
        } catch let error as StorageError { refusals.append(error.code) }
      }
    }
    disk.heal()
    #expect(!refusals.isEmpty && refusals.allSatisfy { $0 == (isFull ? .storageFull : .inputOutput) })
    #expect(history.acceptedIDs.count > 30)
    let dump = try await store.observe(.init(list: .init(limit: 10_000))).listed
    #expect(history.judge(dump) == [])
    await store.close()
  }

  @Test("reads that fail are typed errors, change nothing, and the next ones are answered")
  func failingReads() async throws {
    let directory = try TemporaryDirectory()
    let disk = try #require(FaultDisk())
    var options = disk.options()
    // Next to nothing is remembered, so that reads reach the disk.
    options.cacheSizeInBytes = 64 << 10
    let path = directory.file("jobs.db")
    let filled = try await SQLiteJobStore.open(.file(path), options: options)
    let jobs = (0..<400).map { _ in NewJob(name: "x", payload: [UInt8](repeating: 1, count: 3000)) }
    _ = try await filled.enqueue(jobs)
    await filled.close()
    let store = try await SQLiteJobStore.open(.file(path), options: options)
    let history = JobHistory()
    for job in jobs { history.accepted(job.id) }
    var refusals: [StorageError.Code] = []
    var ended = 0
    for round in 0... {
      if round % 2 == 0 { disk.arm(TENFOLD_FAULT_READ, round % 11, 1) }
      do {
        let leases = try await store.claim(ClaimRequest(maximum: 20, leaseFor: .seconds(3600)))
        for lease in leases { history.started(lease.reference) }
        disk.heal()
        let ends = leases.map { JobSettlement($0.reference, .done(result: nil)) }
        for (end, outcome) in zip(ends, try await store.settle(ends)) where outcome == .applied {
          history.ended(end.reference, .done)
          ended += 1
        }
        if leases.isEmpty { break }
      } catch let error as StorageError { refusals.append(error.code) }
    }
    #expect(ended == jobs.count)
    #expect(!refusals.isEmpty && refusals.allSatisfy { $0 == .inputOutput })
    let dump = try await store.observe(.init(list: .init(limit: 10_000))).listed
    #expect(history.judge(dump) == [])
    #expect(try await store.database.problems() == [])
    await store.close()
  }

  @Test("after a sync that failed nothing is acknowledged until the store is opened again")
  func failedSync() async throws {
    let directory = try TemporaryDirectory()
    let disk = try #require(FaultDisk())
    let path = directory.file("jobs.db")
    let store = try await SQLiteJobStore.open(.file(path), options: disk.options())
    let before = NewJob(name: "x", payload: [])
    _ = try await store.enqueue([before])
    disk.arm(TENFOLD_FAULT_SYNC, 0, 1)
    for _ in 0..<3 {
      await #expect { _ = try await store.enqueue([NewJob(name: "x", payload: [])]) } throws: {
        ($0 as? StorageError)?.code == .syncFailed
      }
    }
    #expect(disk.failures == 1)
    #expect(try await store.observe(.init(jobs: [before.id])).jobs.count == 1)
    await store.close()
    let again = try await SQLiteJobStore.open(.file(path), options: disk.options())
    #expect(try await again.enqueue([NewJob(name: "x", payload: [])]) == [.inserted])
    #expect(try await again.observe(.init(jobs: [before.id])).jobs.count == 1)
    await again.close()
  }
}
