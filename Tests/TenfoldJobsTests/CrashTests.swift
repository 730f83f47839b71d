// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldStorage
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("What was acknowledged survives kill -9")
struct CrashTests {
  /// Products of one build lie side by side: the helper is beside the test bundle.
  private static let helper: String? = {
    let arguments = ProcessInfo.processInfo.arguments
    let candidates =
      [Bundle.main.bundlePath, Bundle.main.executablePath ?? ""]
      + arguments
    for candidate in candidates {
      var folder = URL(fileURLWithPath: candidate)
      for _ in 0..<4 {
        let file = folder.appendingPathComponent("JobsCrashHelper").path
        if FileManager.default.isExecutableFile(atPath: file) { return file }
        folder.deleteLastPathComponent()
      }
    }
    return nil
  }()

  private func spawn(_ mode: String, _ path: String, _ log: String) throws -> Process {
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Self.helper, "JobsCrashHelper was not built"))
    process.arguments = [mode, path]
    process.standardOutput = FileHandle(forWritingAtPath: log)
    try process.run()
    return process
  }

  private func lines(_ log: String) throws -> [[Substring]] {
    // A last line without its end was cut by the kill.
    let text = try String(contentsOfFile: log, encoding: .utf8)
    return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map {
      $0.split(separator: " ")
    }
  }

  @Test("producer and worker killed at random points", arguments: 1...20)
  func killing(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    var acknowledged: Set<String> = []
    var fences: [String: Int] = [:]
    var settled: Set<String> = []
    for round in 0..<2 {
      let logs = (directory.file("p\(round)"), directory.file("w\(round)"))
      let processes = [try spawn("produce", path, logs.0), try spawn("work", path, logs.1)]
      // The kill comes after a random amount of work, not of time.
      let enough = Int.random(in: 1...120, using: &random)
      while processes.allSatisfy(\.isRunning) {
        let (produced, worked) = (try lines(logs.0).count, try lines(logs.1).count)
        if produced > 10, worked > 2, produced + worked >= enough { break }
        await Task.yield()
      }
      for process in processes.shuffled(using: &random) { kill(process.processIdentifier, SIGKILL) }
      for process in processes { process.waitUntilExit() }
      #expect(processes.allSatisfy { $0.terminationReason == .uncaughtSignal }, "seed \(seed)")
      for line in try lines(logs.0) where line.first == "enqueued" { acknowledged.insert(String(line[1])) }
      for line in try lines(logs.1) where line.count == 3 {
        let (id, fence) = (String(line[1]), try #require(Int(line[2])))
        if line[0] == "started" {
          #expect(fence > fences[id, default: 0], "seed \(seed): fences rise")
          #expect(!settled.contains(id), "seed \(seed): a finished job ran again")
          fences[id] = fence
        } else {
          #expect(settled.insert(id).inserted, "seed \(seed): settled once")
        }
      }
      // What the dead worker held is given back as after its lease.
      let store = try await SQLiteJobStore.open(.file(path))
      try await store.database.write { tx in try tx.execute("UPDATE job SET lease_until = 0 WHERE state = 1")
      }
      _ = try await store.reap(limit: 1000)
      let jobs = try await store.observe(.init(jobs: acknowledged.compactMap { RawJobID($0) })).jobs
      #expect(jobs.count == acknowledged.count, "seed \(seed): nothing acknowledged is lost")
      for job in jobs {
        #expect(job.state == .done || job.state == .ready, "seed \(seed)")
        if settled.contains(job.id.description) { #expect(job.state == .done, "seed \(seed)") }
      }
      let check = try await store.database.read { tx in
        try tx.first("PRAGMA integrity_check") { try $0.text(0) }
      }
      #expect(check == "ok", "seed \(seed)")
      await store.close()
    }
    // The kills hit a producer and a worker at work: a run without either proves nothing.
    #expect(acknowledged.count >= 10 && !fences.isEmpty, "seed \(seed)")
  }
}
