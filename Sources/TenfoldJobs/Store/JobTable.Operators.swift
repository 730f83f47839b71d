// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension JobTable {
  mutating func control(_ command: JobControl, now: Int64) {
    switch command {
    case .pause(let queue): paused.insert(queue)
    case .resume(let queue): paused.remove(queue)
    case .cancel(let ids):
      for id in ids {
        guard let record = records[id] else { continue }
        if record.state == .running {
          record.isCancelRequested = true
        } else if record.state == .ready {
          record.lane.waiting -= 1
          leavePlace(record, now: now)
          finish(record, .cancelled, nil, now)
        }
      }
    case .replay(let ids): for id in ids { replay(id, now) }
    case .purge(let ids):
      for id in ids {
        guard let record = records[id], record.state == .dead else { continue }
        purge(record, now)
      }
    case .weigh(let tenant, let weight):
      let weight = min(1000, max(1, weight))
      weights[tenant] = weight
      for level in levels.values.joined() { level.lanes[tenant]?.weight = weight }
    }
    passOnWaiting(now: now)
  }

  mutating func purge(_ record: JobRecord, _ now: Int64) {
    records[record.id] = nil
    resolveChildren(record, now)
    // A queue may hold it for a while: as one that has ended, with nothing in it.
    record.state = .cancelled
    record.payload = []
    record.rare = nil
  }

  private mutating func replay(_ id: RawJobID, _ now: Int64) {
    guard let record = records[id], record.state == .dead else { return }
    if let key = record.rare?.uniqueKey.map(ByteText.init) {
      if let holder = unique[key], holder.id != id, holder.until > now { return }
      unique[key] = UniqueKey(id: id, until: .max, tenant: record.lane.tenant)
    }
    record.attempt = 0
    record.crashCount = 0
    record.isCancelRequested = false
    record.rare?.expiresAt = nil
    makeReady(record, now, now)
  }

  mutating func observe(_ query: JobStats.Query, now: Int64) -> JobStats {
    forget(now: now)
    dropEndedLeases()
    var stats = JobStats()
    let queues = query.queues.isEmpty ? Array(levels.keys) : query.queues
    for queue in queues { count(queue, query, now, &stats) }
    if let next = untilNextDue(queues, now) {
      stats.untilNextDue = .nanoseconds(max(0, next.clampedDifference(now)))
    }
    stats.jobs = query.jobs.compactMap { id in records[id]?.snapshot }
    if query.deadLetters > 0 {
      stats.deadLetters = snapshots(.init(state: .dead, limit: query.deadLetters), [])
    }
    if let list = query.list { stats.listed = snapshots(list, query.queues) }
    for name in query.schedules { stats.schedules[name] = fired[ByteText(name)] }
    return stats
  }

  private func snapshots(_ list: JobStats.List, _ queues: [QueueName]) -> [JobSnapshot] {
    records.values
      .filter { record in
        (list.state ?? record.state) == record.state && (list.after.map { $0 < record.id } ?? true)
          && (queues.isEmpty || queues.contains(record.lane.queue))
      }
      .sorted { $0.id < $1.id }.prefix(max(0, list.limit)).map(\.snapshot)
  }

  private func count(_ queue: QueueName, _ query: JobStats.Query, _ now: Int64, _ stats: inout JobStats) {
    guard query.countsJobs else { return }
    stats.ready += waiting(in: queue)
    for lane in (levels[queue] ?? []).flatMap(\.lanes.values) {
      if let first = lane.firstTime(), first <= now {
        stats.oldestReadyAge = max(stats.oldestReadyAge ?? .zero, .nanoseconds(now.clampedDifference(first)))
      }
    }
    for record in records.values where record.lane.queue == queue {
      switch record.state {
      case .running: stats.running += 1
      case .dead: stats.dead += 1
      case .ready where record.isParked: stats.blocked += 1
      default: break
      }
    }
  }

  /// When a job may start or a lease expires next; what is parked waits for neither.
  private func untilNextDue(_ queues: [QueueName], _ now: Int64) -> Int64? {
    var next = Int64.max
    for queue in queues where !paused.contains(queue) {
      for lane in (levels[queue] ?? []).flatMap(\.lanes.values) { next = min(next, lane.firstTime() ?? .max) }
    }
    if let lease = leases.first { next = min(next, lease.time) }
    for rate in rates.values { next = min(next, rate.nextAt ?? .max) }
    return next < .max ? next : nil
  }
}
