// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldStorage

/// What every `WriteSink` keeps to.
///
/// ```swift
/// let violations = await WriteSinkContract.violations(of: { InMemoryWriteSink() }) { sink, subject in
///   sink[subject]?.payload
/// }
/// ```
public enum WriteSinkContract {
  /// Runs the suite.
  ///
  /// - Parameters:
  ///   - sink: Makes an empty sink that keeps the payload of the newest write of each subject.
  ///   - value: Reads the payload kept for a subject, `nil` for none.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations<Sink: WriteSink>(
    of sink: @Sendable () async throws -> Sink,
    value: @Sendable (Sink, String) async throws -> [UInt8]?
  ) async -> [ContractViolation] {
    var report = ContractReport()
    await report.scenario("writes are applied in order") { report in
      let sink = try await sink()
      let start = try await sink.position()
      report.check(start == 0, "an empty sink is at 0", observed: "\(start)")
      try await sink.apply([write(1, "a", 1), write(2, "b", 2), write(4, "a", 3)])
      let (a, b) = (try await value(sink, "a"), try await value(sink, "b"))
      report.check(a == [3] && b == [2], "the newest write counts", observed: "\(a ?? []), \(b ?? [])")
      let position = try await sink.position()
      report.check(position == 4, "the position is the last write's", observed: "\(position)")
    }
    await report.scenario("a write that comes twice counts once") { report in
      let sink = try await sink()
      try await sink.apply([write(1, "a", 1), write(2, "a", 2)])
      try await sink.apply([write(1, "a", 1)])
      let (a, position) = (try await value(sink, "a"), try await sink.position())
      report.check(
        a == [2] && position == 2,
        "a write before the position changes nothing",
        observed: "\(a ?? []) at \(position)"
      )
      try await sink.apply([write(2, "a", 9), write(3, "a", 3)])
      let (later, end) = (try await value(sink, "a"), try await sink.position())
      report.check(
        later == [3] && end == 3,
        "of a batch that overlaps the new part is applied",
        observed: "\(later ?? []) at \(end)"
      )
    }
    return report.violations
  }

  private static func write(_ sequence: Int64, _ subject: String, _ value: UInt8) -> StoredEvent {
    StoredEvent(sequence: sequence, kind: "set.v1", subject: subject, payload: [value])
  }
}
