// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage

extension JobRows {
  func control(_ command: JobControl) throws {
    switch command {
    case .pause(let queue):
      try makeLevels(queue.rawValue)
      try tx.execute("UPDATE job_level SET paused = 1 WHERE queue = ?1", queue.rawValue)
    case .resume(let queue):
      try tx.execute("UPDATE job_level SET paused = 0 WHERE queue = ?1", queue.rawValue)
    case .cancel(let ids): for id in ids { try cancel(id) }
    case .replay(let ids): for id in ids { try replay(id) }
    case .purge(let ids): for id in ids { try purge(id) }
    case .weigh(let tenant, let weight):
      let weight = min(1000, max(1, weight))
      try tx.execute(
        "INSERT OR REPLACE INTO job_tenant(tenant, weight) VALUES(?1, ?2)",
        tenant.rawValue,
        weight
      )
      try tx.execute("UPDATE job_lane SET weight = ?2 WHERE tenant = ?1", tenant.rawValue, weight)
    }
    try passOnWaiting()
    try flush()
  }

  private func job(_ id: RawJobID, state: String) throws -> Run? {
    try tx.first(
      "SELECT lane, attempt, max_attempts, cancel, traits, keep, body FROM job WHERE id = ?1 AND state \(state)",
      id.bytes
    ) { row in
      Run(
        id: id,
        lane: try row.int64(0),
        attempt: try row.int64(1),
        maximumAttempts: try row.int64(2),
        isCancelled: try row.bool(3),
        traits: JobTraits(rawValue: try row.int64(4)),
        keep: try row.int64(5),
        body: try row.int64(6)
      )
    }
  }

  private func cancel(_ id: RawJobID) throws {
    if try tx.execute("UPDATE job SET cancel = 1 WHERE id = ?1 AND state = 1", id.bytes) == 1 { return }
    guard let job = try job(id, state: "IN (0, 5)") else { return }
    try leavePlace(job.body, job.traits)
    try count(job.lane, waiting: -1)
    try finish(job, .cancelled, nil)
  }

  private func replay(_ id: RawJobID) throws {
    guard let job = try job(id, state: "= 3") else { return }
    // Of one whose body is lost the key is unknown; the next claim makes it a dead letter again.
    let key =
      job.traits.contains(.unique)
      ? try tx.first("SELECT unique_key FROM job_body WHERE body = ?1", job.body) { try $0.optionalText(0) }
        ?? nil : nil
    if let key {
      let isTaken =
        try tx.first(
          "SELECT 1 FROM job_unique WHERE key = ?1 AND id <> ?2 AND until > ?3",
          key,
          id.bytes,
          now
        ) { _ in true } ?? false
      if isTaken { return }
      try tx.execute(
        """
        INSERT OR REPLACE INTO job_unique(key, id, until, tenant)
        VALUES(?1, ?2, ?3, coalesce((SELECT tenant FROM job_lane WHERE lane = ?4), ''))
        """,
        key,
        id.bytes,
        Int64.max,
        job.lane
      )
    }
    try tx.execute(
      """
      UPDATE job SET state = 0, attempt = 0, crash_count = 0, cancel = 0, run_at = ?2, park = NULL WHERE id = ?1
      """,
      id.bytes,
      now
    )
    if job.traits.contains(.expires) {
      try tx.execute("UPDATE job_body SET expires_at = NULL WHERE body = ?1", job.body)
    }
    try offer(id, job.lane, runAt: now, waiting: 1)
  }

  func purge(_ id: RawJobID) throws {
    guard let job = try job(id, state: "= 3") else { return }
    if job.traits.contains(.parent) { try failChildren(of: id) }
    try erase(id, job.body, job.traits)
  }
}
