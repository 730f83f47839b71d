// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

/// The steps of ``ParkedJobs`` as statements. A job that was let go keeps its `park` until it begins or goes.
extension JobRows {
  /// A lane that has jobs parked with a key.
  private struct HeldLane {
    var lane: Int64
    /// `nil` when the file has lost it.
    var level: Int64?
    var pass: Int64
    var weight: Int64
    /// How many of it were let go and have not begun; `nil` before that was counted.
    var out: Int?

    func isBefore(_ other: Self) -> Bool { (pass, lane) < (other.pass, other.lane) }
  }

  /// As many lanes of a key as one look considers, in order of their numbers, besides those of the oldest job of each queue:
  /// nobody may serve the others.
  private static let mostLanes = 256

  /// Lets jobs go that are parked with a key: of each level as many as may start, by the turns that a claim would take.
  ///
  /// - Parameters:
  ///   - park: What they are parked with.
  ///   - count: How many may start.
  ///   - admits: Whether a job may start beside as many that were let go, by its body; `nil` when the file has lost that.
  /// - Returns: How many were let go.
  /// - Throws: `StorageError`.
  @discardableResult
  func letGo(_ park: String, upTo count: Int, admits: (Int64, Int) throws -> Bool?) throws -> Int {
    guard count > 0 else { return 0 }
    var freed = 0
    for var turns in Dictionary(grouping: try heldLanes(park), by: \.level).values {
      var (steps, taken) = (0, 0)
      while taken < count, steps < ParkedJobs.most,
        let index = turns.indices.min(by: { turns[$0].isBefore(turns[$1]) })
      {
        steps += 1
        let lane = turns[index].lane
        let out = try turns[index].out ?? countOut(park, lane)
        turns[index].out = max(0, out - 1)
        if out == 0 {
          guard let job = try firstParked(park, lane) else {
            turns.remove(at: index)
            continue
          }
          // What has lost its body or its lane must come to a claim too, which makes it a dead letter.
          let isAdmitted = turns[index].level == nil ? nil : try admits(job.body, taken)
          if isAdmitted == false {
            turns.remove(at: index)
            continue
          }
          guard try unpark(job.id, lane, job.runAt) else { continue }
          freed += 1
          if isAdmitted == nil { continue }
        }
        taken += 1
        turns[index].pass = turns[index].pass.clampedSum(JobLane.stride / turns[index].weight)
      }
    }
    return freed
  }

  /// Whether any job is parked with a key.
  func isParked(_ park: String) throws -> Bool {
    try tx.first("SELECT 1 FROM job INDEXED BY job_held WHERE park = ?1 AND state = 5 LIMIT 1", park) { _ in
      true
    } ?? false
  }

  /// The lanes that have jobs parked with a key, without those that are being erased.
  private func heldLanes(_ park: String) throws -> [HeldLane] {
    // Mostly there is none or one: two looks at an index tell.
    guard let ends = try laneEnds(park) else { return [] }
    let held = ends.first == ends.last ? try heldLane(ends.first) : try allHeldLanes(park)
    return held.map { lane in
      guard let known = lanes[lane.lane] else { return lane }
      var lane = lane
      lane.pass = known.activity == 2 ? known.pass : max(known.pass, known.levelPass)
      return lane
    }
  }

  /// The lowest and the highest of the lanes that have jobs parked with a key.
  private func laneEnds(_ park: String) throws -> (first: Int64, last: Int64)? {
    try tx.first(
      """
      SELECT (SELECT lane FROM job INDEXED BY job_held WHERE park = ?1 AND state = 5 ORDER BY lane LIMIT 1),
        (SELECT lane FROM job INDEXED BY job_held WHERE park = ?1 AND state = 5 ORDER BY lane DESC LIMIT 1)
      """,
      park
    ) { row in
      guard let first = try row.optionalInt64(0), let last = try row.optionalInt64(1) else { return nil }
      return (first, last)
    } ?? nil
  }

