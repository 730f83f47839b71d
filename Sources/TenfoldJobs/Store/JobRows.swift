// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The steps of ``JobTable`` as statements on the tables, inside one transaction.
struct JobRows {
  private let tx: SQLiteTransaction

  init(_ transaction: SQLiteTransaction) { tx = transaction }

  // MARK: - Clock

  /// Settles how store time follows from the monotonic clock, and voids the leases of an earlier start of the machine.
  ///
  /// Store time is the wall clock as it was when the first process of this boot opened the store, and runs on by the
  /// monotonic clock from there.
  func adoptClock(_ clock: JobStoreClock) throws -> Int64 {
    let boot = clock.bootID()
    let known = try tx.first("SELECT boot, shift FROM job_clock") { (try $0.text(0), try $0.int64(1)) }
    if let known, known.0 == boot { return known.1 }
    let shift = clock.wall() &- clock.monotonic()
    try tx.execute("INSERT OR REPLACE INTO job_clock(one, boot, shift) VALUES(1, ?1, ?2)", boot, shift)
    // Workers die with their machine.
    try tx.execute("UPDATE job SET lease_until = 0 WHERE state = 1")
    return shift
  }

  // MARK: - Enqueue and claim

  func enqueue(_ job: NewJob, now: Int64) throws -> EnqueueOutcome {
    let id = job.id.bytes
    let options = job.options
    let ended = try tx.first("SELECT 1 FROM job_end WHERE id = ?1", id) { _ in true } ?? false
    if ended { return .duplicate(of: job.id) }
    let inserted = try tx.execute(
      """
      INSERT INTO job(id, queue, state, priority, run_at, max_attempts, limit_key, limit_count)
      VALUES(?1, ?2, 0, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING
      """,
      id,
      options.queue.rawValue,
      options.priority.rawValue,
      now.advanced(by: max(.zero, options.delay)),
      options.maximumAttempts,
      options.concurrencyKey,
      max(1, options.concurrencyLimit)
    )
    guard inserted == 1 else { return .duplicate(of: job.id) }
    if let key = options.uniqueKey {
      let holder = try tx.first("SELECT id FROM job_unique WHERE key = ?1 AND until > ?2", key, now) {
        try $0.blob(0)
      }
      if let holder, let holderID = RawJobID(bytes: holder) {
        try tx.execute("DELETE FROM job WHERE id = ?1", id)
        return .duplicate(of: holderID)
      }
      try tx.execute(
        "INSERT OR REPLACE INTO job_unique(key, id, until) VALUES(?1, ?2, ?3)",
        key,
        id,
        Int64.max
      )
    }
    try tx.execute(
      """
      INSERT INTO job_payload(id, name, tenant, payload, trace, unique_key, unique_ns, result_ns)
      VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
      """,
      id,
      job.name.rawValue,
      options.tenant.rawValue,
      job.payload,
      try encode(options.trace),
      options.uniqueKey,
      options.uniqueRetention.nanoseconds,
      options.resultRetention.nanoseconds
    )
    return .inserted
  }

  func claim(_ request: ClaimRequest, now: Int64, picker: inout PriorityPicker) throws -> [JobLease] {
    try forget(now: now)
    var leases: [JobLease] = []
    for queue in request.queues where leases.count < request.maximum {
      let isPaused =
        try tx.first("SELECT paused FROM job_queue WHERE queue = ?1", queue.rawValue) { try $0.bool(0) }
        ?? false
      if isPaused { continue }
      let quotas = picker.quotas(for: request.maximum - leases.count)
      for level in 0..<4 { try take(quotas[level], queue, level, request, now, &leases) }
      for level in 0..<4 { try take(request.maximum - leases.count, queue, level, request, now, &leases) }
    }
    return leases
  }

