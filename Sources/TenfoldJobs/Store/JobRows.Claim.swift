// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage

extension JobRows {
  private struct Candidate {
    var id: RawJobID
    var fence: Int64
    var attempt: Int64
    var crashCount: Int64
    var crashLimit: Int64
    var maximumAttempts: Int64
    var traits: JobTraits
    var body: Int64
    var name: String
    var data: [UInt8]
    var runAt: Int64
  }

  /// A lane that takes part in a claim, with some of its due jobs read ahead.
  private struct Turn {
    var lane: Int64
    var pass: Int64
    var weight: Int64
    var tenant: TenantID
    var ahead: ArraySlice<Candidate> = []
    /// Whether the table may hold more due jobs than were read.
    var mayHaveMore = true
    var claimed: Int64 = 0
    /// How many in a row could not start.
    var rejected = 0
  }

  /// A job that has lost its body.
  private typealias Hollow = (id: RawJobID, body: Int64, traits: JobTraits)

  private struct Level {
    var level: Int64
    var priority: Int
    var pass: Int64
  }

  /// What one claim has gathered.
  private struct Claim {
    var request: ClaimRequest
    var until: Int64
    var budget = ParkingBudget()
    var leases: [JobLease] = []
    var left: Int { request.maximum - leases.count }
  }

  func claim(_ request: ClaimRequest, picker: inout PriorityPicker) throws -> [JobLease] {
    var request = request
    // Sums and products with it stay far from overflow.
    request.maximum = min(max(0, request.maximum), Int(Int32.max))
    try sweep(limit: 200 + 2 * request.maximum)
    try unparkRates()
    try wakeLanes()
    try flush()
    var claim = Claim(request: request, until: now.advanced(by: request.leaseFor))
    claim.leases.reserveCapacity(min(request.maximum, 4096))
    for queue in request.queues where claim.left > 0 {
      var levels = try tx.query(
        "SELECT level, priority, pass, paused FROM job_level WHERE queue = ?1 ORDER BY priority",
        queue.rawValue
      ) { row in
        (
          level: Level(level: try row.int64(0), priority: try row.int(1), pass: try row.int64(2)),
          isPaused: try row.bool(3)
        )
      }
      levels.removeAll(where: \.isPaused)
      guard levels.count == 4 else { continue }
      claim.budget.beginQueue()
      let quotas = picker.quotas(for: claim.left)
      for index in 0..<4 { try take(quotas[index], index, &levels[index].level, queue, &claim) }
      for index in 0..<4 { try take(claim.left, index, &levels[index].level, queue, &claim) }
    }
    try passOnWaiting()
    return claim.leases
  }

  /// Takes the lanes of a level in turn until `count` jobs are claimed or no lane has a due one.
  private func take(
    _ count: Int,
    _ number: Int,
    _ level: inout Level,
    _ queue: QueueName,
    _ claim: inout Claim
  ) throws {
    guard count > 0, !claim.budget.isSpent(level: number) else { return }
    var left = count
    // Lanes of which many jobs in a row could not start: they have their turn when nobody else has anything.
    var aside: Set<Int64>? = []
    var pass = level.pass
    var touched = false
    // With `left` picks to come only the `left` lanes that are least far can get one, unless one turns out empty.
    var turns = try turns(level, left)
    while left > 0, !claim.budget.isSpent(level: number) {
      guard let index = Self.next(turns) else {
        guard aside?.isEmpty == false else { break }
        aside = nil
        turns = try self.turns(level, left)
        continue
      }
      if turns[index].ahead.isEmpty, turns[index].mayHaveMore {
        let fair = left / turns.count + 1
        let wanted = turns.count == 1 ? left : min(left, fair)
        let due = try candidates(turns[index].lane, wanted)
        turns[index].ahead = due.candidates[...]
        turns[index].mayHaveMore = due.count == wanted
      }
      guard let candidate = turns[index].ahead.popFirst() else {
        try rest(turns[index])
        turns.remove(at: index)
        for turn in turns { try rest(turn) }
        turns = try self.turns(level, left, without: aside ?? [])
        continue
      }
      touched = true
      pass = max(pass, turns[index].pass)
      guard try !expire(candidate, turns[index].lane), try admit(candidate) else {
        claim.budget.spend(level: number)
        turns[index].rejected += 1
        if turns[index].rejected >= ParkingBudget.patience, aside != nil {
          aside?.insert(turns[index].lane)
          for turn in turns { try rest(turn) }
          turns = try self.turns(level, left, without: aside ?? [])
        }
        continue
      }
      turns[index].rejected = 0
      claim.leases.append(try hand(candidate, turns[index].tenant, queue, claim.until))
      turns[index].pass = turns[index].pass.clampedSum(JobLane.stride / turns[index].weight)
      turns[index].claimed += 1
      left -= 1
    }
    for turn in turns { try rest(turn) }
    if touched, pass != level.pass {
      level.pass = pass
      let save = try statement(.saveLevel)
      try save.start()
      defer { save.end() }
      save.bind(1, level.level)
      save.bind(2, pass)
      _ = try save.next()
    }
  }

