// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("What was acknowledged survives kill -9")
struct CrashTests {
  private func spawn(
    _ mode: String,
    _ path: String,
    _ log: String,
    input: Pipe? = nil
  ) throws -> Process {
    let process = try HelperProgram("JobsCrashHelper").process([mode, path], log: log)
    if let input { process.standardInput = input }
    try process.run()
    return process
  }

  private func lines(_ log: String) throws -> [[Substring]] {
    try HelperProgram.lines(log).map { $0.split(separator: " ") }
  }

  @Test("producer and worker killed at random points", arguments: 1...20)
  func killing(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let history = JobHistory()
    for round in 0..<2 {
      let logs = (directory.file("p\(round)"), directory.file("w\(round)"))
      let processes = [try spawn("produce", path, logs.0), try spawn("work", path, logs.1)]
      // The kill comes after a random amount of work, not of time.
      let enough = Int.random(in: 1...120, using: &random)
      while processes.allSatisfy(\.isRunning) {
        let (produced, worked) = (try lines(logs.0).count, try lines(logs.1).count)
        if produced > 10, worked > 2, produced + worked >= enough { break }
        // Another process's work shows in its file only: there is nothing to await.
        try await Task.sleep(for: .milliseconds(2))
      }
      for process in processes.shuffled(using: &random) { kill(process.processIdentifier, SIGKILL) }
      for process in processes { process.waitUntilExit() }
      #expect(processes.allSatisfy { $0.terminationReason == .uncaughtSignal }, "seed \(seed)")
      try read(logs.0, logs.1, into: history)
      // What the dead worker held is given back as after its lease.
      let store = try await SQLiteJobStore.open(.file(path))
      try await store.database.write { tx in try tx.execute("UPDATE job SET until = 0 WHERE state = 1") }
      _ = try await store.reap(limit: 1000)
      history.voided()
      let dump = try await store.observe(.init(list: .init(limit: 1_000_000))).listed
      #expect(history.judge(dump) == [], "seed \(seed)")
      #expect(dump.allSatisfy { $0.state == .done || $0.state == .ready }, "seed \(seed)")
      let check = try await store.database.read { tx in
        try tx.first("PRAGMA integrity_check") { try $0.text(0) }
      }
      #expect(check == "ok", "seed \(seed)")
      await store.close()
    }
    // The kills hit a producer and a worker at work: a run without either proves nothing.
    #expect(history.acceptedIDs.count >= 10 && history.startCount > 0, "seed \(seed)")
  }

  private func read(_ produced: String, _ worked: String, into history: JobHistory) throws {
    for line in try lines(produced) where line.first == "enqueued" {
      history.accepted(try #require(RawJobID(line[1])))
    }
    for line in try lines(worked) where line.count >= 3 {
      let reference = JobLease.Reference(
        id: try #require(RawJobID(line[1])),
        fence: try #require(Int64(line[2]))
      )
      if line[0] == "settled" {
        history.ended(reference, .done)
      } else {
        history.started(reference, key: line[3] == "-" ? nil : String(line[3]), limit: 2)
      }
    }
  }

  @Test("a worker that was stopped past its lease is refused when it goes on")
  func zombie() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let store = try await SQLiteJobStore.open(.file(path))
    let job = NewJob(name: "x", payload: [])
    _ = try await store.enqueue([job])
    let input = Pipe()
    let log = directory.file("log")
    let process = try spawn("hold", path, log, input: input)
    while try !lines(log).contains(where: { $0.first == "started" }), process.isRunning {
      try await Task.sleep(for: .milliseconds(2))
    }
    kill(process.processIdentifier, SIGSTOP)
    // Its lease runs out by the machine's clock.
    while try await store.reap(limit: 1) == 0 { try await Task.sleep(for: .milliseconds(2)) }
    let lease = try #require(try await store.claim(ClaimRequest(maximum: 1)).first)
    #expect(lease.reference.fence == 2 && lease.crashCount == 1)
    kill(process.processIdentifier, SIGCONT)
    try input.fileHandleForWriting.write(contentsOf: Data("go\n".utf8))
    process.waitUntilExit()
    #expect(try lines(log).last == ["outcome", "refused"])
    #expect(try await store.settle([JobSettlement(lease.reference, .done(result: [2]))]) == [.applied])
    #expect(try await store.observe(.init(jobs: [job.id])).jobs.first?.result == [2])
    await store.close()
  }
}
