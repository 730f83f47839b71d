// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs

extension JobStoreContract {
  /// How jobs are accepted, handed out, and ended.
  static let runs: [(String, Scenario)] = [
    (
      "a job is handed out once, with its payload, in order of arrival",
      { bench, report in
        let ids = try await bench.put(3)
        let leases = try await bench.claim(2) + bench.claim(5)
        report.check(leases.map(\.reference.id) == ids, bench.clause, observed: "\(leases.count) leases")
        report.check(leases.map(\.payload) == [[0], [1], [2]], bench.clause, observed: "other payloads")
        let more = try await bench.claim(1)
        report.check(more.isEmpty, bench.clause, observed: "a job was handed out twice")
      }
    ),
    (
      "a lease says how long its job could have started, without its delay and the runs before",
      { bench, report in
        let delayed = NewJob(name: "contract", payload: [], options: JobOptions(delay: .seconds(5)))
        _ = try await bench.store.enqueue([delayed])
        bench.clock.advance(by: .seconds(8))
        let first = try await bench.claim()
        report.check(
          first.map(\.waited) == [.seconds(3)],
          bench.clause,
          observed: "\(first.map(\.waited)) in place of 3 s"
        )
        guard let run = first.first else { return }
        bench.clock.advance(by: .seconds(1))
        _ = try await bench.settle(run.reference, .retry(after: .seconds(2), error: "scripted"))
        bench.clock.advance(by: .seconds(6))
        let second = try await bench.claim().map(\.waited)
        report.check(second == [.seconds(4)], bench.clause, observed: "\(second) in place of 4 s")
      }
    ),
    (
      "enqueueing again with the same id adds nothing, also after the end",
      { bench, report in
        let job = NewJob(name: "contract", payload: [1])
        let first = try await bench.store.enqueue([job])
        let second = try await bench.store.enqueue([job])
        report.check(first == [.inserted], bench.clause, observed: "\(first)")
        report.check(second == [.duplicate(of: job.id)], bench.clause, observed: "\(second)")
        let lease = try await bench.claim()[0]
        _ = try await bench.settle(lease.reference, .done(result: nil))
        let third = try await bench.store.enqueue([job])
        report.check(third == [.duplicate(of: job.id)], bench.clause, observed: "\(third)")
      }
    ),
    (
      "a unique key is accepted once until its job has ended and the retention passed",
      { bench, report in
        let options = JobOptions(uniqueKey: "k", uniqueRetention: .seconds(60))
        let jobs = (0..<2).map { _ in NewJob(name: "contract", payload: [], options: options) }
        let outcomes = try await bench.store.enqueue(jobs)
        report.check(
          outcomes == [.inserted, .duplicate(of: jobs[0].id)],
          bench.clause,
          observed: "\(outcomes)"
        )
        let lease = try await bench.claim()[0]
        _ = try await bench.settle(lease.reference, .done(result: nil))
        let soon = try await bench.store.enqueue([NewJob(name: "contract", payload: [], options: options)])
        report.check(soon == [.duplicate(of: jobs[0].id)], bench.clause, observed: "\(soon)")
        bench.clock.advance(by: .seconds(61))
        let later = try await bench.store.enqueue([NewJob(name: "contract", payload: [], options: options)])
        report.check(later == [.inserted], bench.clause, observed: "\(later)")
      }
    ),
    (
      "a settlement counts once, and only with the newest fence",
      { bench, report in
        let id = try await bench.put()[0]
        let old = try await bench.claim()[0]
        bench.clock.advance(by: .seconds(11))
        let reaped = try await bench.store.reap(limit: 10)
        report.check(reaped == 1, bench.clause, observed: "\(reaped) reaped")
        let new = try await bench.claim()[0]
        report.check(
          new.reference.fence > old.reference.fence,
          bench.clause,
          observed: "fence \(new.reference.fence)"
        )
        report.check(
          new.attempt == 1 && new.crashCount == 1,
          bench.clause,
          observed: "attempt \(new.attempt)"
        )
        let zombie = try await bench.settle(old.reference, .done(result: nil))
        report.check(zombie == .fenced, bench.clause, observed: "a zombie settled")
        let good = try await bench.settle(new.reference, .done(result: [7]))
        report.check(good == .applied, bench.clause, observed: "\(String(describing: good))")
        let again = try await bench.settle(new.reference, .dead(error: "x"))
        report.check(again == .fenced, bench.clause, observed: "settled twice")
        let snapshot = try await bench.store.observe(.init(jobs: [id])).jobs.first
        report.check(
          snapshot?.state == .done && snapshot?.result == [7],
          bench.clause,
          observed: "\(String(describing: snapshot))"
        )
      }
    ),
    (
      "a lease that is extended doesn't expire; one that expired can't be extended",
      { bench, report in
        _ = try await bench.put()
        let lease = try await bench.claim()[0]
        for _ in 0..<5 {
          bench.clock.advance(by: .seconds(9))
          let outcome = try await bench.store.extend([lease.reference], by: .seconds(10), updates: [nil])
          report.check(outcome == [.extended], bench.clause, observed: "\(outcome)")
          let reaped = try await bench.store.reap(limit: 10)
          report.check(reaped == 0, bench.clause, observed: "reaped a live lease")
        }
        bench.clock.advance(by: .seconds(11))
        let outcome = try await bench.store.extend([lease.reference], by: .seconds(10), updates: [nil])
        report.check(outcome == [.lost], bench.clause, observed: "\(outcome)")
      }
    ),
    (
      "the wall clock doesn't move leases or delays",
      { bench, report in
        let ids = try await bench.put(1, JobOptions(delay: .seconds(100)))
        bench.clock.jumpWall(by: .seconds(3600))
        let early = try await bench.claim()
        report.check(early.isEmpty, bench.clause, observed: "a delayed job started early")
        bench.clock.jumpWall(by: .seconds(-7200))
        bench.clock.advance(by: .seconds(101))
        let due = try await bench.claim()
        report.check(due.map(\.reference.id) == ids, bench.clause, observed: "a delayed job didn't start")
        bench.clock.jumpWall(by: .seconds(7200))
        let reaped = try await bench.store.reap(limit: 10)
        report.check(reaped == 0, bench.clause, observed: "a jump of the wall clock ended a lease")
      }
    ),
    (
      "the third expired lease makes a job a dead letter with its payload; replay revives it",
      { bench, report in
        let id = try await bench.put()[0]
        for _ in 0..<3 {
          let count = try await bench.claim().count
          report.check(count == 1, bench.clause, observed: "\(count) leases")
          bench.clock.advance(by: .seconds(11))
          _ = try await bench.store.reap(limit: 10)
        }
        let none = try await bench.claim()
        report.check(none.isEmpty, bench.clause, observed: "a poison job was handed out again")
        let dead = try await bench.store.observe(.init(deadLetters: 5)).deadLetters
        report.check(
          dead.map(\.id) == [id] && dead.first?.payload == [0] && dead.first?.errors.count == 3,
          bench.clause,
          observed: "\(dead)"
        )
        try await bench.store.control(.replay([id]))
        let revived = try await bench.claim()
        report.check(revived.map(\.reference.id) == [id], bench.clause, observed: "replay did nothing")
      }
    ),
    (
      "a job says how many leases may be lost before it is a dead letter",
      { bench, report in
        for limit in [1, 2, 5] {
          let id = try await bench.put(1, JobOptions(crashLimit: limit))[0]
          for number in 1...limit {
            let crashes = try await bench.lose(JobUpdate(message: "m"))
            let state = try await bench.state(id)
            report.check(
              crashes == number - 1 && state == (number < limit ? .ready : .dead),
              bench.clause,
              observed: "\(String(describing: state)) after \(number) of \(limit)"
            )
          }
          // A replay gives it all of them again.
          try await bench.store.control(.replay([id]))
          let again = try await bench.lose(JobUpdate(message: "m"))
          report.check(
            again == 0,
            bench.clause,
            observed: "\(String(describing: again)) crashes after a replay"
          )
          for lease in try await bench.claim(9) {
            _ = try await bench.settle(lease.reference, .done(result: nil))
          }
        }
      }
    ),
    (
      "a job that saves something new before each lease that expires makes progress, and goes on",
      { bench, report in
        _ = try await bench.put()
        var counts: [Int?] = []
        for number in 0..<4 {
          counts.append(try await bench.lose(JobUpdate(checkpoint: [UInt8(number)])))
          counts.append(try await bench.lose(JobUpdate(steps: ["\(number)": [1]])))
        }
        report.check(counts == [0] + Array(repeating: 1, count: 7), bench.clause, observed: "\(counts)")
        // What was known, and words alone, are none.
        let again = JobUpdate(fraction: 0.5, message: "still", checkpoint: [3], steps: ["3": [1]])
        counts = [try await bench.lose(again), try await bench.lose(again), try await bench.lose(again)]
        report.check(counts == [1, 2, nil], bench.clause, observed: "\(counts) without progress")
      }
    ),
    (
      "leases that are lost count in a row: a run that ends in an error or a snooze begins the count anew",
      { bench, report in
        let id = try await bench.put(1, JobOptions(crashLimit: 3))[0]
        func end(_ outcome: JobSettlement.Outcome) async throws {
          let runs = try await bench.claim()
          for run in runs { _ = try await bench.settle(run.reference, outcome) }
          bench.clock.advance(by: .seconds(1))
        }
        var counts: [Int?] = []
        for _ in 0..<2 {
          counts += [try await bench.lose(JobUpdate()), try await bench.lose(JobUpdate())]
          try await end(.retry(after: .zero, error: "x"))
          counts += [try await bench.lose(JobUpdate()), try await bench.lose(JobUpdate())]
          try await end(.release(after: .seconds(1)))
        }
        report.check(counts == [0, 1, 0, 1, 0, 1, 0, 1], bench.clause, observed: "\(counts)")
        // One that never began says nothing.
        counts = [try await bench.lose(JobUpdate())]
        try await end(.release(after: .zero))
        counts += [try await bench.lose(JobUpdate()), try await bench.lose(JobUpdate())]
        let state = try await bench.state(id)
        report.check(
          counts == [0, 1, 2] && state == .dead,
          bench.clause,
          observed: "\(counts), \(String(describing: state)) after three in a row"
        )
      }
    ),
    (
      "failed runs are retried after their delay until the attempts are used up",
      { bench, report in
        let id = try await bench.put(1, JobOptions(maximumAttempts: 2))[0]
        let first = try await bench.claim()[0]
        _ = try await bench.settle(first.reference, .retry(after: .seconds(5), error: "one"))
        let early = try await bench.claim()
        report.check(early.isEmpty, bench.clause, observed: "retried before its delay")
        bench.clock.advance(by: .seconds(6))
        let second = try await bench.claim()[0]
        report.check(second.attempt == 2, bench.clause, observed: "attempt \(second.attempt)")
        _ = try await bench.settle(second.reference, .retry(after: .zero, error: "two"))
        let snapshot = try await bench.store.observe(.init(jobs: [id])).jobs.first
        report.check(
          snapshot?.state == .dead && snapshot?.errors == ["one", "two"],
          bench.clause,
          observed: "\(String(describing: snapshot))"
        )
      }
    ),
    (
      "a released run doesn't count as an attempt, and its checkpoint is handed on",
      { bench, report in
        _ = try await bench.put(1, JobOptions(maximumAttempts: 1))
        for _ in 0..<3 {
          let lease = try await bench.claim()[0]
          report.check(lease.attempt == 1, bench.clause, observed: "attempt \(lease.attempt)")
          _ = try await bench.store.extend(
            [lease.reference],
            by: .seconds(10),
            updates: [JobUpdate(fraction: 0.5, checkpoint: [42])]
          )
          let outcome = try await bench.settle(lease.reference, .release(after: .zero))
          report.check(outcome == .applied, bench.clause, observed: "\(String(describing: outcome))")
        }
        let lease = try await bench.claim()[0]
        report.check(
          lease.checkpoint == [42],
          bench.clause,
          observed: "\(String(describing: lease.checkpoint))"
        )
      }
    ),
    (
      "never more jobs of a key run than its limit",
      { bench, report in
        _ = try await bench.put(6, JobOptions(concurrencyKey: "host", concurrencyLimit: 2))
        let leases = try await bench.claim(10)
        report.check(leases.count == 2, bench.clause, observed: "\(leases.count) run")
        _ = try await bench.settle(leases[0].reference, .done(result: nil))
        let more = try await bench.claim(10)
        report.check(more.count == 1, bench.clause, observed: "\(more.count) more")
      }
    ),
    (
      "urgent jobs go first without starving the others",
      { bench, report in
        let low = try await bench.put(30, JobOptions(priority: .background))
        let urgent = try await bench.put(100, JobOptions(priority: .interactive))
        let leases = try await bench.claim(30)
        let urgentCount = leases.filter { urgent.contains($0.reference.id) }.count
        report.check(
          urgentCount > 15 && urgentCount < 30,
          bench.clause,
          observed: "\(urgentCount) of 30 urgent, \(low.count) wait"
        )
      }
    ),
    (
      "cancelling ends a waiting job at once and tells a running one",
      { bench, report in
        let ids = try await bench.put(2)
        let lease = try await bench.claim()[0]
        try await bench.store.control(.cancel(ids))
        let waiting = try await bench.state(ids[1])
        report.check(waiting == .cancelled, bench.clause, observed: "\(String(describing: waiting))")
        let heard = try await bench.store.extend([lease.reference], by: .seconds(10), updates: [nil])
        report.check(heard == [.cancelRequested], bench.clause, observed: "\(heard)")
        _ = try await bench.settle(lease.reference, .cancelled)
        let ended = try await bench.state(ids[0])
        report.check(ended == .cancelled, bench.clause, observed: "\(String(describing: ended))")
      }
    ),
    (
      "a paused queue hands out nothing until resumed",
      { bench, report in
        _ = try await bench.put()
        try await bench.store.control(.pause(.standard))
        let paused = try await bench.claim()
        report.check(paused.isEmpty, bench.clause, observed: "\(paused.count) leases")
        try await bench.store.control(.resume(.standard))
        let resumed = try await bench.claim()
        report.check(resumed.count == 1, bench.clause, observed: "\(resumed.count) leases")
      }
    ),
    (
      "statistics count states and tell when something is due",
      { bench, report in
        _ = try await bench.put(2)
        _ = try await bench.put(1, JobOptions(delay: .seconds(50)))
        _ = try await bench.claim()
        bench.clock.advance(by: .seconds(3))
        let stats = try await bench.store.observe(.init())
        report.check(
          stats.ready == 2 && stats.running == 1 && stats.oldestReadyAge == .seconds(3)
            && stats.untilNextDue == .zero,
          bench.clause,
          observed: "\(stats)"
        )
        _ = try await bench.claim()
        let next = try await bench.store.observe(.init()).untilNextDue
        report.check(next == .seconds(7), bench.clause, observed: "\(String(describing: next))")
      }
    ),
    (
      "results are forgotten after their retention",
      { bench, report in
        let id = try await bench.put(1, JobOptions(resultRetention: .seconds(10)))[0]
        let lease = try await bench.claim()[0]
        _ = try await bench.settle(lease.reference, .done(result: [1]))
        bench.clock.advance(by: .seconds(11))
        let state = try await bench.state(id)
        report.check(state == nil, bench.clause, observed: "\(String(describing: state))")
      }
    ),
    (
      "whoever waits is woken by new jobs",
      { bench, report in
        var wakeups = bench.store.wakeups.makeAsyncIterator()
        _ = try await bench.put()
        let wakeup = await wakeups.next()
        report.check(wakeup == .ready, bench.clause, observed: "\(String(describing: wakeup))")
      }
    ),
  ]
}