  private func turns(_ level: Level, _ limit: Int, without aside: Set<Int64> = []) throws -> [Turn] {
    let select = try statement(.activeLanes)
    try select.start()
    defer { select.end() }
    select.bind(1, level.level)
    select.bind(2, Int64(limit + aside.count))
    var turns: [Turn] = []
    while try select.next() {
      if aside.contains(select.integer(0)) { continue }
      turns.append(
        Turn(
          lane: select.integer(0),
          pass: select.integer(1),
          weight: max(1, select.integer(2)),
          tenant: TenantID(select.text(3))
        )
      )
    }
    return turns
  }

  private static func next(_ turns: [Turn]) -> Int? {
    turns.indices.min { (turns[$0].pass, turns[$0].lane) < (turns[$1].pass, turns[$1].lane) }
  }

  /// The next due jobs of a lane, and how many rows were read for them.
  private func candidates(_ lane: Int64, _ limit: Int) throws -> (candidates: [Candidate], count: Int) {
    var (candidates, hollow, unreadable) = ([Candidate](), [Hollow](), [[UInt8]]())
    try readCandidates(lane, limit, &candidates, &hollow, &unreadable)
    let count = candidates.count + hollow.count + unreadable.count
    // Nothing says any more which keys they had.
    passesAll = passesAll || !hollow.isEmpty || !unreadable.isEmpty
    for id in unreadable { try setAside(id, lane, waiting: -1) }
    claimEndedJobs = claimEndedJobs || !hollow.isEmpty
    for (id, body, traits) in hollow {
      try tx.execute("UPDATE job SET state = 3, until = ?2, park = NULL WHERE id = ?1", id.bytes, now)
      try tx.execute("UPDATE job_lane SET waiting = waiting - 1 WHERE lane = ?1", lane)
      try note("the file has lost the payload of this job: restore it from a backup, or purge the job", id)
      try freeUniqueKey(id, body, traits)
    }
    return (candidates, count)
  }

  private func readCandidates(
    _ lane: Int64,
    _ limit: Int,
    _ candidates: inout [Candidate],
    _ hollow: inout [Hollow],
    _ unreadable: inout [[UInt8]]
  ) throws {
    let select = try statement(.dueJobs)
    try select.start()
    defer { select.end() }
    select.bind(1, lane)
    select.bind(2, now)
    select.bind(3, Int64(limit))
    while try select.next() {
      guard let (high, low) = select.bytes16(0) else {
        unreadable.append(select.blob(0))
        continue
      }
      let id = RawJobID(high: high, low: low)
      guard select.integer(9) == 0 else {
        hollow.append((id, select.integer(6), JobTraits(rawValue: select.integer(5))))
        continue
      }
      candidates.append(
        Candidate(
          id: id,
          fence: select.integer(1),
          attempt: select.integer(2),
          crashCount: select.integer(3),
          crashLimit: select.integer(11),
          maximumAttempts: select.integer(4),
          traits: JobTraits(rawValue: select.integer(5)),
          body: select.integer(6),
          name: select.text(7),
          data: select.blob(8),
          runAt: select.integer(10)
        )
      )
    }
  }

  /// Writes back a lane's turn, and whether it still has something due.
  private func rest(_ turn: Turn) throws {
    guard turn.claimed > 0 || !turn.mayHaveMore || turn.ahead.startIndex > 0 else { return }
    let first = try tx.first(
      "SELECT run_at FROM job WHERE state = 0 AND lane = ?1 ORDER BY run_at LIMIT 1",
      turn.lane
    ) { try $0.int64(0) }
    let isDue = first.map { $0 <= now } ?? false
    try save(
      Lane(
        lane: turn.lane,
        pass: turn.pass,
        activity: isDue ? 2 : first == nil ? 0 : 1,
        nextAt: isDue ? 0 : first ?? .max,
        levelPass: 0,
        waiting: -turn.claimed
      )
    )
  }

