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
  /// Rounds of a seed: two hundred in all where C is optimised; `TENFOLD_KILL_ROUNDS` asks for another number in all.
  private static let rounds: Int = {
    if let wanted = ProcessInfo.processInfo.environment["TENFOLD_KILL_ROUNDS"].flatMap({ Int($0) }) {
      return max(1, wanted / 20)
    }
    #if DEBUG
    return 2
    #else
    return 10
    #endif
  }()

  // One after the other: many pairs at once take all processors from whoever is to kill them.
  @Test("producer and worker killed at random points", .serialized, arguments: 1...20)
  func killing(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let helper = try ChildProgram("JobsCrashHelper")
    let history = JobHistory()
    for round in 0..<Self.rounds {
      let note: Comment = "seed \(seed), round \(round)"
      let producer = try helper.start(["produce", path])
      let worker = try helper.start(["work", path])
      producer.takesDown(worker)
      // The kill comes after a random amount of work, not of time.
      await producer.reaches(lines: Int.random(in: 2...60, using: &random))
      await worker.reaches(lines: Int.random(in: 2...60, using: &random))
      let processes = [producer, worker].shuffled(using: &random)
      for process in processes { process.send(signal: SIGKILL) }
      let (produced, worked) = (await producer.ended(), await worker.ended())
      #expect(produced.wasKilled && worked.wasKilled, note)
      try read(produced.lines, worked.lines, into: history)
      // What the dead worker held is given back as after its lease.
      let store = try await SQLiteJobStore.open(.file(path))
      try await store.database.write { tx in try tx.execute("UPDATE job SET until = 1 WHERE state = 1") }
      _ = try await store.reap(limit: 1000)
      history.voided()
      let dump = try await store.observe(.init(list: .init(limit: 1_000_000))).listed
      #expect(history.judge(dump) == [], note)
      // A job that was there for three kills is one that may have been their cause.
      let isAsItShould = dump.allSatisfy { job in
        job.state == .done || job.state == .ready || job.state == .dead && job.crashCount == 3
      }
      #expect(isAsItShould, note)
      let check = try await store.database.read { tx in
        try tx.first("PRAGMA integrity_check") { try $0.text(0) }
      }
      #expect(check == "ok", note)
      await store.close()
    }
    // The kills hit a producer and a worker at work: a run without either proves nothing.
    #expect(history.acceptedIDs.count >= 10 && history.startCount > 0, "seed \(seed)")
  }

  private func read(_ produced: [Substring], _ worked: [Substring], into history: JobHistory) throws {
    for line in produced.map({ $0.split(separator: " ") }) where line.first == "enqueued" {
      history.accepted(try #require(RawJobID(line[1])))
    }
    for line in worked.map({ $0.split(separator: " ") }) where line.count >= 3 {
      let reference = JobLease.Reference(
        id: try #require(RawJobID(line[1])),
        fence: try #require(Int64(line[2]))
      )
      switch line[0] {
      case "settled": history.ended(reference, .done)
      case "left": history.left(reference.id)
      default: history.started(reference, key: line[3] == "-" ? nil : String(line[3]), limit: 2)
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
    let worker = try ChildProgram("JobsCrashHelper").start(["hold", path], input: input)
    // "ready", then "started".
    await worker.reaches(lines: 2)
    worker.send(signal: SIGSTOP)
    // As if its lease had run out, which need not be waited for.
    try await store.database.write { tx in try tx.execute("UPDATE job SET until = 1 WHERE state = 1") }
    #expect(try await store.reap(limit: 1) == 1)
    let lease = try #require(try await store.claim(ClaimRequest(maximum: 1)).first)
    #expect(lease.reference.fence == 2 && lease.crashCount == 1)
    worker.send(signal: SIGCONT)
    try input.fileHandleForWriting.write(contentsOf: Data("go\n".utf8))
    #expect(await worker.ended().lines.last == "outcome refused")
    #expect(try await store.settle([JobSettlement(lease.reference, .done(result: [2]))]) == [.applied])
    #expect(try await store.observe(.init(jobs: [job.id])).jobs.first?.result == [2])
    await store.close()
  }
}
