// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold
import Testing

@Suite("BottleneckReport", .serialized)
struct BottleneckReportTests {
  private static let machine = MachineProfile.measure()

  /// Stages of a pipeline in which `slow` does real work of one kind and the others next to nothing.
  private func report(
    on machine: MachineProfile = machine,
    of work: (RequestTrace) throws -> Void
  ) rethrows -> BottleneckReport {
    let collector = StageCollector()
    for _ in 0..<5 {
      let trace = RequestTrace()
      trace.measureBlocking("exactCache", waitingFor: .inputOutput) { _ in }
      try work(trace)
      trace.measureBlocking("retrieval", waitingFor: .external) { _ in }
      collector.add(trace.stages, elapsed: trace.elapsed)
    }
    return BottleneckReport(stages: collector.snapshot, machine: machine)
  }

  @Test("arithmetic on a few numbers is found to be compute")
  func compute() {
    let report = report { trace in
      trace.measureBlocking("inference", waitingFor: .external) { line in
        var x = 1.000_1
        for _ in 0..<3_000_000 { x = x * 1.000_000_1 + 1e-9 }
        line.note = "\(x)"
        line.memoryBytes = 64
      }
    }
    #expect(report.limit?.stage == "inference")
    #expect(report.limit?.resource == .compute)
    #expect(report.summary.contains("limited by compute"))
  }

  @Test("work that moves as many bytes as the memory can is found to be memory")
  func memory() {
    let block = [UInt64](repeating: 1, count: 16 << 20)
    // Memory so slow that the loop is as fast as it, however busy this machine is.
    let report = report(on: MachineProfile(cores: 1, memoryBandwidth: 1e5)) { trace in
      trace.measureBlocking("inference", waitingFor: .external) { line in
        line.note = "\(MachineProfile.sum(block))"
        line.memoryBytes = block.count * 8
      }
    }
    #expect(report.limit?.stage == "inference")
    #expect(report.limit?.resource == .memory)
  }