  private func take(
    _ count: Int,
    _ queue: QueueName,
    _ level: Int,
    _ request: ClaimRequest,
    _ now: Int64,
    _ leases: inout [JobLease]
  ) throws {
    guard count > 0 else { return }
    // Keyed jobs at their limit are skipped here and checked again below, as picks of this claim count too.
    let candidates = try tx.query(
      """
      SELECT id, limit_key, limit_count FROM job AS j
      WHERE state = 0 AND queue = ?1 AND priority = ?2 AND run_at <= ?3 AND (limit_key IS NULL OR
        (SELECT count(*) FROM job AS r WHERE r.state = 1 AND r.limit_key = j.limit_key) < limit_count)
      ORDER BY run_at, id LIMIT ?4
      """,
      queue.rawValue,
      level,
      now,
      count
    ) { row in (id: try row.blob(0), key: try row.optionalText(1), limit: try row.int(2)) }
    let until = now.advanced(by: request.leaseFor)
    for candidate in candidates {
      if let key = candidate.key {
        let running =
          try tx.first("SELECT count(*) FROM job WHERE state = 1 AND limit_key = ?1", key) { try $0.int(0) }
          ?? 0
        if running >= candidate.limit { continue }
      }
      let claimed = try tx.first(
        """
        UPDATE job SET state = 1, fence = fence + 1, attempt = attempt + 1, lease_until = ?2 WHERE id = ?1
        RETURNING fence, attempt, max_attempts, crash_count
        """,
        candidate.id,
        until
      ) { row in
        (fence: try row.int64(0), attempt: try row.int(1), maximum: try row.int(2), crashes: try row.int(3))
      }
      let body = try tx.first(
        """
        SELECT p.name, p.payload, p.trace, n.checkpoint FROM job_payload AS p LEFT JOIN job_note AS n ON n.id = p.id
        WHERE p.id = ?1
        """,
        candidate.id
      ) { row in
        (
          name: try row.text(0), payload: try row.blob(1), trace: try row.text(2),
          checkpoint: try row.optionalBlob(3)
        )
      }
      guard let claimed, let body, let id = RawJobID(bytes: candidate.id) else {
        throw StorageError(
          .corrupt,
          "a job has no payload; run an integrity check or restore the file from a backup"
        )
      }
      leases.append(
        JobLease(
          reference: .init(id: id, fence: claimed.fence),
          queue: queue,
          name: JobName(body.name),
          payload: body.payload,
          attempt: claimed.attempt,
          maximumAttempts: claimed.maximum,
          crashCount: claimed.crashes,
          checkpoint: body.checkpoint,
          trace: decode(body.trace)
        )
      )
    }
  }

  // MARK: - Runs

  func settle(_ settlement: JobSettlement, now: Int64) throws -> SettleOutcome {
    let id = settlement.reference.id.bytes
    let run = try tx.first(
      "SELECT attempt, max_attempts, cancel FROM job WHERE id = ?1 AND state = 1 AND fence = ?2",
      id,
      settlement.reference.fence
    ) { row in (attempt: try row.int(0), maximum: try row.int(1), isCancelled: try row.bool(2)) }
    guard let run else { return .fenced }
    switch settlement.outcome {
    case .done(let result): try finish(id, .done, result, now)
    case .cancelled: try finish(id, .cancelled, nil, now)
    case .dead(let error):
      try note(error, id)
      try bury(id, now)
    case .retry(let delay, let error):
      try note(error, id)
      if run.isCancelled {
        try finish(id, .cancelled, nil, now)
      } else if run.attempt >= run.maximum {
        try bury(id, now)
      } else {
        try tx.execute(
          "UPDATE job SET state = 0, run_at = ?2 WHERE id = ?1",
          id,
          now.advanced(by: max(.zero, delay))
        )
      }
    case .release(let delay):
      try tx.execute(
        "UPDATE job SET state = 0, attempt = attempt - 1, run_at = ?2 WHERE id = ?1",
        id,
        now.advanced(by: max(.zero, delay))
      )
      if run.isCancelled { try finish(id, .cancelled, nil, now) }
    }
    return .applied
  }

