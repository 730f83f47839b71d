// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldStorage

extension SQLiteJobStore {
  /// The store's tables: a narrow hot table for the states, payloads and results apart.
  public static let schema = SQLiteSchema(
    "jobs",
    [
      .init(
        1,
        """
        CREATE TABLE job(
          id BLOB PRIMARY KEY, queue TEXT NOT NULL, state INTEGER NOT NULL, priority INTEGER NOT NULL,
          run_at INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, crash_count INTEGER NOT NULL DEFAULT 0,
          fence INTEGER NOT NULL DEFAULT 0, lease_until INTEGER NOT NULL DEFAULT 0,
          cancel INTEGER NOT NULL DEFAULT 0, max_attempts INTEGER NOT NULL, limit_key TEXT,
          limit_count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE INDEX job_ready ON job(queue, priority, run_at, id) WHERE state = 0;
        CREATE INDEX job_due ON job(run_at) WHERE state = 0;
        CREATE INDEX job_lease ON job(lease_until) WHERE state = 1;
        CREATE INDEX job_limit ON job(limit_key) WHERE state = 1 AND limit_key IS NOT NULL;
        CREATE INDEX job_dead ON job(id) WHERE state = 3;
        CREATE TABLE job_payload(
          id BLOB PRIMARY KEY, name TEXT NOT NULL, tenant TEXT NOT NULL, payload BLOB NOT NULL,
          trace TEXT NOT NULL, unique_key TEXT, unique_ns INTEGER NOT NULL, result_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE job_note(id BLOB PRIMARY KEY, fraction REAL, message TEXT, checkpoint BLOB)
          STRICT, WITHOUT ROWID;
        CREATE TABLE job_error(
          id BLOB NOT NULL, number INTEGER NOT NULL, error TEXT NOT NULL, PRIMARY KEY(id, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE job_end(
          id BLOB PRIMARY KEY, name TEXT NOT NULL, state INTEGER NOT NULL, attempt INTEGER NOT NULL,
          crash_count INTEGER NOT NULL, fence INTEGER NOT NULL, result BLOB, forget_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX job_end_forget ON job_end(forget_at);
        CREATE TABLE job_unique(key TEXT PRIMARY KEY, id BLOB NOT NULL, until INTEGER NOT NULL)
          STRICT, WITHOUT ROWID;
        CREATE TABLE job_queue(queue TEXT PRIMARY KEY, paused INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE job_clock(one INTEGER PRIMARY KEY CHECK(one = 1), boot TEXT NOT NULL, shift INTEGER NOT NULL)
          STRICT;
        """
      )
    ]
  )
}
