// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension JobTable {
  /// Takes a tenant's lanes out of the turns: from here on nothing of them is handed out, and jobs that come get new ones.
  ///
  /// Gives the jobs that hang on them, also those that an erasure which was broken off has left.
  mutating func closeLanes(of tenant: TenantID) -> [RawJobID] {
    for level in levels.values.joined() {
      guard let lane = level.lanes.removeValue(forKey: tenant) else { continue }
      level.waiting -= lane.waiting
      lane.isClosed = true
      lane.activity = .idle
      sleeping[ObjectIdentifier(lane)] = nil
    }
    return records.values.filter { $0.lane.isClosed && $0.lane.tenant == tenant }.map(\.id).sorted()
  }

  /// Deletes jobs on closed lanes, with all they hold; gives how many were not forgotten already.
  mutating func erase(_ ids: ArraySlice<RawJobID>, now: Int64) -> Int {
    var count = 0
    for id in ids {
      guard let record = records[id], record.lane.isClosed else { continue }
      if !record.isForgotten(now: now) { count += 1 }
      erase(record, now)
    }
    passOnWaiting(now: now)
    return count
  }

  private mutating func erase(_ record: JobRecord, _ now: Int64) {
    if let key = record.rare?.uniqueKey.map(ByteText.init), unique[key]?.id == record.id { unique[key] = nil }
    // Whoever waits for it would wait for ever.
    if record.state != .done { resolveChildren(record, now) }
    if record.state == .running { leaveSlot(record) }
    if record.state == .ready { leavePlace(record, now: now) }
    records[record.id] = nil
    // Queues may hold it for a while: as one that has ended, with nothing in it.
    record.state = .cancelled
    record.isParked = false
    record.payload = []
    record.rare = nil
  }

  /// Forgets unique keys of a tenant that outlived their jobs, and its weight.
  mutating func forget(_ tenant: TenantID) {
    unique = unique.filter { $0.value.tenant != tenant || records[$0.value.id] != nil }
    weights[tenant] = nil
  }
}
