// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage

/// The steps of ``JobTable`` as statements on the tables, for one operation inside a transaction.
///
/// Lanes that the operation changes are written back once, by ``flush()`` at its end.
final class JobRows {
  struct LaneKey: Hashable {
    var queue: QueueName
    var priority: Int
    var tenant: TenantID
  }

  /// A lane as the operation sees it.
  struct Lane {
    var lane: Int64
    var pass: Int64
    var activity: Int64
    var nextAt: Int64
    /// The pass of the lane's level: where it comes back to.
    var levelPass: Int64
    /// Change of the number of waiting jobs.
    var waiting: Int64 = 0
    var isChanged = false
  }

  let tx: SQLiteTransaction
  let now: Int64
  /// Fences rise above this: a start of the machine, after which claims may have been lost, moves it up.
  let fenceBase: Int64
  let upkeep: JobUpkeep
  /// How long dead letters are kept, in nanoseconds; `nil` for ever.
  let deadRetention: Int64?
  private var prepared: [SQLiteStatement?]
  private var numbers: [LaneKey: Int64] = [:]
  var lanes: [Int64: Lane] = [:]
  /// Keys that this operation left free, to be passed on at its end; or all keys.
  var passing: Set<String> = []
  var passesAll = false
  /// Whether a claim made dead letters, of which nobody else tells those who wait for them.
  var claimEndedJobs = false

  init(
    _ transaction: SQLiteTransaction,
    now: Int64,
    epoch: Int64,
    upkeep: JobUpkeep,
    deadRetention: Int64? = nil
  ) {
    tx = transaction
    self.deadRetention = deadRetention
    self.upkeep = upkeep
    self.now = now
    fenceBase = epoch << 32
    prepared = Array(repeating: nil, count: JobStatement.allCases.count)
  }

  func statement(_ kind: JobStatement) throws(StorageError) -> SQLiteStatement {
    if let known = prepared[kind.rawValue] { return known }
    let statement = try tx.prepare(kind.sql)
    prepared[kind.rawValue] = statement
    return statement
  }

  // MARK: - Lanes

  /// The lane of a job to be enqueued, made when missing.
  func lane(_ options: JobOptions) throws -> Int64 {
    let key = LaneKey(
      queue: options.queue,
      priority: options.priority.rawValue,
      tenant: options.tenant
    )
    if let known = numbers[key] { return known }
    guard let lane = try findLane(key) ?? makeLane(key) else {
      throw Self.corrupt("a lane vanished while it was being made")
    }
    numbers[key] = lane.lane
    if lanes[lane.lane] == nil { lanes[lane.lane] = lane }
    return lane.lane
  }

  private func findLane(_ key: LaneKey) throws -> Lane? {
    let find = try statement(.findLane)
    try find.start()
    defer { find.end() }
    find.bind(1, key.queue.rawValue)
    find.bind(2, Int64(key.priority))
    find.bind(3, key.tenant.rawValue)
    guard try find.next() else { return nil }
    return Lane(
      lane: find.integer(0),
      pass: find.integer(1),
      activity: find.integer(2),
      nextAt: find.integer(3),
      levelPass: find.integer(5)
    )
  }

  private func makeLane(_ key: LaneKey) throws -> Lane? {
    try makeLevels(key.queue.rawValue)
    upkeep.note()
    try tx.execute(
      """
      INSERT INTO job_lane(level, tenant, weight, pass, activity, next_at, waiting)
      SELECT level, ?3, coalesce((SELECT weight FROM job_tenant WHERE tenant = ?3), 1), 0, 0, 0, 0
      FROM job_level WHERE queue = ?1 AND priority = ?2
      """,
      key.queue.rawValue,
      key.priority,
      key.tenant.rawValue
    )
    return try findLane(key)
  }

  /// All four levels of a queue come to be together.
  func makeLevels(_ queue: String) throws {
    for priority in 0..<4 {
      try tx.execute(
        "INSERT INTO job_level(queue, priority, paused, pass) VALUES(?1, ?2, 0, 0) ON CONFLICT DO NOTHING",
        queue,
        priority
      )
    }
  }

