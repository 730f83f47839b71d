// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("A disk that is full refuses, and goes on when there is room")
struct FullDiskTests {
  @Test("with a quota on the files together, at any size", arguments: [300, 700, 1500, 6000])
  func quota(kibibytes: Int) async throws {
    let directory = try TemporaryDirectory()
    let disk = try #require(FaultDisk())
    let store = try await SQLiteJobStore.open(.file(directory.file("jobs.db")), options: disk.options())
    let history = JobHistory()
    disk.setQuota(kibibytes << 10)
    var refusals: [StorageError.Code] = []
    while refusals.count < 5 {
      let job = NewJob(name: "x", payload: [UInt8](repeating: 1, count: 2000))
      do {
        if try await store.enqueue([job]) == [.inserted] { history.accepted(job.id) }
      } catch let error as StorageError { refusals.append(error.code) }
    }
    #expect(refusals.allSatisfy { $0 == .storageFull })
    #expect(history.acceptedIDs.count > 3)
    let full = try await store.observe(.init(list: .init(limit: 10_000))).listed
    #expect(history.judge(full) == [])
    // Room for the file beside a log that is as large as it, and no more: the log has to be moved.
    disk.setQuota((kibibytes << 11) + (1 << 19))
    while true {
      let leases = try await store.claim(ClaimRequest(maximum: 50, leaseFor: .seconds(3600)))
      if leases.isEmpty { break }
      for lease in leases { history.started(lease.reference) }
      let ends = leases.map { JobSettlement($0.reference, .done(result: nil)) }
      for (end, outcome) in zip(ends, try await store.settle(ends)) where outcome == .applied {
        history.ended(end.reference, .done)
      }
    }
    #expect(history.endCount == history.acceptedIDs.count)
    #expect(try await store.database.problems() == [])
    let dump = try await store.observe(.init(list: .init(limit: 10_000))).listed
    #expect(history.judge(dump) == [])
    await store.close()
  }

  #if os(Linux)
  /// Runs a shell command that sees a small file system of its own in `folder`; `nil` where that may not be.
  private static func onSmallFileSystem(
    _ folder: String,
    _ command: String
  ) async throws -> ChildProgram.Ending? {
    guard let unshare = ChildProgram(system: "unshare") else { return nil }
    let mount = "mount -t tmpfs -o size=3m none '\(folder)'"
    func run(_ command: String) async throws -> ChildProgram.Ending {
      try await unshare.run(["--map-root-user", "--mount", "sh", "-c", command])
    }
    guard try await run(mount).status == 0 else { return nil }
    return try await run("\(mount) && exec \(command)")
  }

  @Test("on a small file system of its own")
  func smallFileSystem() async throws {
    let directory = try TemporaryDirectory()
    let helper = try ChildProgram("JobsCrashHelper")
    let command = "'\(helper.path)' fill '\(directory.path)'"
    guard let ending = try await Self.onSmallFileSystem(directory.path, command) else {
      // A quota, which the other test has, stands in for it.
      return print(
        "tenfold: this process may not mount a file system, so the disk that is full is not a real one"
      )
    }
    #expect(
      ending.lines == ["refused as full", "lost 0 of many", "accepted again", "unfinished 0", "problems 0"],
      "\(ending.errors)"
    )
  }
  #endif
}
