// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldJobs

extension JobsBenchmark {
  /// What a job that waits in memory takes besides its payload.
  func footprint(_ count: Int, _ report: inout BenchmarkReport) async throws {
    let store = InMemoryJobStore()
    // What the first jobs bring with them is not theirs.
    _ = try await store.enqueue(distinct(1000))
    guard let before = Self.residentBytes() else { return }
    for _ in stride(from: 0, to: count, by: 1000) { _ = try await store.enqueue(distinct(1000)) }
    guard let after = Self.residentBytes() else { return }
    let stats = try await store.observe(.init())
    precondition(stats.ready == count / 1000 * 1000 + 1000, "jobs were lost")
    let bytes = Double(after - before) / Double(count / 1000 * 1000) - Double(payload)
    let parameters = ["jobs": "\(count)", "payload": "\(payload)"]
    report.add(
      "memory-job",
      "besides payload",
      "B",
      .init(values: [bytes], othersCPUs: nil),
      parameters: parameters,
      target: .atMost(300)
    )
  }

  /// Jobs that don't share their payload.
  private func distinct(_ count: Int) -> [NewJob] {
    (0..<count).map { NewJob(name: "noop", payload: [UInt8](repeating: UInt8($0 & 0xFF), count: payload)) }
  }

  /// `nil` where the system doesn't say.
  private static func residentBytes() -> Int? {
    let text = SystemFile.value("VmRSS", in: "/proc/self/status")
    return text.flatMap { $0.split(separator: " ").first }.flatMap { Int($0) }.map { $0 << 10 }
  }
}
