// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import HeapModule
import TenfoldCore

/// The waiting jobs of one tenant on one level of a queue.
///
/// Lanes of a level take turns by start-time fair queueing: the lane with the smallest `pass` goes next and moves on
/// by `stride / weight`, and a lane that was away comes back at the level's own time, so that it neither owes nor saves.
final class JobLane {
  enum Activity {
    /// Has nothing to hand out, not even later.
    case idle
    /// Has jobs whose time has not come: at `nextAt`.
    case sleeping
    /// Takes part in the turns.
    case active
  }

  static let stride: Int64 = 1 << 20

  let level: JobLevel
  let tenant: TenantID
  /// Decides between lanes with the same pass.
  let number: Int
  var weight: Int
  var pass: Int64 = 0
  var activity = Activity.idle
  var nextAt = Int64.max
  /// Its tenant is being erased: nothing joins it or is handed out from it.
  var isClosed = false
  /// How many in a row could not start, in the claim that is under way.
  var rejected = 0
  /// Jobs that wait, also those that are delayed or parked.
  var waiting = 0 {
    didSet { if !isClosed { level.waiting += waiting - oldValue } }
  }
  private var due = TimedQueue()

  var queue: QueueName { level.queue }

  /// The pass at which it takes part next: that of its level where it was away.
  var nextPass: Int64 { activity == .active ? pass : max(pass, level.time) }

  init(level: JobLevel, tenant: TenantID, number: Int, weight: Int) {
    self.level = level
    self.tenant = tenant
    self.number = number
    self.weight = weight
  }

  /// Its entries, also those of jobs that have left.
  var dueCount: Int { due.count }

  func insert(_ record: JobRecord) { due.insert(record, at: record.runAt, keeping: Self.isCurrent) }

  /// When the first job that isn't parked may start.
  func firstTime() -> Int64? {
    while let entry = due.first {
      if Self.isCurrent(entry) { return entry.time }
      due.removeFirst()
    }
    return nil
  }

  func takeDue(now: Int64) -> JobRecord? {
    guard let time = firstTime(), time <= now, let entry = due.first else { return nil }
    due.removeFirst()
    return entry.record
  }

  /// A job that was cancelled or claimed meanwhile leaves its entry behind.
  private static func isCurrent(_ entry: TimedQueue.Entry) -> Bool {
    entry.record.state == .ready && !entry.record.isParked && entry.record.runAt == entry.time
  }
}

/// One priority level of a queue.
final class JobLevel {
  private struct Turn: Comparable {
    var pass: Int64
    var lane: JobLane
    static func < (left: Self, right: Self) -> Bool {
      (left.pass, left.lane.number) < (right.pass, right.lane.number)
    }
    static func == (left: Self, right: Self) -> Bool {
      (left.pass, left.lane.number) == (right.pass, right.lane.number)
    }
  }

  let queue: QueueName
  var lanes: [TenantID: JobLane] = [:]
  /// Jobs that wait in its lanes.
  var waiting = 0
  /// The pass of the lane that was served last.
  private(set) var time: Int64 = 0
  private var turns = Heap<Turn>()
  /// Lanes that let the others go first.
  private var aside: [JobLane] = []

  init(queue: QueueName) { self.queue = queue }

  func activate(_ lane: JobLane) {
    guard lane.activity != .active else { return }
    lane.activity = .active
    lane.pass = max(lane.pass, time)
    turns.insert(Turn(pass: lane.pass, lane: lane))
  }

  /// The lane whose turn it is.
  func first() -> JobLane? {
    while let turn = turns.min {
      // A lane that was taken out, or served since, leaves its old turn behind.
      if turn.lane.activity == .active, turn.pass == turn.lane.pass { return turn.lane }
      turns.removeMin()
    }
    return nil
  }

  /// Takes the lane that ``first()`` gave out of the turns for a while.
  func setAside(_ lane: JobLane) {
    turns.removeMin()
    aside.append(lane)
    lane.rejected = 0
  }

  /// Has the lanes that were set aside take part again; whether there were any.
  @discardableResult
  func bringBack() -> Bool {
    defer { aside = [] }
    for lane in aside where lane.activity == .active { turns.insert(Turn(pass: lane.pass, lane: lane)) }
    return !aside.isEmpty
  }

  func begin(_ lane: JobLane) { time = max(time, lane.pass) }

  /// Moves the lane that ``first()`` gave on by one turn.
  func served(_ lane: JobLane) {
    lane.pass += JobLane.stride / Int64(lane.weight)
    turns.replaceMin(with: Turn(pass: lane.pass, lane: lane))
  }
}
