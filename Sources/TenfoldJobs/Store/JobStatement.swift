// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import TenfoldStorage

/// The statements of a job's ordinary life, prepared once a transaction.
package enum JobStatement: Int, CaseIterable {
  case findLane, insertBody, insertJob, saveLane, activeLanes, dueJobs, claimJob, saveLevel, findRun
  case endJob, endBody, deleteJob, deleteBody, readyAgain, endedJobs, insertRunning, queueState, comesDue

  /// The text of the statement.
  package var sql: String {
    switch self {
    case .findLane:
      """
      SELECT l.lane, l.pass, l.activity, l.next_at, v.level, v.pass FROM job_level AS v CROSS JOIN job_lane AS l
      ON l.level = v.level AND l.tenant = ?3 WHERE v.queue = ?1 AND v.priority = ?2
      """
    case .insertBody: "INSERT INTO job_body(name, data) VALUES(?1, ?2)"
    case .insertJob:
      """
      INSERT INTO job(id, lane, state, run_at, until, fence, attempt, crash_count, max_attempts, cancel, traits, keep,
        body, crash_limit) VALUES(?1, ?2, ?3, ?4, 0, 0, 0, 0, ?5, 0, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING
      """
    case .saveLane:
      "UPDATE job_lane SET pass = ?2, activity = ?3, next_at = ?4, waiting = waiting + ?5 WHERE lane = ?1"
    case .activeLanes:
      """
      SELECT lane, pass, weight, tenant FROM job_lane WHERE activity = 2 AND level = ?1
      ORDER BY pass, lane LIMIT ?2
      """
    case .dueJobs:
      """
      SELECT j.id, j.fence, j.attempt, j.crash_count, j.max_attempts, j.traits, j.body, b.name, b.data, b.body IS NULL,
        j.run_at, j.crash_limit
      FROM job AS j LEFT JOIN job_body AS b ON b.body = j.body
      WHERE j.state = 0 AND j.lane = ?1 AND j.run_at <= ?2 ORDER BY j.run_at, j.id LIMIT ?3
      """
    case .claimJob:
      "UPDATE job SET state = 1, fence = ?2, attempt = ?3, until = ?4, park = NULL WHERE id = ?1"
    case .saveLevel: "UPDATE job_level SET pass = ?2 WHERE level = ?1"
    case .findRun:
      """
      SELECT lane, attempt, max_attempts, cancel, traits, keep, body FROM job
      WHERE id = ?1 AND state = 1 AND fence = ?2
      """
    case .endJob: "UPDATE job SET state = ?2, until = ?3, park = NULL WHERE id = ?1"
    case .endBody: "UPDATE job_body SET data = ?2 WHERE body = ?1"
    case .deleteJob: "DELETE FROM job WHERE id = ?1"
    case .deleteBody: "DELETE FROM job_body WHERE body = ?1"
    case .readyAgain:
      "UPDATE job SET state = 0, run_at = ?2, attempt = ?3, crash_count = ?4, park = NULL WHERE id = ?1"
    case .endedJobs:
      "SELECT id, body, traits FROM job WHERE state IN (2, 4) AND until <= ?1 ORDER BY until LIMIT ?2"
    case .insertRunning:
      """
      INSERT INTO job(id, lane, state, run_at, until, fence, attempt, crash_count, max_attempts, cancel, traits, keep,
        body, crash_limit) VALUES(?1, ?2, 1, ?4, ?10, ?11, 1, 0, ?5, 0, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING
      """
    case .queueState:
      """
      SELECT coalesce(max(v.paused), 0), coalesce(max(EXISTS(
        SELECT 1 FROM job_lane AS l WHERE l.activity = 2 AND l.level = v.level)), 0)
      FROM job_level AS v WHERE v.queue = ?1
      """
    case .comesDue:
      """
      SELECT EXISTS(SELECT 1 FROM job_lane WHERE activity = 1 AND next_at <= ?1)
        OR EXISTS(SELECT 1 FROM job_rate WHERE next_at <= ?1)
      """
    }
  }
}

/// What a job has besides its payload; a job without a trait is never looked up in that trait's table.
struct JobTraits: OptionSet {
  let rawValue: Int64
  /// Has a row in `job_note`.
  static let note = Self(rawValue: 1)
  /// Has rows in `job_error`.
  static let errors = Self(rawValue: 2)
  /// Has rows in `job_step`.
  static let steps = Self(rawValue: 4)
  /// Has a unique key.
  static let unique = Self(rawValue: 8)
  /// Has a concurrency key.
  static let limit = Self(rawValue: 16)
  /// Has a rate limit.
  static let rate = Self(rawValue: 32)
  /// Other jobs wait for it, or did.
  static let parent = Self(rawValue: 64)
  /// It waits for other jobs, or did.
  static let child = Self(rawValue: 128)
  /// Carries trace context.
  static let trace = Self(rawValue: 256)
  /// Expires where it has not started by then.
  static let expires = Self(rawValue: 512)
}
