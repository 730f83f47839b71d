// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Refuses a batch that would make a queue deeper than its producer allows.
enum DepthLimit {
  /// Checks a batch before any of it is accepted.
  ///
  /// - Parameters:
  ///   - jobs: The batch.
  ///   - isHeld: Whether the store would answer that a job is a duplicate; such jobs add nothing to the depth, so that a
  ///     batch whose answer was lost can be handed in again. Asked only when the batch would not fit otherwise.
  ///   - waiting: How many jobs wait in a queue.
  /// - Throws: ``JobError`` with code ``JobError/Code/queueFull``, or ``JobError/Code/invalidOption`` for a batch that
  ///   would not even fit into the empty queue.
  static func check(
    _ jobs: [NewJob],
    isHeld: (NewJob) throws -> Bool,
    waiting: (QueueName) throws -> Int
  ) throws {
    guard jobs.contains(where: { $0.depthLimit != nil }) else { return }
    var isNew: [Bool]?
    for (queue, indices) in Dictionary(grouping: jobs.indices, by: { jobs[$0].options.queue }) {
      guard let limit = indices.compactMap({ jobs[$0].depthLimit }).min() else { continue }
      let ready = try waiting(queue)
      if fits(indices.count, beside: ready, limit) { continue }
      let new = try isNew ?? newcomers(jobs, isHeld: isHeld)
      isNew = new
      let count = indices.count { new[$0] }
      if count == 0 || fits(count, beside: ready, limit) { continue }
      guard count <= limit else {
        throw JobError(
          .invalidOption,
          "\(count) jobs at once never fit into queue \(queue), whose depth is limited to \(limit): "
            + "hand in smaller batches or raise the limit"
        )
      }
      throw JobError(
        .queueFull,
        "queue \(queue) holds \(ready) of \(limit) jobs; retry when some are done"
      )
    }
  }

  private static func fits(_ count: Int, beside ready: Int, _ limit: Int) -> Bool {
    let (sum, overflow) = ready.addingReportingOverflow(count)
    return !overflow && sum <= limit
  }

  /// Which jobs of a batch would be accepted as new.
  private static func newcomers(_ jobs: [NewJob], isHeld: (NewJob) throws -> Bool) rethrows -> [Bool] {
    var (ids, keys, ticks): (Set<RawJobID>, Set<ByteText>, [ByteText: Int64]) = ([], [], [:])
    return try jobs.map { job in
      if ids.contains(job.id) { return false }
      if try isHeld(job) { return false }
      if let tick = job.tick {
        let schedule = ByteText(tick.schedule)
        if let fired = ticks[schedule], tick.milliseconds <= fired { return false }
        ticks[schedule] = tick.milliseconds
      }
      if let key = job.options.uniqueKey.map(ByteText.init), !keys.insert(key).inserted { return false }
      ids.insert(job.id)
      return true
    }
  }
}
