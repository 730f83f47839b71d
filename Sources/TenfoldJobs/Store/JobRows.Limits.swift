// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

extension JobRows {
  private struct Keys {
    var limitKey: String?
    var limit: Int
    var rateKey: String?
    var cell: RateCell
  }

  /// The keys of a job; `nil` when the file has lost its body.
  private func keys(_ body: Int64) throws -> Keys? {
    try tx.first(
      "SELECT limit_key, limit_count, rate_key, rate_interval, rate_tolerance FROM job_body WHERE body = ?1",
      body
    ) { row in
      Keys(
        limitKey: try row.optionalText(0),
        limit: Int(try row.optionalInt64(1) ?? 1),
        rateKey: try row.optionalText(2),
        cell: RateCell(interval: try row.optionalInt64(3) ?? 1, tolerance: try row.optionalInt64(4) ?? 0)
      )
    }
  }

  /// A job that waits goes for good: what it may have been let go for is the next one's, by the end of the operation.
  ///
  /// To be called while its body is there.
  func leavePlace(_ body: Int64, _ traits: JobTraits) throws {
    if traits.isDisjoint(with: [.limit, .rate]) { return }
    // Without its body nothing says which keys it had.
    guard let keys = try keys(body) else {
      passesAll = true
      return
    }
    if let key = keys.limitKey { passing.insert(key) }
    if let key = keys.rateKey { try hurryRate(key) }
  }

  /// Whether the limits of a job's keys let it start now; if so it counts, if not it is parked with its key.
  func admit(_ id: RawJobID, _ body: Int64) throws -> Bool {
    guard let keys = try keys(body) else { throw Self.corrupt("a job has no body") }
    if let key = keys.limitKey, try running(key) >= keys.limit {
      // The start that it may have been let go for is the next one's when the rate is looked at again: were that at once,
      // all jobs of the rate would come to look whether the slot is free.
      try park(id, "c:" + key)
      return false
    }
    if let key = keys.rateKey, try !conform(key, keys.cell, id) {
      // It leaves the slot, which it had been let go for, to the next.
      if let key = keys.limitKey { passing.insert(key) }
      return false
    }
    if let key = keys.limitKey {
      try tx.execute(
        "INSERT INTO job_slot(key, running) VALUES(?1, 1) ON CONFLICT(key) DO UPDATE SET running = running + 1",
        key
      )
    }
    return true
  }

  /// Makes a job a dead letter whose time to start is over; returns whether it is.
  func expire(_ id: RawJobID, _ body: Int64, _ traits: JobTraits, _ lane: Int64) throws -> Bool {
    let limits = try tx.first(
      "SELECT expires_at, limit_key, rate_key FROM job_body WHERE body = ?1",
      body
    ) { row in
      (end: try row.optionalInt64(0), key: try row.optionalText(1), rate: try row.optionalText(2))
    }
    guard let limits, let end = limits.end, end <= now else { return false }
    try tx.execute("UPDATE job SET state = 3, until = ?2, park = NULL WHERE id = ?1", id.bytes, now)
    try tx.execute("UPDATE job_lane SET waiting = waiting - 1 WHERE lane = ?1", lane)
    try note(NoteText.expired, id)
    try freeUniqueKey(id, body, traits)
    claimEndedJobs = true
    // It leaves the slot and the start, which it may have been let go for, to the next.
    if let key = limits.key { passing.insert(key) }
    if let key = limits.rate { try hurryRate(key) }
    return true
  }

  private func running(_ key: String) throws -> Int {
    try tx.first("SELECT running FROM job_slot WHERE key = ?1", key) { try $0.int(0) } ?? 0
  }

  private func park(_ id: RawJobID, _ key: String) throws {
    try tx.execute(
      """
      UPDATE job SET state = 5, park = ?2, park_queue = (SELECT min(v.level) FROM job_level AS v WHERE v.queue =
        (SELECT w.queue FROM job_level AS w JOIN job_lane AS l ON l.level = w.level WHERE l.lane = job.lane))
        WHERE id = ?1
      """,
      id.bytes,
      key
    )
  }

