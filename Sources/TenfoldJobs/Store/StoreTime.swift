// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

/// How a SQLite store's time follows from the machine's clocks.
struct StoreTime {
  /// The end of a lease from before the machine's last start; no other lease ends then.
  static let void: Int64 = 0

  /// Store time minus monotonic time.
  let shift: Int64
  /// Starts of the machine since the file was made.
  let epoch: Int64

  /// Settles the time, and voids the leases of an earlier start of the machine.
  ///
  /// Store time is the wall clock as it was when the first process of this boot opened the store, and runs on by the
  /// monotonic clock from there.
  static func adopt(_ clock: JobStoreClock, in tx: SQLiteTransaction) throws -> StoreTime {
    let boot = clock.bootID()
    let known = try tx.first("SELECT boot, shift, epoch FROM job_clock") { row in
      (boot: try row.text(0), time: StoreTime(shift: try row.int64(1), epoch: try row.int64(2)))
    }
    if let known, known.boot == boot { return known.time }
    let time = StoreTime(
      shift: clock.wall() &- clock.monotonic(),
      epoch: known.map { $0.time.epoch &+ 1 } ?? 0
    )
    try tx.execute(
      "INSERT OR REPLACE INTO job_clock(one, boot, shift, epoch) VALUES(1, ?1, ?2, ?3)",
      boot,
      time.shift,
      time.epoch
    )
    // Workers die with their machine.
    try tx.execute("UPDATE job SET until = ?1 WHERE state = 1", void)
    return time
  }
}
