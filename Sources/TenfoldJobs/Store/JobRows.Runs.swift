// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

extension JobRows {
  struct Run {
    var id: RawJobID
    var lane: Int64
    var attempt: Int64
    var maximumAttempts: Int64
    var isCancelled: Bool
    var traits: JobTraits
    var keep: Int64
    var body: Int64
  }

  func settle(_ settlements: [JobSettlement]) throws -> [SettleOutcome] {
    let outcomes = try settlements.map { try settle($0) }
    try passOnWaiting()
    try flush()
    return outcomes
  }

  private func settle(_ settlement: JobSettlement) throws -> SettleOutcome {
    guard var run = try find(settlement.reference) else { return .fenced }
    if run.traits.contains(.limit) { try leaveSlot(run.body) }
    switch settlement.outcome {
    case .done(let result): try finish(run, .done, result)
    case .cancelled: try finish(run, .cancelled, nil)
    case .dead(let error):
      try note(error, run.id)
      try bury(run)
    case .retry(let delay, let error):
      try note(error, run.id)
      run.traits.insert(.errors)
      if run.isCancelled {
        try finish(run, .cancelled, nil)
      } else if run.attempt >= run.maximumAttempts {
        try bury(run)
      } else {
        // It ended by itself: what leases were lost before is over.
        try makeReady(run, runAt: now.advanced(by: max(.zero, delay)), crashCount: 0)
      }
    case .release(let delay):
      run.attempt = run.attempt.clampedDifference(1)
      if run.isCancelled {
        try tx.execute("UPDATE job SET attempt = ?2 WHERE id = ?1", run.id.bytes, run.attempt)
        try finish(run, .cancelled, nil)
      } else {
        // One that goes back at once may never have begun.
        let crashCount: Int64? = delay > .zero ? 0 : nil
        try makeReady(run, runAt: now.advanced(by: max(.zero, delay)), crashCount: crashCount)
      }
    }
    return .applied
  }

  private func find(_ reference: JobLease.Reference) throws -> Run? {
    let find = try statement(.findRun)
    try find.start()
    defer { find.end() }
    find.bind(1, high: reference.id.high, low: reference.id.low)
    find.bind(2, reference.fence)
    guard try find.next() else { return nil }
    return Run(
      id: reference.id,
      lane: find.integer(0),
      attempt: find.integer(1),
      maximumAttempts: find.integer(2),
      isCancelled: find.integer(3) != 0,
      traits: JobTraits(rawValue: find.integer(4)),
      keep: find.integer(5),
      body: find.integer(6)
    )
  }

  func extend(
    _ leases: [JobLease.Reference],
    by duration: Duration,
    updates: [JobUpdate?]
  ) throws -> [ExtendOutcome] {
    try leases.enumerated().map { index, lease in
      try extend(lease, by: duration, update: index < updates.count ? updates[index] : nil)
    }
  }

  private func extend(
    _ reference: JobLease.Reference,
    by duration: Duration,
    update: JobUpdate?
  ) throws -> ExtendOutcome {
    let id = reference.id.bytes
    let isCancelled = try tx.first(
      "UPDATE job SET until = ?3 WHERE id = ?1 AND state = 1 AND fence = ?2 AND until > ?4 RETURNING cancel",
      id,
      reference.fence,
      now.advanced(by: duration),
      now
    ) { try $0.bool(0) }
    guard let isCancelled else { return .lost }
    guard let update else { return isCancelled ? .cancelRequested : .extended }
    if try isProgress(update, id) { try tx.execute("UPDATE job SET crash_count = 0 WHERE id = ?1", id) }
    var traits: JobTraits = .note
    try tx.execute(
      """
      INSERT INTO job_note(id, fraction, message, checkpoint) VALUES(?1, ?2, ?3, ?4)
      ON CONFLICT(id) DO UPDATE SET fraction = coalesce(?2, fraction), message = coalesce(?3, message),
        checkpoint = coalesce(?4, checkpoint)
      """,
      id,
      update.fraction.flatMap(\.asFraction),
      update.message.map(NoteText.clipped),
      update.checkpoint
    )
    for (name, output) in update.steps {
      traits.insert(.steps)
      try tx.execute("INSERT OR REPLACE INTO job_step(id, name, output) VALUES(?1, ?2, ?3)", id, name, output)
    }
    try add(traits, to: reference.id)
    return isCancelled ? .cancelRequested : .extended
  }

