// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

private struct Square: DurableJob {
  typealias Output = Int
  static let name: JobName = "square.v1"
  var number: Int
  func run(_ context: JobContext) async throws -> Int { number * number }
}

private struct Note: DurableJob {
  static let name: JobName = "note.v1"
  var text = ""
}

private struct Failure: Error {}

@Suite("A worker runs jobs, retries, stops and drains", .timeLimit(.minutes(10)))
struct JobWorkerTests {
  private func withWorker(
    _ store: any JobStore,
    _ options: JobWorker.Options = .init(retry: RetryPolicy(base: .milliseconds(1))),
    handlers: (inout JobHandlers) -> Void,
    _ body: @escaping @Sendable (JobQueue, JobWorker) async throws -> Void
  ) async throws {
    let worker = JobWorker(store: store, options: options, handlers: handlers)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      try await body(JobQueue(store: store), worker)
      group.cancelAll()
      try await group.waitForAll()
    }
  }

  @Test("results come back typed, from either store", arguments: [false, true])
  func results(onDisk: Bool) async throws {
    let store: any JobStore = onDisk ? try await SQLiteJobStore.open(.inMemory) : InMemoryJobStore()
    try await withWorker(store, handlers: { $0.handle(Square.self) }) { queue, _ in
      let handles = try await queue.enqueue((0..<50).map { Square(number: $0) })
      for (number, handle) in handles.enumerated() {
        #expect(try await handle.value == number * number)
      }
    }
  }

  @Test("a failing job is retried, then kept as a dead letter with its errors")
  func retries() async throws {
    let runs = Mutex(0)
    try await withWorker(
      InMemoryJobStore(),
      handlers: { handlers in
        handlers.handle(Note.self) { _, _ in
          runs.withLock { $0 += 1 }
          throw Failure()
        }
      }
    ) { queue, _ in
      let handle = try await queue.enqueue(Note(), options: JobOptions(maximumAttempts: 3))
      await #expect { _ = try await handle.value } throws: { ($0 as? JobError)?.code == .dead }
      #expect(runs.withLock { $0 } == 3)
      #expect(try await handle.snapshot?.errors.count == 3)
    }
  }

  @Test("unknown names and undecodable payloads end as dead letters with their bytes; others proceed")
  func poison() async throws {
    let store = InMemoryJobStore()
    let unknown = NewJob(name: "nobody.v9", payload: [1, 2], options: JobOptions(maximumAttempts: 2))
    let garbled = NewJob(name: Square.name, payload: [0xFF], options: JobOptions(maximumAttempts: 2))
    try await withWorker(store, handlers: { $0.handle(Square.self) }) { queue, _ in
      _ = try await store.enqueue([unknown, garbled])
      #expect(try await queue.enqueue(Square(number: 3)).value == 9)
      for id in [unknown.id, garbled.id] {
        let handle = queue.handle(for: JobID<Note>(id))
        await #expect { _ = try await handle.value } throws: { ($0 as? JobError)?.code == .dead }
      }
      let dead = try await store.observe(.init(deadLetters: 9)).deadLetters
      #expect(Set(dead.map(\.payload)) == [[1, 2], [0xFF]])
    }
  }

  @Test("a discarded job dies at once; a snoozed one uses no attempt")
  func dispositions() async throws {
    let snoozes = Mutex(0)
    try await withWorker(
      InMemoryJobStore(),
      handlers: { handlers in
        handlers.handle(Note.self) { job, _ in
          if job.text == "discard" { throw JobDisposition.discard("no use") }
          let count = snoozes.withLock { count in
            count += 1
            return count
          }
          if count < 4 { throw JobDisposition.snooze(for: .zero) }
        }
      }
    ) { queue, _ in
      let discarded = try await queue.enqueue(Note(text: "discard"))
      await #expect { _ = try await discarded.value } throws: { ($0 as? JobError)?.code == .dead }
      _ = try await queue.enqueue(Note(), options: JobOptions(maximumAttempts: 1)).value
      #expect(snoozes.withLock { $0 } == 4)
    }
  }

  @Test("cancelling the worker gives running and prefetched jobs back without using an attempt")
  func draining() async throws {
    let store = InMemoryJobStore()
    let begun = AsyncStream<Void>.makeStream()
    try await withWorker(
      store,
      .init(concurrency: 1, prefetch: 3),
      handlers: { handlers in
        handlers.handle(Note.self) { _, context in
          begun.continuation.yield()
          do { try await waitForCancellation() } catch {
            try await context.saveCheckpoint(7)
            throw error
          }
        }
      }
    ) { queue, _ in
      _ = try await queue.enqueue((0..<3).map { Note(text: "\($0)") })
      for await _ in begun.stream { break }
    }
    let stats = try await store.observe(.init())
    #expect(stats.running == 0 && stats.ready == 3)
    let leases = try await store.claim(ClaimRequest(maximum: 5))
    #expect(leases.map(\.attempt) == [1, 1, 1])
    #expect(leases.compactMap(\.checkpoint).count == 1)
  }

  @Test("drain lets what runs finish")
  func gracefulDrain() async throws {
    let store = InMemoryJobStore()
    let begun = AsyncStream<Void>.makeStream()
    let gate = AsyncStream<Void>.makeStream()
    let worker = JobWorker(store: store, options: .init(concurrency: 1)) { handlers in
      handlers.handle(Note.self) { _, _ in
        begun.continuation.yield()
        for await _ in gate.stream { break }
        try Task.checkCancellation()
      }
    }
    let handles = try await JobQueue(store: store).enqueue([Note(), Note()])
    async let running: Void = try worker.run()
    for await _ in begun.stream { break }
    worker.drain()
    gate.continuation.yield()
    try await running
    #expect(try await handles[0].snapshot?.state == .done)
    #expect(try await handles[1].snapshot?.state == .ready)
  }

  @Test("after the grace of a drain what still runs saves, leaves, and has used no attempt")
  func preemption() async throws {
    let store = InMemoryJobStore()
    let begun = AsyncStream<Void>.makeStream()
    let worker = JobWorker(store: store) { handlers in
      handlers.handle(Note.self) { _, context in
        begun.continuation.yield()
        do { try await waitForCancellation() } catch {
          try await context.saveCheckpoint(7)
          throw error
        }
      }
    }
    try await JobQueue(store: store).enqueue(Note(), options: JobOptions(maximumAttempts: 1))
    async let running: Void = try worker.run()
    for await _ in begun.stream { break }
    worker.drain(grace: .milliseconds(10))
    try await running
    let lease = try #require(try await store.claim(ClaimRequest(maximum: 1)).first)
    #expect(lease.attempt == 1 && lease.checkpoint == Array("7".utf8))
  }

  @Test(
    "a run that wraps its cancellation in an error of its own has used no attempt",
    arguments: [true, false]
  )
  func wrappedCancellation(isDrained: Bool) async throws {
    struct ClientError: Error { var cause: any Error }
    let store = InMemoryJobStore()
    let begun = AsyncStream<Void>.makeStream()
    let worker = JobWorker(store: store) { handlers in
      handlers.handle(Note.self) { job, _ in
        begun.continuation.yield()
        do { try await waitForCancellation() } catch {
          if job.text == "discard" { throw JobDisposition.discard("no use") }
          throw ClientError(cause: error)
        }
      }
    }
    let handles = try await JobQueue(store: store).enqueue(
      [Note(), Note(text: "discard")],
      options: JobOptions(maximumAttempts: 1)
    )
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      var starts = begun.stream.makeAsyncIterator()
      for _ in 0..<2 { await starts.next() }
      if isDrained { worker.drain(grace: .zero) } else { group.cancelAll() }
      try await group.waitForAll()
    }
    let snapshot = try #require(try await handles[0].snapshot)
    #expect(snapshot.state == .ready && snapshot.attempts == 0 && snapshot.errors.isEmpty)
    // What the job says of itself counts all the same.
    #expect(try await handles[1].snapshot?.state == .dead)
  }

  @Test("a job that is cancelled while its worker holds it ready doesn't begin")
  func cancelledPrefetch() async throws {
    let heard = WatchedState(0)
    let store = WrappedStore(beforeExtend: { heard.withLock { $0 += 1 } })
    let begun = AsyncStream<String>.makeStream()
    let gate = AsyncStream<Void>.makeStream()
    let names = Mutex<[String]>([])
    let options = JobWorker.Options(concurrency: 1, prefetch: 1, lease: .milliseconds(600))
    let worker = JobWorker(store: store, options: options) { handlers in
      handlers.handle(Note.self) { job, _ in
        names.withLock { $0.append(job.text) }
        begun.continuation.yield(job.text)
        for await _ in gate.stream { break }
      }
    }
    let queue = JobQueue(store: store.inner)
    let handles = try await queue.enqueue([Note(text: "first"), Note(text: "second")])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      for await _ in begun.stream { break }
      try await handles[1].cancel()
      // One heartbeat may be under way, the next one hears, and once the third begins that was told.
      let now = heard.withLock { $0 }
      await heard.wait { $0 >= now + 3 }
      gate.continuation.finish()
      _ = try await handles[0].value
      await #expect { _ = try await handles[1].value } throws: { ($0 as? JobError)?.code == .cancelled }
      worker.drain()
      try await group.waitForAll()
    }
    #expect(names.withLock { $0 } == ["first"])
  }

  @Test("a run that takes longer than its worker allows is cancelled, and has failed with that")
  func timeLimit() async throws {
    let store = InMemoryJobStore()
    let options = JobWorker.Options(runTimeLimit: .milliseconds(20), retry: RetryPolicy(base: .zero))
    try await withWorker(
      store,
      options,
      handlers: { $0.handle(Note.self) { _, _ in try await waitForCancellation() } }
    ) { queue, _ in
      let handle = try await queue.enqueue(Note(), options: JobOptions(maximumAttempts: 2))
      await #expect { _ = try await handle.value } throws: { ($0 as? JobError)?.code == .dead }
      let snapshot = try #require(try await handle.snapshot)
      #expect(snapshot.attempts == 2 && snapshot.errors.allSatisfy { $0.hasPrefix("JobError.timedOut") })
    }
    await #expect {
      try await JobWorker(store: store, options: .init(runTimeLimit: .zero), handlers: { _ in }).run()
    } throws: { ($0 as? JobError)?.code == .invalidOption }
  }

  @Test("a worker runs once: a second run is refused, and the first goes on and ends")
  func runsOnce() async throws {
    let store = InMemoryJobStore()
    let ended = JobWorker(store: store) { $0.handle(Square.self) }
    let worker = JobWorker(store: store) { $0.handle(Square.self) }
    ended.drain()
    try await ended.run()
    async let running: Void = try worker.run()
    let handle = try await JobQueue(store: store).enqueue(Square(number: 3))
    #expect(try await handle.value == 9)
    for other in [ended, worker] {
      await #expect { try await other.run() } throws: { ($0 as? JobError)?.code == .invalidOption }
    }
    let next = try await JobQueue(store: store).enqueue(Square(number: 4))
    #expect(try await next.value == 16)
    worker.drain()
    try await running
  }

  @Test("the lease of a run that ignores its end isn't renewed, so another worker gets the job")
  func hungRun() async throws {
    let running = RunningJobs()
    let hung = JobLease.Reference(id: RawJobID(), fence: 1)
    let other = JobLease.Reference(id: RawJobID(), fence: 1)
    let start = ContinuousClock.now
    for reference in [hung, other] { running.add(reference, deadline: start + .seconds(10)) }
    running.limit(hung, to: start + .seconds(1))
    #expect(running.nextEnd == start + .seconds(1))
    running.stopOverlong(now: start)
    #expect(running.beat().count == 2)
    running.stopOverlong(now: start + .seconds(1))
    #expect(running.beat().map(\.reference) == [other] && running.nextEnd == nil)
    #expect(running.stopReason(hung) == .timedOut && running.stopReason(other) == nil)
    // A drain doesn't excuse it, and the end of its lease forbids it to settle.
    running.preempt()
    #expect(running.stopReason(hung) == .timedOut)
    running.stopOverdue(now: start + .seconds(10))
    #expect(running.stopReason(hung) == .leaseLost)
  }

  @Test("a run that saves after its end saves, but keeps its lease no longer", arguments: [false, true])
  func savingOverlongRun(isCancelled: Bool) async throws {
    let extents = Mutex<[Duration]>([])
    let clock = ManualStoreClock()
    let store = WrappedStore(noteExtent: { by in extents.withLock { $0.append(by) } }, clock: clock.clock)
    let job = NewJob(name: "x", payload: [])
    _ = try await store.enqueue([job])
    let lease = try await store.claim(ClaimRequest(maximum: 1, leaseFor: .seconds(3600)))[0]
    let running = RunningJobs()
    let (start, reference) = (ContinuousClock.now, lease.reference)
    running.add(reference, deadline: start + .seconds(1800))
    running.limit(reference, to: start + .seconds(1))
    let context = JobContext(lease: lease, running: running, store: store, leaseDuration: .seconds(3600))
    if isCancelled {
      // Told to stop for something else first; that gives it no more time.
      try await store.control(.cancel([job.id]))
      running.apply(.cancelRequested, to: reference, deadline: start + .seconds(1800))
    }
    running.stopOverlong(now: start + .seconds(1))
    for number in 0..<3 { try await context.saveCheckpoint(number) }
    _ = try await context.step("a") { 7 }
    #expect(extents.withLock { $0.count == 4 && $0.allSatisfy { .zero < $0 && $0 <= .seconds(1800) } })
    #expect(running.beat().isEmpty && running.stopReason(reference) == (isCancelled ? .cancelled : .timedOut))
    clock.advance(by: .seconds(1801))
    #expect(try await store.reap(limit: 9) == 1)
    guard !isCancelled else { return }
    let next = try await store.claim(ClaimRequest(maximum: 1))
    #expect(next.first?.checkpoint == Array("2".utf8) && next.first?.steps.keys.sorted() == ["a"])
  }

  @Test("jobs that run together share a call, each with its own output and retries")
  func batching() async throws {
    let calls = Mutex<[Int]>([])
    let store = InMemoryJobStore()
    let handles = try await JobQueue(store: store).enqueue((0..<100).map { Square(number: $0) })
    try await withWorker(
      store,
      .init(concurrency: 32, retry: RetryPolicy(base: .zero)),
      handlers: { handlers in
        handlers.handle(Square.self, upTo: 8) { batch in
          let count = calls.withLock { calls in
            calls.append(batch.count)
            return calls.count
          }
          if count == 1 { throw Failure() }
          return batch.map { $0.job.number * $0.job.number }
        }
      }
    ) { _, _ in
      for (number, handle) in handles.enumerated() {
        let value = try await handle.value
        #expect(value == number * number)
      }
    }
    let sizes = calls.withLock { $0 }
    #expect(sizes.allSatisfy { (1...8).contains($0) } && sizes.contains { $0 > 1 })
    // Those of the failed call came again.
    #expect(sizes.reduce(0, +) == 100 + sizes[0])
  }

  @Test("of a call that gives a result for each job, those that failed are retried or die alone")
  func batchResults() async throws {
    let runs = Mutex<[Int: Int]>([:])
    let store = InMemoryJobStore()
    let handles = try await JobQueue(store: store).enqueue(
      (0..<20).map { Square(number: $0) },
      options: JobOptions(maximumAttempts: 3)
    )
    try await withWorker(
      store,
      .init(concurrency: 20, retry: RetryPolicy(base: .zero)),
      handlers: { handlers in
        handlers.handleEach(Square.self, upTo: 20) { batch in
          batch.map { job, context in
            runs.withLock { $0[job.number, default: 0] += 1 }
            switch job.number {
            case 3: return .failure(Failure())
            case 5: return .failure(JobDisposition.discard("no use"))
            case 7 where context.attempt == 1: return .failure(Failure())
            default: return .success(job.number * job.number)
            }
          }
        }
      }
    ) { _, _ in
      for (number, handle) in handles.enumerated() {
        if number == 3 || number == 5 {
          await #expect { _ = try await handle.value } throws: { ($0 as? JobError)?.code == .dead }
        } else {
          let value = try await handle.value
          #expect(value == number * number)
        }
      }
    }
    let counts = runs.withLock { $0 }
    #expect((0..<20).allSatisfy { counts[$0] == ($0 == 3 ? 3 : $0 == 7 ? 2 : 1) }, "\(counts)")
    #expect(try await store.observe(.init()).dead == 2)
  }

  @Test("a job that fails every call it is in takes none of the others to the dead letters")
  func poisonedBatch() async throws {
    let calls = Mutex<[[Int]]>([])
    let store = InMemoryJobStore()
    let handles = try await JobQueue(store: store).enqueue(
      (0..<16).map { Square(number: $0) },
      options: JobOptions(maximumAttempts: 2)
    )
    try await withWorker(
      store,
      .init(concurrency: 16, retry: RetryPolicy(base: .zero)),
      handlers: { handlers in
        handlers.handle(Square.self, upTo: 16) { batch in
          calls.withLock { $0.append(batch.map(\.job.number)) }
          if batch.contains(where: { $0.job.number == 9 }) { throw Failure() }
          return batch.map { $0.job.number * $0.job.number }
        }
      }
    ) { _, _ in
      for (number, handle) in handles.enumerated() where number != 9 {
        let value = try await handle.value
        #expect(value == number * number)
      }
      await #expect { _ = try await handles[9].value } throws: { ($0 as? JobError)?.code == .dead }
    }
    let failed = calls.withLock { $0.filter { $0.contains(9) } }
    #expect(failed.count == 2 && failed.last == [9])
    // Nobody's second run was shared.
    for number in failed[0] where number != 9 {
      #expect(calls.withLock { $0.last { $0.contains(number) } } == [number])
    }
  }

  @Test(
    "a job that took its worker down comes in a call of its own; a wrong number of results fails the call"
  )
  func suspectsOfBatches() async throws {
    let clock = ManualStoreClock()
    let store = InMemoryJobStore(clock: clock.clock)
    let queue = JobQueue(store: store)
    let lost = try await queue.enqueue([Square(number: 0), Square(number: 1)])
    _ = try await store.claim(ClaimRequest(maximum: 2))
    clock.advance(by: .seconds(11))
    #expect(try await store.reap(limit: 9) == 2)
    let fresh = try await queue.enqueue((2..<6).map { Square(number: $0) })
    let calls = Mutex<[[Int]]>([])
    try await withWorker(
      store,
      .init(concurrency: 6, retry: RetryPolicy(base: .zero)),
      handlers: { handlers in
        handlers.handleEach(Square.self, upTo: 6) { batch in
          let isFirst = calls.withLock { calls in
            calls.append(batch.map(\.job.number))
            return calls.count == 1
          }
          return isFirst ? [] : batch.map { .success($0.job.number) }
        }
      }
    ) { _, _ in
      for (number, handle) in (lost + fresh).enumerated() {
        let value = try await handle.value
        #expect(value == number)
      }
    }
    let made = calls.withLock { $0 }
    #expect(made.allSatisfy { $0.count == 1 || $0.allSatisfy { $0 > 1 } }, "\(made)")
  }

  @Test("when only the leader of a call is cancelled, the others go again at no cost in attempts")
  func cancelledLeader() async throws {
    let store = InMemoryJobStore()
    let together = AsyncStream<RawJobID>.makeStream()
    let isOver = Mutex(false)
    let handles = try await JobQueue(store: store).enqueue(
      [Note(text: "a"), Note(text: "b")],
      options: JobOptions(maximumAttempts: 1)
    )
    try await withWorker(
      store,
      .init(concurrency: 2, lease: .milliseconds(300)),
      handlers: { handlers in
        handlers.handleEach(Note.self, upTo: 2) { batch in
          if isOver.withLock({ $0 }) { return batch.map { _ in .success(NoOutput()) } }
          // Until both come in one call.
          if batch.count == 1 { throw JobDisposition.snooze(for: .zero) }
          together.continuation.yield(batch[0].context.id)
          do { try await waitForCancellation() } catch {
            isOver.withLock { $0 = true }
            return batch.map { _ in .failure(error) }
          }
          return []
        }
      }
    ) { _, _ in
      var leaders = together.stream.makeAsyncIterator()
      let leader = await leaders.next()
      let isFirst = handles[0].id.raw == leader
      let (first, second) = (handles[isFirst ? 0 : 1], handles[isFirst ? 1 : 0])
      try await first.cancel()
      await #expect { _ = try await first.value } throws: { ($0 as? JobError)?.code == .cancelled }
      _ = try await second.value
      let snapshot = try #require(try await second.snapshot)
      #expect(snapshot.attempts == 1 && snapshot.errors.isEmpty)
    }
  }

  @Test("a call for many that takes longer than a run may is an attempt of each of its jobs")
  func overlongCall() async throws {
    let runs = Mutex<[String]>([])
    let store = InMemoryJobStore()
    let handles = try await JobQueue(store: store).enqueue(
      [Note(text: "a"), Note(text: "b")],
      options: JobOptions(maximumAttempts: 2)
    )
    let options = JobWorker.Options(
      concurrency: 2,
      runTimeLimit: .milliseconds(20),
      retry: RetryPolicy(base: .zero)
    )
    try await withWorker(
      store,
      options,
      handlers: { handlers in
        handlers.handle(Note.self, upTo: 2) { batch in
          runs.withLock { $0 += batch.map { "\($0.job.text) \($0.context.attempt)" } }
          try await waitForCancellation()
          return []
        }
      }
    ) { _, _ in
      for handle in handles {
        await #expect { _ = try await handle.value } throws: { ($0 as? JobError)?.code == .dead }
        let snapshot = try await handle.snapshot
        #expect(snapshot?.attempts == 2)
      }
    }
    // Nobody was in two calls with one attempt.
    let made = runs.withLock { $0 }
    #expect(Set(made).count == made.count, "\(made)")
  }

  @Test("a job that waits for its call and is cancelled ends at once, and no call is made for it")
  func cancelledWaiter() async throws {
    let gate = WatchedState(false)
    let begun = WatchedState<[String]>([])
    let store = InMemoryJobStore()
    try await withWorker(
      store,
      .init(concurrency: 2, lease: .milliseconds(300)),
      handlers: { handlers in
        handlers.handle(Note.self, upTo: 1) { batch in
          begun.withLock { $0 += batch.map(\.job.text) }
          await gate.wait { $0 }
          return batch.map { _ in NoOutput() }
        }
      }
    ) { queue, _ in
      let first = try await queue.enqueue(Note(text: "first"))
      await begun.wait { !$0.isEmpty }
      let second = try await queue.enqueue(Note(text: "second"))
      // It waits in the worker by now.
      while try await second.snapshot?.state != .running { await Task.yield() }
      try await second.cancel()
      await #expect { _ = try await second.value } throws: { ($0 as? JobError)?.code == .cancelled }
      gate.withLock { $0 = true }
      _ = try await first.value
    }
    #expect(begun.withLock { $0 } == ["first"])
  }

  @Test("a step that was done isn't done again by the next run")
  func steps() async throws {
    let done = Mutex<[String]>([])
    try await withWorker(
      InMemoryJobStore(),
      handlers: { handlers in
        handlers.handle(Square.self) { job, context in
          let first = try await context.step("first") {
            done.withLock { $0.append("first") }
            return job.number + 1
          }
          done.withLock { $0.append("second") }
          if context.attempt == 1 { throw Failure() }
          return first
        }
      }
    ) { queue, _ in
      let value = try await queue.enqueue(Square(number: 3)).value
      #expect(value == 4)
    }
    #expect(done.withLock { $0 } == ["first", "second", "second"])
  }

  @Test("a job ends together with its own writes, or not at all")
  func ownTransaction() async throws {
    let own = SQLiteSchema("own", [.init(1, "CREATE TABLE effect(number INTEGER) STRICT;")])
    let database = try await SQLiteDatabase.open(.inMemory, schemas: [SQLiteJobStore.schema, own])
    let store = try await SQLiteJobStore.open(in: database)
    try await withWorker(
      store,
      handlers: { handlers in
        handlers.handle(Square.self) { job, context in
          try await database.write { tx in
            try tx.execute("INSERT INTO effect(number) VALUES(?1)", job.number)
            try context.finish(in: tx, output: job.number * 2)
            // The first run's transaction fails after all: its row and its end must both be gone.
            if context.attempt == 1 { throw Failure() }
          }
          return -1
        }
      }
    ) { queue, _ in
      let handle = try await queue.enqueue(Square(number: 21))
      #expect(try await handle.value == 42)
      #expect(try await handle.snapshot?.attempts == 2)
    }
    let rows = try await database.read { tx in try tx.query("SELECT number FROM effect") { try $0.int(0) } }
    #expect(rows == [21])
    await store.close()
  }

  @Test("a producer waits while its queue is full, and goes on when there is room")
  func backPressure() async throws {
    let store = InMemoryJobStore()
    let queue = JobQueue(store: store, maximumDepth: 3, whenFull: .wait)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for number in 0..<50 { try await queue.enqueue(Square(number: number)) }
      }
      var settled = 0
      while settled < 50 {
        let leases = try await store.claim(ClaimRequest(maximum: 2))
        #expect(try await store.observe(.init()).ready <= 3)
        _ = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: nil)) })
        settled += leases.count
        // The producer's turn.
        await Task.yield()
      }
      try await group.waitForAll()
    }
  }

  @Test("what makes room wakes a producer that waits, where nothing is polled", arguments: [false, true])
  func room(onDisk: Bool) async throws {
    let directory = try TemporaryDirectory()
    let store: any JobStore =
      onDisk
      ? try await SQLiteJobStore.open(.file(directory.file("jobs.db")), isShared: false) : InMemoryJobStore()
    let queue = JobQueue(store: store, maximumDepth: 1, whenFull: .wait)
    let first = try await queue.enqueue(Square(number: 1))
    // A claim makes room, and so does a cancellation.
    for step in 0..<2 {
      async let next = queue.enqueue(Square(number: 2 + step))
      if step == 0 {
        #expect(try await store.claim(ClaimRequest(maximum: 1)).map(\.reference.id) == [first.id.raw])
      } else {
        let waiting = try await store.observe(.init(list: .init(state: .ready, limit: 2))).listed
        try await store.control(.cancel(waiting.prefix(1).map(\.id)))
      }
      _ = try await next
    }
    #expect(try await store.observe(.init()).ready == 1)
    if let store = store as? SQLiteJobStore { await store.close() }
  }

  @Test("a run whose lease is lost is cancelled and can't settle or save")
  func lostLease() async throws {
    let clock = ManualStoreClock()
    let store = InMemoryJobStore(clock: clock.clock)
    let begun = AsyncStream<Void>.makeStream()
    let seen = Mutex<JobError.Code?>(nil)
    try await withWorker(
      store,
      .init(concurrency: 1, lease: .milliseconds(300)),
      handlers: { handlers in
        handlers.handle(Note.self) { _, context in
          guard context.fence == 1 else { return }
          begun.continuation.yield()
          do { try await waitForCancellation() } catch {
            do { try await context.saveCheckpoint(1) } catch let error as JobError {
              seen.withLock { $0 = error.code }
            }
          }
        }
      }
    ) { queue, _ in
      let handle = try await queue.enqueue(Note())
      for await _ in begun.stream { break }
      clock.advance(by: .seconds(1))  // the store's clock says that the lease is over
      _ = try await store.reap(limit: 1)
      _ = try await handle.value
      #expect(try await handle.snapshot?.fence == 2)
      #expect(try await handle.snapshot?.crashCount == 1)
    }
    #expect(seen.withLock { $0 } == .leaseLost)
  }

  @Test("a context that outlives its run saves nothing, and says so")
  func savingAfterTheEnd() async throws {
    let store = InMemoryJobStore()
    let kept = Mutex<JobContext?>(nil)
    try await withWorker(
      store,
      handlers: { $0.handle(Note.self) { _, context in kept.withLock { $0 = context } } }
    ) { queue, _ in _ = try await queue.enqueue(Note()).value }
    let context = try #require(kept.withLock { $0 })
    await #expect { try await context.saveCheckpoint(1) } throws: { ($0 as? JobError)?.code == .leaseLost }
    await #expect { _ = try await context.step("a") { 1 } } throws: { ($0 as? JobError)?.code == .leaseLost }
  }

  @Test("a running job hears of its cancellation")
  func cancellation() async throws {
    let begun = AsyncStream<Void>.makeStream()
    try await withWorker(
      InMemoryJobStore(),
      .init(lease: .milliseconds(300)),
      handlers: { handlers in
        handlers.handle(Note.self) { _, _ in
          begun.continuation.yield()
          try await waitForCancellation()
        }
      }
    ) { queue, _ in
      let handle = try await queue.enqueue(Note())
      for await _ in begun.stream { break }
      try await handle.cancel()
      await #expect { _ = try await handle.value } throws: { ($0 as? JobError)?.code == .cancelled }
    }
  }

  @Test("a job above 64 KiB is refused with advice")
  func payloadLimit() async throws {
    let queue = JobQueue(store: InMemoryJobStore())
    await #expect {
      try await queue.enqueue(Note(text: String(repeating: "x", count: 70_000)))
    } throws: { ($0 as? JobError)?.code == .payloadTooLarge }
  }

  @Test("a job that could not even begin once is refused", arguments: [0, -1, Int.min])
  func crashLimit(limit: Int) async throws {
    let queue = JobQueue(store: InMemoryJobStore())
    await #expect {
      try await queue.enqueue(Note(), options: JobOptions(crashLimit: limit))
    } throws: { ($0 as? JobError)?.code == .invalidOption }
    #expect(throws: JobError.self) { try NewJob(Note(), options: JobOptions(crashLimit: limit)) }
  }

  @Test("a queue at its depth refuses")
  func depth() async throws {
    let queue = JobQueue(store: InMemoryJobStore(), maximumDepth: 2)
    try await queue.enqueue([Note(), Note()])
    await #expect { try await queue.enqueue(Note()) } throws: { ($0 as? JobError)?.code == .queueFull }
  }

  @Test("what never fits is refused at once, also by a queue that waits for room")
  func neverFits() async throws {
    let store = InMemoryJobStore()
    for (depth, count) in [(2, 3), (0, 1), (-1, 1)] {
      let queue = JobQueue(store: store, maximumDepth: depth, whenFull: .wait)
      await #expect {
        try await queue.enqueue((0..<count).map { _ in Note() })
      } throws: { ($0 as? JobError)?.code == .invalidOption }
    }
    #expect(try await store.observe(.init()).ready == 0)
  }

  @Test("the wait after failures grows and stays within its ceiling", arguments: [1, 2, 5, 30, 1000])
  func backoff(attempt: Int) {
    var random = SeededGenerator(seed: UInt64(attempt))
    let policy = RetryPolicy(base: .milliseconds(100), maximum: .seconds(10))
    let ceiling = min(Duration.seconds(10), .milliseconds(100) * Double(1 << min(attempt - 1, 20)))
    let waits = (0..<200).map { _ in policy.delay(afterAttempt: attempt, using: &random) }
    #expect(waits.allSatisfy { $0 >= .zero && $0 <= ceiling })
    #expect((waits.max() ?? .zero) > ceiling / 2)
  }
}
