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
      var count = 0
      if all {
        var page = try await dead(store)
        while !page.isEmpty {
          try await store.control(.replay(page))
          count += page.count
          let left = try await dead(store)
          // What can't be replayed, because another job has its unique key, stays: don't try it for ever.
          page = left == page ? [] : left
        }
      } else {
        try await store.control(.replay(chosen))
        count = try await store.observe(.init(jobs: chosen, countsJobs: false)).jobs
          .filter { $0.state != .dead }.count
      }
      ConsoleText.say("\(count) jobs are waiting again")
    }
  }

  private func dead(_ store: SQLiteJobStore) async throws -> [RawJobID] {
    let query = JobStats.Query(list: .init(state: .dead, limit: 500), countsJobs: false)
    return try await store.observe(query).listed.map(\.id)
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
      try await store.control(.cancel(ids))
      for job in try await store.observe(.init(jobs: ids, countsJobs: false)).jobs {
        ConsoleText.say("\(job.id)  \(job.state == .running ? "will be told" : "\(job.state)")")
      }
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
      let name = QueueName(queue)
      try await store.control(.pause(name))
      var running = -1
      while true {
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
      try await store.control(.resume(QueueName(queue)))
      ConsoleText.say("queue \(queue) is handed out again")
    }
  }
}
