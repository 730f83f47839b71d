// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// Sums up the stages of finished requests for a ``BottleneckReport``.
///
/// Adding a request takes time proportional to its number of stages and is safe from any thread. At most 200 names are
/// kept; further ones share a line called `other`.
public final class StageCollector: Sendable {
  /// What one stage took over all requests.
  public struct Total: Hashable, Sendable, Codable {
    /// In how many requests the stage ran.
    public var count = 0
    /// The sum of the times spent waiting for a turn.
    public var wait = Duration.zero
    /// The sum of the times at work.
    public var work = Duration.zero
    /// The sum of the CPU times.
    public var cpuTime = Duration.zero
    /// The sum of the bytes streamed through memory.
    public var memoryBytes = 0
    /// The sum of the times spent waiting for disks.
    public var inputOutputTime = Duration.zero
    /// The sum of the times spent waiting for other machines.
    public var externalTime = Duration.zero
    /// How long wait and work took in each request.
    public var latency = LatencyHistogram()

    /// Creates an empty total.
    public init() {}
  }

  /// The sums so far.
  public struct Snapshot: Sendable, Codable {
    /// The sums by stage.
    public var stages: [String: Total] = [:]
    /// How long whole requests took.
    public var requests = LatencyHistogram()

    /// Creates an empty snapshot.
    public init() {}
  }

  private static let maximumNames = 200
  private let state = Mutex(Snapshot())

  /// Creates an empty collector.
  public init() {}

  /// Adds a finished request.
  ///
  /// - Parameters:
  ///   - stages: The lines that its stages wrote.
  ///   - elapsed: The time from its arrival to its end.
  public func add(_ stages: [StageRecord], elapsed: Duration) {
    state.withLock { state in
      state.requests.record(elapsed)
      for stage in stages {
        let isFull = state.stages.count >= Self.maximumNames && state.stages[stage.stage] == nil
        state.stages[isFull ? "other" : stage.stage, default: Total()].add(stage)
      }
    }
  }

  /// The sums so far.
  public var snapshot: Snapshot { state.withLock { $0 } }

  /// Forgets everything.
  public func reset() { state.withLock { $0 = Snapshot() } }
}

extension StageCollector.Snapshot {
  /// The stages that are no parts of others, so that their times can be added up.
  var outermost: [String: StageCollector.Total] {
    stages.filter { name, _ in
      // A dotted name is a part of the stage before the dot, if that one has a line of its own.
      !name.indices.contains { name[$0] == "." && stages[String(name[..<$0])] != nil }
    }
  }
}

extension StageCollector.Total {
  fileprivate mutating func add(_ stage: StageRecord) {
    count += 1
    wait += stage.wait
    work += stage.work
    cpuTime += stage.cpuTime
    memoryBytes =
      memoryBytes.addingReportingOverflow(stage.memoryBytes).overflow
      ? .max : memoryBytes + stage.memoryBytes
    inputOutputTime += stage.inputOutputTime
    externalTime += stage.externalTime
    latency.record(stage.wait + stage.work)
  }
}
