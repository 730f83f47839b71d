// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage

extension JobRows {
  func enqueue(_ jobs: [NewJob]) throws -> [EnqueueOutcome] {
    try checkDepth(jobs)
    let outcomes = try jobs.map { try enqueue($0) }
    try flush()
    return outcomes
  }

  func checkDepth(_ jobs: [NewJob]) throws {
    try DepthLimit.check(jobs, isHeld: { try place($0) != nil }, waiting: waiting)
  }

  private func waiting(in queue: QueueName) throws -> Int {
    try tx.first(
      """
      SELECT coalesce(sum(waiting), 0) FROM job_lane WHERE level IN (SELECT level FROM job_level WHERE queue = ?1)
      """,
      queue.rawValue
    ) { try $0.int(0) } ?? 0
  }

  /// Accepts a job, as one that waits or, with `run`, as one that runs: that only where nothing can hold it back.
  func enqueue(_ job: NewJob, run: DirectRun? = nil) throws -> EnqueueOutcome {
    let options = job.options
    // First: the order in which lanes were first named decides between equals.
    let lane = try lane(options)
    if job.tick != nil || options.uniqueKey != nil, let duplicate = try holder(job) { return duplicate }
    let runAt = now.advanced(by: max(.zero, options.delay))
    let parents = options.after.isEmpty ? (waiting: [], failed: nil) : try parents(options.after)
    var traits: JobTraits = []
    if options.uniqueKey != nil { traits.insert(.unique) }
    if options.concurrencyKey != nil { traits.insert(.limit) }
    if options.rateLimit != nil { traits.insert(.rate) }
    if !options.trace.isEmpty { traits.insert(.trace) }
    if options.expiresAfter != nil { traits.insert(.expires) }
    if !parents.waiting.isEmpty { traits.insert(.child) }
    let isFree = parents.waiting.isEmpty && parents.failed == nil
    guard try insert(job, lane, isFree: isFree, runAt, traits, run) else { return .duplicate(of: job.id) }
    if let tick = job.tick {
      try tx.execute(
        "INSERT OR REPLACE INTO job_schedule(name, fired) VALUES(?1, ?2)",
        tick.schedule,
        tick.milliseconds
      )
    }
    if let key = options.uniqueKey {
      try tx.execute(
        "INSERT OR REPLACE INTO job_unique(key, id, until, tenant) VALUES(?1, ?2, ?3, ?4)",
        key,
        job.id.bytes,
        Int64.max,
        options.tenant.rawValue
      )
      upkeep.note()
    }
    if isFree {
      if run == nil { try offer(job.id, lane, runAt: runAt, waiting: 1) }
      return .inserted
    }
    try count(lane, waiting: 1)
    if let parent = parents.failed {
      try failDependent(job.id, of: parent)
    } else {
      for parent in parents.waiting {
        try tx.execute("INSERT INTO job_after(parent, child) VALUES(?1, ?2)", parent.bytes, job.id.bytes)
        try add(.parent, to: parent)
      }
    }
    return .inserted
  }

  /// Who has a job's place already, and whether by the job's unique key.
  private func place(_ job: NewJob) throws -> (holder: RawJobID, isByKey: Bool)? {
    if try isKnown(job.id) { return (job.id, false) }
    if let tick = job.tick {
      let fired = try tx.first("SELECT fired FROM job_schedule WHERE name = ?1", tick.schedule) {
        try $0.int64(0)
      }
      if tick.isOver(after: fired) { return (job.id, false) }
    }
    guard let key = job.options.uniqueKey else { return nil }
    let holder = try tx.first("SELECT id FROM job_unique WHERE key = ?1 AND until > ?2", key, now) {
      try $0.readableID(0)
    }
    return (holder ?? nil).map { ($0, true) }
  }

  /// Whoever has the job's place already: itself, a later firing of its schedule, or the holder of its key.
  private func holder(_ job: NewJob) throws -> EnqueueOutcome? {
    guard let (holder, isByKey) = try place(job) else { return nil }
    if isByKey, let tick = job.tick {
      try tx.execute(
        "INSERT OR REPLACE INTO job_schedule(name, fired) VALUES(?1, ?2)",
        tick.schedule,
        tick.milliseconds
      )
    }
    return .duplicate(of: holder)
  }

  /// Whether the store knows a job, where one that has ended and whose time is over doesn't count.
  private func isKnown(_ id: RawJobID) throws -> Bool {
    let row = try tx.first("SELECT state, until, body, traits FROM job WHERE id = ?1", id.bytes) { row in
      (state: try row.int(0), until: try row.int64(1), body: try row.int64(2), traits: try row.int64(3))
    }
    guard let row else { return false }
    guard row.state == 2 || row.state == 4, row.until <= now else { return true }
    try erase(id, row.body, JobTraits(rawValue: row.traits))
    return false
  }

