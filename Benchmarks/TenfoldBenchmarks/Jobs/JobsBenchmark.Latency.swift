// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldJobs
import TenfoldStorage

extension JobsBenchmark {
  /// From the call of enqueue to the start of the job, with a worker that has nothing else to do.
  ///
  /// Beside each job stands one sync after the same pause: what a disk and processors that were idle take for it.
  func latency(_ report: inout BenchmarkReport) async throws {
    let path = folder.file()
    defer { folder.remove(path) }
    let store = try await SQLiteJobStore.open(.file(path))
    let (starts, started) = AsyncStream<ContinuousClock.Instant>.makeStream()
    let worker = JobWorker(store: store, options: .init(pollInterval: nil)) { handlers in
      handlers.handle(Noop.self) { _, _ in started.yield(.now) }
    }
    let queue = JobQueue(store: store)
    let meter = NoiseMeter()
    var times = Times()
    let file = try SyncedFile(folder.path + "/sync")
    for _ in 0..<300 { times.busySyncs.append(try file.append()) }
    times = try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      var iterator = starts.makeAsyncIterator()
      for number in 0..<330 {
        // Idle means idle: the worker has settled the job before.
        try await Task.sleep(for: .milliseconds(3))
        let sync = try file.append()
        try await Task.sleep(for: .milliseconds(3))
        let begin = ContinuousClock.now
        try await queue.enqueue(Noop(number: number))
        let accepted = (ContinuousClock.now - begin) / .milliseconds(1)
        guard let start = await iterator.next() else { break }
        guard number >= 30 else { continue }
        times.idleSyncs.append(sync)
        times.accepted.append(accepted)
        times.starts.append((start - begin) / .milliseconds(1))
      }
      worker.drain()
      try await group.waitForAll()
      return times
    }
    await store.close()
    add(times, meter.othersCPUs(), &report)
  }

  private struct Times {
    var busySyncs: [Double] = []
    var idleSyncs: [Double] = []
    var accepted: [Double] = []
    var starts: [Double] = []
  }

  private func add(_ times: Times, _ noise: Double?, _ report: inout BenchmarkReport) {
    func sample(_ values: [Double]) -> BenchmarkSample { .init(values: values.sorted(), othersCPUs: noise) }
    let start = sample(times.starts)
    let sync = sample(times.idleSyncs)
    report.add("latency-sync-in-a-row", "time", "ms", sample(times.busySyncs))
    report.add("latency-sync-when-idle", "time", "ms", sync)
    report.add("latency-idle-accepted", "time", "ms", sample(times.accepted))
    report.add("latency-idle-to-start", "time", "ms", start)
    // What comes on top of the one sync that no queue on a disk can do without.
    for (name, share, bound) in [("p50", 0.5, 0.3), ("p99", 0.99, 2.0)] {
      let above = sample([start.quantile(share) - sync.median])
      report.add("latency-above-sync", name, "ms", above, target: .atMost(bound))
    }
  }
}

/// A file that each write is synced to.
private final class SyncedFile {
  private let handle: FileHandle
  private let path: String
  private let page = Data(repeating: 7, count: 4096)

  init(_ path: String) throws {
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let handle = FileHandle(forWritingAtPath: path)
    else { throw RawJobs.Failure(description: "can't write to \(path)") }
    self.path = path
    self.handle = handle
  }

  deinit {
    try? handle.close()
    try? FileManager.default.removeItem(atPath: path)
  }

  /// Milliseconds that appending 4 KiB and syncing takes.
  func append() throws -> Double {
    let start = ContinuousClock.now
    try handle.write(contentsOf: page)
    #if canImport(Darwin)
    let status = fsync(handle.fileDescriptor)
    #else
    let status = fdatasync(handle.fileDescriptor)
    #endif
    guard status == 0 else { throw RawJobs.Failure(description: "a sync failed") }
    return (ContinuousClock.now - start) / .milliseconds(1)
  }
}
