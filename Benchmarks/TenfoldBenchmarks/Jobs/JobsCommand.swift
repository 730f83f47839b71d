// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TenfoldJobs
import TenfoldStorage

struct JobsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jobs",
    abstract: "Measures the job queue: rates by batch and durability, latency, depth, fairness, recovery.",
    discussion: """
      Disks differ from minute to minute, so compare within a run: with --raw every repetition is preceded by one of the
      same statements through SQLite's C API on one thread, and the ratio is reported.
      """
  )

  enum Case: String, ExpressibleByArgument, CaseIterable {
    case enqueue, claim, settle, lifecycle, producers, memory, footprint, worker, latency, depth, fairness
    case keys, recovery, idle, beside, tail
  }

  @Option(name: .customLong("case"), help: "What to measure; repeat for several, all unless given.")
  var cases: [Case] = []

  @Option(help: "Jobs in a call; repeat for several.")
  var batch: [Int] = [1, 10, 100, 1000]

  @Option(help: "full (synced) or relaxed; repeat for both.")
  var durability: [String] = ["full", "relaxed"]

  @Option(help: "Waiting jobs for the case depth; repeat for several.")
  var depth: [Int] = [1_000, 10_000, 100_000, 1_000_000]

  @Option(
    help: "Producers that wait for their jobs at the same time, for producers and tail; repeat for several."
  )
  var producers: [Int] = [1, 16, 256]

  @Option(help: "Jobs for the cases keys and footprint.")
  var jobs = 1_000_000

  @Option(help: "Seconds of a lease for the case recovery; repeat for several.")
  var lease: [Double] = [1, 10]

  @Option(help: "Bytes of a job's payload.")
  var payload = 256

  @Option(help: "A GGUF file for the case beside, which has a model of fixed cost otherwise.")
  var model: String?

  @Option(help: "Live requests a second for the case beside; half of what the model can do, say.")
  var rate: Double?

  @Option(help: "Live requests in a turn of the case beside.")
  var requests: Int?

  @Flag(help: "Have lines of the case beside answered at once with live requests, not between them.")
  var shareModel = false

  @Flag(help: "Also measure the raw ceiling and report ratios to it.")
  var raw = false

  @Option(help: "The folder for the database: results are about its disk.")
  var directory: String?

  @OptionGroup var options: BenchmarkOptions

  func validate() throws {
    guard batch.allSatisfy({ (1...10_000).contains($0) }) else {
      throw ValidationError("--batch must be in 1...10000.")
    }
    guard durability.allSatisfy({ ["full", "relaxed"].contains($0) }) else {
      throw ValidationError("--durability must be full or relaxed.")
    }
    guard depth.allSatisfy({ (100...10_000_000).contains($0) }) else {
      throw ValidationError("--depth must be in 100...10000000.")
    }
    guard producers.allSatisfy({ (1...10_000).contains($0) }) else {
      throw ValidationError("--producers must be in 1...10000.")
    }
    guard (10_000...10_000_000).contains(jobs) else {
      throw ValidationError("--jobs must be in 10000...10000000.")
    }
    guard lease.allSatisfy({ (0.1...3600).contains($0) }) else {
      throw ValidationError("--lease must be in 0.1...3600.")
    }
    guard (0.01...10_000).contains(rate ?? 1) else {
      throw ValidationError("--rate must be in 0.01...10000.")
    }
    guard (10...1_000_000).contains(requests ?? 10) else {
      throw ValidationError("--requests must be in 10...1000000.")
    }
    guard (0...65_536).contains(payload) else { throw ValidationError("--payload must be in 0...65536.") }
  }

  func run() async throws {
    var report = BenchmarkReport(suite: "jobs", options: options)
    let folder = try ScratchFolder(in: directory)
    let bench = JobsBenchmark(folder: folder, payload: payload, reps: options.reps, measuresRaw: raw)
    for item in cases.isEmpty ? Case.allCases : cases {
      switch item {
      case .enqueue, .claim, .settle, .lifecycle:
        for durability in durability {
          for batch in batch {
            try await bench.calls(item, batch, durability == "full" ? .full : .relaxed, &report)
          }
        }
      case .producers: try await bench.producers(producers, &report)
      case .tail: try await bench.tail(producers, &report)
      case .memory: for batch in batch { try await bench.memory(batch, &report) }
      case .footprint: try await bench.footprint(jobs, &report)
      case .worker: try await bench.worker(&report)
      case .latency: try await bench.latency(&report)
      case .depth: try await bench.depth(depth, &report)
      case .fairness: try await bench.fairness(&report)
      case .keys: try await bench.keys(jobs, &report)
      case .idle: try await bench.idle(&report)
      case .beside: try await beside(folder, &report)
      case .recovery: for lease in lease { try await bench.recovery(lease, &report) }
      }
    }
    try report.finish()
  }

  private func beside(_ folder: ScratchFolder, _ report: inout BenchmarkReport) async throws {
    let isFixed = model == nil
    try await BesideBenchmark(
      folder: folder,
      path: model,
      rate: rate ?? (isFixed ? 80 : 4),
      requests: requests ?? (isFixed ? 1_000 : 200),
      tokens: isFixed ? 10 : 8,
      yields: !shareModel
    ).run(&report)
  }
}

/// A folder for the files of one run, removed at its end.
final class ScratchFolder: Sendable {
  let path: String

  init(in parent: String?) throws {
    let parent = parent.map { URL(fileURLWithPath: $0) } ?? FileManager.default.temporaryDirectory
    let folder = parent.appendingPathComponent("tenfold-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    path = folder.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// A new file's path.
  func file() -> String { "\(path)/\(UUID().uuidString).db" }

  func remove(_ file: String) {
    for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file + suffix) }
  }
}
