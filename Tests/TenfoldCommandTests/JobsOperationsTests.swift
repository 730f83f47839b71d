// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold
import TenfoldTestSupport
import Testing

@Suite("tenfold jobs list, show, retry, cancel, drain and stats, while the queue is in use")
struct JobsOperationsTests {
  let folder: CommandFolder

  init() throws { folder = try CommandFolder() }

  private func jobs(_ arguments: String...) async throws -> ChildProgram.Ending {
    try await folder.tenfold(
      ["jobs", arguments[0], "--file", folder.file("jobs.db")] + arguments.dropFirst()
    )
  }

  private func ids(_ store: SQLiteJobStore) async throws -> [RawJobID] {
    try await store.observe(.init(list: .init(limit: 100))).listed.map(\.id)
  }

  @Test("list shows jobs oldest first, by state, by queue, and in pages")
  func list() async throws {
    let store = try await folder.queue(tenants: ["a", "b", "c"])
    let ids = try await ids(store)
    let lease = try #require(try await store.claim(ClaimRequest(maximum: 1)).first)
    let all = try await jobs("list")
    #expect(all.status == 0 && all.errors == "")
    #expect(all.lines.map { String($0.prefix(32)) } == ids.map(\.description))
    let running = try await jobs("list", "--state", "running")
    #expect(running.lines.count == 1 && running.output.hasPrefix("\(lease.reference.id)  running  "))
    let page = try await jobs("list", "--after", "\(ids[0])", "--limit", "1")
    #expect(page.lines.count == 1 && page.output.hasPrefix("\(ids[1])  "))
    let none = try await jobs("list", "--queue", "other")
    #expect(none.status == 0 && none.output == "" && none.errors == "no such jobs\n")
    for wrong in [["--state", "lost"], ["--after", "x"], ["--limit", "0"]] {
      #expect(try await jobs("list", wrong[0], wrong[1]).status == 64)
    }
    await store.close()
  }

  @Test("show tells all of a job, and fails for one that isn't there")
  func show() async throws {
    let store = try await folder.queue(tenants: ["a"])
    let id = try await ids(store)[0]
    let shown = try await jobs("show", "\(id)")
    #expect(shown.status == 0 && shown.errors == "")
    for line in ["id        \(id)", "name      test", "tenant    a", "state     ready", "payload   of a"] {
      #expect(shown.lines.contains(Substring(line)), "\(line)")
    }
    let stranger = RawJobID()
    let missing = try await jobs("show", "\(id)", "\(stranger)")
    #expect(missing.status == 1 && missing.output == shown.output)
    #expect(missing.errors == "job \(stranger) is unknown, or no longer kept\n")
    #expect(try await jobs("show", "x").status == 64)
    await store.close()
  }

  @Test("retry puts dead letters back, the named ones or all")
  func retry() async throws {
    let store = try await folder.queue(tenants: ["a", "b", "c"])
    let leases = try await store.claim(ClaimRequest(maximum: 3))
    _ = try await store.settle(leases.map { JobSettlement($0.reference, .dead(error: "no use")) })
    let one = try await jobs("retry", "\(leases[0].reference.id)")
    #expect(one.status == 0 && one.output == "1 jobs are waiting again\n")
    #expect(try await store.observe(.init()).dead == 2)
    let all = try await jobs("retry", "--all")
    #expect(all.status == 0 && all.output == "2 jobs are waiting again\n")
    let stats = try await store.observe(.init())
    #expect(stats.ready == 3 && stats.dead == 0)
    #expect(try await jobs("retry").status == 64)
    #expect(try await jobs("retry", "--all", "\(leases[0].reference.id)").status == 64)
    await store.close()
  }

  @Test(
    "retry --all reaches what comes behind many that can't be put back, and counts what is",
    .timeLimit(.minutes(5))
  )
  func retryBehindHeld() async throws {
    let store = try await folder.queue(tenants: [])
    func job(_ number: Int) -> NewJob {
      NewJob(name: "test", payload: [], options: JobOptions(uniqueKey: number < 501 ? "\(number)" : nil))
    }
    _ = try await store.enqueue((0..<503).map(job))
    let leases = try await store.claim(ClaimRequest(maximum: 503))
    #expect(leases.count == 503)
    _ = try await store.settle(leases.map { JobSettlement($0.reference, .dead(error: "no use")) })
    // The first 501 dead letters have lost their keys to others.
    _ = try await store.enqueue((0..<501).map(job))
    let all = try await jobs("retry", "--all")
    #expect(all.status == 0 && all.output == "2 jobs are waiting again\n")
    #expect(try await store.observe(.init()).dead == 501)
    let held = try await ids(store)[0]
    let one = try await jobs("retry", "\(held)", "\(held)", "\(leases[502].reference.id)")
    #expect(one.status == 0 && one.output == "0 jobs are waiting again\n")
    await store.close()
  }

