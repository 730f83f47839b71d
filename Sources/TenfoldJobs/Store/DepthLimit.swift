// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Refuses a batch that would make a queue deeper than its producer allows.
enum DepthLimit {
  static func check(_ jobs: [NewJob], waiting: (QueueName) throws -> Int) throws {
    guard jobs.contains(where: { $0.depthLimit != nil }) else { return }
    for (queue, batch) in Dictionary(grouping: jobs, by: \.options.queue) {
      guard let limit = batch.compactMap(\.depthLimit).min() else { continue }
      let ready = try waiting(queue)
      guard ready + batch.count <= limit else {
        throw JobError(
          .queueFull,
          "queue \(queue) holds \(ready) of \(limit) jobs; retry when some are done"
        )
      }
    }
  }
}