  private func heldLane(_ lane: Int64) throws -> [HeldLane] {
    try tx.query(
      """
      SELECT h.lane, v.level, coalesce(CASE l.activity WHEN 2 THEN l.pass ELSE max(l.pass, v.pass) END, 0),
        coalesce(l.weight, 1)
      FROM (SELECT ?1 AS lane) AS h
      LEFT JOIN job_lane AS l ON l.lane = h.lane LEFT JOIN job_level AS v ON v.level = l.level
      WHERE coalesce(l.level, 1) > 0
      """,
      lane,
      transform: Self.readLane
    )
  }

  private static func readLane(_ row: SQLiteRow) throws -> HeldLane {
    HeldLane(
      lane: try row.int64(0),
      level: try row.optionalInt64(1),
      pass: try row.int64(2),
      weight: max(1, try row.int64(3))
    )
  }

  private func allHeldLanes(_ park: String) throws -> [HeldLane] {
    try tx.query(
      """
      WITH RECURSIVE held(lane) AS (
        SELECT (SELECT lane FROM job INDEXED BY job_held WHERE park = ?1 AND state = 5 ORDER BY lane LIMIT 1)
        UNION ALL
        SELECT (SELECT j.lane FROM job AS j INDEXED BY job_held WHERE j.park = ?1 AND j.state = 5 AND j.lane > held.lane
          ORDER BY j.lane LIMIT 1) FROM held WHERE held.lane IS NOT NULL LIMIT ?2),
      queues(queue) AS (
        SELECT (SELECT park_queue FROM job INDEXED BY job_parked_queue WHERE state = 5 AND park = ?1
          AND park_queue IS NOT NULL ORDER BY park_queue LIMIT 1)
        UNION ALL
        SELECT (SELECT j.park_queue FROM job AS j INDEXED BY job_parked_queue WHERE j.state = 5 AND j.park = ?1
          AND j.park_queue > queues.queue ORDER BY j.park_queue LIMIT 1) FROM queues
          WHERE queues.queue IS NOT NULL LIMIT ?2)
      SELECT h.lane, v.level, coalesce(CASE l.activity WHEN 2 THEN l.pass ELSE max(l.pass, v.pass) END, 0),
        coalesce(l.weight, 1)
      FROM (SELECT lane FROM held UNION
        SELECT (SELECT lane FROM job INDEXED BY job_parked_queue WHERE state = 5 AND park = ?1
          AND park_queue = queues.queue ORDER BY run_at, id LIMIT 1) FROM queues WHERE queues.queue IS NOT NULL UNION
        SELECT (SELECT lane FROM job INDEXED BY job_parked WHERE state = 5 AND park = ?1 ORDER BY run_at, id LIMIT 1)) AS h
      LEFT JOIN job_lane AS l ON l.lane = h.lane LEFT JOIN job_level AS v ON v.level = l.level
      WHERE h.lane IS NOT NULL AND coalesce(l.level, 1) > 0
      """,
      park,
      Self.mostLanes,
      transform: Self.readLane
    )
  }

  private func countOut(_ park: String, _ lane: Int64) throws -> Int {
    try tx.first(
      """
      SELECT count(*) FROM (SELECT 1 FROM job INDEXED BY job_held WHERE park = ?1 AND state = 0 AND lane = ?2 LIMIT ?3)
      """,
      park,
      lane,
      ParkedJobs.most
    ) { try $0.int(0) } ?? 0
  }

  private func firstParked(
    _ park: String,
    _ lane: Int64
  ) throws -> (id: [UInt8], body: Int64, runAt: Int64)? {
    try tx.first(
      """
      SELECT id, body, run_at FROM job INDEXED BY job_held WHERE park = ?1 AND state = 5 AND lane = ?2
        ORDER BY run_at, id LIMIT 1
      """,
      park,
      lane
    ) { (try $0.blob(0), try $0.int64(1), try $0.int64(2)) }
  }

  /// Whether the job is one; what isn't is set aside.
  private func unpark(_ bytes: [UInt8], _ lane: Int64, _ runAt: Int64) throws -> Bool {
    guard let id = RawJobID(bytes: bytes) else {
      try setAside(bytes, lane, waiting: -1)
      return false
    }
    try tx.execute("UPDATE job SET state = 0 WHERE id = ?1", bytes)
    try offer(id, lane, runAt: runAt, waiting: 0)
    return true
  }
}