  func extend(
    _ reference: JobLease.Reference,
    by duration: Duration,
    update: JobUpdate?,
    now: Int64
  ) throws -> ExtendOutcome {
    let id = reference.id.bytes
    let isCancelled = try tx.first(
      "UPDATE job SET lease_until = ?3 WHERE id = ?1 AND state = 1 AND fence = ?2 AND lease_until > ?4 RETURNING cancel",
      id,
      reference.fence,
      now.advanced(by: duration),
      now
    ) { try $0.bool(0) }
    guard let isCancelled else { return .lost }
    if let update {
      try tx.execute(
        """
        INSERT INTO job_note(id, fraction, message, checkpoint) VALUES(?1, ?2, ?3, ?4)
        ON CONFLICT(id) DO UPDATE SET fraction = coalesce(?2, fraction), message = coalesce(?3, message),
          checkpoint = coalesce(?4, checkpoint)
        """,
        id,
        update.fraction,
        update.message,
        update.checkpoint
      )
    }
    return isCancelled ? .cancelRequested : .extended
  }

  func reap(limit: Int, now: Int64) throws -> Int {
    let expired = try tx.query(
      """
      UPDATE job SET state = 0, attempt = attempt - 1, crash_count = crash_count + 1, run_at = ?1
      WHERE id IN (SELECT id FROM job WHERE state = 1 AND lease_until <= ?1 ORDER BY lease_until LIMIT ?2)
      RETURNING id, crash_count, cancel, fence
      """,
      now,
      limit
    ) { row in
      (id: try row.blob(0), crashes: try row.int(1), isCancelled: try row.bool(2), fence: try row.int64(3))
    }
    for job in expired {
      try note("the lease of run \(job.fence) expired: its worker was lost or too slow to renew it", job.id)
      if job.isCancelled {
        try finish(job.id, .cancelled, nil, now)
      } else if job.crashes >= JobTable.crashLimit {
        try bury(job.id, now)
      }
    }
    return expired.count
  }

  // MARK: - Operators

  func control(_ command: JobControl, now: Int64) throws {
    switch command {
    case .pause(let queue):
      try tx.execute("INSERT OR REPLACE INTO job_queue(queue, paused) VALUES(?1, 1)", queue.rawValue)
    case .resume(let queue):
      try tx.execute("DELETE FROM job_queue WHERE queue = ?1", queue.rawValue)
    case .cancel(let ids):
      for id in ids {
        let changed = try tx.execute("UPDATE job SET cancel = 1 WHERE id = ?1 AND state = 1", id.bytes)
        let isReady =
          try tx.first("SELECT 1 FROM job WHERE id = ?1 AND state = 0", id.bytes) { _ in true } ?? false
        if changed == 0, isReady { try finish(id.bytes, .cancelled, nil, now) }
      }
    case .replay(let ids): for id in ids { try replay(id.bytes, now) }
    case .purge(let ids):
      for id in ids where try tx.execute("DELETE FROM job WHERE id = ?1 AND state = 3", id.bytes) == 1 {
        try forgetBody(id.bytes)
        try tx.execute("DELETE FROM job_error WHERE id = ?1", id.bytes)
      }
    }
  }

  private func replay(_ id: [UInt8], _ now: Int64) throws {
    let isDead = try tx.first("SELECT 1 FROM job WHERE id = ?1 AND state = 3", id) { _ in true } ?? false
    guard isDead else { return }
    if let key = try uniqueKey(id)?.key {
      let isTaken =
        try tx.first("SELECT 1 FROM job_unique WHERE key = ?1 AND id <> ?2 AND until > ?3", key, id, now) {
          _ in true
        }
        ?? false
      if isTaken { return }
      try tx.execute(
        "INSERT OR REPLACE INTO job_unique(key, id, until) VALUES(?1, ?2, ?3)",
        key,
        id,
        Int64.max
      )
    }
    try tx.execute(
      "UPDATE job SET state = 0, attempt = 0, crash_count = 0, run_at = ?2 WHERE id = ?1",
      id,
      now
    )
  }

