// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage

extension JobRows {
  func observe(_ query: JobStats.Query) throws -> JobStats {
    var stats = JobStats()
    let queues =
      query.queues.isEmpty
      ? try tx.query("SELECT DISTINCT queue FROM job_level") { try $0.text(0) }
      : query.queues.map(\.rawValue)
    if query.countsJobs {
      for queue in queues { try count(queue, &stats) }
    }
    if let next = try untilNextDue(queues) {
      stats.untilNextDue = .nanoseconds(max(0, next.clampedDifference(now)))
    }
    stats.jobs = try query.jobs.compactMap { try snapshot($0) }
    if query.deadLetters > 0 {
      stats.deadLetters = try snapshots(.init(state: .dead, limit: query.deadLetters), [])
    }
    if let list = query.list { stats.listed = try snapshots(list, query.queues) }
    for name in query.schedules {
      stats.schedules[name] = try tx.first("SELECT fired FROM job_schedule WHERE name = ?1", name) {
        try $0.int64(0)
      }
    }
    return stats
  }

  private func count(_ queue: String, _ stats: inout JobStats) throws {
    func number(_ sql: String) throws -> Int { try tx.first(sql, queue) { try $0.int(0) } ?? 0 }
    let lanes = "(SELECT lane FROM job_lane WHERE level IN (SELECT level FROM job_level WHERE queue = ?1))"
    let waiting = try number(
      "SELECT coalesce(sum(waiting), 0) FROM job_lane WHERE level IN (SELECT level FROM job_level WHERE queue = ?1)"
    )
    stats.ready = Int(Int64(stats.ready).clampedSum(Int64(waiting)))
    stats.running += try number(
      "SELECT count(*) FROM job INDEXED BY job_lease WHERE state = 1 AND lane IN \(lanes)"
    )
    stats.dead += try number(
      "SELECT count(*) FROM job INDEXED BY job_dead WHERE state = 3 AND lane IN \(lanes)"
    )
    stats.blocked += try number(
      "SELECT count(*) FROM job INDEXED BY job_parked WHERE state = 5 AND lane IN \(lanes)"
    )
    let oldest = try tx.first(
      """
      SELECT min((SELECT run_at FROM job WHERE state = 0 AND lane = l.lane ORDER BY run_at LIMIT 1))
      FROM job_lane AS l WHERE (l.activity = 2 OR l.activity = 1 AND l.next_at <= ?2)
        AND l.level IN (SELECT level FROM job_level WHERE queue = ?1)
      """,
      queue,
      now
    ) { try $0.optionalInt64(0) }
    if let oldest = oldest ?? nil, oldest <= now {
      stats.oldestReadyAge = max(stats.oldestReadyAge ?? .zero, .nanoseconds(now.clampedDifference(oldest)))
    }
  }

  /// When a job may start or a lease expires next; what is parked waits for neither.
  private func untilNextDue(_ queues: [String]) throws -> Int64? {
    var times: [Int64] = []
    for queue in queues {
      let open = "(SELECT level FROM job_level WHERE queue = ?1 AND paused = 0)"
      let isDue =
        try tx.first(
          """
          SELECT 1 FROM job_lane AS l WHERE activity = 2 AND level IN \(open)
            AND EXISTS (SELECT 1 FROM job WHERE state = 0 AND lane = l.lane AND run_at <= ?2) LIMIT 1
          """,
          queue,
          now
        ) { _ in true } ?? false
      if isDue { return now }
      let next = try tx.first(
        """
        SELECT min((SELECT run_at FROM job WHERE state = 0 AND lane = l.lane ORDER BY run_at LIMIT 1))
        FROM job_lane AS l WHERE l.activity = 2 AND l.level IN \(open)
        """,
        queue
      ) { try $0.optionalInt64(0) }
      times += [next ?? nil, try firstSleeping(queue, open)].compactMap { $0 }
    }
    let others = try tx.first(
      """
      SELECT (SELECT until FROM job WHERE state = 1 ORDER BY until LIMIT 1),
        (SELECT next_at FROM job_rate WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1)
      """
    ) { [try $0.optionalInt64(0), try $0.optionalInt64(1)] }
    return (times + (others ?? []).compactMap { $0 }).min()
  }

