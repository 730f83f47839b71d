// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Where writes go in the end: another database, an index, a service.
///
/// It keeps its position with its data, so that a write that is handed over twice counts once. `WriteSinkContract` of
/// TenfoldTesting says what every sink keeps to.
public protocol WriteSink: Sendable {
  /// The sequence of the last write that is in the data, 0 for none.
  ///
  /// - Returns: The position.
  /// - Throws: When the sink can't be read.
  func position() async throws -> Int64

  /// Applies writes in order and remembers the position, all or none; those at or before the position change nothing.
  ///
  /// - Parameter writes: In rising order; at least one.
  /// - Throws: When none was applied: they come again.
  func apply(_ writes: [StoredEvent]) async throws
}
