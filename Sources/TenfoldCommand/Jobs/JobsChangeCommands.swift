// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TenfoldJobs

struct JobsRetryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry",
    abstract: "Put dead letters back into their queue, with a new budget of attempts."
  )

  @OptionGroup var file: JobsFileOption

  @Flag(help: "All dead letters.")
  var all = false

  @Argument(help: "The jobs' ids.")
  var ids: [String] = []

  func validate() throws {
    guard all != !ids.isEmpty else { throw ValidationError("Give ids, or --all.") }
  }

  func run() async throws {
    let chosen = try JobIDArguments.parsed(ids)
    try await file.withStore { store in
      let found = try await snapshots(chosen, store)
      let count = all ? try await replayAll(store) : try await replay(found, store)
      ConsoleText.say("\(count) jobs are waiting again")
      try JobIDArguments.require(chosen, among: found)
    }
  }

  /// Each dead letter once, also one that a worker makes a dead letter again meanwhile.
  private func replayAll(_ store: SQLiteJobStore) async throws -> Int {
    var (count, last) = (0, RawJobID?.none)
    while true {
      let list = JobStats.List(state: .dead, after: last, limit: 500)
      let page = try await store.observe(.init(list: list, countsJobs: false)).listed
      count += try await replay(page, store)
      guard page.count == list.limit, let end = page.last else { return count }
      last = end.id
    }
  }

  /// Replays the dead letters among some jobs.
  ///
  /// - Returns: How many there are no more; one whose unique key another job has stays what it is.
  private func replay(_ jobs: [JobSnapshot], _ store: SQLiteJobStore) async throws -> Int {
    let dead = Dictionary(jobs.filter { $0.state == .dead }.map { ($0.id, $0.fence) }) { first, _ in first }
    try await store.control(.replay(dead.keys.sorted()))
    // One with another fence was run again, and failed again.
    let left = try await snapshots(dead.keys.sorted(), store).filter {
      $0.state == .dead && $0.fence == dead[$0.id]
    }
    return dead.count - left.count
  }

  private func snapshots(_ ids: [RawJobID], _ store: SQLiteJobStore) async throws -> [JobSnapshot] {
    try await store.observe(.init(jobs: ids, countsJobs: false)).jobs
  }
}

struct JobsCancelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel",
    abstract: "End jobs: waiting ones at once, running ones with their worker's next heartbeat."
  )

  @OptionGroup var file: JobsFileOption
  @OptionGroup var jobs: JobIDArguments

  func run() async throws {
    let ids = try jobs.parsed()
    try await file.withStore { store in
      // Looked for before: a job that ends may not be kept.
      let found = try await store.observe(.init(jobs: ids, countsJobs: false)).jobs
      try await store.control(.cancel(ids))
      for job in try await store.observe(.init(jobs: ids, countsJobs: false)).jobs {
        ConsoleText.say("\(job.id)  \(job.state == .running ? "will be told" : "\(job.state)")")
      }
      try JobIDArguments.require(ids, among: found)
    }
  }
}

struct JobsDrainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain",
    abstract: "Hand out no more jobs of a queue and wait until none runs; `resume` ends it."
  )

  @OptionGroup var file: JobsFileOption

  @Argument(help: "The queue.")
  var queue = QueueName.standard.rawValue

  func run() async throws {
    try await file.withStore { store in
      try await file.require(queue: queue, in: store)
      let name = QueueName(queue)
      try await store.control(.pause(name))
      var running = -1
      while true {
        // The only worker may have died with its leases.
        _ = try await store.reap(limit: 1000)
        let now = try await store.observe(.init(queues: [name])).running
        if now == 0 { break }
        if now != running { ConsoleText.say("\(now) jobs of \(queue) still run") }
        running = now
        try await Task.sleep(for: .milliseconds(500))
      }
      ConsoleText.say("queue \(queue) is paused and nothing of it runs")
    }
  }
}

struct JobsResumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume",
    abstract: "Hand out jobs of a paused queue again."
  )

  @OptionGroup var file: JobsFileOption

  @Argument(help: "The queue.")
  var queue = QueueName.standard.rawValue

  func run() async throws {
    try await file.withStore { store in
      try await file.require(queue: queue, in: store)
      try await store.control(.resume(QueueName(queue)))
      ConsoleText.say("queue \(queue) is handed out again")
    }
  }
}
