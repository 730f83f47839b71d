// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TenfoldJobs

struct JobsStatsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats",
    abstract: "Count the jobs and tell how old the backlog is."
  )

  @OptionGroup var file: JobsFileOption

  @Option(help: "Only these queues; repeat for several.")
  var queue: [String] = []

  func run() async throws {
    try await file.withStore { store in
      let stats = try await store.observe(.init(queues: queue.map { QueueName($0) }))
      ConsoleText.say("waiting  \(stats.ready), of these held back \(stats.blocked)")
      ConsoleText.say("running  \(stats.running)")
      ConsoleText.say("dead     \(stats.dead)")
      ConsoleText.say("backlog  \(stats.oldestReadyAge.map(JobText.duration) ?? "none")")
    }
  }
}

struct JobsListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List jobs, oldest first."
  )

  @OptionGroup var file: JobsFileOption

  @Option(help: "ready, running, done, dead or cancelled; all unless given.")
  var state: String?

  @Option(help: "Only these queues; repeat for several.")
  var queue: [String] = []

  @Option(help: "Jobs to list at most, 1...10000.")
  var limit = 50

  @Option(help: "Begin after this job: the last one of the page before.")
  var after: String?

  func validate() throws {
    guard (1...10_000).contains(limit) else { throw ValidationError("--limit must be in 1...10000.") }
    guard state == nil || chosen != nil else {
      throw ValidationError("--state must be ready, running, done, dead or cancelled.")
    }
    guard after == nil || after.flatMap({ RawJobID($0) }) != nil else {
      throw ValidationError("--after must be a job id.")
    }
  }

  private var chosen: JobState? { JobState.allCases.first { "\($0)" == state } }

  func run() async throws {
    try await file.withStore { store in
      let list = JobStats.List(state: chosen, after: after.flatMap { RawJobID($0) }, limit: limit)
      let query = JobStats.Query(queues: queue.map { QueueName($0) }, list: list, countsJobs: false)
      let jobs = try await store.observe(query).listed
      for job in jobs { ConsoleText.say(JobText.line(job)) }
      if jobs.isEmpty { ConsoleText.complain("no such jobs") }
    }
  }
}

struct JobsShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show all that is known about jobs: payload, progress, result, errors."
  )

  @OptionGroup var file: JobsFileOption
  @OptionGroup var jobs: JobIDArguments

  func run() async throws {
    let ids = try jobs.parsed()
    try await file.withStore { store in
      let found = try await store.observe(.init(jobs: ids, countsJobs: false)).jobs
      ConsoleText.say(found.map(JobText.description).joined(separator: "\n\n"))
      try JobIDArguments.require(ids, among: found)
    }
  }
}
