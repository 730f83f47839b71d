// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore

/// A sink that keeps the newest write of each subject in memory, for tests and for small hot views.
///
/// ```swift
/// let sink = InMemoryWriteSink()
/// let writes = WriteBehind(log: log, sink: sink)
/// let newest = sink["chat-7"]
/// ```
public final class InMemoryWriteSink: WriteSink {
  private struct State {
    var position: Int64 = 0
    var values: [ByteText: StoredEvent] = [:]
    var count = 0
  }

  private let state = Mutex(State())

  /// Creates an empty sink.
  public init() {}

  /// The newest write about a subject.
  public subscript(_ subject: String) -> StoredEvent? { state.withLock { $0.values[ByteText(subject)] } }

  /// How many writes were applied.
  public var appliedCount: Int { state.withLock { $0.count } }

  /// The sequence of the last write that is in the data.
  ///
  /// - Returns: The position, 0 for none.
  /// - Throws: Never.
  public func position() async throws -> Int64 { state.withLock { $0.position } }

  /// Applies writes, in memory only; ``StoredEvent/erasure`` removes what is kept of its tenant.
  ///
  /// - Parameter writes: In rising order.
  /// - Throws: Never.
  public func apply(_ writes: [StoredEvent]) async throws {
    state.withLock { state in
      for write in writes where write.sequence > state.position {
        if write.kind == StoredEvent.erasure {
          let erased = TenantID(write.subject)
          state.values = state.values.filter { $0.value.tenant != erased }
        } else {
          state.values[ByteText(write.subject)] = write
        }
        state.position = write.sequence
        state.count += 1
      }
    }
  }
}
