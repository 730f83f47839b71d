// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension JobTable {
  /// Whether the limits of a job's keys let it start now; if so it counts, if not it is parked with its key.
  mutating func admit(_ record: JobRecord, now: Int64) -> Bool {
    guard let rare = record.rare else { return true }
    if let key = rare.limitKey, slots[key, default: Slot()].running >= rare.limit {
      record.isParked = true
      slots[key, default: Slot()].parked.insert(record)
      // The start that it may have been let go for is the next one's when the rate is looked at again: were that at once,
      // all jobs of the rate would come to look whether the slot is free.
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
      // While some wait after it: when the next of them may start.
      if rate.nextAt != nil { rate.nextAt = arrival.clampedDifference(cell.tolerance) }
      return true
    }
    record.isParked = true
    rate.parked.insert(record)
    rate.nextAt = rate.arrival.clampedDifference(cell.tolerance)
    return false
  }

  /// Lets go as many of the jobs that wait for a rate limit as it allows by now.
  mutating func unparkRates(now: Int64) {
    let due = rates.filter { ($0.value.nextAt ?? .max) <= now }.map(\.key)
    for key in due {
      guard var rate = rates.removeValue(forKey: key) else { continue }
      let cell = RateCell(interval: rate.interval, tolerance: rate.tolerance)
      let count = cell.conforming(arrival: rate.arrival, now: now)
      let freed = rate.parked.letGo(upTo: count) { _, _ in true }
      rate.nextAt =
        rate.parked.hasWaiting()
        ? cell.nextLook(arrival: rate.arrival, now: now, count: count, freed: freed.count) : nil
      rates[key] = rate
      for record in freed {
        record.rare?.place = .start
        offer(record, now)
      }
    }
  }

  /// Has the jobs that wait for a rate looked at by the next claim.
  private mutating func hurryRate(_ limit: JobRateLimit, _ now: Int64) {
    let key = ByteText(limit.key)
    if let next = rates[key]?.nextAt, next > now { rates[key]?.nextAt = now }
  }

  /// A job begins, or is parked again: it is not one that was let go any more.
  mutating func takePlace(_ record: JobRecord) {
    guard let rare = record.rare, let place = rare.place else { return }
    rare.place = nil
    switch place {
    case .slot: if let key = rare.limitKey { slots[key]?.parked.take(of: record.lane) }
    case .start: if let key = rare.rate?.key { rates[ByteText(key)]?.parked.take(of: record.lane) }
    }
  }

  /// A job that waits goes for good: what it may have been let go for is the next one's, by the end of the operation.
  mutating func leavePlace(_ record: JobRecord, now: Int64) {
    takePlace(record)
    guard let rare = record.rare else { return }
    if let key = rare.limitKey { passing.insert(key) }
    if let limit = rare.rate { hurryRate(limit, now) }
  }

  /// Gives back the slot of a run that ended; jobs that waited for it are let go at the end of the operation.
  mutating func leaveSlot(_ record: JobRecord) {
    guard let key = record.rare?.limitKey else { return }
    slots[key]?.running -= 1
    passing.insert(key)
  }

  /// Lets as many of a key's jobs go as there are free slots, of each level that has some.
  private mutating func passOn(_ key: ByteText, now: Int64) {
    // Taken out and put back, so that its queues aren't copied.
    guard var slot = slots.removeValue(forKey: key) else { return }
    let running = slot.running
    let freed = slot.parked.letGo(upTo: ParkedJobs.most) { record, taken in
      running + taken < record.details.limit
    }
    if running > 0 || !slot.parked.isEmpty { slots[key] = slot }
    for record in freed {
      record.rare?.place = .slot
      offer(record, now)
    }
  }

  /// Passes on what this operation left free.
  mutating func passOnWaiting(now: Int64) {
    guard !passing.isEmpty else { return }
    for key in passing { passOn(key, now: now) }
    passing = []
  }
}
