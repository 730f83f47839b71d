// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension JobTable {
  // MARK: - Runs

  mutating func settle(_ settlements: [JobSettlement], now: Int64) -> [SettleOutcome] {
    let outcomes = settlements.map { end($0, now: now) }
    passOnWaiting(now: now)
    return outcomes
  }

  mutating func settle(_ settlement: JobSettlement, now: Int64) -> SettleOutcome {
    settle([settlement], now: now).first ?? .fenced
  }

  private mutating func end(_ settlement: JobSettlement, now: Int64) -> SettleOutcome {
    guard let record = records[settlement.reference.id], record.state == .running,
      record.fence == settlement.reference.fence
    else { return .fenced }
    leaveSlot(record)
    switch settlement.outcome {
    case .done(let result): finish(record, .done, result, now)
    case .cancelled: finish(record, .cancelled, nil, now)
    case .dead(let error):
      record.note(error)
      bury(record, now)
    case .retry(let delay, let error):
      record.note(error)
      if record.isCancelRequested {
        finish(record, .cancelled, nil, now)
      } else if record.attempt >= record.maximumAttempts {
        bury(record, now)
      } else {
        // It ended by itself: what leases were lost before is over.
        record.crashCount = 0
        makeReady(record, now.advanced(by: max(.zero, delay)), now)
      }
    case .release(let delay):
      record.attempt -= 1
      if record.isCancelRequested {
        finish(record, .cancelled, nil, now)
      } else {
        // One that goes back at once may never have begun.
        if delay > .zero { record.crashCount = 0 }
        makeReady(record, now.advanced(by: max(.zero, delay)), now)
      }
    }
    return .applied
  }

  mutating func extend(
    _ reference: JobLease.Reference,
    by duration: Duration,
    update: JobUpdate?,
    now: Int64
  ) -> ExtendOutcome {
    guard let record = records[reference.id], record.state == .running, record.fence == reference.fence,
      record.until > now
    else { return .lost }
    record.until = now.advanced(by: duration)
    leases.insert(record, at: record.until, keeping: Self.isCurrent)
    dropEndedLeases()
    if let update {
      if record.isProgress(update) { record.crashCount = 0 }
      record.apply(update)
    }
    return record.isCancelRequested ? .cancelRequested : .extended
  }

  mutating func reap(limit: Int, now: Int64) -> Int {
    keepUp(now: now)
    var count = 0
    while count < limit, let entry = leases.first, entry.time <= now {
      leases.removeFirst()
      let record = entry.record
      guard record.state == .running, record.until == entry.time else { continue }
      leaveSlot(record)
      count += 1
      record.attempt -= 1
      record.crashCount += 1
      record.note("the lease of run \(record.fence) expired: its worker was lost or too slow to renew it")
      if record.isCancelRequested {
        finish(record, .cancelled, nil, now)
      } else if record.crashCount >= record.crashLimit {
        bury(record, now)
      } else {
        makeReady(record, now, now)
      }
    }
    passOnWaiting(now: now)
    return count
  }

  // MARK: - Ends

  mutating func finish(_ record: JobRecord, _ state: JobState, _ result: [UInt8]?, _ now: Int64) {
    freeUniqueKey(record, now)
    record.state = state
    record.isParked = false
    record.hasResult = result != nil
    record.payload = result ?? []
    record.rare?.checkpoint = nil
    record.rare?.steps = [:]
    resolveChildren(record, now)
    if record.keep > 0 {
      record.until = now.advanced(by: .nanoseconds(record.keep))
      forgetting.insert(record, at: record.until) { [records] in records[$0.record.id] === $0.record }
    } else {
      record.until = now
      records[record.id] = nil
    }
  }

  mutating func bury(_ record: JobRecord, _ now: Int64) {
    record.state = .dead
    record.isParked = false
    freeUniqueKey(record, now)
    guard let deadRetention else { return }
    record.until = now.advanced(by: deadRetention)
    dying.insert(record, at: record.until) { $0.record.state == .dead && $0.record.until == $0.time }
  }

  private mutating func freeUniqueKey(_ record: JobRecord, _ now: Int64) {
    guard let rare = record.rare, let key = rare.uniqueKey.map(ByteText.init), unique[key]?.id == record.id
    else { return }
    let retention = rare.uniqueRetention
    let until = now.advanced(by: retention)
    unique[key] =
      retention > .zero ? UniqueKey(id: record.id, until: until, tenant: record.lane.tenant) : nil
  }

  // MARK: - Dependencies

  /// Lets jobs go that waited for this one, or fails them when it will never be done.
  mutating func resolveChildren(_ record: JobRecord, _ now: Int64) {
    guard let children = record.rare?.children, !children.isEmpty else { return }
    record.rare?.children = []
    for child in children {
      guard let child = records[child], child.state == .ready, child.details.pending.contains(record.id)
      else { continue }
      if record.state == .done {
        child.details.pending.remove(record.id)
        if child.details.pending.isEmpty { offer(child, now) }
      } else {
        failDependent(child, of: record.id, now)
      }
    }
  }

  mutating func failDependent(_ child: JobRecord, of parent: RawJobID, _ now: Int64) {
    claimEndedJobs = true
    child.details.pending = []
    child.lane.waiting -= 1
    child.note("job \(parent), which had to be done first, was cancelled, purged or erased")
    bury(child, now)
  }
}
