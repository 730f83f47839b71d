// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldJobs
import TenfoldStorage

extension JobsBenchmark {
  /// How often the threads of a worker without work wake, on a store of its own and on one that others may use.
  func idle(_ report: inout BenchmarkReport) async throws {
    let seconds = 5
    for isShared in [false, true] {
      let path = folder.file()
      defer { folder.remove(path) }
      let store = try await SQLiteJobStore.open(.file(path), isShared: isShared)
      let worker = JobWorker(store: store) { $0.handle(Noop.self) { _, _ in } }
      let queue = JobQueue(store: store)
      let meter = NoiseMeter()
      let rate = try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await worker.run() }
        _ = try await queue.enqueue(Noop(number: 0)).value
        // Longer than a third of a lease, after which the last heartbeat has passed.
        try await Task.sleep(for: .seconds(4))
        let before = Self.switches()
        try await Task.sleep(for: .seconds(seconds))
        let after = Self.switches()
        worker.drain()
        try await group.waitForAll()
        return Double(after - before) / Double(seconds)
      }
      await store.close()
      report.add(
        isShared ? "idle-shared" : "idle-alone",
        "wake-ups",
        "1/s",
        .init(values: [rate], othersCPUs: meter.othersCPUs()),
        target: isShared ? nil : .atMost(0)
      )
    }
  }

  /// How often Tenfold's threads have waited so far; on systems that don't tell by thread, all of the process's.
  private static func switches() -> Int {
    #if os(Linux)
    let tasks = "/proc/self/task"
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []
    return threads.reduce(0) { sum, thread in
      guard let status = try? String(contentsOfFile: "\(tasks)/\(thread)/status", encoding: .utf8) else {
        return sum
      }
      let fields = Dictionary(
        status.split(separator: "\n").compactMap { line -> (Substring, String)? in
          let parts = line.split(separator: ":", maxSplits: 1)
          return parts.count == 2 ? (parts[0], parts[1].trimmingCharacters(in: .whitespaces)) : nil
        },
        uniquingKeysWith: { first, _ in first }
      )
      guard fields["Name"]?.hasPrefix("tenfold-") ?? false else { return sum }
      return sum + (fields["voluntary_ctxt_switches"].flatMap { Int($0) } ?? 0)
    }
    #else
    var usage = rusage()
    unsafe getrusage(RUSAGE_SELF, &usage)
    return usage.ru_nvcsw
    #endif
  }
}