  /// Whether an update saves something that was not saved before.
  private func isProgress(_ update: JobUpdate, _ id: [UInt8]) throws -> Bool {
    if let checkpoint = update.checkpoint {
      let known = try tx.first("SELECT checkpoint FROM job_note WHERE id = ?1", id) { try $0.optionalBlob(0) }
      if checkpoint != known { return true }
    }
    return try update.steps.contains { name, output in
      try tx.first("SELECT output FROM job_step WHERE id = ?1 AND name = ?2", id, name) { try $0.blob(0) }
        != output
    }
  }

  func reap(limit: Int) throws -> Int {
    let expired = try tx.query(
      """
      SELECT id, lane, attempt, max_attempts, cancel, traits, keep, body, crash_count, fence, until, crash_limit
      FROM job
      WHERE state = 1 AND until <= ?1 ORDER BY until, id LIMIT ?2
      """,
      now,
      limit
    ) { row in
      // What can't be named is set aside, below.
      let id = try row.readableID(0)
      let run = Run(
        id: id ?? RawJobID(high: 0, low: 0),
        lane: try row.int64(1),
        attempt: try row.int64(2).clampedDifference(1),
        maximumAttempts: try row.int64(3),
        isCancelled: try row.bool(4),
        traits: JobTraits(rawValue: try row.int64(5)).union(.errors),
        keep: try row.int64(6),
        body: try row.int64(7)
      )
      // A restart of the machine says nothing about the job.
      let isVoid = try row.int64(10) == StoreTime.void
      let crashes = try row.int64(8)
      return (
        run: run, damaged: id == nil ? try row.blob(0) : nil,
        crashes: isVoid ? crashes : crashes.clampedSum(1), limit: try row.int64(11),
        fence: try row.int64(9), isVoid: isVoid
      )
    }
    for (run, damaged, crashes, limit, fence, isVoid) in expired {
      if run.traits.contains(.limit) { try leaveSlot(run.body) }
      if let damaged {
        try setAside(damaged, run.lane, waiting: 0)
        continue
      }
      let cause = isVoid ? "the machine was restarted" : "its worker was lost or too slow to renew it"
      try note("the lease of run \(fence) expired: \(cause)", run.id)
      try tx.execute(
        "UPDATE job SET attempt = ?2, crash_count = ?3 WHERE id = ?1",
        run.id.bytes,
        run.attempt,
        crashes
      )
      if run.isCancelled {
        try finish(run, .cancelled, nil)
      } else if crashes >= limit {
        try bury(run)
      } else {
        try makeReady(run, runAt: now, crashCount: crashes)
      }
    }
    try passOnWaiting()
    try flush()
    return expired.count
  }

  // MARK: - Upkeep

  /// How many rows there are that may outlive their jobs.
  static func lastingCount(in tx: SQLiteTransaction) throws -> Int {
    try ["job_lane", "job_unique", "job_rate"].reduce(0) { sum, table in
      sum + (try tx.first("SELECT count(*) FROM \(table)") { try $0.int(0) } ?? 0)
    }
  }

  /// Deletes what outlived its jobs, when there may be enough of it.
  func keepUp() throws {
    let isDue = try upkeep.begins { try tx.first("SELECT count(*) FROM job") { try $0.int(0) } ?? 0 }
    guard isDue else { return }
    try tx.execute("DELETE FROM job_unique WHERE until <= ?1", now)
    try tx.execute("DELETE FROM job_rate WHERE next_at IS NULL AND arrival <= ?1", now)
    try pruneLanes()
  }

  /// Deletes lanes without any job, and levels of queues without lanes that aren't paused; gives how many.
  @discardableResult
  func pruneLanes() throws -> Int {
    let lanes = try tx.execute(
      "DELETE FROM job_lane WHERE activity = 0 AND waiting = 0 AND lane NOT IN (SELECT lane FROM job)"
    )
    // All levels of a queue go together, as they come. That of a lane which is being erased is negative.
    let levels = try tx.execute(
      """
      DELETE FROM job_level WHERE queue NOT IN (SELECT queue FROM job_level WHERE paused <> 0)
        AND queue NOT IN (SELECT v.queue FROM job_level AS v JOIN job_lane AS l ON l.level = v.level)
      """
    )
    return lanes + levels
  }