  /// A lane by its number, for jobs that come back to it; `false` when the file has lost it.
  private func load(_ number: Int64) throws -> Bool {
    guard lanes[number] == nil else { return true }
    let lane = try tx.first(
      """
      SELECT l.pass, l.activity, l.next_at, v.pass FROM job_lane AS l JOIN job_level AS v ON v.level = l.level
      WHERE l.lane = ?1
      """,
      number
    ) { row in
      Lane(
        lane: number,
        pass: try row.int64(0),
        activity: try row.int64(1),
        nextAt: try row.int64(2),
        levelPass: try row.int64(3)
      )
    }
    lanes[number] = lane
    return lane != nil
  }

  /// Offers a job to its lane; one whose lane the file has lost becomes a dead letter, so that no other job suffers.
  func offer(_ id: RawJobID, _ lane: Int64, runAt: Int64, waiting: Int64) throws {
    if try offer(lane, runAt: runAt, waiting: waiting) { return }
    claimEndedJobs = true
    let row = try tx.first(
      "UPDATE job SET state = 3, until = ?2, park = NULL WHERE id = ?1 RETURNING body, traits",
      id.bytes,
      now
    ) { (body: try $0.int64(0), traits: JobTraits(rawValue: try $0.int64(1))) }
    try note("the file has lost the queue of this job: restore it from a backup, or enqueue the job anew", id)
    if let row { try freeUniqueKey(id, row.body, row.traits) }
  }

  /// Says that a lane has one more job that may start at `runAt`, and how its number of waiting jobs changed; `false` when
  /// the file has lost the lane.
  func offer(_ number: Int64, runAt: Int64, waiting: Int64) throws -> Bool {
    guard try load(number), var lane = lanes[number] else { return false }
    lane.waiting += waiting
    lane.isChanged = lane.isChanged || waiting != 0
    if runAt <= now {
      if lane.activity != 2 {
        lane.activity = 2
        lane.pass = max(lane.pass, lane.levelPass)
        lane.isChanged = true
      }
    } else if lane.activity != 2, lane.activity == 0 || runAt < lane.nextAt {
      lane.activity = 1
      lane.nextAt = runAt
      lane.isChanged = true
    }
    lanes[number] = lane
    return true
  }

  /// Says that a lane's number of waiting jobs changed, but nothing that may start.
  func count(_ number: Int64, waiting: Int64) throws {
    guard try load(number) else { return }
    lanes[number]?.waiting += waiting
    lanes[number]?.isChanged = true
  }

  /// Writes back what changed.
  func flush() throws {
    for lane in lanes.values where lane.isChanged { try save(lane) }
    lanes = [:]
    numbers = [:]
  }

  func save(_ lane: Lane) throws {
    let save = try statement(.saveLane)
    try save.start()
    defer { save.end() }
    save.bind(1, lane.lane)
    save.bind(2, lane.pass)
    save.bind(3, lane.activity)
    save.bind(4, lane.nextAt)
    save.bind(5, lane.waiting)
    _ = try save.next()
  }

  // MARK: - Common steps

  /// Runs a hot statement whose only parameter is a job's id.
  func run(_ kind: JobStatement, _ id: RawJobID) throws {
    let statement = try statement(kind)
    try statement.start()
    defer { statement.end() }
    statement.bind(1, high: id.high, low: id.low)
    _ = try statement.next()
  }

  /// Runs a hot statement whose only parameter is an integer.
  func run(_ kind: JobStatement, _ number: Int64) throws {
    let statement = try statement(kind)
    try statement.start()
    defer { statement.end() }
    statement.bind(1, number)
    _ = try statement.next()
  }

  func add(_ traits: JobTraits, to id: RawJobID) throws {
    try tx.execute("UPDATE job SET traits = traits | ?2 WHERE id = ?1", id.bytes, traits.rawValue)
  }

  static func corrupt(_ what: String) -> StorageError {
    StorageError(.corrupt, "\(what); run an integrity check or restore the file from a backup")
  }
}
