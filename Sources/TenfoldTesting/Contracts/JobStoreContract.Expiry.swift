// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs

extension JobStoreContract {
  /// How jobs end that nobody wants late.
  static let expiries: [(String, Scenario)] = [
    (
      "a job that expires before it starts is a dead letter, and holds up none of its key",
      { bench, report in
        func limited(_ time: Duration?) -> JobOptions { JobOptions(expiresAfter: time, concurrencyKey: "k") }
        let first = try await bench.put(1, limited(nil))
        let late = try await bench.put(1, limited(.seconds(5)))
        let next = try await bench.put(1, limited(.seconds(60)))
        let run = try await bench.claim()
        report.check(run.map(\.reference.id) == first, bench.clause, observed: "\(run.count) leases")
        bench.clock.advance(by: .seconds(6))
        for lease in run { _ = try await bench.settle(lease.reference, .done(result: nil)) }
        // A claim that only sets aside what is late may give nothing.
        let after = try await bench.claim() + bench.claim()
        report.check(
          after.map(\.reference.id) == next,
          bench.clause,
          observed: "\(after.count) leases after it"
        )
        let dead = try await bench.store.observe(.init(jobs: late)).jobs.first
        report.check(
          dead?.state == .dead && dead?.attempts == 0 && dead?.errors.count == 1 && dead?.payload == [0],
          bench.clause,
          observed: "\(String(describing: dead))"
        )
        let ready = try await bench.store.observe(.init()).ready
        report.check(ready == 0, bench.clause, observed: "\(ready) waiting")
        for lease in after { _ = try await bench.settle(lease.reference, .done(result: nil)) }
        try await bench.store.control(.replay(late))
        bench.clock.advance(by: .seconds(6))
        let again = try await bench.claim()
        report.check(again.map(\.reference.id) == late, bench.clause, observed: "\(again.count) replayed")
      }
    ),
    (
      "a job that expires leaves its start to the next of its rate",
      { bench, report in
        let rate = JobRateLimit(key: "r", count: 1, per: .seconds(60))
        let first = try await bench.put(1, JobOptions(rateLimit: rate))
        _ = try await bench.put(1, JobOptions(expiresAfter: .seconds(30), rateLimit: rate))
        let next = try await bench.put(1, JobOptions(rateLimit: rate))
        let run = try await bench.claim(9)
        report.check(run.map(\.reference.id) == first, bench.clause, observed: "\(run.count) leases")
        for lease in run { _ = try await bench.settle(lease.reference, .done(result: nil)) }
        bench.clock.advance(by: .seconds(61))
        let after = try await bench.claim(9) + bench.claim(9)
        report.check(after.map(\.reference.id) == next, bench.clause, observed: "\(after.count) leases")
      }
    ),
    (
      "an attempt that failed is not repeated after the time of its job",
      { bench, report in
        let id = try await bench.put(1, JobOptions(expiresAfter: .seconds(5)))
        for lease in try await bench.claim() {
          bench.clock.advance(by: .seconds(4))
          _ = try await bench.settle(lease.reference, .retry(after: .seconds(2), error: "scripted"))
        }
        bench.clock.advance(by: .seconds(2))
        let leases = try await bench.claim()
        let job = try await bench.store.observe(.init(jobs: id)).jobs.first
        report.check(
          leases.isEmpty && job?.state == .dead && job?.errors.count == 2,
          bench.clause,
          observed: "\(leases.count) leases, \(String(describing: job))"
        )
      }
    ),
  ]
}
