// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Why whoever waits on a store should look again; a hint that can come once for many changes.
public struct JobWakeup: Hashable, Sendable {
  /// Jobs may be ready to run.
  public static let ready = Self(name: "ready")
  /// Jobs were settled.
  public static let settled = Self(name: "settled")
  /// An operator changed something.
  public static let controlled = Self(name: "controlled")

  private let name: String
}
