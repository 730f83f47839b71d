// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs

extension JobStoreContract {
  /// Clauses about what is deleted: a tenant's jobs when it is erased, and dead letters.
  static let erasures: [(String, Scenario)] = [
    (
      "erasing a tenant deletes its jobs in every state and nobody else's, and says how many",
      { bench, report in
        let states = try await bench.fill("gone")
        let others = try await bench.fill("stays")
        let count = try await bench.store.erase("gone")
        report.check(count == states.count, bench.clause, observed: "\(count) of \(states.count) deleted")
        let left = try await bench.store.observe(.init(list: .init(limit: 99))).listed
        report.check(
          left.map(\.id) == others.keys.sorted() && left.allSatisfy { $0.tenant == "stays" },
          bench.clause,
          observed: "\(left.count) of \(others.count) others are left"
        )
        for (id, state) in others {
          let now = try await bench.state(id)
          report.check(now == state, bench.clause, observed: "\(state) became \(String(describing: now))")
        }
        let again = try await bench.store.erase("gone")
        report.check(again == 0, bench.clause, observed: "\(again) deleted the second time")
        let stats = try await bench.store.observe(.init())
        report.check(
          stats.ready == 3 && stats.running == 1 && stats.dead == 1 && stats.blocked == 1,
          bench.clause,
          observed: "\(stats)"
        )
      }
    ),
    (
      "nobody's jobs can't be erased together",
      { bench, report in
        _ = try await bench.put(2)
        var refusal: JobError.Code?
        do { _ = try await bench.store.erase("") } catch let error as JobError { refusal = error.code }
        report.check(refusal == .invalidOption, bench.clause, observed: "\(String(describing: refusal))")
        let ready = try await bench.store.observe(.init()).ready
        report.check(ready == 2, bench.clause, observed: "\(ready) are left")
      }
    ),
    (
      "a run whose job was erased has lost its lease: it can't go on, save or settle, and nothing comes back",
      { bench, report in
        _ = try await bench.put(1, JobOptions(tenant: "gone"))
        let lease = try await bench.claim()[0]
        _ = try await bench.store.erase("gone")
        let update = JobUpdate(checkpoint: [1], steps: ["a": [1]])
        let heard = try await bench.store.extend([lease.reference], by: .seconds(10), updates: [update])
        report.check(heard == [.lost], bench.clause, observed: "\(heard)")
        for outcome in [JobSettlement.Outcome.done(result: [1]), .retry(after: .zero, error: "x")] {
          let settled = try await bench.settle(lease.reference, outcome)
          report.check(settled == .fenced, bench.clause, observed: "\(String(describing: settled))")
        }
        bench.clock.advance(by: .seconds(11))
        let reaped = try await bench.store.reap(limit: 9)
        let more = try await bench.claim(9)
        report.check(
          reaped == 0 && more.isEmpty,
          bench.clause,
          observed: "\(reaped) reaped, \(more.count) claimed"
        )
      }
    ),
    (
      "what comes after an erased job fails, as after a cancelled one",
      { bench, report in
        let parents = try await bench.put(1, JobOptions(tenant: "gone")) + bench.put(1)
        let child = try await bench.put(1, JobOptions(tenant: "stays", after: parents))[0]
        let lease = try await bench.claim(9).first { $0.tenant == "gone" }
        report.check(lease != nil, bench.clause, observed: "the first job wasn't handed out")
        _ = try await bench.store.erase("gone")
        let snapshot = try await bench.store.observe(.init(jobs: [child])).jobs.first
        report.check(
          snapshot?.state == .dead && snapshot?.errors.count == 1,
          bench.clause,
          observed: "\(String(describing: snapshot))"
        )
      }
    ),
    (
      "what an erased tenant held is free: unique keys, also those that outlived their jobs, and places of keys",
      { bench, report in
        let brief = JobOptions(
          tenant: "gone",
          uniqueKey: "kept",
          uniqueRetention: .seconds(1000),
          resultRetention: .zero
        )
        _ = try await bench.put(1, brief)
        let ended = try await bench.claim()[0]
        _ = try await bench.settle(ended.reference, .done(result: nil))
        _ = try await bench.put(1, JobOptions(tenant: "gone", uniqueKey: "held", concurrencyKey: "host"))
        _ = try await bench.put(1, JobOptions(tenant: "gone", concurrencyKey: "host"))
        let first = try await bench.claim(9)
        let waiting = try await bench.put(1, JobOptions(tenant: "stays", concurrencyKey: "host"))
        let second = try await bench.claim(9)
        report.check(
          first.count == 1 && second.isEmpty,
          bench.clause,
          observed: "\(first.count) and \(second.count) run"
        )
        let foreign = try await bench.put(1, JobOptions(tenant: "stays", uniqueKey: "foreign"))
        _ = try await bench.store.erase("gone")
        let next = try await bench.claim(9)
        report.check(
          Set(next.map(\.reference.id)) == Set(waiting + foreign),
          bench.clause,
          observed: "\(next.count) run after it"
        )
        for (key, isFree) in [("kept", true), ("held", true), ("foreign", false)] {
          let job = NewJob(name: "contract", payload: [], options: JobOptions(uniqueKey: key))
          let isNew = try await bench.store.enqueue([job]) == [.inserted]
          report.check(isNew == isFree, bench.clause, observed: "key \(key): \(isNew)")
        }
      }
    ),
    (
      "a tenant that was erased can hand in again, with the weight of a stranger",
      { bench, report in
        try await bench.store.control(.weigh("gone", 9))
        _ = try await bench.put(3, JobOptions(tenant: "gone"))
        _ = try await bench.store.erase("gone")
        _ = try await bench.put(20, JobOptions(tenant: "gone"))
        _ = try await bench.put(20, JobOptions(tenant: "stays"))
        let count = try await bench.claim(20).count { $0.tenant == "gone" }
        report.check((9...11).contains(count), bench.clause, observed: "\(count) of 20")
      }
    ),
  ]

