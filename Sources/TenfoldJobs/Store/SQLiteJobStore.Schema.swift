// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldStorage

extension SQLiteJobStore {
  /// The store's tables: a narrow hot table for the states, what jobs carry apart.
  ///
  /// A job is one row of `job` (its state; 0 ready, 1 running, 2 done, 3 dead, 4 cancelled, 5 parked, 6 set aside) and one of
  /// `job_body` (its payload, later its result). Waiting jobs hang on a lane, which is one tenant on one priority level
  /// of one queue; a small row is kept for each. A lane below level 0 is being erased: nothing joins it, nor is handed out
  /// from it. The other tables have rows only for jobs that use their feature.
  public static let schema = SQLiteSchema(
    "jobs",
    [
      .init(
        1,
        """
        CREATE TABLE job_level(
          level INTEGER PRIMARY KEY, queue TEXT NOT NULL, priority INTEGER NOT NULL, paused INTEGER NOT NULL,
          pass INTEGER NOT NULL, UNIQUE(queue, priority)) STRICT;
        CREATE TABLE job_lane(
          lane INTEGER PRIMARY KEY, level INTEGER NOT NULL, tenant TEXT NOT NULL, weight INTEGER NOT NULL,
          pass INTEGER NOT NULL, activity INTEGER NOT NULL, next_at INTEGER NOT NULL, waiting INTEGER NOT NULL,
          UNIQUE(level, tenant)) STRICT;
        CREATE INDEX job_lane_active ON job_lane(level, pass, lane) WHERE activity = 2;
        CREATE INDEX job_lane_sleeping ON job_lane(next_at) WHERE activity = 1;
        CREATE TABLE job(
          id BLOB PRIMARY KEY, lane INTEGER NOT NULL, state INTEGER NOT NULL, run_at INTEGER NOT NULL,
          until INTEGER NOT NULL, fence INTEGER NOT NULL, attempt INTEGER NOT NULL, crash_count INTEGER NOT NULL,
          max_attempts INTEGER NOT NULL, cancel INTEGER NOT NULL, traits INTEGER NOT NULL, keep INTEGER NOT NULL,
          body INTEGER NOT NULL, park TEXT) STRICT, WITHOUT ROWID;
        CREATE INDEX job_ready ON job(lane, run_at, id) WHERE state = 0;
        CREATE INDEX job_lease ON job(until) WHERE state = 1;
        CREATE INDEX job_dead ON job(id) WHERE state = 3;
        CREATE INDEX job_ended ON job(until) WHERE state IN (2, 4);
        CREATE INDEX job_parked ON job(park, run_at, id) WHERE state = 5;
        CREATE TABLE job_body(
          body INTEGER PRIMARY KEY, name TEXT NOT NULL, data BLOB, trace TEXT, unique_key TEXT, unique_ns INTEGER,
          limit_key TEXT, limit_count INTEGER, rate_key TEXT, rate_interval INTEGER, rate_tolerance INTEGER) STRICT;
        CREATE TABLE job_note(id BLOB PRIMARY KEY, fraction REAL, message TEXT, checkpoint BLOB)
          STRICT, WITHOUT ROWID;
        CREATE TABLE job_step(id BLOB NOT NULL, name TEXT NOT NULL, output BLOB NOT NULL, PRIMARY KEY(id, name))
          STRICT, WITHOUT ROWID;
        CREATE TABLE job_error(
          id BLOB NOT NULL, number INTEGER NOT NULL, error TEXT NOT NULL, PRIMARY KEY(id, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE job_unique(key TEXT PRIMARY KEY, id BLOB NOT NULL, until INTEGER NOT NULL)
          STRICT, WITHOUT ROWID;
        CREATE TABLE job_slot(key TEXT PRIMARY KEY, running INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE job_rate(
          key TEXT PRIMARY KEY, arrival INTEGER NOT NULL, interval INTEGER NOT NULL, tolerance INTEGER NOT NULL,
          next_at INTEGER) STRICT, WITHOUT ROWID;
        CREATE INDEX job_rate_due ON job_rate(next_at) WHERE next_at IS NOT NULL;
        CREATE TABLE job_after(parent BLOB NOT NULL, child BLOB NOT NULL, PRIMARY KEY(parent, child))
          STRICT, WITHOUT ROWID;
        CREATE INDEX job_after_child ON job_after(child);
        CREATE TABLE job_tenant(tenant TEXT PRIMARY KEY, weight INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE job_schedule(name TEXT PRIMARY KEY, fired INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE job_clock(
          one INTEGER PRIMARY KEY CHECK(one = 1), boot TEXT NOT NULL, shift INTEGER NOT NULL, epoch INTEGER NOT NULL)
          STRICT;
        """
      ),
      // Keys are found by their tenant. Dead letters keep when they died in `until`; of those of before that isn't known,
      // and their time begins when it is first asked for.
      .init(
        2,
        """
        ALTER TABLE job_unique ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
        CREATE INDEX job_unique_tenant ON job_unique(tenant) WHERE tenant <> '';
        UPDATE job SET until = 0 WHERE state = 3;
        CREATE INDEX job_died ON job(until) WHERE state = 3;
        """,
        olderBuildsCanOpen: true
      ),
      // What builds of before enqueue has the limit that they know.
      .init(
        3,
        "ALTER TABLE job ADD COLUMN crash_limit INTEGER NOT NULL DEFAULT 3;",
        olderBuildsCanOpen: true
      ),
      .init(
        4,
        """
        ALTER TABLE job_clock ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE job_clock ADD COLUMN wall INTEGER NOT NULL DEFAULT 0;
        """,
        olderBuildsCanOpen: true
      ),
      // Which queue a parked job is in: the first of the queue's levels. Builds of before park without it.
      .init(
        5,
        """
        ALTER TABLE job ADD COLUMN park_queue INTEGER;
        UPDATE job SET park_queue = (SELECT min(v.level) FROM job_level AS v WHERE v.queue =
          (SELECT w.queue FROM job_level AS w JOIN job_lane AS l ON l.level = w.level WHERE l.lane = job.lane))
          WHERE state = 5;
        CREATE INDEX job_parked_queue ON job(park, park_queue, run_at, id) WHERE state = 5;
        """,
        olderBuildsCanOpen: true
      ),
      // Builds of before start a job however late it is; one that they replay expires again with a newer build.
      .init(6, "ALTER TABLE job_body ADD COLUMN expires_at INTEGER;", olderBuildsCanOpen: true),
      // Finds the lanes that have jobs parked with a key, and those among the ready ones that were let go and keep their
      // `park`. Builds of before let jobs go without it, which is as if they had been let go by nobody; the indices that
      // they name stay. Beside them a job of a rate may come a minute late, as they don't move its next look.
      .init(
        7,
        "CREATE INDEX job_held ON job(park, state, lane, run_at, id) WHERE park IS NOT NULL;",
        olderBuildsCanOpen: true
      ),
    ]
  )
}
