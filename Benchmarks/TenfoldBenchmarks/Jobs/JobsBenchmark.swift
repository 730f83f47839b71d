// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldJobs
import TenfoldStorage

/// The measurements of `tenfold-bench jobs`.
struct JobsBenchmark {
  let folder: ScratchFolder
  let payload: Int
  let reps: Int
  let measuresRaw: Bool

  /// Jobs of one repetition: enough that a second or so passes at ordinary rates.
  static func jobs(_ batch: Int, isFull: Bool) -> Int {
    switch batch {
    case ..<10: isFull ? 300 : 3_000
    case ..<100: isFull ? 3_000 : 10_000
    default: max(20_000, batch * 20) / batch * batch
    }
  }

  func new(_ count: Int, _ options: JobOptions = JobOptions()) -> [NewJob] {
    let bytes = [UInt8](repeating: 120, count: payload)
    return (0..<count).map { _ in NewJob(name: "noop", payload: bytes, options: options) }
  }

  // MARK: - Calls by batch and durability

  func calls(
    _ item: JobsCommand.Case,
    _ batch: Int,
    _ durability: SQLiteDatabase.Durability,
    _ report: inout BenchmarkReport
  ) async throws {
    let isFull = durability == .full
    let jobs = Self.jobs(batch, isFull: isFull)
    let meter = NoiseMeter()
    var ours: [Double] = []
    var raws: [Double] = []
    // The first repetition warms up and is dropped.
    for repetition in 0...reps {
      if measuresRaw {
        let rate = try await raw(item, batch, jobs, isFull: isFull)
        if repetition > 0 { raws.append(rate) }
      }
      let path = folder.file()
      let store = try await SQLiteJobStore.open(.file(path), options: .init(durability: durability))
      let rate = try await measure(item, store, batch, jobs)
      await store.close()
      folder.remove(path)
      if repetition > 0 { ours.append(rate) }
    }
    let noise = meter.othersCPUs()
    let parameters = ["batch": "\(batch)", "durability": "\(durability)", "payload": "\(payload)"]
    let name = "\(item.rawValue)-\(durability)-\(batch)"
    report.add(
      name,
      "rate",
      "jobs/s",
      .init(values: ours.sorted(), othersCPUs: noise),
      parameters: parameters
    )
    guard measuresRaw else { return }
    report.add(name, "raw", "jobs/s", .init(values: raws.sorted(), othersCPUs: noise), parameters: parameters)
    // Neighbours in time are compared, as the disk changes its mind.
    let ratios = zip(ours, raws).map { $0 / $1 }.sorted()
    report.add(
      name,
      "ratio",
      "x raw",
      .init(values: ratios, othersCPUs: noise),
      parameters: parameters,
      target: target(item, batch, isFull: isFull)
    )
  }

  private func target(_ item: JobsCommand.Case, _ batch: Int, isFull: Bool) -> BenchmarkTarget? {
    guard isFull else { return nil }
    switch item {
    case .enqueue where batch == 100: return .atLeast(0.75)
    case .lifecycle where batch >= 100: return .atLeast(0.6)
    default: return nil
    }
  }

  /// Jobs a second through a store.
  func measure(
    _ item: JobsCommand.Case,
    _ store: any JobStore,
    _ batch: Int,
    _ jobs: Int
  ) async throws -> Double {
    let request = ClaimRequest(maximum: batch, leaseFor: .seconds(3600))
    var leases: [JobLease] = []
    if item == .claim || item == .settle {
      for _ in stride(from: 0, to: jobs, by: 1000) { _ = try await store.enqueue(new(min(1000, jobs))) }
    }
    if item == .settle {
      while leases.count < jobs {
        leases += try await store.claim(ClaimRequest(maximum: 1000, leaseFor: .seconds(3600)))
      }
    }
    let prepared = item == .enqueue || item == .lifecycle ? new(batch) : []
    let start = ContinuousClock.now
    var done = 0
    while done < jobs {
      switch item {
      case .enqueue: _ = try await store.enqueue(renewed(prepared))
      case .claim: _ = try await store.claim(request)
      case .settle:
        _ = try await store.settle(
          leases[done..<min(leases.count, done + batch)].map {
            JobSettlement($0.reference, .done(result: nil))
          }
        )
      default:
        _ = try await store.enqueue(renewed(prepared))
        let ends = leases.map { JobSettlement($0.reference, .done(result: nil)) }
        leases = try await store.settleAndClaim(ends, request).leases
      }
      done += batch
    }
    return Double(done) / ((ContinuousClock.now - start) / .seconds(1))
  }

  private func renewed(_ jobs: [NewJob]) -> [NewJob] {
    var jobs = jobs
    for index in jobs.indices { jobs[index].id = RawJobID() }
    return jobs
  }

  /// Jobs a second through SQLite's C API, with the same transactions.
  func raw(_ item: JobsCommand.Case, _ batch: Int, _ jobs: Int, isFull: Bool) async throws -> Double {
    let path = folder.file()
    defer { folder.remove(path) }
    let store = try await SQLiteJobStore.open(.file(path))
    _ = try await store.enqueue(new(1))
    let lease = try await store.claim(ClaimRequest(maximum: 1)).first
    _ = try await store.settle([lease].compactMap { $0 }.map { JobSettlement($0.reference, .cancelled) })
    await store.close()
    let raw = try RawJobs(path, payload: payload, isFull: isFull)
    if item == .claim || item == .settle { try raw.transaction { try raw.enqueue(jobs) } }
    if item == .settle { try raw.transaction { try raw.claim(jobs) } }
    let start = ContinuousClock.now
    var done = 0
    while done < jobs {
      switch item {
      case .enqueue: try raw.transaction { try raw.enqueue(batch) }
      case .claim: try raw.transaction { try raw.claim(batch) }
      case .settle: try raw.transaction { try raw.settle(batch) }
      default:
        try raw.transaction { try raw.enqueue(batch) }
        try raw.transaction {
          try raw.settle(raw.claimed.count)
          try raw.claim(batch)
        }
      }
      done += batch
    }
    return Double(done) / ((ContinuousClock.now - start) / .seconds(1))
  }
}

extension BenchmarkSample {
  /// Warms up once, then takes values of asynchronous work.
  static func take(_ count: Int, _ body: () async throws -> Double) async rethrows -> BenchmarkSample {
    _ = try await body()
    let meter = NoiseMeter()
    var values: [Double] = []
    for _ in 0..<count { values.append(try await body()) }
    return BenchmarkSample(values: values.sorted(), othersCPUs: meter.othersCPUs())
  }
}
