// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Jobs that wait for one key: of each lane in order, with how many of it were let go and have not begun.
///
/// When a slot or a start is free, every level of every queue lets its next job go, chosen by the turns of its lanes; which of
/// them gets it the next claim decides, by priorities and by what its worker serves. One too many does no harm, as it is parked
/// again. A level of which enough are out lets no more go: so nothing piles up on a queue that is paused or that nobody serves,
/// nor does such a queue keep another waiting.
struct ParkedJobs {
  /// Jobs of one level that are let go at once at most; those that end let the next ones go.
  static let most = 200

  private struct Line {
    let lane: JobLane
    var jobs = TimedQueue()
    var out = 0
  }

  private struct Turn {
    var lane: JobLane
    var pass: Int64
    var out: Int

    func isBefore(_ other: Self) -> Bool { (pass, lane.number) < (other.pass, other.lane.number) }
  }

  private var lines: [ObjectIdentifier: Line] = [:]

  /// Whether nothing waits, and nothing that was let go has yet to begin.
  var isEmpty: Bool { lines.isEmpty }

  mutating func insert(_ record: JobRecord) {
    lines[ObjectIdentifier(record.lane), default: Line(lane: record.lane)].jobs
      .insert(record, at: record.runAt, keeping: Self.isCurrent)
  }

  /// A job of a lane that was let go begins, or goes.
  mutating func take(of lane: JobLane) {
    guard let index = lines.index(forKey: ObjectIdentifier(lane)) else { return }
    lines.values[index].out = max(0, lines.values[index].out - 1)
  }

  /// Whether any job waits; lines that have neither that nor jobs outside are dropped.
  mutating func hasWaiting() -> Bool {
    var isWaiting = false
    for key in Array(lines.keys) {
      if first(key) != nil { isWaiting = true } else if lines[key]?.out == 0 { lines[key] = nil }
    }
    return isWaiting
  }

  /// Takes out jobs that may go: of each level as many as may start.
  ///
  /// - Parameters:
  ///   - count: How many may start.
  ///   - admits: Whether a job may start beside as many that were let go.
  /// - Returns: The jobs, to be offered.
  mutating func letGo(upTo count: Int, admits: (JobRecord, Int) -> Bool) -> [JobRecord] {
    guard hasWaiting() else { return [] }
    var levels: [ObjectIdentifier: [Turn]] = [:]
    for (key, line) in lines where !line.lane.isClosed && first(key) != nil {
      let turn = Turn(lane: line.lane, pass: line.lane.nextPass, out: line.out)
      levels[ObjectIdentifier(line.lane.level), default: []].append(turn)
    }
    var freed: [JobRecord] = []
    for var turns in levels.values {
      var taken = 0
      while taken < min(count, Self.most),
        let index = turns.indices.min(by: { turns[$0].isBefore(turns[$1]) })
      {
        let lane = turns[index].lane
        if turns[index].out > 0 {
          turns[index].out -= 1
        } else {
          let key = ObjectIdentifier(lane)
          guard let record = first(key), admits(record, taken) else {
            turns.remove(at: index)
            continue
          }
          lines[key]?.jobs.removeFirst()
          lines[key]?.out += 1
          freed.append(record)
        }
        taken += 1
        turns[index].pass = turns[index].pass.clampedSum(JobLane.stride / Int64(lane.weight))
      }
    }
    return freed
  }

  private static func isCurrent(_ entry: TimedQueue.Entry) -> Bool {
    entry.record.state == .ready && entry.record.isParked && entry.record.runAt == entry.time
  }

  /// The first job of a lane; entries of those that were cancelled or erased are dropped.
  private mutating func first(_ key: ObjectIdentifier) -> JobRecord? {
    guard let index = lines.index(forKey: key) else { return nil }
    while let entry = lines.values[index].jobs.first {
      if Self.isCurrent(entry) { return entry.record }
      lines.values[index].jobs.removeFirst()
    }
    return nil
  }
}
