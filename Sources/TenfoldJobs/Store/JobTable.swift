// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import HeapModule

/// The life of jobs as a pure state machine: every method takes the time and returns what happened.
///
/// ``InMemoryJobStore`` puts a lock around it, and tests use it as the model that other stores are compared with.
struct JobTable: Sendable {
  /// A lease that expires this often makes its job a dead letter.
  static let crashLimit = 3
  static let keptErrors = 20

  fileprivate struct Record {
    var job: NewJob
    var state = JobState.ready
    var runAt: Int64
    var attempt = 0
    var crashCount = 0
    var fence: Int64 = 0
    var leaseUntil: Int64 = 0
    var isCancelRequested = false
    var fraction: Double?
    var message: String?
    var checkpoint: [UInt8]?
    var result: [UInt8]?
    var errors: [String] = []
    /// When a finished job may be forgotten.
    var forgetAt = Int64.max
  }

  /// A position in a heap; it counts only while the record still agrees with it.
  private struct Due: Comparable {
    var time: Int64
    var id: RawJobID
    static func < (left: Self, right: Self) -> Bool { (left.time, left.id) < (right.time, right.id) }
  }

  private struct Lane: Hashable {
    var queue: QueueName
    var level: Int
  }

  private struct UniqueKey {
    var id: RawJobID
    var until: Int64
  }

  private var records: [RawJobID: Record] = [:]
  private var lanes: [Lane: Heap<Due>] = [:]
  private var leases = Heap<Due>()
  private var forgetting = Heap<Due>()
  private var unique: [String: UniqueKey] = [:]
  private var runningByKey: [String: Int] = [:]
  private var paused: Set<QueueName> = []
  private var picker = PriorityPicker()

  init() {}

  // MARK: - Enqueue and claim

  mutating func enqueue(_ job: NewJob, now: Int64) -> EnqueueOutcome {
    if records[job.id] != nil { return .duplicate(of: job.id) }
    if let key = job.options.uniqueKey {
      if let holder = unique[key], holder.until > now { return .duplicate(of: holder.id) }
      unique[key] = UniqueKey(id: job.id, until: .max)
    }
    let runAt = now.advanced(by: max(.zero, job.options.delay))
    records[job.id] = Record(job: job, runAt: runAt)
    push(job, runAt)
    return .inserted
  }

  mutating func claim(_ request: ClaimRequest, now: Int64) -> [JobLease] {
    forget(now: now)
    var claimed: [JobLease] = []
    for queue in request.queues where !paused.contains(queue) && claimed.count < request.maximum {
      let quotas = picker.quotas(for: request.maximum - claimed.count)
      for level in 0..<4 { take(quotas[level], Lane(queue: queue, level: level), request, now, &claimed) }
      // What one level doesn't use goes to the others, the most urgent first.
      for level in 0..<4 {
        take(request.maximum - claimed.count, Lane(queue: queue, level: level), request, now, &claimed)
      }
    }
    return claimed
  }

  private mutating func take(
    _ count: Int,
    _ lane: Lane,
    _ request: ClaimRequest,
    _ now: Int64,
    _ claimed: inout [JobLease]
  ) {
    guard count > 0, var heap = lanes.removeValue(forKey: lane) else { return }
    var blocked: [Due] = []
    var left = count
    while left > 0, let due = heap.min, due.time <= now {
      heap.removeMin()
      guard var record = records[due.id], record.state == .ready, record.runAt == due.time else { continue }
      if let key = record.job.options.concurrencyKey {
        if runningByKey[key, default: 0] >= max(1, record.job.options.concurrencyLimit) {
          blocked.append(due)
          continue
        }
        runningByKey[key, default: 0] += 1
      }
      record.state = .running
      record.fence += 1
      record.attempt += 1
      record.leaseUntil = now.advanced(by: request.leaseFor)
      leases.insert(Due(time: record.leaseUntil, id: due.id))
      records[due.id] = record
      claimed.append(
        JobLease(
          reference: .init(id: due.id, fence: record.fence),
          queue: lane.queue,
          name: record.job.name,
          payload: record.job.payload,
          attempt: record.attempt,
          maximumAttempts: record.job.options.maximumAttempts,
          crashCount: record.crashCount,
          checkpoint: record.checkpoint,
          trace: record.job.options.trace
        )
      )
      left -= 1
    }
    heap.insert(contentsOf: blocked)
    if !heap.isEmpty { lanes[lane] = heap }
  }

  // MARK: - Runs

  mutating func settle(_ settlement: JobSettlement, now: Int64) -> SettleOutcome {
    let id = settlement.reference.id
    guard var record = records[id], record.state == .running, record.fence == settlement.reference.fence
    else {
      return .fenced
    }
    leave(record)
    switch settlement.outcome {
    case .done(let result):
      record.result = result
      finish(&record, .done, now)
    case .cancelled: finish(&record, .cancelled, now)
    case .dead(let error):
      record.note(error)
      finish(&record, .dead, now)
    case .retry(let delay, let error):
      record.note(error)
      if record.isCancelRequested {
        finish(&record, .cancelled, now)
      } else if record.attempt >= record.job.options.maximumAttempts {
        finish(&record, .dead, now)
      } else {
        makeReady(&record, now.advanced(by: max(.zero, delay)))
      }
    case .release(let delay):
      record.attempt -= 1
      if record.isCancelRequested {
        finish(&record, .cancelled, now)
      } else {
        makeReady(&record, now.advanced(by: max(.zero, delay)))
      }
    }
    records[id] = record
    return .applied
  }

