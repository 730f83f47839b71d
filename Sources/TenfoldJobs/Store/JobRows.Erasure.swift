// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage

/// The steps of an erasure: each is a short transaction, and all can be repeated after a kill at any of them.
extension JobRows {
  /// Takes a tenant's lanes out of the turns: from here on nothing of them is handed out, and jobs that come get new ones.
  func closeLanes(of tenant: TenantID) throws {
    try tx.execute(
      "UPDATE job_lane SET level = -lane, activity = 0, next_at = 0 WHERE tenant = ?1 AND level > 0",
      tenant.rawValue
    )
    // What its jobs were let go for is the others', also if the erasure should be broken off.
    passesAll = true
    try passOnWaiting()
  }

  /// The ids in closed lanes of a tenant among the next `limit` jobs after one, and the last of those; `nil` at the end.
  func closed(
    _ tenant: TenantID,
    after last: [UInt8],
    limit: Int
  ) throws -> (ids: [[UInt8]], last: [UInt8])? {
    let rows = try tx.query(
      """
      SELECT id, lane IN (SELECT lane FROM job_lane WHERE tenant = ?2 AND level < 0) FROM job
      WHERE id > ?1 ORDER BY id LIMIT ?3
      """,
      last,
      tenant.rawValue,
      limit
    ) { (id: try $0.blob(0), isClosed: try $0.bool(1)) }
    return rows.last.map { end in (rows.lazy.filter(\.isClosed).map(\.id), end.id) }
  }

  /// Deletes jobs in closed lanes of a tenant, with all they hold; gives how many the store still knew.
  func erase(_ ids: [[UInt8]], of tenant: TenantID) throws -> Int {
    var count = 0
    for id in ids { count += try erase(id, of: tenant) ? 1 : 0 }
    try passOnWaiting()
    try flush()
    return count
  }

  private func erase(_ bytes: [UInt8], of tenant: TenantID) throws -> Bool {
    let row = try tx.first(
      """
      SELECT state, until, body, traits FROM job
      WHERE id = ?1 AND lane IN (SELECT lane FROM job_lane WHERE tenant = ?2 AND level < 0)
      """,
      bytes,
      tenant.rawValue
    ) { row in
      (
        state: try row.int(0), until: try row.int64(1), body: try row.int64(2),
        traits: JobTraits(rawValue: try row.int64(3))
      )
    }
    guard let row else { return false }
    guard let id = RawJobID(bytes: bytes) else {
      try eraseUnreadable(bytes, row.body)
      return true
    }
    if row.traits.contains(.unique) {
      try tx.execute(
        "DELETE FROM job_unique WHERE id = ?1 AND key = (SELECT unique_key FROM job_body WHERE body = ?2)",
        bytes,
        row.body
      )
    }
    // Whoever waits for it would wait for ever.
    if row.traits.contains(.parent) { try failChildren(of: id) }
    switch row.state {
    case 0, 5: try leavePlace(row.body, row.traits)
    case 1: if row.traits.contains(.limit) { try leaveSlot(row.body) }
    default: break
    }
    try erase(id, row.body, row.traits)
    return !((row.state == 2 || row.state == 4) && row.until <= now)
  }

  /// Deletes unique keys of a tenant that outlived their jobs; gives how many.
  func eraseKeys(of tenant: TenantID, limit: Int) throws -> Int {
    try tx.execute(
      """
      DELETE FROM job_unique WHERE key IN (SELECT key FROM job_unique AS u WHERE u.tenant = ?1 AND u.tenant <> ''
        AND NOT EXISTS (SELECT 1 FROM job AS j WHERE j.id = u.id) LIMIT ?2)
      """,
      tenant.rawValue,
      limit
    )
  }

  /// Deletes the lanes that were closed, and the tenant's weight.
  func eraseLanes(of tenant: TenantID) throws {
    try tx.execute("DELETE FROM job_lane WHERE tenant = ?1 AND level < 0", tenant.rawValue)
    try tx.execute("DELETE FROM job_tenant WHERE tenant = ?1", tenant.rawValue)
  }
}