  @Test("drain takes back what a worker left behind that died", .timeLimit(.minutes(5)))
  func drainBehindLost() async throws {
    let store = try await folder.queue(tenants: ["a"])
    #expect(try await store.claim(ClaimRequest(maximum: 1, leaseFor: .milliseconds(1))).count == 1)
    let drain = try await jobs("drain")
    #expect(
      drain.status == 0 && drain.lines.last == "queue \(QueueName.standard) is paused and nothing of it runs"
    )
    #expect(try await store.observe(.init()).running == 0)
    await store.close()
  }

  @Test("cancel ends what waits at once and tells what runs")
  func cancel() async throws {
    let store = try await folder.queue(tenants: ["a", "b"])
    let lease = try #require(try await store.claim(ClaimRequest(maximum: 1)).first)
    let waiting = try #require(try await ids(store).first { $0 != lease.reference.id })
    let end = try await jobs("cancel", "\(waiting)", "\(lease.reference.id)")
    #expect(end.status == 0 && end.errors == "")
    #expect(end.lines.contains("\(lease.reference.id)  will be told"))
    let outcomes = try await store.extend([lease.reference], by: .seconds(9), updates: [nil])
    #expect(outcomes == [.cancelRequested])
    #expect(try await store.claim(ClaimRequest(maximum: 9)).isEmpty)
    await store.close()
  }

  @Test(
    "cancel and retry say which jobs aren't there and fail, after they did the others",
    arguments: [false, true]
  )
  func unknownJobs(retries: Bool) async throws {
    let store = try await folder.queue(tenants: ["a"])
    let id = try await ids(store)[0]
    if retries {
      let leases = try await store.claim(ClaimRequest(maximum: 1))
      _ = try await store.settle([JobSettlement(leases[0].reference, .dead(error: "no use"))])
    }
    let stranger = RawJobID()
    let end = try await jobs(retries ? "retry" : "cancel", "\(stranger)", "\(id)")
    #expect(end.status == 1 && end.errors == "job \(stranger) is unknown, or no longer kept\n")
    #expect(try await store.observe(.init()).ready == (retries ? 1 : 0))
    await store.close()
  }

  @Test("a queue that isn't there is neither drained nor resumed, nor made", arguments: ["drain", "resume"])
  func unknownQueue(command: String) async throws {
    let store = try await folder.queue(tenants: ["a"])
    let end = try await jobs(command, "defualt")
    #expect(end.status == 1 && end.output == "")
    #expect(end.errors == "error: there is no queue defualt in \(folder.file("jobs.db"))\n")
    let levels = try await store.database.read { tx in
      try tx.first("SELECT count(*) FROM job_level WHERE queue = 'defualt'") { try $0.int(0) }
    }
    #expect(levels == 0)
    await store.close()
  }

  @Test("stats counts what waits, runs and is dead")
  func stats() async throws {
    let store = try await folder.queue(tenants: ["a", "b", "c", "d"])
    let leases = try await store.claim(ClaimRequest(maximum: 2))
    _ = try await store.settle([JobSettlement(leases[0].reference, .dead(error: "no use"))])
    let end = try await jobs("stats")
    #expect(end.status == 0 && end.errors == "")
    #expect(end.lines.prefix(3) == ["waiting  2, of these held back 0", "running  1", "dead     1"])
    #expect(end.lines.last?.hasPrefix("backlog  ") == true)
    let other = try await jobs("stats", "--queue", "other")
    #expect(other.lines == ["waiting  0, of these held back 0", "running  0", "dead     0", "backlog  none"])
    await store.close()
  }

  @Test("drain hands out no more and waits for what runs; resume ends it")
  func drain() async throws {
    let store = try await folder.queue(tenants: ["a", "b"])
    let lease = try #require(try await store.claim(ClaimRequest(maximum: 1)).first)
    let drain = try ChildProgram("tenfold").start(["jobs", "drain", "--file", folder.file("jobs.db")])
    // It says that a job still runs.
    await drain.reaches(lines: 1)
    #expect(try await store.claim(ClaimRequest(maximum: 9)).isEmpty)
    _ = try await store.settle([JobSettlement(lease.reference, .done(result: nil))])
    let end = await drain.ended()
    let queue = QueueName.standard
    #expect(end.status == 0 && end.errors == "")
    #expect(end.lines == ["1 jobs of \(queue) still run", "queue \(queue) is paused and nothing of it runs"])
    #expect(try await store.claim(ClaimRequest(maximum: 9)).isEmpty)
    let resumed = try await jobs("resume")
    #expect(resumed.status == 0 && resumed.output == "queue \(queue) is handed out again\n")
    #expect(try await store.claim(ClaimRequest(maximum: 9)).count == 1)
    await store.close()
  }
}
