// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldJobs

extension JobStoreContract {
  /// Clauses about what holds jobs back.
  static let limits: [(String, Scenario)] = [
    (
      "jobs of one key at its limit don't hold up others, and follow in order as runs end",
      { bench, report in
        let keyed = try await bench.put(40, JobOptions(concurrencyKey: "host", concurrencyLimit: 2))
        let free = try await bench.put(3)
        let first = try await bench.claim(10)
        report.check(
          first.map(\.reference.id) == Array(keyed[..<2]) + free,
          bench.clause,
          observed: "\(first.count) leases"
        )
        var order: [RawJobID] = []
        var held = Array(first[..<2])
        while !held.isEmpty, order.count < 50 {
          let ending = held.removeFirst()
          order.append(ending.reference.id)
          _ = try await bench.settle(ending.reference, .done(result: nil))
          held += try await bench.claim(10)
          report.check(held.count <= 2, bench.clause, observed: "\(held.count) run")
        }
        report.check(order == keyed, bench.clause, observed: "\(order.count) of 40, or out of order")
      }
    ),
    (
      "an expired lease and a retry give their key's slot back",
      { bench, report in
        _ = try await bench.put(3, JobOptions(concurrencyKey: "host"))
        let lost = try await bench.claim(10)
        report.check(lost.count == 1, bench.clause, observed: "\(lost.count) run")
        bench.clock.advance(by: .seconds(11))
        _ = try await bench.store.reap(limit: 10)
        let next = try await bench.claim(10)
        report.check(next.count == 1, bench.clause, observed: "\(next.count) run after a lost lease")
        guard let run = next.first else { return }
        _ = try await bench.settle(run.reference, .retry(after: .seconds(60), error: "x"))
        let other = try await bench.claim(10)
        report.check(other.count == 1, bench.clause, observed: "\(other.count) run after a retry")
      }
    ),
    (
      "a queue that nobody serves keeps no other queue's jobs of the same key waiting, and the limit holds",
      { bench, report in
        let options = JobOptions(concurrencyKey: "host")
        let first = try await bench.put(1, options)
        let idle = try await bench.put(2, JobOptions(queue: "idle", concurrencyKey: "host"))
        let later = try await bench.put(2, options)
        // Those of the idle queue are parked with the key, by a worker that then leaves.
        var runs = try await bench.claim(10)
        _ = try await bench.claim(10, ["idle"])
        for expected in first + later {
          report.check(
            runs.map(\.reference.id) == [expected],
            bench.clause,
            observed: "\(runs.count) run beside a queue without workers"
          )
          let beside = try await bench.claim(10, ["idle"])
          report.check(beside.isEmpty, bench.clause, observed: "\(beside.count) run beyond the limit")
          for run in runs { _ = try await bench.settle(run.reference, .done(result: nil)) }
          if expected == later.last { break }
          runs = try await bench.claim(10)
        }
        var order: [RawJobID] = []
        for _ in idle {
          let next = try await bench.claim(10, ["idle"])
          order += next.map(\.reference.id)
          for run in next { _ = try await bench.settle(run.reference, .done(result: nil)) }
        }
        report.check(
          order == idle,
          bench.clause,
          observed: "\(order.count) of 2 of the idle queue, or out of order"
        )
      }
    ),
    (
      "a job that was next of its key and is cancelled leaves its place to the one after it",
      { bench, report in
        let ids = try await bench.put(3, JobOptions(concurrencyKey: "host"))
        let first = try await bench.claim(10)
        report.check(first.map(\.reference.id) == [ids[0]], bench.clause, observed: "\(first.count) run")
        for lease in first { _ = try await bench.settle(lease.reference, .done(result: nil)) }
        try await bench.store.control(.cancel([ids[1]]))
        let next = try await bench.claim(10)
        report.check(next.map(\.reference.id) == [ids[2]], bench.clause, observed: "\(next.count) run")
      }
    ),
    (
      "a job that was next of its key and waits for its rate or its queue holds up none that could run",
      { bench, report in
        let rate = JobRateLimit(key: "api", count: 1, per: .seconds(60))
        let limited = JobOptions(concurrencyKey: "host", rateLimit: rate)
        let ids =
          try await bench.put(2, limited) + bench.put(1, JobOptions(queue: "other", concurrencyKey: "host"))
          + bench.put(1, JobOptions(concurrencyKey: "host"))
        func claim() async throws -> [RawJobID] {
          let request = ClaimRequest(queues: ["other", .standard], maximum: 10, leaseFor: .seconds(10))
          let leases = try await bench.store.claim(request)
          for lease in leases { _ = try await bench.settle(lease.reference, .done(result: nil)) }
          return leases.map(\.reference.id)
        }
        let claims = ClaimRequest(queues: [.standard, "other"], maximum: 10, leaseFor: .seconds(10))
        let first = try await bench.store.claim(claims)
        report.check(first.map(\.reference.id) == [ids[0]], bench.clause, observed: "\(first.count) run")
        try await bench.store.control(.pause("other"))
        for lease in first { _ = try await bench.settle(lease.reference, .done(result: nil)) }
        // The second one's rate keeps it, the third one's queue; two claims may find that out.
        let later = try await claim() + claim()
        report.check(later == [ids[3]], bench.clause, observed: "\(later.count) ran")
        try await bench.store.control(.resume("other"))
        let resumed = try await claim()
        report.check(resumed == [ids[2]], bench.clause, observed: "\(resumed.count) ran when resumed")
        bench.clock.advance(by: .seconds(61))
        let due = try await claim()
        report.check(due == [ids[1]], bench.clause, observed: "\(due.count) ran when their rate let them")
      }
    ),
    (
      "a queue that is paused keeps no other queue's jobs of the same key waiting",
      { bench, report in
        func put(_ queue: QueueName) async throws -> RawJobID {
          try await bench.put(1, JobOptions(queue: queue, concurrencyKey: "host"))[0]
        }
        let ids = [try await put(.standard), try await put("paused"), try await put(.standard)]
        let request = ClaimRequest(queues: [.standard, "paused"], maximum: 10, leaseFor: .seconds(10))
        let first = try await bench.store.claim(request)
        report.check(first.map(\.reference.id) == [ids[0]], bench.clause, observed: "\(first.count) run")
        for lease in first { _ = try await bench.settle(lease.reference, .done(result: nil)) }
        // The next one is free to start by now.
        try await bench.store.control(.pause("paused"))
        let next = try await bench.store.claim(request)
        report.check(next.map(\.reference.id) == [ids[2]], bench.clause, observed: "\(next.count) run")
      }
    ),
    (
      "thousands of jobs that their key holds back keep no other tenant, level or queue waiting for the next claim",
      { bench, report in
        let many = try await bench.put(3000, JobOptions(tenant: "a", concurrencyKey: "host"))
        let few = try await bench.put(3, JobOptions(tenant: "b"))
        let first = try await bench.claim(10).map(\.reference.id)
        report.check(Set(first) == Set(many[..<1] + few), bench.clause, observed: "\(first.count) of tenants")
        let urgent = JobOptions(queue: "levels", priority: .interactive, concurrencyKey: "other host")
        let keyed = try await bench.put(3000, urgent)
        let low = try await bench.put(3, JobOptions(queue: "levels", priority: .background))
        let beside = try await bench.put(3, JobOptions(queue: "beside"))
        let second = try await bench.claim(10, ["levels", "beside"]).map(\.reference.id)
        report.check(
          Set(second) == Set(keyed[..<1] + low + beside),
          bench.clause,
          observed: "\(second.count) of levels and queues"
        )
        // Behind them, too, the others come, if not at once.
        let last = try await bench.put(1, JobOptions(tenant: "a"))
        var found = false
        for _ in 0..<8 where !found { found = try await bench.claim(10).map(\.reference.id) == last }
        report.check(found, bench.clause, observed: "one behind them did not start")
      }
    ),
    (
      "a queue that is paused, or that nobody serves, uses up no start of a rate that it shares",
      { bench, report in
        for isPaused in [false, true] {
          let rate = JobRateLimit(key: "api \(isPaused)", count: 1, per: .seconds(60))
          let idle: QueueName = isPaused ? "paused" : "idle"
          _ = try await bench.put(5, JobOptions(queue: idle, rateLimit: rate))
          let first = try await bench.claim(10, [idle])
          report.check(first.count == 1, bench.clause, observed: "\(first.count) at first")
          if isPaused { try await bench.store.control(.pause(idle)) }
          let id = try await bench.put(1, JobOptions(rateLimit: rate))
          let early = try await bench.claim(10)
          report.check(early.isEmpty, bench.clause, observed: "\(early.count) too early")
          // However often somebody looks.
          for _ in 0..<5 {
            bench.clock.advance(by: .seconds(1))
            _ = try await bench.claim(10, ["third"])
          }
          bench.clock.advance(by: .seconds(56))
          let due = try await bench.claim(10)
          report.check(due.map(\.reference.id) == id, bench.clause, observed: "\(due.count) when it was due")
          // Those that wait behind go on at their rate.
          if isPaused { try await bench.store.control(.resume(idle)) }
          for number in 1...4 {
            bench.clock.advance(by: .seconds(60))
            let next = try await bench.claim(10, [idle])
            report.check(next.count == 1, bench.clause, observed: "\(next.count) after minute \(number)")
          }
        }
      }
    ),
    (
      "a job that is let go for its rate and is cancelled leaves its start to the next",
      { bench, report in
        let rate = JobRateLimit(key: "api", count: 1, per: .seconds(60))
        let ids = try await bench.put(3, JobOptions(rateLimit: rate))
        _ = try await bench.claim(10)
        bench.clock.advance(by: .seconds(61))
        // Others look, so the next one is free to start, and look again, so that nothing more is planned.
        for _ in 0..<3 { _ = try await bench.claim(10, ["other"]) }
        try await bench.store.control(.cancel([ids[1]]))
        let next = try await bench.claim(10) + bench.claim(10)
        report.check(next.map(\.reference.id) == [ids[2]], bench.clause, observed: "\(next.count) started")
      }
    ),
    (
      "among jobs that wait for one key or one rate the urgent go first, and tenants get their shares",
      { bench, report in
        func claim() async throws -> [JobLease] {
          let leases = try await bench.claim(10)
          for lease in leases { _ = try await bench.settle(lease.reference, .done(result: nil)) }
          bench.clock.advance(by: .seconds(1))
          return leases
        }
        let held: [(String, JobOptions)] = [
          ("rate", JobOptions(rateLimit: JobRateLimit(key: "api", count: 1, per: .seconds(1)))),
          ("key", JobOptions(concurrencyKey: "host")),
        ]
        for (what, options) in held {
          var (urgent, late, other) = (options, options, options)
          urgent.priority = .interactive
          late.priority = .background
          _ = try await bench.put(50, late)
          let first = try await claim()
          report.check(first.count == 1, bench.clause, observed: "\(first.count) of a \(what) at first")
          let id = try await bench.put(1, urgent)
          let next = try await claim() + claim()
          report.check(
            next.contains { $0.reference.id == id[0] },
            bench.clause,
            observed: "urgent waits: \(what)"
          )
          (late.tenant, other.tenant) = ("many", "few")
          late.priority = .interactive
          other.priority = .interactive
          _ = try await bench.put(20, late)
          _ = try await claim()
          _ = try await bench.put(3, other)
          var turns: [JobLease] = []
          for _ in 0..<8 { turns += try await claim() }
          let few = turns.filter { $0.tenant == "few" }.count
          report.check(few == 3, bench.clause, observed: "\(few) of 3 for the other tenant: \(what)")
          while !(try await claim()).isEmpty {}
        }
      }
    ),
    (
      "starts of a rate limit come as often as it says, in order, with its burst",
      { bench, report in
        let limit = JobRateLimit(key: "api", count: 60, per: .seconds(60), burst: 3)
        let ids = try await bench.put(8, JobOptions(rateLimit: limit))
        let burst = try await bench.claim(10)
        report.check(
          burst.map(\.reference.id) == Array(ids[..<3]),
          bench.clause,
          observed: "\(burst.count) at once"
        )
        let early = try await bench.claim(10)
        report.check(early.isEmpty, bench.clause, observed: "\(early.count) too early")
        let due = try await bench.store.observe(.init()).untilNextDue
        report.check(due == .seconds(1), bench.clause, observed: "next due in \(String(describing: due))")
        for number in 3..<6 {
          bench.clock.advance(by: .seconds(1))
          let one = try await bench.claim(10)
          report.check(
            one.map(\.reference.id) == [ids[number]],
            bench.clause,
            observed: "\(one.count) after 1 s"
          )
        }
        bench.clock.advance(by: .seconds(60))
        let rest = try await bench.claim(10)
        report.check(
          rest.map(\.reference.id) == Array(ids[6...]),
          bench.clause,
          observed: "\(rest.count) at the end"
        )
      }
    ),
    (
      "a queue at its producer's depth refuses the whole batch, and takes it when there is room",
      { bench, report in
        func batch(_ count: Int) -> [NewJob] {
          (0..<count).map { _ in NewJob(name: "contract", payload: [], depthLimit: 3) }
        }
        _ = try await bench.store.enqueue(batch(2))
        var refusal: JobError.Code?
        do { _ = try await bench.store.enqueue(batch(2)) } catch let error as JobError {
          refusal = error.code
        }
        report.check(refusal == .queueFull, bench.clause, observed: "\(String(describing: refusal))")
        let ready = try await bench.store.observe(.init()).ready
        report.check(ready == 2, bench.clause, observed: "\(ready) waiting after a refusal")
        _ = try await bench.claim(1)
        let later = try await bench.store.enqueue(batch(2))
        report.check(later == [.inserted, .inserted], bench.clause, observed: "\(later)")
      }
    ),
    (
      "a batch that is handed in again after its answer was lost is taken as known, also by a full queue",
      { bench, report in
        let options = JobOptions(uniqueKey: "once")
        let batch =
          (0..<2).map { _ in NewJob(name: "contract", payload: [], depthLimit: 3) }
          + [NewJob(name: "contract", payload: [], options: options, depthLimit: 3)]
        _ = try await bench.store.enqueue(batch)
        let again = try await bench.store.enqueue(batch)
        report.check(again == batch.map { .duplicate(of: $0.id) }, bench.clause, observed: "\(again)")
        let twin = NewJob(name: "contract", payload: [], options: options, depthLimit: 3)
        let held = try await bench.store.enqueue([twin])
        report.check(held == [.duplicate(of: batch[2].id)], bench.clause, observed: "\(held)")
        let ready = try await bench.store.observe(.init()).ready
        report.check(ready == 3, bench.clause, observed: "\(ready) waiting")
        var refusal: JobError.Code?
        let fresh = NewJob(name: "contract", payload: [], depthLimit: 3)
        do { _ = try await bench.store.enqueue(batch + [fresh]) } catch let error as JobError {
          refusal = error.code
        }
        report.check(refusal == .queueFull, bench.clause, observed: "\(String(describing: refusal))")
      }
    ),
    (
      "a batch that is larger than its producer's depth is refused as one that never fits",
      { bench, report in
        func batch(_ count: Int, _ limit: Int, _ key: String? = nil) -> [NewJob] {
          (0..<count).map { _ in
            NewJob(name: "contract", payload: [], options: JobOptions(uniqueKey: key), depthLimit: limit)
          }
        }
        let large = try await bench.refusal(batch(4, 3))
        report.check(large == .invalidOption, bench.clause, observed: "\(String(describing: large))")
        let none = try await bench.refusal(batch(1, 0))
        report.check(none == .invalidOption, bench.clause, observed: "\(String(describing: none)) for none")
        let ready = try await bench.store.observe(.init()).ready
        report.check(ready == 0, bench.clause, observed: "\(ready) waiting")
        // Of these only the first is new.
        let twins = try await bench.refusal(batch(4, 3, "once"))
        report.check(twins == nil, bench.clause, observed: "\(String(describing: twins)) for twins")
      }
    ),
    (
      "statistics count what is held back, and nothing is due while only that is left",
      { bench, report in
        _ = try await bench.put(3, JobOptions(concurrencyKey: "host"))
        let lease = try await bench.claim(3)
        let stats = try await bench.store.observe(.init())
        report.check(
          lease.count == 1 && stats.ready == 2 && stats.blocked == 2 && stats.untilNextDue == .seconds(10),
          bench.clause,
          observed: "\(stats)"
        )
        try await bench.store.control(.pause(.standard))
        _ = try await bench.put(1)
        let paused = try await bench.store.observe(.init()).untilNextDue
        report.check(paused == .seconds(10), bench.clause, observed: "a paused queue is due")
      }
    ),
  ]
}
