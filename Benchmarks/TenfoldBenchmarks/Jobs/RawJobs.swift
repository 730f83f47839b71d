// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldSQLite
import TenfoldJobs

/// The ceiling: a job's statements through SQLite's C API on one thread, without anything around them.
///
/// It has no locks, no threads, no checks beyond SQLite's own, and binds its payload without a copy.
@safe
final class RawJobs {
  private var database: OpaquePointer?
  private var statements: [OpaquePointer?]
  private let payload: UnsafeMutableBufferPointer<UInt8>
  private var now: Int64 = 1
  private(set) var claimed: [(id: RawJobID, fence: Int64)] = []

  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// Opens a file in which a store has already made its tables and the lane of the standard queue.
  init(_ path: String, payload count: Int, isFull: Bool) throws {
    unsafe payload = .allocate(capacity: max(1, count))
    unsafe payload.initialize(repeating: 120)
    unsafe statements = Array(repeating: nil, count: JobStatement.allCases.count)
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX
    try unsafe check(sqlite3_open_v2(path, &database, flags, nil))
    try script("PRAGMA synchronous = \(isFull ? "FULL" : "NORMAL")")
    try script("PRAGMA temp_store = MEMORY")
    try script("PRAGMA cache_size = -16384")
    for kind in JobStatement.allCases {
      var statement: OpaquePointer?
      let persistent = UInt32(SQLITE_PREPARE_PERSISTENT)
      try unsafe check(sqlite3_prepare_v3(database, kind.sql, -1, persistent, &statement, nil))
      unsafe statements[kind.rawValue] = statement
    }
  }

  deinit {
    for kind in JobStatement.allCases { unsafe sqlite3_finalize(statements[kind.rawValue]) }
    unsafe sqlite3_close(database)
    unsafe payload.deallocate()
  }

  /// One transaction.
  func transaction(_ body: () throws -> Void) throws {
    try script("BEGIN IMMEDIATE")
    try body()
    try script("COMMIT")
  }

  func enqueue(_ count: Int) throws {
    now += 1
    let lane = unsafe statements[JobStatement.findLane.rawValue]
    unsafe sqlite3_bind_text(lane, 1, "default", -1, tenfold_sqlite_transient())
    unsafe sqlite3_bind_int64(lane, 2, 1)
    unsafe sqlite3_bind_text(lane, 3, "", -1, tenfold_sqlite_transient())
    guard try unsafe step(lane) else { throw Failure(description: "no lane") }
    let number = unsafe sqlite3_column_int64(lane, 0)
    unsafe sqlite3_reset(lane)
    let body = unsafe statements[JobStatement.insertBody.rawValue]
    let job = unsafe statements[JobStatement.insertJob.rawValue]
    for _ in 0..<count {
      unsafe sqlite3_bind_text(body, 1, "noop", 4, nil)
      unsafe sqlite3_bind_blob(body, 2, payload.baseAddress, Int32(payload.count), nil)
      _ = try unsafe step(body)
      unsafe sqlite3_reset(body)
      let rowID = unsafe sqlite3_last_insert_rowid(database)
      unsafe bind(job, RawJobID())
      for (index, value) in [number, 0, now, 10, 0, 3_600_000_000_000, rowID, 3].enumerated() {
        unsafe sqlite3_bind_int64(job, Int32(index + 2), value)
      }
      _ = try unsafe step(job)
      unsafe sqlite3_reset(job)
    }
    try saveLane(number, activity: 2, change: Int64(count))
  }

