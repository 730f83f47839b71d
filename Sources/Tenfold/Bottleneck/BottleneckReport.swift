// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Which stage and which resource limit a pipeline, what share of the time that is, and what to do about it.
///
/// The limiting stage is the one in which requests spend most of their time, waiting for a turn included. Its resource
/// is the largest part of its time at work: waiting for other machines, waiting for disks, or being busy. A busy stage
/// is limited by memory when it streams more than half of what one thread can read in its CPU time, else by compute.
///
/// ```swift
/// let report = BottleneckReport(stages: collector.snapshot, machine: .measure())
/// print(report.summary)   // inference is limited by memory (81 % of the time): …
/// ```
public struct BottleneckReport: Sendable, Codable {
  /// A stage's share of the time and what it is limited by.
  public struct Finding: Hashable, Sendable, Codable {
    /// The stage.
    public var stage: String
    /// The stage's share of all requests' time, in 0...1.
    public var share: Double
    /// What its work is limited by.
    public var resource: StageResource
    /// The part of its work's time that this resource explains, in 0...1.
    public var resourceShare: Double
    /// The part of its time that it spends waiting for a turn, in 0...1.
    public var waitShare: Double
    /// Seconds of CPU time for each request in which it runs.
    public var cpuSecondsPerRequest: Double
    /// The median of its time, waiting included.
    public var median: Duration
    /// The 99th percentile of its time, waiting included.
    public var p99: Duration
  }

  /// The stages by their share of the time, largest first; parts of a stage are not listed by themselves.
  public let findings: [Finding]
  /// Named warnings about what goes wrong at scale.
  public let warnings: [ScalingWarning]
  /// How many requests the report is made of.
  public let requestCount: Int

  /// A busy stage counts as limited by memory above this share of the bandwidth.
  static let memoryBoundShare = 0.5

  /// Makes a report.
  ///
  /// - Parameters:
  ///   - snapshot: The stages of the requests seen.
  ///   - machine: What the machine can do.
  public init(stages snapshot: StageCollector.Snapshot, machine: MachineProfile) {
    let outermost = snapshot.outermost
    let total = outermost.values.reduce(0) { $0 + ($1.wait + $1.work).inSeconds }
    var findings: [Finding] = []
    for (name, stage) in outermost {
      let parts = snapshot.stages.filter { $0.key.hasPrefix(name + ".") }.map(\.value)
      findings.append(Self.finding(name, stage, parts: parts, total: total, machine: machine))
    }
    self.findings = findings.sorted { ($1.share, $0.stage) < ($0.share, $1.stage) }
    self.warnings = ScalingWarning.warnings(for: snapshot)
    self.requestCount = snapshot.requests.count
  }

  /// The stage that limits the pipeline; `nil` when no request has been seen.
  public var limit: Finding? { findings.first }

  /// One sentence: the limiting stage, its resource, its share and the advice.
  public var summary: String {
    guard let limit else { return "No finished request has been seen, so there is nothing to report." }
    let share = Int((limit.share * 100).rounded())
    return "\(limit.stage) is limited by \(limit.resource.name) (\(share) % of the time): \(advice)"
  }

  /// What to do about the limit.
  public var advice: String {
    guard let limit else { return "" }
    return BottleneckAdvice.text(stage: limit.stage, resource: limit.resource, waitShare: limit.waitShare)
  }

  private static func finding(
    _ name: String,
    _ stage: StageCollector.Total,
    parts: [StageCollector.Total],
    total: Double,
    machine: MachineProfile
  ) -> Finding {
    // A part's figures belong to the stage too, unless the stage has given its own.
    let inputOutput = max(
      stage.inputOutputTime.inSeconds,
      parts.reduce(0) { $0 + $1.inputOutputTime.inSeconds }
    )
    let external = max(stage.externalTime.inSeconds, parts.reduce(0) { $0 + $1.externalTime.inSeconds })
    let cpu = max(stage.cpuTime.inSeconds, parts.reduce(0) { $0 + $1.cpuTime.inSeconds })
    let bytes = max(Double(stage.memoryBytes), parts.reduce(0) { $0 + Double($1.memoryBytes) })
    let work = stage.work.inSeconds
    // Where CPU time is known, time without a processor is not counted as work; several threads count once.
    let rest = max(0, work - inputOutput - external)
    let busy = cpu > 0 ? min(rest, cpu) : rest
    let busySeconds = cpu > 0 ? cpu : rest
    let isMemoryBound =
      machine.memoryBandwidth > 0 && busySeconds > 0
      && bytes / busySeconds > memoryBoundShare * machine.memoryBandwidth
    let candidates: [(StageResource, Double)] = [
      (isMemoryBound ? .memory : .compute, busy), (.inputOutput, inputOutput), (.external, external),
    ]
    let largest = candidates.max { $0.1 < $1.1 } ?? (.compute, busy)
    let all = stage.wait.inSeconds + work
    return Finding(
      stage: name,
      share: total > 0 ? all / total : 0,
      resource: largest.0,
      resourceShare: work > 0 ? min(1, largest.1 / work) : 0,
      waitShare: all > 0 ? stage.wait.inSeconds / all : 0,
      cpuSecondsPerRequest: stage.count > 0 ? cpu / Double(stage.count) : 0,
      median: stage.latency.quantile(0.5),
      p99: stage.latency.quantile(0.99)
    )
  }
}

extension StageResource {
  /// The resource's name in a sentence.
  public var name: String {
    switch self {
    case .compute: "compute"
    case .memory: "memory bandwidth"
    case .inputOutput: "disk I/O"
    case .external: "an external service"
    }
  }
}
