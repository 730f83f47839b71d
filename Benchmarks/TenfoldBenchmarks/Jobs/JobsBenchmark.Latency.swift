// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldJobs
import TenfoldStorage

extension JobsBenchmark {
  /// From the call of enqueue to the start of the job, with a worker that has nothing else to do.
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
    let syncs = try Self.syncs(folder.path, 300)
    let waits = try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      var iterator = starts.makeAsyncIterator()
      var waits: [Double] = []
      for number in 0..<330 {
        // Idle means idle: the worker has settled the job before.
        try await Task.sleep(for: .milliseconds(3))
        let begin = ContinuousClock.now
        try await queue.enqueue(Noop(number: number))
        guard let start = await iterator.next() else { break }
        if number >= 30 { waits.append((start - begin) / .milliseconds(1)) }
      }
      worker.drain()
      try await group.waitForAll()
      return waits.sorted()
    }
    await store.close()
    let noise = meter.othersCPUs()
    report.add("latency-fdatasync", "time", "ms", .init(values: syncs, othersCPUs: noise))
    let start = BenchmarkSample(values: waits, othersCPUs: noise)
    report.add("latency-idle-to-start", "time", "ms", start)
    // What comes on top of the one sync that no queue on a disk can do without.
    let sync = BenchmarkSample(values: syncs, othersCPUs: noise).median
    for (name, share, bound) in [("p50", 0.5, 0.3), ("p99", 0.99, 2.0)] {
      let above = BenchmarkSample(values: [start.quantile(share) - sync], othersCPUs: noise)
      report.add("latency-above-sync", name, "ms", above, target: .atMost(bound))
    }
  }

  /// Milliseconds that appending 4 KiB and syncing takes.
  private static func syncs(_ folder: String, _ count: Int) throws -> [Double] {
    let path = folder + "/sync"
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let file = FileHandle(forWritingAtPath: path)
    else { throw RawJobs.Failure(description: "can't write to \(folder)") }
    let page = Data(repeating: 7, count: 4096)
    var times: [Double] = []
    for _ in 0..<count {
      let start = ContinuousClock.now
      try file.write(contentsOf: page)
      #if canImport(Darwin)
      let status = fsync(file.fileDescriptor)
      #else
      let status = fdatasync(file.fileDescriptor)
      #endif
      guard status == 0 else {
        throw RawJobs.Failure(description: "fdatasync failed")
      }
      times.append((ContinuousClock.now - start) / .milliseconds(1))
    }
    try file.close()
    try FileManager.default.removeItem(atPath: path)
    return times.sorted()
  }
}
