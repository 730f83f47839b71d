// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs

extension JobStoreContract {
  /// Clauses about who comes when: tenants, dependencies, schedules, steps.
  static let orders: [(String, Scenario)] = [
    (
      "a tenant with few jobs waits at most twice its fair share behind one with many",
      { bench, report in
        _ = try await bench.put(500, JobOptions(tenant: "large"))
        _ = try await bench.claim(50)
        _ = try await bench.put(10, JobOptions(tenant: "small"))
        var position = 0
        var served = 0
        while served < 10, position < 400 {
          let leases = try await bench.claim(7)
          if leases.isEmpty { break }
          for lease in leases {
            position += 1
            if lease.tenant == "small" { served += 1 }
          }
        }
        // Two tenants share evenly: ten jobs take twenty places.
        report.check(
          served == 10 && position <= 40,
          bench.clause,
          observed: "\(served) served at place \(position)"
        )
      }
    ),
    (
      "tenants are served by their weights, and one that was away has saved nothing",
      { bench, report in
        try await bench.store.control(.weigh("heavy", 3))
        _ = try await bench.put(100, JobOptions(tenant: "light"))
        _ = try await bench.claim(30)
        _ = try await bench.put(100, JobOptions(tenant: "heavy"))
        let leases = try await bench.claim(40)
        let heavy = leases.filter { $0.tenant == "heavy" }.count
        report.check(
          (29...31).contains(heavy),
          bench.clause,
          observed: "\(heavy) of 40 for a weight of 3 : 1"
        )
      }
    ),
    (
      "a job waits for the jobs it comes after",
      { bench, report in
        let parents = try await bench.put(2)
        let child = try await bench.put(1, JobOptions(after: parents))
        let leases = try await bench.claim(5)
        report.check(leases.map(\.reference.id) == parents, bench.clause, observed: "\(leases.count) leases")
        for (index, lease) in leases.enumerated() {
          let early = try await bench.claim(5)
          report.check(early.isEmpty, bench.clause, observed: "started before parent \(index) was done")
          _ = try await bench.settle(lease.reference, .done(result: nil))
        }
        let last = try await bench.claim(5)
        report.check(last.map(\.reference.id) == child, bench.clause, observed: "\(last.count) leases")
        let late = try await bench.put(1, JobOptions(after: parents))
        let free = try await bench.claim(5)
        report.check(
          free.map(\.reference.id) == late,
          bench.clause,
          observed: "waited for jobs that are done"
        )
      }
    ),
    (
      "a job that is handed in again under its id waits for what it comes after now, each once, and never for itself",
      { bench, report in
        let parents = try await bench.put(2)
        let id = RawJobID()
        func put(_ after: [RawJobID]) async throws {
          let options = JobOptions(after: after, resultRetention: .zero)
          _ = try await bench.store.enqueue([NewJob(id: id, name: "contract", payload: [], options: options)])
        }
        try await put([parents[0]])
        try await bench.store.control(.cancel([id]))
        try await put(parents)
        let runs = try await bench.claim(5)
        report.check(runs.map(\.reference.id) == parents, bench.clause, observed: "\(runs.count) leases")
        for run in runs {
          let early = try await bench.claim(5)
          report.check(early.isEmpty, bench.clause, observed: "it started before both were done")
          _ = try await bench.settle(run.reference, .done(result: nil))
        }
        let free = try await bench.claim(5)
        report.check(free.map(\.reference.id) == [id], bench.clause, observed: "\(free.count) in the end")
        for run in free { _ = try await bench.settle(run.reference, .done(result: nil)) }
        bench.clock.advance(by: .seconds(1))
        try await put([id])
        let own = try await bench.claim(5)
        report.check(own.map(\.reference.id) == [id], bench.clause, observed: "it waits for itself")
      }
    ),
    (
      "a dead letter is waited for, a cancelled or purged job fails those that come after it",
      { bench, report in
        let parents = try await bench.put(2, JobOptions(maximumAttempts: 1))
        let children = [
          try await bench.put(1, JobOptions(after: [parents[0]]))[0],
          try await bench.put(1, JobOptions(after: [parents[1]]))[0],
        ]
        let lease = try await bench.claim(1)[0]
        _ = try await bench.settle(lease.reference, .retry(after: .zero, error: "x"))
        try await bench.store.control(.cancel([parents[1]]))
        let states = [try await bench.state(children[0]), try await bench.state(children[1])]
        report.check(states == [.ready, .dead], bench.clause, observed: "\(states)")
        try await bench.store.control(.replay([parents[0]]))
        let again = try await bench.claim(1)
        report.check(again.map(\.reference.id) == [parents[0]], bench.clause, observed: "no replay")
        for run in again { _ = try await bench.settle(run.reference, .dead(error: "x")) }
        try await bench.store.control(.purge([parents[0]]))
        let purged = try await bench.state(children[0])
        report.check(purged == .dead, bench.clause, observed: "\(String(describing: purged)) after a purge")
        try await bench.store.control(.replay(children))
        let free = try await bench.claim(5)
        report.check(
          free.map(\.reference.id) == children,
          bench.clause,
          observed: "\(free.count) after a replay"
        )
      }
    ),
    (
      "a dead letter that is replayed begins anew: an old request to cancel it counts no more",
      { bench, report in
        let ids = try await bench.put()
        let lease = try await bench.claim()[0]
        try await bench.store.control(.cancel(ids))
        _ = try await bench.settle(lease.reference, .dead(error: "x"))
        try await bench.store.control(.replay(ids))
        for outcome in [JobSettlement.Outcome.release(after: .zero), .retry(after: .zero, error: "x")] {
          guard let run = try await bench.claim().first else {
            report.check(false, bench.clause, observed: "no run")
            continue
          }
          let extended = try await bench.store.extend([run.reference], by: .seconds(10), updates: [nil])
          report.check(extended == [.extended], bench.clause, observed: "\(extended)")
          _ = try await bench.settle(run.reference, outcome)
          let state = try await bench.state(ids[0])
          report.check(state == .ready, bench.clause, observed: "\(String(describing: state)) after a run")
        }
      }
    ),
    (
      "the firings of a schedule are accepted once, in rising order",
      { bench, report in
        func fire(_ milliseconds: Int64) async throws -> Bool {
          let tick = JobScheduleTick(schedule: "nightly", milliseconds: milliseconds)
          let job = NewJob(name: "contract", payload: [], tick: tick)
          return try await bench.store.enqueue([job]) == [.inserted]
        }
        let accepted = [
          try await fire(1000), try await fire(1000), try await fire(3000), try await fire(2000),
        ]
        report.check(accepted == [true, false, true, false], bench.clause, observed: "\(accepted)")
        let fired = try await bench.store.observe(.init(schedules: ["nightly", "other"])).schedules
        report.check(fired == ["nightly": 3000], bench.clause, observed: "\(fired)")
      }
    ),
    (
      "a firing that names the one it replaces is accepted before it, once, and the schedule goes on from there",
      { bench, report in
        func fire(_ milliseconds: Int64, replacing early: Int64? = nil) async throws -> Bool {
          let tick = JobScheduleTick(schedule: "nightly", milliseconds: milliseconds, replaces: early)
          return try await bench.store.enqueue([NewJob(name: "contract", payload: [], tick: tick)]) == [
            .inserted
          ]
        }
        let accepted = [
          try await fire(9_000_000), try await fire(1000, replacing: 8_000_000),
          try await fire(2000, replacing: 9_000_000), try await fire(2000, replacing: 9_000_000),
          try await fire(1000, replacing: 9_000_000), try await fire(2000, replacing: 2000),
          try await fire(3000),
        ]
        report.check(
          accepted == [true, false, true, false, false, false, true],
          bench.clause,
          observed: "\(accepted)"
        )
        let fired = try await bench.store.observe(.init(schedules: ["nightly"])).schedules
        report.check(fired == ["nightly": 3000], bench.clause, observed: "\(fired)")
      }
    ),
    (
      "outputs of steps are handed to later runs, until the job has ended",
      { bench, report in
        _ = try await bench.put()
        var lease = try await bench.claim()[0]
        for (name, output) in [("a", [UInt8]([1])), ("b", [2])] {
          let update = JobUpdate(steps: [name: output])
          _ = try await bench.store.extend([lease.reference], by: .seconds(10), updates: [update])
        }
        _ = try await bench.settle(lease.reference, .retry(after: .zero, error: "x"))
        lease = try await bench.claim()[0]
        report.check(lease.steps == ["a": [1], "b": [2]], bench.clause, observed: "\(lease.steps)")
        report.check(lease.checkpoint == nil, bench.clause, observed: "a checkpoint nobody saved")
      }
    ),
    (
      "a fraction is kept within 0…1, and what is no number changes nothing",
      { bench, report in
        let ids = try await bench.put()
        let lease = try await bench.claim()[0]
        let cases: [(Double, Double)] = [(0.5, 0.5), (1e300, 1), (-2, 0), (0.25, 0.25), (.nan, 0.25)]
        for (told, kept) in cases + [(.infinity, 0.25)] {
          let update = JobUpdate(fraction: told)
          _ = try await bench.store.extend([lease.reference], by: .seconds(10), updates: [update])
          let seen = try await bench.store.observe(.init(jobs: ids)).jobs.first?.fraction
          report.check(seen == kept, bench.clause, observed: "\(String(describing: seen)) after \(told)")
        }
      }
    ),
    (
      "a claim for as many as there can be takes what there is, one for none takes none",
      { bench, report in
        let ids = try await bench.put(3)
        for maximum in [0, -1, Int.min] {
          let none = try await bench.claim(maximum)
          report.check(none.isEmpty, bench.clause, observed: "\(none.count) for \(maximum)")
        }
        let leases = try await bench.claim(.max)
        report.check(leases.map(\.reference.id) == ids, bench.clause, observed: "\(leases.count) leases")
      }
    ),
    (
      "names and keys of different bytes are different, also where their characters are equal",
      { bench, report in
        let spellings = ["caf\u{e9}", "cafe\u{301}"]
        let jobs = spellings.map { name in
          let options = JobOptions(queue: QueueName(name), tenant: TenantID(name), uniqueKey: name)
          return NewJob(name: "contract", payload: Array(name.utf8), options: options)
        }
        let outcomes = try await bench.store.enqueue(jobs)
        report.check(outcomes == [.inserted, .inserted], bench.clause, observed: "\(outcomes)")
        let first = QueueName(spellings[0])
        let leases = try await bench.store.claim(ClaimRequest(queues: [first], maximum: 9))
        report.check(
          leases.map(\.reference.id) == [jobs[0].id],
          bench.clause,
          observed: "\(leases.count) leases"
        )
        let count = try await bench.store.erase(TenantID(spellings[1]))
        let left = try await bench.store.observe(.init(jobs: jobs.map(\.id))).jobs.map(\.id)
        report.check(
          count == 1 && left == [jobs[0].id],
          bench.clause,
          observed: "\(count) erased, \(left) left"
        )
        let queue: QueueName = "keys"
        for name in spellings {
          let rate = JobRateLimit(key: name, count: 1, per: .seconds(60))
          _ = try await bench.put(1, JobOptions(queue: queue, concurrencyKey: name))
          _ = try await bench.put(1, JobOptions(queue: queue, rateLimit: rate))
        }
        let keyed = try await bench.claim(9, [queue]).count
        report.check(keyed == 4, bench.clause, observed: "\(keyed) of 4 jobs of different keys")
      }
    ),
    (
      "jobs are listed by state, a page at a time, with their queue and tenant",
      { bench, report in
        let ids = try await bench.put(5, JobOptions(tenant: "t"))
        for lease in try await bench.claim(2).reversed() {
          // The second one's lease ends first.
          bench.clock.advance(by: .seconds(1))
          _ = try await bench.store.extend([lease.reference], by: .seconds(10), updates: [nil])
        }
        let running = try await bench.store.observe(.init(list: .init(state: .running, limit: 9))).listed
        report.check(
          running.map(\.id) == Array(ids[..<2]),
          bench.clause,
          observed: "\(running.map(\.id)) run"
        )
        let first = try await bench.store.observe(.init(list: .init(state: .ready, limit: 2))).listed
        report.check(first.map(\.id) == Array(ids[2..<4]), bench.clause, observed: "\(first.map(\.id))")
        let page = JobStats.List(state: .ready, after: first.last?.id, limit: 2)
        let second = try await bench.store.observe(.init(list: page)).listed
        report.check(second.map(\.id) == [ids[4]], bench.clause, observed: "\(second.map(\.id))")
        report.check(
          second.first?.tenant == "t" && second.first?.queue == .standard,
          bench.clause,
          observed: "\(String(describing: second.first))"
        )
      }
    ),
    (
      "trace context and tenant travel with the job",
      { bench, report in
        _ = try await bench.put(1, JobOptions(tenant: "t", trace: ["traceparent": "00-ab"]))
        let lease = try await bench.claim()[0]
        report.check(
          lease.trace == ["traceparent": "00-ab"] && lease.tenant == "t",
          bench.clause,
          observed: "\(lease.trace), \(lease.tenant)"
        )
      }
    ),
  ]
}