  /// When the first job of the lanes that sleep may start.
  ///
  /// A lane knows a time before which none of its jobs may; that of the job may be later, if earlier ones were cancelled. So
  /// however many lanes sleep, only those up to the answer are looked at.
  private func firstSleeping(_ queue: String, _ open: String) throws -> Int64? {
    var first: Int64?
    var last = (next: Int64.min, lane: Int64.min)
    while let lane = try tx.first(
      """
      SELECT next_at, lane, (SELECT run_at FROM job WHERE state = 0 AND lane = l.lane ORDER BY run_at LIMIT 1)
      FROM job_lane AS l INDEXED BY job_lane_sleeping
      WHERE activity = 1 AND level IN \(open) AND (next_at, lane) > (?2, ?3) ORDER BY next_at, lane LIMIT 1
      """,
      queue,
      last.next,
      last.lane,
      transform: { (next: try $0.int64(0), lane: try $0.int64(1), job: try $0.optionalInt64(2)) }
    ), lane.next < first ?? .max {
      if let job = lane.job { first = min(first ?? .max, job) }
      if first == lane.next { break }
      last = (lane.next, lane.lane)
    }
    return first
  }

  // MARK: - Single jobs

  private func snapshots(_ list: JobStats.List, _ queues: [QueueName]) throws -> [JobSnapshot] {
    let states: String =
      switch list.state {
      case nil: "state IN (0, 1, 3, 5) OR (state IN (2, 4) AND until > ?3)"
      case .ready: "state IN (0, 5)"
      case .running: "state = 1"
      case .dead: "state = 3"
      case .done: "state = 2 AND until > ?3"
      case .cancelled: "state = 4 AND until > ?3"
      }
    let inQueues =
      queues.isEmpty
      ? ""
      : """
      AND lane IN (SELECT l.lane FROM job_lane AS l JOIN job_level AS v ON v.level = l.level
        WHERE v.queue IN (SELECT value FROM json_each(?4)))
      """
    // Few jobs run of the many there may be: they are found by their leases, and put in order.
    let index = list.state == .running ? "INDEXED BY job_lease" : ""
    let ids = try tx.query(
      """
      SELECT id FROM job \(index) WHERE id > ?1 AND length(id) = 16 AND (\(states)) AND ?3 IS NOT NULL AND ?4 IS NOT NULL \(inQueues)
      ORDER BY id LIMIT ?2
      """,
      list.after?.bytes ?? [],
      max(0, list.limit),
      now,
      try TextList.encode(queues.map(\.rawValue))
    ) { try $0.readableID(0) }
    return try ids.compactMap(\.self).compactMap { try snapshot($0) }
  }

  private func snapshot(_ id: RawJobID) throws -> JobSnapshot? {
    let errors = try tx.query("SELECT error FROM job_error WHERE id = ?1 ORDER BY number", id.bytes) {
      try $0.text(0)
    }
    return try tx.first(
      """
      SELECT coalesce(b.name, ''), j.state, j.attempt, j.crash_count, j.fence, n.fraction, n.message, b.data,
        coalesce(v.queue, ''), coalesce(l.tenant, '')
      FROM job AS j LEFT JOIN job_body AS b ON b.body = j.body LEFT JOIN job_lane AS l ON l.lane = j.lane
        LEFT JOIN job_level AS v ON v.level = l.level LEFT JOIN job_note AS n ON n.id = j.id
      WHERE j.id = ?1 AND NOT (j.state IN (2, 4) AND j.until <= ?2)
      """,
      id.bytes,
      now
    ) { row in
      let state = try row.int(1)
      let hasEnded = state == 2 || state == 4
      return JobSnapshot(
        id: id,
        name: JobName(try row.text(0)),
        state: state == 5 ? .ready : JobState(rawValue: state) ?? .dead,
        attempts: try row.int(2),
        crashCount: try row.int(3),
        fence: try row.int64(4),
        fraction: row.isNull(5) ? nil : try row.double(5).asFraction,
        message: try row.optionalText(6),
        result: hasEnded ? try row.optionalBlob(7) : nil,
        errors: errors,
        payload: hasEnded ? [] : try row.optionalBlob(7) ?? [],
        queue: QueueName(try row.text(8)),
        tenant: TenantID(try row.text(9))
      )
    }
  }
}