  private func insert(
    _ job: NewJob,
    _ lane: Int64,
    isFree: Bool,
    _ runAt: Int64,
    _ traits: JobTraits,
    _ direct: DirectRun?
  ) throws -> Bool {
    let body = try insertBody(job, traits)
    for _ in 0..<2 {
      let insert = try statement(direct == nil ? .insertJob : .insertRunning)
      try insert.start()
      defer { insert.end() }
      insert.bind(1, high: job.id.high, low: job.id.low)
      insert.bind(2, lane)
      if direct == nil { insert.bind(3, isFree ? 0 : 5) }
      insert.bind(4, runAt)
      insert.bind(5, Int64(job.options.maximumAttempts))
      insert.bind(6, traits.rawValue)
      insert.bind(7, max(.zero, job.options.resultRetention).nanoseconds)
      insert.bind(8, body)
      insert.bind(9, Int64(job.options.crashLimit))
      if let direct {
        insert.bind(10, direct.until)
        insert.bind(11, direct.fence)
      }
      _ = try insert.next()
      if tx.changes == 1 { return true }
      // Known, or only not yet swept out.
      if try isKnown(job.id) { break }
    }
    try run(.deleteBody, body)
    return false
  }

  private func insertBody(_ job: NewJob, _ traits: JobTraits) throws -> Int64 {
    if traits.isDisjoint(with: [.unique, .limit, .rate, .trace, .expires]) {
      let insert = try statement(.insertBody)
      try insert.start()
      defer { insert.end() }
      insert.bind(1, job.name.rawValue)
      insert.bind(2, job.payload)
      _ = try insert.next()
      return tx.lastInsertedRowID
    }
    let options = job.options
    let cell = options.rateLimit.map { RateCell($0) }
    try tx.execute(
      """
      INSERT INTO job_body(name, data, trace, unique_key, unique_ns, limit_key, limit_count, rate_key, rate_interval,
        rate_tolerance, expires_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
      """,
      job.name.rawValue,
      job.payload,
      options.trace.isEmpty ? nil : try TraceText.encode(options.trace),
      options.uniqueKey,
      max(.zero, options.uniqueRetention).nanoseconds,
      options.concurrencyKey,
      max(1, options.concurrencyLimit),
      options.rateLimit?.key,
      cell?.interval,
      cell?.tolerance,
      options.expiresAfter.map { now.advanced(by: max(.zero, $0)) }
    )
    return tx.lastInsertedRowID
  }

  // MARK: - Dependencies

  /// The jobs among `ids` that are not done yet, or one that was cancelled.
  private func parents(_ ids: [RawJobID]) throws -> (waiting: [RawJobID], failed: RawJobID?) {
    var waiting: [RawJobID] = []
    var failed: RawJobID?
    for id in Set(ids).sorted() {
      let state = try tx.first(
        "SELECT state FROM job WHERE id = ?1 AND NOT (state IN (2, 4) AND until <= ?2)",
        id.bytes,
        now
      ) { try $0.int(0) }
      switch state {
      case nil, 2: break
      case 4: failed = failed ?? id
      default: waiting.append(id)
      }
    }
    return (waiting, failed)
  }

  /// Lets jobs go that waited for this one.
  func releaseChildren(of id: RawJobID) throws {
    let children = try tx.query("DELETE FROM job_after WHERE parent = ?1 RETURNING child", id.bytes) {
      try $0.readableID(0)
    }
    for child in children.compactMap(\.self).sorted() {
      let freed = try tx.first(
        """
        UPDATE job SET state = 0 WHERE id = ?1 AND state = 5
          AND NOT EXISTS (SELECT 1 FROM job_after WHERE child = ?1) RETURNING lane, run_at
        """,
        child.bytes
      ) { (lane: try $0.int64(0), runAt: try $0.int64(1)) }
      if let freed { try offer(child, freed.lane, runAt: freed.runAt, waiting: 0) }
    }
  }

  /// Fails jobs that waited for one that will never be done.
  func failChildren(of id: RawJobID) throws {
    let children = try tx.query("DELETE FROM job_after WHERE parent = ?1 RETURNING child", id.bytes) {
      try $0.readableID(0)
    }
    for child in children.compactMap(\.self).sorted() { try failDependent(child, of: id) }
  }

  private func failDependent(_ child: RawJobID, of parent: RawJobID) throws {
    let row = try tx.first(
      "UPDATE job SET state = 3, until = ?2 WHERE id = ?1 AND state = 5 RETURNING lane, body, traits",
      child.bytes,
      now
    ) { (lane: try $0.int64(0), body: try $0.int64(1), traits: try $0.int64(2)) }
    guard let row else { return }
    claimEndedJobs = true
    try count(row.lane, waiting: -1)
    try tx.execute("DELETE FROM job_after WHERE child = ?1", child.bytes)
    try note("job \(parent), which had to be done first, was cancelled, purged or erased", child)
    try freeUniqueKey(child, row.body, JobTraits(rawValue: row.traits))
  }
}
