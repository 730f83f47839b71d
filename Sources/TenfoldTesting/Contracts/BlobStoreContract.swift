// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldStorage

/// What every `BlobStore` keeps to.
///
/// ```swift
/// let violations = await BlobStoreContract.violations { InMemoryBlobStore() }
/// ```
public enum BlobStoreContract {
  /// Runs the suite.
  ///
  /// - Parameter store: Makes an empty store.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(
    of store: @Sendable () async throws -> any BlobStore
  ) async -> [ContractViolation] {
    var report = ContractReport()
    await report.scenario("what was stored comes back") { report in
      let store = try await store()
      for size in [0, 1, 1000, 300_000] {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        let key = try BlobKey("size-\(size)")
        try await store.put(bytes, at: key)
        let back = try await store.get(key)
        report.check(
          back == bytes,
          "\(size) bytes come back as they were",
          observed: "\(back.map { "\($0.count) bytes" } ?? "nothing")"
        )
      }
      let keys = try await store.keys().map(\.rawValue)
      report.check(
        keys == ["size-0", "size-1", "size-1000", "size-300000"],
        "all keys are listed in ascending order",
        observed: "\(keys)"
      )
    }
    await report.scenario("a blob can be replaced and deleted") { report in
      let store = try await store()
      let key = try BlobKey("a")
      let missing = try await store.get(key)
      report.check(missing == nil, "what was never stored isn't there", observed: "it is")
      try await store.put([1], at: key)
      try await store.put([2, 2], at: key)
      let replaced = try await store.get(key)
      report.check(replaced == [2, 2], "the newest contents count", observed: "\(replaced ?? [])")
      try await store.delete(key)
      try await store.delete(key)
      let (deleted, keys) = (try await store.get(key), try await store.keys())
      report.check(
        deleted == nil && keys.isEmpty,
        "what was deleted is gone, and deleting it again does nothing",
        observed: "\(keys)"
      )
    }
    await report.scenario("writers of one key at the same time don't mix") { report in
      let store = try await store()
      let key = try BlobKey("contested")
      try await withThrowingTaskGroup(of: Void.self) { group in
        for value in 0..<8 as Range<UInt8> {
          group.addTask { try await store.put([UInt8](repeating: value, count: 5000), at: key) }
        }
        try await group.waitForAll()
      }
      let bytes = try await store.get(key) ?? []
      report.check(
        bytes.count == 5000 && Set(bytes).count == 1,
        "a reader sees one writer's bytes",
        observed: "\(bytes.count) bytes of \(Set(bytes).count) writers"
      )
    }
    return report.violations
  }
}
