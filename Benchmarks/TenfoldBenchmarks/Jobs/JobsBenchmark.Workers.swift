// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TenfoldCore
import TenfoldJobs
import TenfoldStorage

extension JobsBenchmark {
  private struct Noop: DurableJob {
    static let name: JobName = "noop.v1"
    var number: Int
    func run(_ context: JobContext) async throws -> NoOutput { NoOutput() }
  }

  // MARK: - Memory

  func memory(_ batch: Int, _ report: inout BenchmarkReport) async throws {
    let sample = try await BenchmarkSample.take(reps) {
      try await measure(.lifecycle, InMemoryJobStore(), batch, 200_000 / batch * batch)
    }
    report.add("memory-lifecycle-\(batch)", "rate", "jobs/s", sample, parameters: ["batch": "\(batch)"])
  }

  /// Typed jobs through a queue and a worker: encoded, handed out, decoded, run, settled.
  func worker(_ report: inout BenchmarkReport) async throws {
    let inMemory = try await BenchmarkSample.take(reps) { try await self.work(InMemoryJobStore(), 50_000) }
    report.add("worker-memory", "rate", "jobs/s", inMemory)
    let onDisk = try await BenchmarkSample.take(reps) {
      let path = folder.file()
      defer { folder.remove(path) }
      let store = try await SQLiteJobStore.open(.file(path))
      let rate = try await work(store, 20_000)
      await store.close()
      return rate
    }
    report.add("worker-full", "rate", "jobs/s", onDisk)
  }