  @Test("writes that wait for the disk are found to be disk I/O")
  func inputOutput() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tenfold-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = try UncachedFile(path: folder.appending(path: "log").path)
    let report = try report { trace in
      try trace.measureBlocking("cacheFill", waitingFor: .inputOutput) { _ in
        for _ in 0..<4 { try file.write() }
      }
    }
    #expect(report.limit?.stage == "cacheFill")
    #expect(report.limit?.resource == .inputOutput)
  }

  @Test("waiting for another process is found to be external")
  func external() throws {
    let report = try report { trace in
      try trace.measureBlocking("remote", waitingFor: .external) { _ in
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["0.05"]
        try process.run()
        process.waitUntilExit()
      }
    }
    #expect(report.limit?.stage == "remote")
    #expect(report.limit?.resource == .external)
  }

  @Test("a stage's parts count for it and are not listed by themselves")
  func parts() {
    let collector = StageCollector()
    collector.add(
      [
        StageRecord(
          stage: "retrieval.dense",
          work: .milliseconds(80),
          cpuTime: .milliseconds(80),
          memoryBytes: 1 << 30
        ),
        StageRecord(stage: "retrieval", work: .milliseconds(90)),
        StageRecord(stage: "inference", wait: .milliseconds(5), work: .milliseconds(20)),
      ],
      elapsed: .milliseconds(115)
    )
    let report = BottleneckReport(
      stages: collector.snapshot,
      machine: MachineProfile(cores: 2, memoryBandwidth: 10e9)
    )
    #expect(report.findings.map(\.stage) == ["retrieval", "inference"])
    #expect(report.limit?.resource == .memory)
    #expect(abs((report.limit?.share ?? 0) - 90.0 / 115) < 1e-9)
  }

  @Test("no requests make an empty report, not a division by zero")
  func empty() {
    let report = BottleneckReport(
      stages: StageCollector().snapshot,
      machine: MachineProfile(cores: 1, memoryBandwidth: 0)
    )
    #expect(report.limit == nil)
    #expect(report.summary.contains("No finished request"))
  }

  /// The kinds of warnings for a hundred requests of the same stages.
  private func warnings(_ stages: [StageRecord]) -> [ScalingWarning.Kind] {
    let collector = StageCollector()
    for _ in 0..<100 { collector.add(stages, elapsed: .milliseconds(100)) }
    let machine = MachineProfile(cores: 1, memoryBandwidth: 1e10)
    return BottleneckReport(stages: collector.snapshot, machine: machine).warnings.map(\.kind)
  }

  @Test("coordination is warned of by its work's share of all work, parts of stages counted once")
  func coordination() {
    let inference = StageRecord(stage: "inference", work: .milliseconds(90))
    let part = StageRecord(stage: "inference.decoding", work: .milliseconds(80))
    func admission(wait: Int, work: Int) -> StageRecord {
      StageRecord(stage: "admission", wait: .milliseconds(wait), work: .milliseconds(work))
    }
    #expect(warnings([inference, part, admission(wait: 0, work: 6)]) == [.coordination])
    #expect(warnings([inference, part, admission(wait: 0, work: 4)]) == [])
    // A full queue is another trouble.
    #expect(warnings([inference, admission(wait: 90, work: 1)]) == [.saturation])
    let shared = StageRecord(stage: "coalescing", wait: .milliseconds(90), work: .milliseconds(1))
    #expect(warnings([inference, shared]) == [])
  }

  @Test("a stage that mostly waits is reported as saturated")
  func saturation() {
    let collector = StageCollector()
    for _ in 0..<200 {
      collector.add(
        [StageRecord(stage: "inference", wait: .milliseconds(90), work: .milliseconds(10))],
        elapsed: .milliseconds(100)
      )
    }
    let report = BottleneckReport(
      stages: collector.snapshot,
      machine: MachineProfile(cores: 1, memoryBandwidth: 1e10)
    )
    #expect(report.warnings.contains { $0.kind == .saturation })
    #expect(report.advice.contains("saturated"))
  }
}

@Suite("LatencyHistogram")
struct LatencyHistogramTests {
  @Test("takes durations that no 64 bits of seconds hold")
  func endless() {
    var histogram = LatencyHistogram()
    histogram.record(.seconds(Int64.max) * 2)
    #expect(histogram.count == 1 && histogram.maximum.inSeconds > 1.8e19)
    #expect((.seconds(Int64.max) * -2).inSeconds < -1.8e19)
  }

  @Test(
    "quantiles lie within 1.6 % above the exact ones, or within a microsecond",
    arguments: [UInt64(1), 2, 3]
  )
  func quantiles(seed: UInt64) {
    var state = seed
    var values: [Duration] = []
    var histogram = LatencyHistogram()
    for _ in 0..<5000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      // Log-uniform from 1 µs to 100 s.
      let exponent = Double(state >> 11) / Double(1 << 53) * 8
      let value = Duration.microseconds(Int64(pow(10, exponent)))
      values.append(value)
      histogram.record(value)
    }
    values.sort()
    for q in [0.01, 0.5, 0.9, 0.99, 1] {
      let exact = values[max(0, Int((q * 5000).rounded(.up)) - 1)].inSeconds
      let found = histogram.quantile(q).inSeconds
      #expect(found >= exact && found <= exact * 1.016 + 1.1e-6, "seed \(seed), quantile \(q)")
    }
  }

  @Test("an empty histogram and odd arguments give zero or the nearest quantile")
  func edges() {
    var histogram = LatencyHistogram()
    #expect(histogram.quantile(0.5) == .zero)
    histogram.record(.seconds(-1))
    histogram.record(.seconds(2))
    #expect(histogram.quantile(.nan) <= .seconds(2))
    #expect(histogram.quantile(7) == .seconds(2))
  }
}
