// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldFaultVFS
import Foundation
import TenfoldStorage

/// A disk that can fail and lose power, for one database at a time.
///
/// `@unchecked Sendable`: the C side has its own lock.
@safe final class FaultDisk: @unchecked Sendable {
  private let vfs: OpaquePointer
  let name = "fault-\(UUID().uuidString)"

  init?() {
    guard let vfs = unsafe tenfold_fault_vfs_create(name) else { return nil }
    unsafe self.vfs = vfs
  }

  deinit { unsafe tenfold_fault_vfs_destroy(vfs) }

  func options(_ durability: SQLiteDatabase.Durability = .full) -> SQLiteDatabase.Options {
    var options = SQLiteDatabase.Options(durability: durability)
    options.fileSystem = name
    return options
  }

  /// After `operations` more writes and syncs the power is gone.
  func cutPower(after operations: Int) { arm(TENFOLD_FAULT_POWER, operations, -1) }

  /// Some writes or syncs to come fail.
  func arm(_ fault: tenfold_fault, _ operations: Int = 0, _ count: Int) {
    unsafe tenfold_fault_vfs_arm(vfs, fault, Int64(operations), Int64(count))
  }

  /// Some writes or syncs to come of the main file fail: those that move the log into it.
  func armDatabase(_ fault: tenfold_fault, _ operations: Int = 0, _ count: Int) {
    unsafe tenfold_fault_vfs_arm_database(vfs, fault, Int64(operations), Int64(count))
  }

  /// The files hold so many bytes together from now on; `nil` for no limit.
  func setQuota(_ bytes: Int?) { unsafe tenfold_fault_vfs_set_quota(vfs, Int64(bytes ?? -1)) }

  func heal() { arm(TENFOLD_FAULT_NONE, 0, 0) }

  var failures: Int { unsafe Int(tenfold_fault_vfs_failures(vfs)) }

  /// Writes what the disk held when the power went.
  func image(to folder: String, seed: UInt64) -> Bool {
    unsafe tenfold_fault_vfs_image(vfs, folder, seed) == 0
  }
}
