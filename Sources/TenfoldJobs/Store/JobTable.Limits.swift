// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension JobTable {
  /// Whether the limits of a job's keys let it start now; if so it counts, if not it is parked with its key.
  mutating func admit(_ record: JobRecord, now: Int64) -> Bool {
    guard let rare = record.rare else { return true }
    if let key = rare.limitKey, slots[key, default: Slot()].running >= rare.limit {
      record.isParked = true
      slots[key, default: Slot()].parked[record.lane.queue, default: TimedQueue()]
        .insert(record, at: record.runAt)
      return false
    }
    if let limit = rare.rate, !conform(limit, record, now) {
      // It leaves the slot, which it had been let go for, to the next.
      if let key = rare.limitKey { passing.insert(key) }
      return false
    }
    if let key = rare.limitKey { slots[key, default: Slot()].running += 1 }
    return true
  }

  private mutating func conform(_ limit: JobRateLimit, _ record: JobRecord, _ now: Int64) -> Bool {
    let (cell, key) = (RateCell(limit), ByteText(limit.key))
    // Taken out and put back, so that its queue isn't copied.
    let known = rates.removeValue(forKey: key)
    if known == nil { upkeep.note() }
    var rate =
      known ?? Rate(arrival: .min, interval: cell.interval, tolerance: cell.tolerance)
    rate.interval = cell.interval
    rate.tolerance = cell.tolerance
    defer { rates[key] = rate }
    if let arrival = cell.arrival(after: rate.arrival, now: now) {
      rate.arrival = arrival
      return true
    }
    record.isParked = true
    rate.parked.insert(record, at: record.runAt)
    rate.nextAt = rate.arrival - cell.tolerance
    return false
  }

  /// Lets go as many of the jobs that wait for a rate limit as it allows by now.
  mutating func unparkRates(now: Int64) {
    let due = rates.filter { ($0.value.nextAt ?? .max) <= now }.map(\.key)
    for key in due {
      guard var rate = rates.removeValue(forKey: key) else { continue }
      let cell = RateCell(interval: rate.interval, tolerance: rate.tolerance)
      let count = cell.conforming(arrival: rate.arrival, now: now)
      for _ in 0..<count {
        guard let record = Self.firstParked(&rate.parked) else { break }
        rate.parked.removeFirst()
        offer(record, now)
      }
      rate.nextAt =
        Self.firstParked(&rate.parked) == nil
        ? nil : max(rate.arrival, now) + Int64(count) * cell.interval - cell.tolerance
      rates[key] = rate
    }
  }

  /// Gives back the slot of a run that ended, and lets jobs go that waited for it.
  mutating func leaveSlot(_ record: JobRecord, now: Int64) {
    guard let key = record.rare?.limitKey else { return }
    slots[key]?.running -= 1
    passOn(key, now: now)
  }

  /// Lets as many of a key's jobs go as there are free slots: also when one that was let go before won't take its own.
  ///
  /// Those on a paused queue go along without counting, so that they keep nobody waiting. So does the first of each queue of
  /// which none went: nobody may serve the others. One too many does no harm, as it is parked again.
  mutating func passOn(_ key: ByteText, now: Int64) {
    // Taken out and put back, so that its queues aren't copied.
    guard var slot = slots.removeValue(forKey: key) else { return }
    var taken = slot.running
    var queues: Set<QueueName> = []
    while let next = Self.firstParked(&slot.parked), taken < next.details.limit {
      slot.parked[next.lane.queue]?.removeFirst()
      offer(next, now)
      queues.insert(next.lane.queue)
      if !paused.contains(next.lane.queue), !next.lane.isClosed { taken += 1 }
    }
    if !queues.isEmpty {
      for queue in Array(slot.parked.keys) where !queues.contains(queue) {
        guard let next = Self.firstParked(&slot.parked, of: queue),
          slot.running < next.details.limit
        else {
          continue
        }
        slot.parked[queue]?.removeFirst()
        offer(next, now)
      }
    }
    if slot.running > 0 || Self.firstParked(&slot.parked) != nil { slots[key] = slot }
  }

  /// Passes on what the jobs of a claim left that could not start after all.
  mutating func passOnWaiting(now: Int64) {
    for key in passing { passOn(key, now: now) }
    passing = []
  }

  /// The first of all queues; those that have none any more go.
  private static func firstParked(_ queues: inout [QueueName: TimedQueue]) -> JobRecord? {
    var first: JobRecord?
    for queue in Array(queues.keys) {
      guard let next = firstParked(&queues, of: queue) else { continue }
      if first.map({ ($0.runAt, $0.id) > (next.runAt, next.id) }) ?? true { first = next }
    }
    return first
  }

  private static func firstParked(
    _ queues: inout [QueueName: TimedQueue],
    of queue: QueueName
  ) -> JobRecord? {
    guard let index = queues.index(forKey: queue) else { return nil }
    if let next = firstParked(&queues.values[index]) { return next }
    queues.remove(at: index)
    return nil
  }

  private static func firstParked(_ queue: inout TimedQueue) -> JobRecord? {
    while let entry = queue.first {
      if entry.record.state == .ready, entry.record.isParked, entry.record.runAt == entry.time {
        return entry.record
      }
      queue.removeFirst()
    }
    return nil
  }
}