  /// Clauses about dead letters that are kept for a time.
  static func retentions(_ retention: Duration) -> [(String, Scenario)] {
    [
      (
        "dead letters are purged after their retention, whatever made them so, and not before",
        { bench, report in
          let failed = try await bench.put(1, JobOptions(maximumAttempts: 1))[0]
          let lease = try await bench.claim()[0]
          _ = try await bench.settle(lease.reference, .retry(after: .zero, error: "x"))
          bench.clock.advance(by: .seconds(1))
          let parent = try await bench.put(1, JobOptions(delay: .seconds(1_000_000)))
          let dependent = try await bench.put(1, JobOptions(after: parent))[0]
          try await bench.store.control(.cancel(parent))
          bench.clock.advance(by: retention - .seconds(1) - .milliseconds(1))
          _ = try await bench.claim()
          let early = [try await bench.state(failed), try await bench.state(dependent)]
          report.check(early == [.dead, .dead], bench.clause, observed: "\(early)")
          bench.clock.advance(by: .milliseconds(1))
          _ = try await bench.claim()
          let later = [try await bench.state(failed), try await bench.state(dependent)]
          report.check(later == [nil, .dead], bench.clause, observed: "\(later)")
          bench.clock.advance(by: .seconds(1))
          _ = try await bench.claim()
          let stats = try await bench.store.observe(.init(jobs: [dependent]))
          report.check(stats.jobs.isEmpty && stats.dead == 0, bench.clause, observed: "\(stats.dead) dead")
        }
      ),
      (
        "a dead letter that is replayed has its whole retention again, and who waits for a purged one fails",
        { bench, report in
          let id = try await bench.put()[0]
          var lease = try await bench.claim()[0]
          _ = try await bench.settle(lease.reference, .dead(error: "x"))
          let child = try await bench.put(1, JobOptions(after: [id]))[0]
          bench.clock.advance(by: retention - .seconds(1))
          try await bench.store.control(.replay([id]))
          bench.clock.advance(by: .seconds(2))
          lease = try await bench.claim()[0]
          _ = try await bench.settle(lease.reference, .dead(error: "y"))
          bench.clock.advance(by: retention - .seconds(1))
          _ = try await bench.claim()
          let kept = [try await bench.state(id), try await bench.state(child)]
          report.check(kept == [.dead, .ready], bench.clause, observed: "\(kept)")
          bench.clock.advance(by: .seconds(1))
          _ = try await bench.claim()
          let states = [try await bench.state(id), try await bench.state(child)]
          report.check(states == [nil, .dead], bench.clause, observed: "\(states)")
        }
      ),
    ]
  }
}

extension JobStoreContract.Bench {
  /// A tenant's jobs in every state, and which state that is.
  func fill(_ tenant: TenantID) async throws -> [RawJobID: JobState] {
    func options(_ attempts: Int = 9, after: [RawJobID] = [], key: String? = nil) -> JobOptions {
      JobOptions(tenant: tenant, maximumAttempts: attempts, uniqueKey: key, after: after, trace: ["t": "1"])
    }
    let ended = try await put(3, options(1))
    let outcomes: [JobSettlement.Outcome] = [.done(result: [1]), .cancelled, .dead(error: "x")]
    for (lease, outcome) in zip(try await claim(3), outcomes) {
      _ = try await settle(lease.reference, outcome)
    }
    let running = try await put(1, options(key: "running \(tenant)"))[0]
    let lease = try await claim()[0]
    let update = JobUpdate(fraction: 0.5, message: "m", checkpoint: [1], steps: ["s": [2]])
    _ = try await store.extend([lease.reference], by: .seconds(1000), updates: [update])
    let parked = try await put(1, options(after: [running]))[0]
    let ready = try await put(1, JobOptions(delay: .seconds(5), tenant: tenant))[0]
    let retried = try await put(1, options())[0]
    let failed = try await claim()[0]
    _ = try await settle(failed.reference, .retry(after: .seconds(5), error: "e"))
    return [
      ended[0]: .done, ended[1]: .cancelled, ended[2]: .dead, running: .running, parked: .ready,
      ready: .ready,
      retried: .ready,
    ]
  }
}
