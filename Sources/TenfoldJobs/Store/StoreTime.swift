// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
import TenfoldStorage

/// How a SQLite store's time follows from the machine's clocks.
///
/// It begins as the wall clock's time and from there on only counts what passes: by the monotonic clock while the machine
/// runs, and by the difference of two readings of the wall clock while it was off. It never goes back, as delays, leases
/// and retentions are instants of it.
///
/// For that the file holds a mark: the newest time, and what the wall clock showed then. It is written with writes that
/// happen anyway, once in ``markInterval``.
///
/// **A wall clock that is wrong.** At the first opening after a start of the machine it is believed to have been off for as
/// long as the wall clock went on since the mark, if that is 0 to ``longestOff``. A clock behind the mark (a machine without
/// a battery for it) or far ahead of it (one that was set wrongly) says nothing: then the time goes on from the mark, as if
/// the machine had not been off, and a warning is logged. So work neither stalls, nor does everything expire at once; what
/// is delayed comes later by the time that was not counted. The next mark holds the wall clock as it is by then, so an
/// error of it does not last, whether it ran behind or was once in the year 2100.
struct StoreTime {
  /// The end of a lease from before the machine's last start; no other lease ends then.
  static let void: Int64 = 0

  /// How old a mark may become while the store is written to, in nanoseconds; a machine takes longer to start.
  static let markInterval: Int64 = 1_000_000_000
  /// How long a machine may have been off, in nanoseconds: a year and a day.
  ///
  /// Longer is more likely a clock that is wrong.
  static let longestOff: Int64 = 366 * 86_400_000_000_000
  /// How far the wall clock may have been set back before that is worth a warning, in nanoseconds: a day.
  static let tolerance: Int64 = 86_400_000_000_000
  /// Some time in the year 2116.
  ///
  /// No clock and no mark is believed beyond it, so that sums with it stay far from overflow.
  static let latest: Int64 = 1 << 62

  /// Store time minus monotonic time.
  let shift: Int64
  /// Starts of the machine since the file was made.
  let epoch: Int64

  private struct Row {
    var boot: String
    var time: StoreTime
    /// The newest time that is known to have been, and what the wall clock showed then; 0 in files of before.
    var mark: Int64
    var wall: Int64
  }

  /// Settles the time, and voids the leases of an earlier start of the machine.
  static func adopt(_ clock: JobStoreClock, in tx: SQLiteTransaction) throws -> StoreTime {
    let boot = clock.bootID()
    let known = try tx.first("SELECT boot, shift, epoch, mark, wall FROM job_clock") { row in
      Row(
        boot: try row.text(0),
        time: StoreTime(shift: try row.int64(1), epoch: try row.int64(2)),
        mark: try row.int64(3),
        wall: try row.int64(4)
      )
    }
    let (monotonic, wall) = (clock.monotonic(), believable(clock.wall()))
    // A system that can't tell its starts apart gives the same name to all: then the time would be behind the mark.
    if let known, known.boot == boot, known.time.now(monotonic) >= min(known.mark, latest) {
      return known.time
    }
    let now = known.map { resume($0, wall: wall) } ?? wall
    let time = StoreTime(
      shift: now.clampedDifference(monotonic),
      epoch: known.map { $0.time.epoch &+ 1 } ?? 0
    )
    try tx.execute(
      "INSERT OR REPLACE INTO job_clock(one, boot, shift, epoch, mark, wall) VALUES(1, ?1, ?2, ?3, ?4, ?5)",
      boot,
      time.shift,
      time.epoch,
      now,
      wall
    )
    // Workers die with their machine.
    try tx.execute("UPDATE job SET until = ?1 WHERE state = 1", void)
    return time
  }

  /// The store's time at a reading of the monotonic clock.
  func now(_ monotonic: Int64) -> Int64 { monotonic.clampedSum(shift) }

  /// The time at the first opening after a start of the machine.
  private static func resume(_ known: Row, wall: Int64) -> Int64 {
    // A file of before has no mark, and a damaged one none to go by.
    guard known.mark > 0, known.mark <= latest else { return wall }
    let off = wall.clampedDifference(believable(known.wall))
    // Later than all that was written since the mark.
    let least = known.mark.clampedSum(markInterval)
    if (0...longestOff).contains(off) { return min(latest, max(least, known.mark.clampedSum(off))) }
    if off < -tolerance || off > longestOff {
      Logger(label: "tenfold.jobs").warning(
        """
        the wall clock is far from where the job store saw it last: the store's time goes on from there, and the time that \
        the machine was off is not counted; set the clock
        """,
        metadata: ["seconds": "\(off / 1_000_000_000)"]
      )
    }
    return least
  }

  /// Writes down the newest time, with what the wall clock shows.
  static func mark(_ now: Int64, wall: Int64, in tx: SQLiteTransaction) throws {
    try tx.execute(
      "UPDATE job_clock SET mark = ?1, wall = ?2 WHERE mark < ?1",
      min(now, latest),
      believable(wall)
    )
  }

  private static func believable(_ wall: Int64) -> Int64 { min(max(wall, 1), latest) }
}
