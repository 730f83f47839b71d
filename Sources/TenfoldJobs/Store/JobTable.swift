// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The life of jobs as a pure state machine: every method takes the time and returns what happened.
///
/// ``InMemoryJobStore`` puts a lock around it, and tests use it as the model that other stores are compared with.
struct JobTable {
  static let keptErrors = 20

  struct UniqueKey {
    var id: RawJobID
    var until: Int64
    var tenant: TenantID
  }

  /// The jobs of a concurrency key: how many run, and which wait for one of these to end.
  struct Slot {
    var running = 0
    var parked = ParkedJobs()
  }

  /// The state of a rate limit: its theoretical arrival time, and which jobs wait for it.
  struct Rate {
    var arrival: Int64
    var interval: Int64
    var tolerance: Int64
    /// When the next of the parked jobs may start; `nil` when none is parked.
    var nextAt: Int64?
    var parked = ParkedJobs()
  }

  var records: [RawJobID: JobRecord] = [:]
  var levels: [QueueName: [JobLevel]] = [:]
  var weights: [TenantID: Int] = [:]
  var sleeping: [ObjectIdentifier: JobLane] = [:]
  var leases = TimedQueue()
  var forgetting = TimedQueue()
  /// Dead letters by when they may be purged, where they aren't kept for ever.
  var dying = TimedQueue()
  let deadRetention: Duration?
  var unique: [ByteText: UniqueKey] = [:]
  var slots: [ByteText: Slot] = [:]
  /// Keys that may have free slots, to be passed on at the end of the operation.
  var passing: Set<ByteText> = []
  /// Whether the last claim made dead letters, of which nobody else tells those who wait for them.
  var claimEndedJobs = false
  var rates: [ByteText: Rate] = [:]
  var paused: Set<QueueName> = []
  var fired: [ByteText: Int64] = [:]
  let upkeep = JobUpkeep()
  private var laneCount = 0
  private var picker = PriorityPicker()

  init(deadRetention: Duration? = nil) { self.deadRetention = deadRetention }

  // MARK: - Enqueue

  mutating func enqueue(_ jobs: [NewJob], now: Int64) throws -> [EnqueueOutcome] {
    try DepthLimit.check(jobs, isHeld: { isHeld($0, now) }, waiting: waiting)
    return jobs.map { enqueue($0, now: now) }
  }

  /// Whether a job's place is taken: by itself, a later firing of its schedule, or the holder of its key.
  private func isHeld(_ job: NewJob, _ now: Int64) -> Bool {
    if let known = records[job.id], !known.isForgotten(now: now) { return true }
    if let tick = job.tick, tick.isOver(after: fired[ByteText(tick.schedule)]) { return true }
    return job.options.uniqueKey.flatMap { unique[ByteText($0)] }.map { $0.until > now } ?? false
  }

  private mutating func enqueue(_ job: NewJob, now: Int64) -> EnqueueOutcome {
    let options = job.options
    // First: the order in which lanes were first named decides between equals.
    let lane = lane(options)
    if let known = records[job.id], !known.isForgotten(now: now) { return .duplicate(of: job.id) }
    if let tick = job.tick {
      if tick.isOver(after: fired[ByteText(tick.schedule)]) { return .duplicate(of: job.id) }
      fired[ByteText(tick.schedule)] = tick.milliseconds
    }
    if let key = options.uniqueKey.map(ByteText.init) {
      if let holder = unique[key], holder.until > now { return .duplicate(of: holder.id) }
      unique[key] = UniqueKey(id: job.id, until: .max, tenant: options.tenant)
      upkeep.note()
    }
    let runAt = now.advanced(by: max(.zero, options.delay))
    let record = JobRecord(job, lane: lane, runAt: runAt)
    if let limit = options.expiresAfter { record.details.expiresAt = now.advanced(by: max(.zero, limit)) }
    // First: a job that names itself isn't there to be waited for.
    let parents = Set(options.after).compactMap { id in
      records[id].flatMap { $0.state == .done || $0.isForgotten(now: now) ? nil : $0 }
    }
    records[job.id] = record
    lane.waiting += 1
    if let cancelled = parents.filter({ $0.state == .cancelled }).map(\.id).min() {
      failDependent(record, of: cancelled, now)
    } else if !parents.isEmpty {
      record.isParked = true
      record.details.pending = Set(parents.map(\.id))
      for parent in parents { parent.details.children.append(job.id) }
    } else {
      offer(record, now)
    }
    return .inserted
  }

  func waiting(in queue: QueueName) -> Int {
    (levels[queue] ?? []).reduce(0) { $0 + $1.waiting }
  }

  private mutating func lane(_ options: JobOptions) -> JobLane {
    if levels[options.queue] == nil {
      levels[options.queue] = (0..<4).map { _ in JobLevel(queue: options.queue) }
    }
    let level = levels[options.queue, default: []][options.priority.rawValue]
    if let lane = level.lanes[options.tenant] { return lane }
    laneCount += 1
    upkeep.note()
    let lane = JobLane(
      level: level,
      tenant: options.tenant,
      number: laneCount,
      weight: weights[options.tenant] ?? 1
    )
    level.lanes[options.tenant] = lane
    return lane
  }

  // MARK: - Claim