  func observe(_ query: JobStats.Query, now: Int64) throws -> JobStats {
    var stats = JobStats()
    let filter = try encode(query.queues.map(\.rawValue))
    let inQueues = query.queues.isEmpty ? "?1 IS NOT NULL" : "queue IN (SELECT value FROM json_each(?1))"
    let counts = try tx.query("SELECT state, count(*) FROM job WHERE \(inQueues) GROUP BY state", filter) {
      row in
      (state: try row.int(0), count: try row.int(1))
    }
    for (state, count) in counts {
      switch JobState(rawValue: state) {
      case .ready: stats.ready = count
      case .running: stats.running = count
      case .dead: stats.dead = count
      default: break
      }
    }
    let next = try tx.first(
      """
      SELECT (SELECT min(run_at) FROM job WHERE state = 0 AND \(inQueues)),
        (SELECT min(lease_until) FROM job WHERE state = 1 AND \(inQueues))
      """,
      filter
    ) { row in (ready: try row.optionalInt64(0), lease: try row.optionalInt64(1)) }
    if let oldest = next?.ready, oldest <= now { stats.oldestReadyAge = .nanoseconds(now - oldest) }
    if let due = [next?.ready, next?.lease].compactMap({ $0 }).min() {
      stats.untilNextDue = .nanoseconds(due <= now ? 0 : due - now)
    }
    stats.jobs = try query.jobs.compactMap { try snapshot($0.bytes, now) }
    if query.deadLetters > 0 {
      let dead = try tx.query("SELECT id FROM job WHERE state = 3 ORDER BY id LIMIT ?1", query.deadLetters) {
        try $0.blob(0)
      }
      stats.deadLetters = try dead.compactMap { try snapshot($0, now) }
    }
    return stats
  }

  private func snapshot(_ id: [UInt8], _ now: Int64) throws -> JobSnapshot? {
    guard let raw = RawJobID(bytes: id) else { return nil }
    let errors = try tx.query("SELECT error FROM job_error WHERE id = ?1 ORDER BY number", id) {
      try $0.text(0)
    }
    let live = try tx.first(
      """
      SELECT p.name, j.state, j.attempt, j.crash_count, j.fence, n.fraction, n.message, p.payload
      FROM job AS j JOIN job_payload AS p ON p.id = j.id LEFT JOIN job_note AS n ON n.id = j.id WHERE j.id = ?1
      """,
      id
    ) { row in
      JobSnapshot(
        id: raw,
        name: JobName(try row.text(0)),
        state: JobState(rawValue: try row.int(1)) ?? .dead,
        attempts: try row.int(2),
        crashCount: try row.int(3),
        fence: try row.int64(4),
        fraction: row.isNull(5) ? nil : try row.double(5),
        message: try row.optionalText(6),
        errors: errors,
        payload: try row.blob(7)
      )
    }
    if let live { return live }
    return try tx.first(
      """
      SELECT e.name, e.state, e.attempt, e.crash_count, e.fence, n.fraction, n.message, e.result
      FROM job_end AS e LEFT JOIN job_note AS n ON n.id = e.id WHERE e.id = ?1 AND e.forget_at > ?2
      """,
      id,
      now
    ) { row in
      JobSnapshot(
        id: raw,
        name: JobName(try row.text(0)),
        state: JobState(rawValue: try row.int(1)) ?? .done,
        attempts: try row.int(2),
        crashCount: try row.int(3),
        fence: try row.int64(4),
        fraction: row.isNull(5) ? nil : try row.double(5),
        message: try row.optionalText(6),
        result: try row.optionalBlob(7),
        errors: errors
      )
    }
  }

