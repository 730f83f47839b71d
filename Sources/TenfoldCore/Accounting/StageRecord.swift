// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What one stage of a request did.
///
/// A stage whose name extends another's with a dot (`retrieval.sparse`) is a part of it: its times are included in the
/// outer stage's. Apart from that the stages of a request don't overlap: a middleware records its own work, not that
/// of the layers inside.
public struct StageRecord: Hashable, Sendable, Codable {
  /// The stage's name, such as `admission`, `exactCache`, `retrieval` or `inference`.
  public var stage: String
  /// Time spent waiting for a turn before the stage's work began.
  public var wait: Duration
  /// Time from the start of the work to its end, the stage's own parts included.
  public var work: Duration
  /// CPU time of all threads that worked for this stage, where it is known.
  public var cpuTime: Duration
  /// Bytes that the stage had to stream through memory (weights, vectors), where they are known.
  public var memoryBytes: Int
  /// Time spent waiting for disks.
  public var inputOutputTime: Duration
  /// Time spent waiting for another machine or service.
  public var externalTime: Duration
  /// What the stage found or decided, in a few words.
  public var note: String
  /// What the stage cost besides its model calls, which are booked by themselves.
  public var cost: Money

  /// Creates a record.
  public init(
    stage: String,
    wait: Duration = .zero,
    work: Duration,
    cpuTime: Duration = .zero,
    memoryBytes: Int = 0,
    inputOutputTime: Duration = .zero,
    externalTime: Duration = .zero,
    note: String = "",
    cost: Money = .zero
  ) {
    self.stage = stage
    self.wait = wait
    self.work = work
    self.cpuTime = cpuTime
    self.memoryBytes = memoryBytes
    self.inputOutputTime = inputOutputTime
    self.externalTime = externalTime
    self.note = note
    self.cost = cost
  }
}
