// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs
import TenfoldStorage

extension JobsBenchmark {
  /// The rate of claims by how many jobs wait, ready or delayed; the first depth is the measure of the others.
  func depth(_ depths: [Int], _ report: inout BenchmarkReport) async throws {
    var shallow: BenchmarkSample?
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
        let name = "depth-\(kind)-\(depth)"
        let parameters = ["depth": "\(depth)"]
        report.add(name, "claim rate", "jobs/s", sample, parameters: parameters)
        if let shallow {
          let ratio = sample.map { $0 / shallow.median }
          report.add(name, "ratio", "x first", ratio, parameters: parameters, target: .atLeast(0.8))
        } else {
          shallow = sample
        }
      }
    }
  }

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
    report.add("fairness-10-of-10000", "wait", "x fair", share, target: .atMost(2))
  }

  /// Jobs of 100 keys with a limit of 3, handed out and settled at random: how often a limit was broken.
  func keys(_ total: Int, _ report: inout BenchmarkReport) async throws {
    let path = folder.file()
    defer { folder.remove(path) }
    let store = try await SQLiteJobStore.open(.file(path), options: .init(durability: .relaxed))
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
    report.add(
      "keys-100x3",
      "broken",
      "times",
      .init(values: [Double(broken)], othersCPUs: nil),
      parameters: ["jobs": "\(total)"],
      target: .atMost(0)
    )
  }
}