  private func work(_ store: any JobStore, _ count: Int) async throws -> Double {
    let left = Atomic(count)
    let (ended, end) = AsyncStream<Void>.makeStream()
    let worker = JobWorker(store: store, options: .init(concurrency: 256, prefetch: 512, pollInterval: nil)) {
      handlers in
      handlers.handle(Noop.self) { _, _ in
        if left.subtract(1, ordering: .relaxed).newValue == 0 { end.yield() }
      }
    }
    let queue = JobQueue(store: store)
    let start = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      for begin in stride(from: 0, to: count, by: 500) {
        try await queue.enqueue((begin..<min(count, begin + 500)).map { Noop(number: $0) })
      }
      for await _ in ended { break }
      worker.drain()
      try await group.waitForAll()
    }
    return Double(count) / ((ContinuousClock.now - start) / .seconds(1))
  }

  // MARK: - Latency

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
    report.add("latency-idle-to-start", "time", "ms", .init(values: waits, othersCPUs: noise))
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

  // MARK: - Depth

  func depth(_ depths: [Int], _ report: inout BenchmarkReport) async throws {
    for (kind, delay) in [("ready", Duration.zero), ("delayed", .seconds(86_400))] {
      for depth in depths {
        let path = folder.file()
        let store = try await SQLiteJobStore.open(.file(path), options: .init(durability: .relaxed))
        let filler = JobOptions(delay: delay)
        for _ in stride(from: 0, to: depth, by: 1000) { _ = try await store.enqueue(new(1000, filler)) }
        // The same work at each depth: claim and settle a hundred, put a hundred ready ones back.
        let sample = try await BenchmarkSample.take(reps) {
          let rounds = 100
          var seconds = 0.0
          for _ in 0..<rounds {
            _ = try await store.enqueue(new(100))
            let start = ContinuousClock.now
            let leases = try await store.claim(ClaimRequest(maximum: 100))
            seconds += (ContinuousClock.now - start) / .seconds(1)
            _ = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: nil)) })
          }
          return Double(rounds * 100) / seconds
        }
        await store.close()
        folder.remove(path)
        report.add(
          "depth-\(kind)-\(depth)",
          "claim rate",
          "jobs/s",
          sample,
          parameters: ["depth": "\(depth)"]
        )
      }
    }
  }

  // MARK: - Fairness, limits, recovery

  /// Claims until a tenant with 10 jobs is served that comes after one with 10,000, over its fair share.
  func fairness(_ report: inout BenchmarkReport) async throws {
    let path = folder.file()
    defer { folder.remove(path) }
    let store = try await SQLiteJobStore.open(.file(path), options: .init(durability: .relaxed))
    _ = try await store.enqueue(new(10_000, JobOptions(tenant: "large")))
    _ = try await store.claim(ClaimRequest(maximum: 100))
    _ = try await store.enqueue(new(10, JobOptions(tenant: "small")))
    var position = 0
    var served = 0
    while served < 10, position < 20_000 {
      for lease in try await store.claim(ClaimRequest(maximum: 1)) {
        position += 1
        if lease.tenant == "small" { served += 1 }
      }
    }
    await store.close()
    let share = BenchmarkSample(values: [Double(position) / 20], othersCPUs: nil)
    report.add("fairness-10-of-10000", "wait", "x fair", share)
  }

  /// Jobs of 100 keys with a limit of 3, handed out and settled at random: how often a limit was broken.
  func keys(_ report: inout BenchmarkReport) async throws {
    let path = folder.file()
    defer { folder.remove(path) }
    let store = try await SQLiteJobStore.open(.file(path), options: .init(durability: .relaxed))
    let total = 100_000
    for begin in stride(from: 0, to: total, by: 1000) {
      let jobs = (begin..<begin + 1000).map { number -> NewJob in
        let key = "k\(number * 31 % 100)"
        let options = JobOptions(concurrencyKey: key, concurrencyLimit: 3, resultRetention: .zero)
        return NewJob(name: "keyed", payload: Array(key.utf8), options: options)
      }
      _ = try await store.enqueue(jobs)
    }
    var running: [String: Int] = [:]
    var held: [(lease: JobLease, key: String)] = []
    var broken = 0
    var settled = 0
    let start = ContinuousClock.now
    while settled < total {
      for lease in try await store.claim(ClaimRequest(maximum: 100, leaseFor: .seconds(3600))) {
        let key = String(decoding: lease.payload, as: UTF8.self)
        running[key, default: 0] += 1
        if running[key, default: 0] > 3 { broken += 1 }
        held.append((lease, key))
      }
      let ending = held.prefix(max(1, held.count / 2))
      _ = try await store.settle(ending.map { JobSettlement($0.lease.reference, .done(result: nil)) })
      for item in ending { running[item.key, default: 0] -= 1 }
      settled += ending.count
      held.removeFirst(ending.count)
    }
    let rate = Double(total) / ((ContinuousClock.now - start) / .seconds(1))
    await store.close()
    report.add("keys-100x3", "rate", "jobs/s", .init(values: [rate], othersCPUs: nil))
    report.add("keys-100x3", "broken", "times", .init(values: [Double(broken)], othersCPUs: nil))
  }

  /// How long the jobs of a worker that died stay away, with a lease of one second.
  func recovery(_ report: inout BenchmarkReport) async throws {
    let path = folder.file()
    defer { folder.remove(path) }
    let store = try await SQLiteJobStore.open(.file(path))
    let sample = try await BenchmarkSample.take(reps) {
      _ = try await JobQueue(store: store).enqueue(Noop(number: 1))
      // A worker that claims and is never heard of again.
      _ = try await store.claim(ClaimRequest(maximum: 1, leaseFor: .seconds(1)))
      let begin = ContinuousClock.now
      let (starts, started) = AsyncStream<Void>.makeStream()
      let worker = JobWorker(store: store, options: .init(lease: .seconds(1), pollInterval: nil)) {
        handlers in
        handlers.handle(Noop.self) { _, _ in started.yield() }
      }
      return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await worker.run() }
        for await _ in starts { break }
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        worker.drain()
        try await group.waitForAll()
        return seconds
      }
    }
    await store.close()
    report.add("recovery-lease-1s", "time", "s", sample)
  }
}
