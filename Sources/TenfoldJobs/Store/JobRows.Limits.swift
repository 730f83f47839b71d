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

  /// The concurrency key of a job; `nil` when it has none, or the file has lost its body.
  func limitKey(_ body: Int64) throws -> String? { try keys(body)?.limitKey }

  /// Whether the limits of a job's keys let it start now; if so it counts, if not it is parked with its key.
  func admit(_ id: RawJobID, _ body: Int64) throws -> Bool {
    guard let keys = try keys(body) else { throw Self.corrupt("a job has no body") }
    if let key = keys.limitKey, try running(key) >= keys.limit {
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
    try tx.execute("UPDATE job SET state = 3, until = ?2 WHERE id = ?1", id.bytes, now)
    try tx.execute("UPDATE job_lane SET waiting = waiting - 1 WHERE lane = ?1", lane)
    try note(NoteText.expired, id)
    try freeUniqueKey(id, body, traits)
    claimEndedJobs = true
    // It leaves the slot and the start, which it may have been let go for, to the next.
    if let key = limits.key { passing.insert(key) }
    if let key = limits.rate {
      try tx.execute("UPDATE job_rate SET next_at = ?2 WHERE key = ?1", key, now)
    }
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
    try tx.execute(
      """
      INSERT INTO job_rate(key, arrival, interval, tolerance, next_at) VALUES(?1, ?2, ?3, ?4, ?5)
      ON CONFLICT(key) DO UPDATE SET arrival = ?2, interval = ?3, tolerance = ?4, next_at = coalesce(?5, next_at)
      """,
      key,
      arrival,
      cell.interval,
      cell.tolerance,
      next == nil ? arrival.clampedDifference(cell.tolerance) : nil
    )
    if next == nil { try park(id, "r:" + key) }
    return next != nil
  }

  /// Lets go as many of the jobs that wait for a rate limit as it allows by now.
  func unparkRates() throws {
    let due = try tx.query(
      "SELECT key, arrival, interval, tolerance FROM job_rate WHERE next_at <= ?1",
      now
    ) { row in
      (
        key: try row.text(0), arrival: try row.int64(1),
        cell: RateCell(interval: try row.int64(2), tolerance: try row.int64(3))
      )
    }
    for rate in due {
      let count = rate.cell.conforming(arrival: rate.arrival, now: now)
      try unpark("r:" + rate.key, count)
      let waits = try firstParked("r:" + rate.key) != nil
      let step = Int64(count) * rate.cell.interval - rate.cell.tolerance
      let next = max(rate.arrival, now).clampedSum(step)
      try tx.execute("UPDATE job_rate SET next_at = ?2 WHERE key = ?1", rate.key, waits ? next : nil)
    }
  }

  /// Gives back the slot of a run that ended, and lets jobs go that waited for it.
  func leaveSlot(_ body: Int64) throws {
    guard let keys = try keys(body) else { return try recountSlots() }
    guard let key = keys.limitKey else { return }
    let left = max(0, try running(key)) - 1
    if left > 0 {
      try tx.execute("UPDATE job_slot SET running = ?2 WHERE key = ?1", key, left)
    } else {
      try tx.execute("DELETE FROM job_slot WHERE key = ?1", key)
    }
    try passOn(key, running: left)
  }

  /// Lets as many of a key's jobs go as there are free slots: also when one that was let go before won't take its own.
  ///
  /// Those on a paused queue go along without counting, so that they keep nobody waiting. So does the first of each queue of
  /// which none went: nobody may serve the others. One too many does no harm, as it is parked again.
  func passOn(_ key: String, running known: Int? = nil) throws {
    let running = max(0, try known ?? running(key))
    var taken = running
    var queues: Set<Int64?> = []
    while let next = try firstParked("c:" + key) {
      // One whose body is lost must come to a claim too, which makes it a dead letter.
      let limit = try keys(next.body)?.limit
      guard taken < limit ?? .max else { break }
      try unpark("c:" + key, 1)
      queues.insert(next.queue)
      if limit != nil, try !isPaused(next.lane) { taken += 1 }
    }
    guard !queues.isEmpty else { return }
    var seen = Int64.min
    while let other = try firstParked("c:" + key, ofQueueAfter: seen) {
      seen = other.queue
      if !queues.contains(other.queue), running < (try keys(other.body)?.limit ?? .max) {
        try unpark("c:" + key, 1, ofQueue: other.queue)
      }
    }
  }

  /// Passes on what the jobs of a claim left that could not start after all.
  func passOnWaiting() throws {
    guard !passing.isEmpty || passesAll else { return }
    if passesAll { try passOnAll() } else { for key in passing { try passOn(key) } }
    (passing, passesAll) = ([], false)
    try flush()
  }

  /// Passes on the free slots of all keys.
  func passOnAll() throws {
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
    try passOnAll()
  }

  private func isPaused(_ lane: Int64) throws -> Bool {
    // What hangs on no lane is handed out as little as what is paused.
    try tx.first(
      "SELECT v.paused FROM job_lane AS l JOIN job_level AS v ON v.level = l.level WHERE l.lane = ?1",
      lane
    ) { try $0.bool(0) } ?? true
  }

  private func firstParked(_ key: String) throws -> (body: Int64, lane: Int64, queue: Int64?)? {
    try tx.first(
      """
      SELECT body, lane, park_queue FROM job INDEXED BY job_parked WHERE state = 5 AND park = ?1
        ORDER BY run_at, id LIMIT 1
      """,
      key
    ) { (try $0.int64(0), try $0.int64(1), try $0.optionalInt64(2)) }
  }

  /// The first of the next queue that has jobs parked with a key.
  private func firstParked(
    _ key: String,
    ofQueueAfter queue: Int64
  ) throws -> (body: Int64, queue: Int64)? {
    try tx.first(
      """
      SELECT body, park_queue FROM job INDEXED BY job_parked_queue WHERE state = 5 AND park = ?1 AND park_queue > ?2
        ORDER BY park_queue, run_at, id LIMIT 1
      """,
      key,
      queue
    ) { (try $0.int64(0), try $0.int64(1)) }
  }

  private func unpark(_ key: String, _ count: Int, ofQueue queue: Int64? = nil) throws {
    let first =
      queue == nil
      ? "SELECT id FROM job INDEXED BY job_parked WHERE state = 5 AND park = ?1 AND ?3 IS NULL"
      : "SELECT id FROM job INDEXED BY job_parked_queue WHERE state = 5 AND park = ?1 AND park_queue = ?3"
    let freed = try tx.query(
      """
      UPDATE job SET state = 0, park = NULL WHERE id IN (\(first) ORDER BY run_at, id LIMIT ?2)
      RETURNING id, lane, run_at
      """,
      key,
      count,
      queue
    ) { (bytes: try $0.blob(0), lane: try $0.int64(1), runAt: try $0.int64(2)) }
    for job in freed {
      if let id = RawJobID(bytes: job.bytes) {
        try offer(id, job.lane, runAt: job.runAt, waiting: 0)
      } else {
        try setAside(job.bytes, job.lane, waiting: -1)
      }
    }
  }
}