  private func hand(
    _ candidate: Candidate,
    _ tenant: TenantID,
    _ queue: QueueName,
    _ until: Int64
  ) throws -> JobLease {
    let fence = max(candidate.fence, fenceBase).clampedSum(1)
    let attempt = candidate.attempt.clampedSum(1)
    let claim = try statement(.claimJob)
    try claim.start()
    defer { claim.end() }
    claim.bind(1, high: candidate.id.high, low: candidate.id.low)
    claim.bind(2, fence)
    claim.bind(3, attempt)
    claim.bind(4, until)
    _ = try claim.next()
    var lease = JobLease(
      reference: .init(id: candidate.id, fence: fence),
      queue: queue,
      name: JobName(candidate.name),
      payload: candidate.data,
      attempt: Int(attempt),
      maximumAttempts: Int(candidate.maximumAttempts),
      crashCount: Int(candidate.crashCount),
      checkpoint: nil,
      trace: [:],
      tenant: tenant,
      waited: .nanoseconds(max(0, now.clampedDifference(candidate.runAt))),
      crashLimit: Int(max(1, candidate.crashLimit))
    )
    if !candidate.traits.isDisjoint(with: [.note, .steps, .trace]) {
      try furnish(&lease, candidate.id, candidate.body)
    }
    return lease
  }

  private func furnish(_ lease: inout JobLease, _ id: RawJobID, _ body: Int64) throws {
    lease.checkpoint =
      try tx.first("SELECT checkpoint FROM job_note WHERE id = ?1", id.bytes) { try $0.optionalBlob(0) }
      ?? nil
    for (name, output) in try tx.query(
      "SELECT name, output FROM job_step WHERE id = ?1",
      id.bytes,
      transform: { (try $0.text(0), try $0.blob(1)) }
    ) {
      lease.steps[name] = output
    }
    lease.trace = TraceText.decode(
      try tx.first("SELECT trace FROM job_body WHERE body = ?1", body) { try $0.optionalText(0) } ?? nil
    )
  }

  // MARK: - What comes due

  /// Lanes, and keys of rates, that a claim looks at when they come due; the next claim goes on.
  static let dueAtOnce = 1000

  private func wakeLanes() throws {
    let lanes = try tx.query(
      "SELECT lane FROM job_lane WHERE activity = 1 AND next_at <= ?1 ORDER BY next_at LIMIT ?2",
      now,
      Self.dueAtOnce
    ) { try $0.int64(0) }
    for lane in lanes { _ = try offer(lane, runAt: now, waiting: 0) }
  }

  private func expire(_ candidate: Candidate, _ lane: Int64) throws -> Bool {
    guard candidate.traits.contains(.expires) else { return false }
    return try expire(candidate.id, candidate.body, candidate.traits, lane)
  }

  private func admit(_ candidate: Candidate) throws -> Bool {
    if candidate.traits.isDisjoint(with: [.limit, .rate]) { return true }
    return try admit(candidate.id, candidate.body)
  }

  /// Deletes what ended jobs left behind, a little with every claim.
  private func sweep(limit: Int) throws {
    let ended = try statement(.endedJobs)
    var old: [(id: RawJobID, body: Int64, traits: JobTraits)] = []
    var unreadable: [(id: [UInt8], body: Int64)] = []
    do {
      try ended.start()
      defer { ended.end() }
      ended.bind(1, now)
      ended.bind(2, Int64(limit))
      while try ended.next() {
        if let (high, low) = ended.bytes16(0) {
          let id = RawJobID(high: high, low: low)
          old.append((id, ended.integer(1), JobTraits(rawValue: ended.integer(2))))
        } else {
          unreadable.append((ended.blob(0), ended.integer(1)))
        }
      }
    }
    for job in old { try erase(job.id, job.body, job.traits) }
    for job in unreadable { try eraseUnreadable(job.id, job.body) }
    try sweepDead(limit: limit)
  }

  /// Purges dead letters whose time is over.
  private func sweepDead(limit: Int) throws {
    guard let deadRetention else { return }
    // Those that a build of before left don't say when they died.
    try tx.execute(
      "UPDATE job SET until = ?1 WHERE id IN (SELECT id FROM job WHERE state = 3 AND until <= 0 LIMIT ?2)",
      now,
      limit
    )
    let old = try tx.query(
      "SELECT id, body FROM job WHERE state = 3 AND until > 0 AND until <= ?1 ORDER BY until LIMIT ?2",
      now.clampedDifference(deadRetention),
      limit
    ) { (bytes: try $0.blob(0), body: try $0.int64(1)) }
    for job in old {
      if let id = RawJobID(bytes: job.bytes) {
        try purge(id)
      } else {
        try eraseUnreadable(job.bytes, job.body)
      }
    }
  }

  /// Deletes every row of a job.
  func erase(_ id: RawJobID, _ body: Int64, _ traits: JobTraits) throws {
    try run(.deleteJob, id)
    try run(.deleteBody, body)
    if traits.contains(.note) { try tx.execute("DELETE FROM job_note WHERE id = ?1", id.bytes) }
    if traits.contains(.errors) { try tx.execute("DELETE FROM job_error WHERE id = ?1", id.bytes) }
    if traits.contains(.steps) { try tx.execute("DELETE FROM job_step WHERE id = ?1", id.bytes) }
    if traits.contains(.child) { try tx.execute("DELETE FROM job_after WHERE child = ?1", id.bytes) }
  }
}
