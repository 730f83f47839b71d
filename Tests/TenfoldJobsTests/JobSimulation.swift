// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

@testable import TenfoldJobs

/// Producers, workers, schedulers and an operator on one table of jobs, under a clock that only the simulation moves.
///
/// Calls and answers take their time or get lost, workers stall past their leases, die, and settle what is no longer
/// theirs. Nothing depends on threads: the same seed gives the same history.
struct JobSimulation {
  private struct Run {
    var reference: JobLease.Reference
    /// By the worker's own reckoning, from before it asked.
    var deadline: Int64
    var isCancelled = false
  }

  private static let second: Int64 = 1_000_000_000
  private static let lease = Duration.seconds(10)
  /// Nothing is forgotten before the end.
  private static let retention = Duration.seconds(10_000_000)
  private static let limits = ["one": 1, "two": 2]
  private static let rate = JobRateLimit(key: "rate", count: 1, per: .seconds(3))

  private var random: SeededGenerator
  private var table = JobTable()
  private var now = second
  private let history = JobHistory()
  private var workers: [[Run]] = Array(repeating: [], count: 3)
  private var ids: [RawJobID] = []
  private var options: [RawJobID: JobOptions] = [:]
  private var lastRateStart: Int64?
  private var fired: [Int64] = []
  private let schedule = JobSchedule(
    "tick",
    .every(.seconds(7)),
    missed: .all,
    options: JobOptions(resultRetention: retention)
  ) { _ in Tick() }

  private struct Tick: DurableJob {
    static let name: JobName = "tick.v1"
    func run(_ context: JobContext) async throws -> NoOutput { NoOutput() }
  }

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  /// Runs a history and lets every job come to its end; gives all that was wrong.
  mutating func violations(steps: Int) throws -> [String] {
    for _ in 0..<steps {
      pass(seconds: chance(20) ? 30 : 2)
      try step()
      try check()
    }
    try finish()
    let dump = table.observe(.init(list: .init(limit: .max)), now: now).listed
    for job in dump where job.state == .ready || job.state == .running {
      history.violated("job \(job.id) is still \(job.state) in the end")
    }
    if !table.slots.isEmpty { history.violated("\(table.slots.count) keys are held in the end") }
    return history.judge(dump)
  }

  struct Summary: Equatable {
    var time: Int64
    var jobs: Int
    var runs: Int
    var ends: Int
    var firings: [Int64]
  }

  /// How far it came.
  var summary: Summary {
    Summary(
      time: now,
      jobs: history.acceptedIDs.count,
      runs: history.startCount,
      ends: history.endCount,
      firings: fired
    )
  }

  // MARK: - What happens

  private mutating func step() throws {
    switch Int.random(in: 0..<20, using: &random) {
    case 0...4: try produce()
    case 5...9: claim(worker())
    case 10...11: beat(worker())
    case 12...15: settle(worker())
    case 16: reap()
    case 17: workers[worker()] = []
    case 18: try fire()
    default: operate()
    }
  }

  private mutating func produce() throws {
    let jobs = (0..<Int.random(in: 1...3, using: &random)).map { _ in newJob() }
    let outcomes = try table.enqueue(jobs, now: now)
    for (job, outcome) in zip(jobs, outcomes) where outcome == .inserted {
      history.accepted(job.id)
      ids.append(job.id)
    }
    // The answer was lost and the producer asks again: nothing may come of it.
    guard chance(8) else { return }
    if try table.enqueue(jobs, now: now).contains(.inserted) { history.violated("a job was taken in twice") }
  }

  private mutating func newJob() -> NewJob {
    let key = chance(3) ? ["one", "two"][Int.random(in: 0...1, using: &random)] : nil
    let isUnique = chance(6)
    let options = JobOptions(
      priority: JobPriority(rawValue: Int.random(in: 0...3, using: &random)) ?? .normal,
      delay: .seconds(chance(3) ? Int.random(in: 1...20, using: &random) : 0),
      tenant: ["a", "b", "c"][Int.random(in: 0...2, using: &random)],
      maximumAttempts: Int.random(in: 1...3, using: &random),
      uniqueKey: isUnique ? "u\(Int.random(in: 0...2, using: &random))" : nil,
      uniqueRetention: .seconds(Int.random(in: 0...5, using: &random)),
      concurrencyKey: key,
      concurrencyLimit: key.flatMap { Self.limits[$0] } ?? 1,
      rateLimit: chance(6) ? Self.rate : nil,
      after: chance(5) ? parent() : [],
      resultRetention: Self.retention
    )
    let id = RawJobID(milliseconds: UInt64(now / 1_000_000), using: &random)
    self.options[id] = options
    return NewJob(id: id, name: "simulated", payload: [], options: options)
  }

  /// A dead letter whose unique key went to another can't be replayed: nobody waits for such a one.
  private mutating func parent() -> [RawJobID] {
    guard let id = ids.randomElement(using: &random), options[id]?.uniqueKey == nil else { return [] }
    return [id]
  }

  private mutating func claim(_ worker: Int) {
    let sent = now
    let isHeard = travel()
    let request = ClaimRequest(maximum: Int.random(in: 1...4, using: &random), leaseFor: Self.lease)
    let leases = table.claim(request, now: now)
    for lease in leases { begin(lease) }
    // An answer that is lost leaves its jobs to their leases.
    guard isHeard, travel() else { return }
    workers[worker] += leases.map { Run(reference: $0.reference, deadline: sent + 10 * Self.second) }
  }