  // MARK: - Steps

  private func note(_ error: String, _ id: [UInt8]) throws {
    try tx.execute(
      """
      INSERT INTO job_error(id, number, error)
      SELECT ?1, coalesce(max(number), 0) + 1, ?2 FROM job_error WHERE id = ?1
      """,
      id,
      error
    )
    try tx.execute(
      "DELETE FROM job_error WHERE id = ?1 AND number <= (SELECT max(number) FROM job_error WHERE id = ?1) - ?2",
      id,
      JobTable.keptErrors
    )
  }

  private func bury(_ id: [UInt8], _ now: Int64) throws {
    try tx.execute("UPDATE job SET state = 3 WHERE id = ?1", id)
    try freeUniqueKey(id, now)
  }

  private func finish(_ id: [UInt8], _ state: JobState, _ result: [UInt8]?, _ now: Int64) throws {
    try freeUniqueKey(id, now)
    let retention =
      try tx.first("SELECT result_ns FROM job_payload WHERE id = ?1", id) { try $0.int64(0) } ?? 0
    if retention > 0 {
      try tx.execute(
        """
        INSERT INTO job_end(id, name, state, attempt, crash_count, fence, result, forget_at)
        SELECT j.id, p.name, ?2, j.attempt, j.crash_count, j.fence, ?3, ?4
        FROM job AS j JOIN job_payload AS p ON p.id = j.id WHERE j.id = ?1
        """,
        id,
        state.rawValue,
        result,
        now.advanced(by: .nanoseconds(retention))
      )
      try tx.execute("UPDATE job_note SET checkpoint = NULL WHERE id = ?1", id)
    } else {
      try tx.execute("DELETE FROM job_error WHERE id = ?1", id)
      try tx.execute("DELETE FROM job_note WHERE id = ?1", id)
    }
    try tx.execute("DELETE FROM job WHERE id = ?1", id)
    try tx.execute("DELETE FROM job_payload WHERE id = ?1", id)
  }

  /// Deletes what finished jobs left behind, a little with every claim.
  private func forget(now: Int64) throws {
    let old = try tx.query(
      "DELETE FROM job_end WHERE id IN (SELECT id FROM job_end WHERE forget_at <= ?1 LIMIT 200) RETURNING id",
      now
    ) { try $0.blob(0) }
    for id in old {
      try tx.execute("DELETE FROM job_note WHERE id = ?1", id)
      try tx.execute("DELETE FROM job_error WHERE id = ?1", id)
    }
  }

  private func forgetBody(_ id: [UInt8]) throws {
    try tx.execute("DELETE FROM job_payload WHERE id = ?1", id)
    try tx.execute("DELETE FROM job_note WHERE id = ?1", id)
  }

  private func uniqueKey(_ id: [UInt8]) throws -> (key: String?, retention: Int64)? {
    try tx.first("SELECT unique_key, unique_ns FROM job_payload WHERE id = ?1", id) { row in
      (key: try row.optionalText(0), retention: try row.int64(1))
    }
  }

  private func freeUniqueKey(_ id: [UInt8], _ now: Int64) throws {
    guard let unique = try uniqueKey(id), let key = unique.key else { return }
    if unique.retention > 0 {
      try tx.execute(
        "UPDATE job_unique SET until = ?3 WHERE key = ?1 AND id = ?2",
        key,
        id,
        now.advanced(by: .nanoseconds(unique.retention))
      )
    } else {
      try tx.execute("DELETE FROM job_unique WHERE key = ?1 AND id = ?2", key, id)
    }
  }

  private func encode(_ value: some Encodable) throws -> String {
    String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
  }

  private func decode(_ trace: String) -> [String: String] {
    // A trace that can't be read costs the link to its parent span, not the job.
    (try? JSONDecoder().decode([String: String].self, from: Data(trace.utf8))) ?? [:]
  }
}