  // MARK: - Steps

  private func makeReady(_ run: Run, runAt: Int64, crashCount: Int64? = nil) throws {
    let kept =
      try crashCount
      ?? tx.first("SELECT crash_count FROM job WHERE id = ?1", run.id.bytes) { try $0.int64(0) }
    let ready = try statement(.readyAgain)
    try ready.start()
    defer { ready.end() }
    ready.bind(1, high: run.id.high, low: run.id.low)
    ready.bind(2, runAt)
    ready.bind(3, run.attempt)
    ready.bind(4, kept ?? 0)
    _ = try ready.next()
    try offer(run.id, run.lane, runAt: runAt, waiting: 1)
  }

  func note(_ error: String, _ id: RawJobID) throws {
    try tx.execute(
      """
      INSERT INTO job_error(id, number, error)
      SELECT ?1, coalesce(max(number), 0) + 1, ?2 FROM job_error WHERE id = ?1
      """,
      id.bytes,
      NoteText.clipped(error)
    )
    try tx.execute(
      "DELETE FROM job_error WHERE id = ?1 AND number <= (SELECT max(number) FROM job_error WHERE id = ?1) - ?2",
      id.bytes,
      JobTable.keptErrors
    )
    try add(.errors, to: id)
  }

  private func bury(_ run: Run) throws {
    try tx.execute("UPDATE job SET state = 3, until = ?2 WHERE id = ?1", run.id.bytes, now)
    try freeUniqueKey(run.id, run.body, run.traits)
  }

  /// Ends a job for ever; the caller has taken it out of its lane's count if it was waiting.
  func finish(_ run: Run, _ state: JobState, _ result: [UInt8]?) throws {
    if run.traits.contains(.unique) { try freeUniqueKey(run.id, run.body, run.traits) }
    if run.traits.contains(.parent) {
      if state == .done { try releaseChildren(of: run.id) } else { try failChildren(of: run.id) }
    }
    guard run.keep > 0 else { return try erase(run.id, run.body, run.traits) }
    let end = try statement(.endJob)
    try end.start()
    defer { end.end() }
    end.bind(1, high: run.id.high, low: run.id.low)
    end.bind(2, Int64(state.rawValue))
    end.bind(3, now.advanced(by: .nanoseconds(run.keep)))
    _ = try end.next()
    let body = try statement(.endBody)
    try body.start()
    defer { body.end() }
    body.bind(1, run.body)
    body.bind(2, result)
    _ = try body.next()
    if run.traits.contains(.note) {
      try tx.execute("UPDATE job_note SET checkpoint = NULL WHERE id = ?1", run.id.bytes)
    }
    if run.traits.contains(.steps) { try tx.execute("DELETE FROM job_step WHERE id = ?1", run.id.bytes) }
    if run.traits.contains(.child) { try tx.execute("DELETE FROM job_after WHERE child = ?1", run.id.bytes) }
  }

  func freeUniqueKey(_ id: RawJobID, _ body: Int64, _ traits: JobTraits) throws {
    guard traits.contains(.unique) else { return }
    let unique = try tx.first("SELECT unique_key, unique_ns FROM job_body WHERE body = ?1", body) { row in
      (key: try row.optionalText(0), retention: try row.optionalInt64(1) ?? 0)
    }
    guard let unique else {
      // Nothing says any more which key it had; the file is damaged, so it may take long.
      _ = try tx.execute("DELETE FROM job_unique WHERE id = ?1 AND until = ?2", id.bytes, Int64.max)
      return
    }
    guard let key = unique.key else { return }
    if unique.retention > 0 {
      try tx.execute(
        "UPDATE job_unique SET until = ?3 WHERE key = ?1 AND id = ?2",
        key,
        id.bytes,
        now.advanced(by: .nanoseconds(unique.retention))
      )
    } else {
      try tx.execute("DELETE FROM job_unique WHERE key = ?1 AND id = ?2", key, id.bytes)
    }
  }
}