  func claim(_ count: Int) throws {
    let level = unsafe statements[JobStatement.activeLanes.rawValue]
    unsafe sqlite3_bind_int64(level, 1, 2)
    unsafe sqlite3_bind_int64(level, 2, Int64(count))
    guard try unsafe step(level) else {
      unsafe sqlite3_reset(level)
      return
    }
    let number = unsafe sqlite3_column_int64(level, 0)
    unsafe sqlite3_reset(level)
    let due = unsafe statements[JobStatement.dueJobs.rawValue]
    unsafe sqlite3_bind_int64(due, 1, number)
    unsafe sqlite3_bind_int64(due, 2, now)
    unsafe sqlite3_bind_int64(due, 3, Int64(count))
    var found: [(id: RawJobID, fence: Int64)] = []
    var bytes: Int32 = 0
    while try unsafe step(due) {
      guard let id = unsafe sqlite3_column_blob(due, 0) else { continue }
      let high = unsafe UInt64(bigEndian: id.loadUnaligned(as: UInt64.self))
      let low = unsafe UInt64(bigEndian: id.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      bytes &+= unsafe sqlite3_column_bytes(due, 8)
      found.append((RawJobID(high: high, low: low), unsafe sqlite3_column_int64(due, 1) + 1))
    }
    unsafe sqlite3_reset(due)
    let claim = unsafe statements[JobStatement.claimJob.rawValue]
    for job in found {
      unsafe bind(claim, job.id)
      unsafe sqlite3_bind_int64(claim, 2, job.fence)
      unsafe sqlite3_bind_int64(claim, 3, 1)
      unsafe sqlite3_bind_int64(claim, 4, now + 10_000_000_000)
      _ = try unsafe step(claim)
      unsafe sqlite3_reset(claim)
    }
    try saveLane(number, activity: 2, change: -Int64(found.count))
    claimed += found
  }

  func settle(_ count: Int) throws {
    let find = unsafe statements[JobStatement.findRun.rawValue]
    let end = unsafe statements[JobStatement.endJob.rawValue]
    let body = unsafe statements[JobStatement.endBody.rawValue]
    for job in claimed.prefix(count) {
      unsafe bind(find, job.id)
      unsafe sqlite3_bind_int64(find, 2, job.fence)
      guard try unsafe step(find) else { throw Failure(description: "no run") }
      let (keep, row) = unsafe (sqlite3_column_int64(find, 5), sqlite3_column_int64(find, 6))
      unsafe sqlite3_reset(find)
      unsafe bind(end, job.id)
      unsafe sqlite3_bind_int64(end, 2, 2)
      unsafe sqlite3_bind_int64(end, 3, now + keep)
      _ = try unsafe step(end)
      unsafe sqlite3_reset(end)
      unsafe sqlite3_bind_int64(body, 1, row)
      unsafe sqlite3_bind_null(body, 2)
      _ = try unsafe step(body)
      unsafe sqlite3_reset(body)
    }
    claimed.removeFirst(min(count, claimed.count))
  }

  private func saveLane(_ lane: Int64, activity: Int64, change: Int64) throws {
    let save = unsafe statements[JobStatement.saveLane.rawValue]
    for (index, value) in [lane, 0, activity, 0, change].enumerated() {
      unsafe sqlite3_bind_int64(save, Int32(index + 1), value)
    }
    _ = try unsafe step(save)
    unsafe sqlite3_reset(save)
  }

  private func bind(_ statement: OpaquePointer?, _ id: RawJobID) {
    unsafe withUnsafeBytes(of: (id.high.bigEndian, id.low.bigEndian)) { bytes in
      _ = unsafe sqlite3_bind_blob(statement, 1, bytes.baseAddress, 16, tenfold_sqlite_transient())
    }
  }

  private func step(_ statement: OpaquePointer?) throws -> Bool {
    let status = unsafe sqlite3_step(statement)
    if status == SQLITE_ROW { return true }
    guard status == SQLITE_DONE else { throw Failure(description: "SQLite error \(status)") }
    return false
  }

  private func script(_ sql: String) throws { try unsafe check(sqlite3_exec(database, sql, nil, nil, nil)) }

  private func check(_ status: Int32) throws {
    guard status == SQLITE_OK else { throw Failure(description: "SQLite error \(status)") }
  }
}
