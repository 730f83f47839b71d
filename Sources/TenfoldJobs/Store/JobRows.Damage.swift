// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
import TenfoldStorage

/// Rows whose id doesn't have 16 bytes: nothing can name them, so they become no dead letters as other damaged rows do.
extension JobRows {
  /// Takes a row out of everything and leaves it in the file, for whoever wants to look at it there.
  ///
  /// `waiting` says how the number of its lane's waiting jobs changes.
  func setAside(_ id: [UInt8], _ lane: Int64, waiting: Int64) throws {
    try tx.execute("UPDATE job SET state = 6, park = NULL WHERE id = ?1", id)
    try tx.execute("UPDATE job_lane SET waiting = waiting + ?2 WHERE lane = ?1", lane, waiting)
    Logger(label: "tenfold.jobs").error(
      "a job's id is damaged, so the job was set aside: check the file, or restore it from a backup",
      metadata: ["id": "\(id.map { String($0, radix: 16) }.joined(separator: " "))"]
    )
  }

  /// Deletes a row and all that hangs on its id or body.
  func eraseUnreadable(_ id: [UInt8], _ body: Int64) throws {
    for table in ["job", "job_note", "job_error", "job_step"] {
      try tx.execute("DELETE FROM \(table) WHERE id = ?1", id)
    }
    try tx.execute("DELETE FROM job_after WHERE parent = ?1 OR child = ?1", id)
    try run(.deleteBody, body)
  }
}

extension SQLiteRow {
  /// The id in a column; `nil` when it is damaged.
  func readableID(_ column: Int) throws(StorageError) -> RawJobID? { RawJobID(bytes: try blob(column)) }
}
