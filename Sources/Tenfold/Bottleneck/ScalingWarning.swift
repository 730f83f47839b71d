// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Something that goes wrong as traffic grows, seen before it does.
public struct ScalingWarning: Hashable, Sendable, Codable, CustomStringConvertible {
  /// The kinds of warning; the list can grow.
  public struct Kind: Hashable, Sendable, Codable {
    /// The kind's name.
    public let rawValue: String

    private init(_ rawValue: String) { self.rawValue = rawValue }

    /// The slowest requests take many times the median.
    public static let tailLatency = Self("tailLatency")
    /// Requests mostly wait instead of being worked on.
    public static let saturation = Self("saturation")
    /// Layers that only coordinate take a notable share of the time.
    public static let coordination = Self("coordination")
  }

  /// What kind of trouble.
  public let kind: Kind
  /// Where, how much, and past which threshold.
  public let message: String

  /// The kind and the message.
  public var description: String { "\(kind.rawValue): \(message)" }

  /// The 99th percentile may be this many times the median; caches make the two differ by design, so it is judged by
  /// stage.
  static let tailRatio = 10.0
  /// Requests may spend this share of their time waiting.
  static let waitShare = 0.5
  /// Admission and coalescing may take this share of the time at work; what requests wait in them is not work.
  static let coordinationShare = 0.05
  /// Fewer requests than this say nothing.
  static let minimumCount = 100

  static func warnings(for snapshot: StageCollector.Snapshot) -> [Self] {
    var warnings: [Self] = []
    for (name, stage) in snapshot.stages.sorted(by: { $0.key < $1.key }) {
      let median = stage.latency.quantile(0.5).inSeconds
      let p99 = stage.latency.quantile(0.99).inSeconds
      if stage.count >= minimumCount, p99 > tailRatio * median, p99 > 0.01 {
        warnings.append(
          Self(kind: .tailLatency, message: "\(name): p99 is over \(Int(tailRatio)) times the median.")
        )
      }
      let (wait, busy) = (stage.wait.inSeconds, stage.work.inSeconds)
      // Who shares another's computation waits for an answer, not for a turn.
      if stage.count >= minimumCount, name != CoalescingMiddleware.stage, wait > waitShare * (wait + busy) {
        let share = Int((100 * wait / (wait + busy)).rounded())
        warnings.append(
          Self(kind: .saturation, message: "\(name): \(share) % of its time is spent waiting for a turn.")
        )
      }
    }
    let outermost = snapshot.outermost
    let work = outermost.values.reduce(0) { $0 + $1.work.inSeconds }
    let coordination = ["admission", CoalescingMiddleware.stage].reduce(0) {
      $0 + (outermost[$1]?.work.inSeconds ?? 0)
    }
    if snapshot.requests.count >= minimumCount, coordination > coordinationShare * work {
      warnings.append(
        Self(kind: .coordination, message: "admission and coalescing take over 5 % of the time at work.")
      )
    }
    return warnings
  }
}