  mutating func claim(_ request: ClaimRequest, now: Int64) -> [JobLease] {
    claimEndedJobs = false
    forget(now: now)
    purgeOld(now: now)
    unparkRates(now: now)
    for (key, lane) in sleeping where lane.nextAt <= now {
      sleeping[key] = nil
      lane.level.activate(lane)
    }
    var claimed: [JobLease] = []
    var budget = ParkingBudget()
    for queue in request.queues where !paused.contains(queue) && claimed.count < request.maximum {
      guard let levels = levels[queue] else { continue }
      budget.beginQueue()
      let quotas = picker.quotas(for: request.maximum - claimed.count)
      for number in 0..<4 { take(quotas[number], number, levels[number], request, now, &budget, &claimed) }
      // What one level doesn't use goes to the others, the most urgent first.
      for (number, level) in levels.enumerated() {
        take(request.maximum - claimed.count, number, level, request, now, &budget, &claimed)
      }
    }
    passOnWaiting(now: now)
    return claimed
  }

  private mutating func take(
    _ count: Int,
    _ number: Int,
    _ level: JobLevel,
    _ request: ClaimRequest,
    _ now: Int64,
    _ budget: inout ParkingBudget,
    _ claimed: inout [JobLease]
  ) {
    var left = count
    var touched: [JobLane] = []
    let until = now.advanced(by: request.leaseFor)
    // Lanes of which many jobs in a row could not start have their turn when nobody else has anything.
    var mayStepAside = true
    while left > 0, !budget.isSpent(level: number) {
      guard let lane = level.first() else {
        guard level.bringBack() else { break }
        mayStepAside = false
        continue
      }
      guard let record = lane.takeDue(now: now) else {
        rest(lane)
        continue
      }
      level.begin(lane)
      takePlace(record)
      if touched.last !== lane { touched.append(lane) }
      guard !expire(record, now), admit(record, now: now) else {
        budget.spend(level: number)
        lane.rejected += 1
        if lane.rejected >= ParkingBudget.patience, mayStepAside { level.setAside(lane) }
        continue
      }
      lane.rejected = 0
      record.state = .running
      record.fence += 1
      record.attempt += 1
      record.until = until
      lane.waiting -= 1
      // One that lasts keeps all that ended after it from the front.
      leases.insert(record, at: until, keeping: Self.isCurrent)
      claimed.append(record.lease(at: now))
      level.served(lane)
      left -= 1
    }
    level.bringBack()
    for lane in touched { lane.rejected = 0 }
    for lane in touched where lane.activity == .active && (lane.firstTime() ?? .max) > now { rest(lane) }
    dropEndedLeases()
  }

  /// Makes a job a dead letter whose time to start is over; returns whether it is.
  private mutating func expire(_ record: JobRecord, _ now: Int64) -> Bool {
    guard let rare = record.rare, let end = rare.expiresAt, end <= now else { return false }
    record.lane.waiting -= 1
    record.note(NoteText.expired)
    bury(record, now)
    claimEndedJobs = true
    leavePlace(record, now: now)
    return true
  }

  /// Takes a lane without due jobs out of the turns.
  private mutating func rest(_ lane: JobLane) {
    if let next = lane.firstTime() {
      lane.activity = .sleeping
      lane.nextAt = next
      sleeping[ObjectIdentifier(lane)] = lane
    } else {
      lane.activity = .idle
      lane.nextAt = .max
    }
  }

  /// Runs that have ended leave their leases behind: drop them as they come to the front.
  mutating func dropEndedLeases() {
    while let entry = leases.first, !Self.isCurrent(entry) { leases.removeFirst() }
  }

  static func isCurrent(_ lease: TimedQueue.Entry) -> Bool {
    lease.record.state == .running && lease.record.until == lease.time
  }

  // MARK: - Steps

  /// Lets a waiting job take part in the turns of its lane.
  mutating func offer(_ record: JobRecord, _ now: Int64) {
    let lane = record.lane
    record.isParked = false
    if lane.isClosed { return bury(record, now) }
    lane.insert(record)
    if record.runAt <= now {
      sleeping[ObjectIdentifier(lane)] = nil
      lane.level.activate(lane)
    } else if lane.activity != .active {
      lane.nextAt = lane.activity == .sleeping ? min(lane.nextAt, record.runAt) : record.runAt
      lane.activity = .sleeping
      sleeping[ObjectIdentifier(lane)] = lane
    }
  }

  mutating func makeReady(_ record: JobRecord, _ runAt: Int64, _ now: Int64) {
    record.state = .ready
    record.runAt = runAt
    record.lane.waiting += 1
    offer(record, now)
  }

  /// Purges dead letters whose time is over.
  private mutating func purgeOld(now: Int64) {
    while let entry = dying.first, entry.time <= now {
      dying.removeFirst()
      let record = entry.record
      if record.state == .dead, record.until == entry.time, records[record.id] === record {
        purge(record, now)
      }
    }
  }

  mutating func forget(now: Int64) {
    while let entry = forgetting.first, entry.time <= now {
      forgetting.removeFirst()
      let record = entry.record
      if record.isForgotten(now: now), records[record.id] === record { records[record.id] = nil }
    }
  }

  /// Drops what outlived its jobs, when there may be enough of it; tenants and keys that return are made anew.
  mutating func keepUp(now: Int64) {
    guard upkeep.begins(jobs: { records.count }) else { return }
    forget(now: now)
    let used = Set(records.values.map { ObjectIdentifier($0.lane) })
    for level in levels.values.joined() {
      level.lanes = level.lanes.filter { _, lane in
        lane.activity != .idle || lane.waiting > 0 || used.contains(ObjectIdentifier(lane))
      }
    }
    levels = levels.filter { _, levels in levels.contains { !$0.lanes.isEmpty } }
    unique = unique.filter { $0.value.until > now }
    rates = rates.filter { $0.value.nextAt != nil || $0.value.arrival > now }
  }
}

extension JobRecord {
  /// Ended, and kept for as long as was asked.
  func isForgotten(now: Int64) -> Bool { (state == .done || state == .cancelled) && until <= now }
}