  private func conform(_ key: String, _ cell: RateCell, _ id: RawJobID) throws -> Bool {
    let known = try tx.first("SELECT arrival FROM job_rate WHERE key = ?1", key) { try $0.int64(0) }
    if known == nil { upkeep.note() }
    let next = cell.arrival(after: known ?? .min, now: now)
    let arrival = next ?? known ?? now
    // While some wait, with it or after it: when the next of them may start.
    let due = arrival.clampedDifference(cell.tolerance)
    try tx.execute(
      """
      INSERT INTO job_rate(key, arrival, interval, tolerance, next_at) VALUES(?1, ?2, ?3, ?4, ?5)
      ON CONFLICT(key) DO UPDATE SET arrival = ?2, interval = ?3, tolerance = ?4,
        next_at = coalesce(?5, CASE WHEN next_at IS NOT NULL THEN ?6 END)
      """,
      key,
      arrival,
      cell.interval,
      cell.tolerance,
      next == nil ? due : nil,
      due
    )
    if next == nil { try park(id, "r:" + key) }
    return next != nil
  }

  /// Lets go as many of the jobs that wait for a rate limit as it allows by now.
  func unparkRates() throws {
    let due = try tx.query(
      "SELECT key, arrival, interval, tolerance FROM job_rate WHERE next_at <= ?1 ORDER BY next_at LIMIT ?2",
      now,
      Self.dueAtOnce
    ) { row in
      (
        key: try row.text(0), arrival: try row.int64(1),
        cell: RateCell(interval: try row.int64(2), tolerance: try row.int64(3))
      )
    }
    for rate in due {
      let count = rate.cell.conforming(arrival: rate.arrival, now: now)
      let freed = try letGo("r:" + rate.key, upTo: count) { _, _ in true }
      let next =
        try isParked("r:" + rate.key)
        ? rate.cell.nextLook(arrival: rate.arrival, now: now, count: count, freed: freed) : nil
      try tx.execute("UPDATE job_rate SET next_at = ?2 WHERE key = ?1", rate.key, next)
    }
  }

  /// Has the jobs that wait for a rate looked at by the next claim.
  private func hurryRate(_ key: String) throws {
    try tx.execute("UPDATE job_rate SET next_at = ?2 WHERE key = ?1 AND next_at > ?2", key, now)
  }

  /// Gives back the slot of a run that ended; jobs that waited for it are let go at the end of the operation.
  func leaveSlot(_ body: Int64) throws {
    guard let keys = try keys(body) else { return try recountSlots() }
    guard let key = keys.limitKey else { return }
    let left = max(0, try running(key)) - 1
    if left > 0 {
      try tx.execute("UPDATE job_slot SET running = ?2 WHERE key = ?1", key, left)
    } else {
      try tx.execute("DELETE FROM job_slot WHERE key = ?1", key)
    }
    passing.insert(key)
  }

  /// Lets as many of a key's jobs go as there are free slots, of each level that has some.
  private func passOn(_ key: String) throws {
    let running = max(0, try running(key))
    try letGo("c:" + key, upTo: ParkedJobs.most) { body, taken in
      try keys(body).map { running + taken < $0.limit }
    }
  }

  /// Passes on what this operation left free.
  func passOnWaiting() throws {
    guard !passing.isEmpty || passesAll else { return }
    if passesAll { try passOnAll() } else { for key in passing { try passOn(key) } }
    (passing, passesAll) = ([], false)
    try flush()
  }

  /// Passes on the free slots of all keys.
  private func passOnAll() throws {
    let keys = try tx.query(
      "SELECT DISTINCT park FROM job WHERE state = 5 AND park >= 'c:' AND park < 'c;'"
    ) { try $0.text(0) }
    for key in keys { try passOn(String(key.dropFirst(2))) }
  }

  /// Counts anew how many run of each key, when nothing says which key a run had.
  private func recountSlots() throws {
    try tx.execute(
      """
      UPDATE job_slot SET running = (SELECT count(*) FROM job AS j JOIN job_body AS b ON b.body = j.body
        WHERE j.state = 1 AND b.limit_key = job_slot.key)
      """
    )
    passesAll = true
  }
}
