// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TenfoldJobs
import TenfoldStorage

extension JobsBenchmark {
  /// How long the job of a worker stays away that is killed in the middle of it.
  func recovery(_ lease: Double, _ report: inout BenchmarkReport) async throws {
    let path = folder.file()
    defer { folder.remove(path) }
    let sample = try await BenchmarkSample.take(lease < 5 ? reps : 1) {
      let store = try await SQLiteJobStore.open(.file(path))
      try await JobQueue(store: store).enqueue(Noop(number: 1))
      try Self.killWorker(path, lease)
      let begin = ContinuousClock.now
      let (starts, started) = AsyncStream<Void>.makeStream()
      let worker = JobWorker(store: store, options: .init(lease: .seconds(lease), pollInterval: nil)) {
        $0.handle(Noop.self) { _, _ in started.yield() }
      }
      let seconds = try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await worker.run() }
        for await _ in starts { break }
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        worker.drain()
        try await group.waitForAll()
        return seconds
      }
      await store.close()
      return seconds
    }
    let name = "recovery-lease-\(BenchmarkReport.short(lease))s"
    report.add(name, "time", "s", sample)
    report.add(name, "above lease", "s", sample.map { $0 - lease }, target: .atMost(1))
  }

  /// Runs a worker in a process of its own and kills it once it is in the middle of a job.
  private static func killWorker(_ path: String, _ lease: Double) throws {
    guard let own = Bundle.main.executableURL else {
      throw RawJobs.Failure(description: "this program doesn't know where it is")
    }
    let process = Process()
    let output = Pipe()
    process.executableURL = own
    process.arguments = ["jobs-victim", path, "\(lease)"]
    process.standardOutput = output
    try process.run()
    let word = output.fileHandleForReading.availableData
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    guard !word.isEmpty else { throw RawJobs.Failure(description: "the worker to be killed did not start") }
  }
}

/// The worker that ``JobsBenchmark/recovery(_:_:)`` kills: it says when its job has begun and never ends it.
struct JobsVictimCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "jobs-victim", shouldDisplay: false)

  @Argument var path: String
  @Argument var lease: Double

  func run() async throws {
    let store = try await SQLiteJobStore.open(.file(path))
    let worker = JobWorker(store: store, options: .init(lease: .seconds(lease))) { handlers in
      handlers.handle(JobsBenchmark.Noop.self) { _, _ in
        FileHandle.standardOutput.write(Data("started\n".utf8))
        for await _ in AsyncStream<Never>.makeStream().stream {}
      }
    }
    try await worker.run()
  }
}