  mutating func extend(
    _ reference: JobLease.Reference,
    by duration: Duration,
    update: JobUpdate?,
    now: Int64
  ) -> ExtendOutcome {
    guard var record = records[reference.id], record.state == .running, record.fence == reference.fence,
      record.leaseUntil > now
    else { return .lost }
    record.leaseUntil = now.advanced(by: duration)
    leases.insert(Due(time: record.leaseUntil, id: reference.id))
    if let update {
      record.fraction = update.fraction ?? record.fraction
      record.message = update.message ?? record.message
      record.checkpoint = update.checkpoint ?? record.checkpoint
    }
    records[reference.id] = record
    return record.isCancelRequested ? .cancelRequested : .extended
  }

  mutating func reap(limit: Int, now: Int64) -> Int {
    var count = 0
    while count < limit, let due = leases.min, due.time <= now {
      leases.removeMin()
      guard var record = records[due.id], record.state == .running, record.leaseUntil == due.time else {
        continue
      }
      leave(record)
      count += 1
      record.attempt -= 1
      record.crashCount += 1
      record.note("the lease of run \(record.fence) expired: its worker was lost or too slow to renew it")
      if record.isCancelRequested {
        finish(&record, .cancelled, now)
      } else if record.crashCount >= Self.crashLimit {
        finish(&record, .dead, now)
      } else {
        makeReady(&record, now)
      }
      records[due.id] = record
    }
    return count
  }

  // MARK: - Operators

  mutating func control(_ command: JobControl, now: Int64) {
    switch command {
    case .pause(let queue): paused.insert(queue)
    case .resume(let queue): paused.remove(queue)
    case .cancel(let ids):
      for id in ids {
        guard var record = records[id], !record.state.isTerminal else { continue }
        if record.state == .running {
          record.isCancelRequested = true
        } else {
          finish(&record, .cancelled, now)
        }
        records[id] = record
      }
    case .replay(let ids):
      for id in ids {
        guard var record = records[id], record.state == .dead else { continue }
        if let key = record.job.options.uniqueKey {
          if let holder = unique[key], holder.id != id, holder.until > now { continue }
          unique[key] = UniqueKey(id: id, until: .max)
        }
        record.attempt = 0
        record.crashCount = 0
        makeReady(&record, now)
        records[id] = record
      }
    case .purge(let ids):
      for id in ids where records[id]?.state == .dead { records[id] = nil }
    }
  }

  mutating func observe(_ query: JobStats.Query, now: Int64) -> JobStats {
    forget(now: now)
    var stats = JobStats()
    var oldest = Int64.max
    var next = Int64.max
    for record in records.values
    where query.queues.isEmpty || query.queues.contains(record.job.options.queue) {
      switch record.state {
      case .ready:
        stats.ready += 1
        oldest = min(oldest, record.runAt)
        next = min(next, record.runAt)
      case .running:
        stats.running += 1
        next = min(next, record.leaseUntil)
      case .dead: stats.dead += 1
      case .done, .cancelled: break
      }
    }
    if oldest <= now { stats.oldestReadyAge = .nanoseconds(now - oldest) }
    if next < .max { stats.untilNextDue = .nanoseconds(max(0, next - now)) }
    stats.jobs = query.jobs.compactMap { id in records[id]?.snapshot }
    if query.deadLetters > 0 {
      stats.deadLetters = records.values.filter { $0.state == .dead }.map(\.snapshot)
        .sorted { $0.id < $1.id }.prefix(query.deadLetters).map { $0 }
    }
    return stats
  }

  // MARK: - Steps

  private mutating func push(_ job: NewJob, _ runAt: Int64) {
    lanes[Lane(queue: job.options.queue, level: job.options.priority.rawValue), default: Heap()]
      .insert(Due(time: runAt, id: job.id))
  }

  private mutating func makeReady(_ record: inout Record, _ runAt: Int64) {
    record.state = .ready
    record.runAt = runAt
    push(record.job, runAt)
  }

  private mutating func leave(_ record: Record) {
    guard let key = record.job.options.concurrencyKey else { return }
    let left = runningByKey[key, default: 1] - 1
    runningByKey[key] = left > 0 ? left : nil
  }

  private mutating func finish(_ record: inout Record, _ state: JobState, _ now: Int64) {
    record.state = state
    if let key = record.job.options.uniqueKey, unique[key]?.id == record.job.id {
      let retention = record.job.options.uniqueRetention
      unique[key] = retention > .zero ? UniqueKey(id: record.job.id, until: now.advanced(by: retention)) : nil
    }
    guard state != .dead else { return }
    record.job.payload = []
    record.checkpoint = nil
    record.forgetAt = now.advanced(by: max(.zero, record.job.options.resultRetention))
    forgetting.insert(Due(time: record.forgetAt, id: record.job.id))
  }

  private mutating func forget(now: Int64) {
    while let due = forgetting.min, due.time <= now {
      forgetting.removeMin()
      if records[due.id]?.forgetAt == due.time { records[due.id] = nil }
    }
  }
}

extension JobTable.Record {
  mutating func note(_ error: String) {
    errors.append(error)
    if errors.count > JobTable.keptErrors { errors.removeFirst() }
  }

  var snapshot: JobSnapshot {
    JobSnapshot(
      id: job.id,
      name: job.name,
      state: state,
      attempts: attempt,
      crashCount: crashCount,
      fence: fence,
      fraction: fraction,
      message: message,
      result: result,
      errors: errors,
      payload: job.payload
    )
  }
}