  private mutating func begin(_ lease: JobLease) {
    let options = options[lease.reference.id] ?? JobOptions()
    history.started(
      lease.reference,
      key: options.concurrencyKey,
      limit: options.concurrencyLimit,
      until: now + 10 * Self.second
    )
    guard options.rateLimit != nil else { return }
    if let last = lastRateStart, now - last < Self.rate.interval { history.violated("two starts too close") }
    lastRateStart = now
  }

  private mutating func beat(_ worker: Int) {
    let sent = now
    let isHeard = travel()
    var kept: [Run] = []
    for var run in workers[worker] {
      let outcome = table.extend(run.reference, by: Self.lease, update: nil, now: now)
      if outcome == .lost {
        if isHeard { continue }
      } else {
        history.extended(run.reference, until: now + 10 * Self.second)
        if isHeard { run.deadline = sent + 10 * Self.second }
        if isHeard, outcome == .cancelRequested { run.isCancelled = true }
      }
      kept.append(run)
    }
    workers[worker] = kept
  }

  private mutating func settle(_ worker: Int) {
    guard let index = workers[worker].indices.randomElement(using: &random) else { return }
    let run = workers[worker].remove(at: index)
    // A worker that knows that its lease is over leaves without a word; a stalled one doesn't know.
    guard run.deadline > now || chance(3) else { return }
    let isHeard = travel()
    let outcome: JobSettlement.Outcome =
      switch Int.random(in: 0..<6, using: &random) {
      case _ where run.isCancelled: .cancelled
      case 0: .retry(after: .seconds(Int.random(in: 0...9, using: &random)), error: "failed")
      case 1: .dead(error: "discarded")
      case 2: .release(after: .zero)
      default: .done(result: [1])
      }
    apply(JobSettlement(run.reference, outcome))
    // A worker that heard nothing says it again.
    let again =
      !isHeard || chance(8) ? table.settle(JobSettlement(run.reference, outcome), now: now) : .fenced
    if again == .applied {
      history.violated("run \(run.reference.fence) of \(run.reference.id) settled twice")
    }
  }

  private mutating func apply(_ settlement: JobSettlement) {
    let reference = settlement.reference
    let isCurrent = history.holder(of: reference.id) == reference.fence
    let isApplied = table.settle(settlement, now: now) == .applied
    if isApplied != isCurrent {
      history.violated(
        "run \(reference.fence) of \(reference.id) settled: \(isApplied), current: \(isCurrent)"
      )
    }
    guard isApplied else { return }
    switch settlement.outcome {
    case .done: history.ended(reference, .done)
    case .cancelled: history.ended(reference, .cancelled)
    default: history.left(reference.id)
    }
  }

  private mutating func reap() {
    let overdue = history.overdue(now: now)
    let count = table.reap(limit: .max, now: now)
    if count != overdue.count { history.violated("\(count) runs taken back, \(overdue.count) were overdue") }
    for id in overdue { history.left(id) }
  }

  /// One of several schedulers looks what has fired, takes its time, and enqueues what is due.
  private mutating func fire() throws {
    let milliseconds = now / 1_000_000
    let firings = schedule.due(last: table.fired[ByteText("tick")] ?? 0, now: milliseconds).firings
    // Another one does the same in between.
    if chance(2) { try enqueue(firings) }
    _ = travel()
    try enqueue(firings)
  }

  private mutating func enqueue(_ firings: [Int64]) throws {
    for firing in firings {
      let job = try schedule.make(firing)
      guard try table.enqueue([job], now: now) == [.inserted] else { continue }
      if let last = fired.last, firing <= last { history.violated("firing \(firing) came after \(last)") }
      fired.append(firing)
      history.accepted(job.id)
    }
  }

  private mutating func operate() {
    let chosen = ids.randomElement(using: &random).map { [$0] } ?? []
    switch Int.random(in: 0..<5, using: &random) {
    case 0: table.control(.pause(.standard), now: now)
    case 1...2: table.control(.resume(.standard), now: now)
    case 3: table.control(.replay(chosen), now: now)
    default: table.control(.cancel(chosen), now: now)
    }
  }

  // MARK: - What must hold

  private func check() throws {
    for run in workers.joined() where run.deadline > now {
      let record = table.records[run.reference.id]
      if record?.state != .running || record?.fence != run.reference.fence {
        history.violated("run \(run.reference.fence) of \(run.reference.id) believes in a lease that is over")
      }
    }
    let waiting = table.records.values.count { $0.state == .ready }
    if table.waiting(in: .standard) != waiting { history.violated("\(waiting) wait, others are counted") }
  }

  /// All workers but one are gone; whatever happened before, every job ends.
  private mutating func finish() throws {
    workers = [[], [], []]
    table.control(.resume(.standard), now: now)
    for _ in 0..<1000 {
      now += 11 * Self.second
      reap()
      let leases = table.claim(ClaimRequest(maximum: 100, leaseFor: Self.lease), now: now)
      for lease in leases { begin(lease) }
      for lease in leases { apply(JobSettlement(lease.reference, .done(result: nil))) }
      let dead = table.records.values.filter { $0.state == .dead }.map(\.id).sorted()
      table.control(.replay(dead), now: now)
      if table.waiting(in: .standard) == 0, leases.isEmpty, history.overdue(now: .max).isEmpty { return }
    }
  }

  // MARK: - Chance

  private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

  private mutating func worker() -> Int { Int.random(in: 0..<workers.count, using: &random) }

  private mutating func pass(seconds: Int64) {
    now += Int64.random(in: 0...seconds * Self.second, using: &random)
  }

  /// A message is on its way, now and then for long; whether it arrives.
  private mutating func travel() -> Bool {
    if chance(4) { pass(seconds: chance(4) ? 15 : 1) }
    return !chance(12)
  }
}
