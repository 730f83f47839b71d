// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("A worker without work wakes for nothing")
struct WorkerWakeupTests {
  private struct Work: DurableJob {
    static let name: JobName = "work.v1"
  }

  /// A heartbeat thread on a clock that is turned by hand, and what it says when it goes to sleep.
  private final class Beat: Sendable {
    let time = ManualTime()
    let thread: HeartbeatThread
    private let sleep: WatchedState<(count: Int, until: ContinuousClock.Instant?)>

    init() {
      let sleep = WatchedState<(count: Int, until: ContinuousClock.Instant?)>((0, nil))
      self.sleep = sleep
      thread = HeartbeatThread(
        clock: { [time] in time.now },
        sleeping: { until in sleep.withLock { $0 = ($0.count + 1, until) } }
      )
    }

    /// Returns once the thread sleeps, and no longer than so.
    func sleeps(atMost duration: Duration) async {
      let (now, limit) = (time.now, time.now + duration)
      await sleep.wait { $0.until.map { now < $0 && $0 <= limit } ?? false }
    }

    /// Turns the clock; gives until when the thread sleeps next.
    func advance(by duration: Duration) async -> ContinuousClock.Instant? {
      let count = sleep.withLock { $0.count }
      time.advance(by: duration)
      thread.clockMoved()
      await sleep.wait { $0.count > count }
      return sleep.withLock { $0.until }
    }
  }

  @Test("heartbeats go while a lease is held, and no timer is armed after it")
  func idle() async throws {
    let beat = Beat()
    let store = InMemoryJobStore()
    let (started, start) = AsyncStream<Void>.makeStream()
    let (ended, end) = AsyncStream<Void>.makeStream()
    let options = JobWorker.Options(lease: .seconds(30))
    let worker = JobWorker(store: store, options: options, thread: beat.thread) { handlers in
      handlers.handle(Work.self) { _, _ in
        start.yield()
        for await _ in ended { return }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      let handle = try await JobQueue(store: store).enqueue(Work())
      for await _ in started { break }
      await beat.sleeps(atMost: .seconds(10))
      // The end of the lease, at which the worker looks for what others lost, comes after these.
      for number in 1...2 {
        _ = await beat.advance(by: .seconds(10))
        await beat.sleeps(atMost: .seconds(10))
        #expect(beat.thread.counts.firings == number)
      }
      end.yield()
      _ = try await handle.value
      while await beat.advance(by: .seconds(10)) != nil {}
      let counts = beat.thread.counts
      for _ in 0..<24 { #expect(await beat.advance(by: .seconds(3600)) == nil) }
      #expect(beat.thread.counts.firings == counts.firings)
      // Each turn of the clock was one: nothing else woke the thread.
      #expect(beat.thread.counts.wakeups == counts.wakeups + 24)
      worker.drain()
      try await group.waitForAll()
    }
  }

  @Test("only a store that others may use is polled", arguments: [true, false])
  func polling(isShared: Bool) async throws {
    let directory = try TemporaryDirectory()
    let store = try await SQLiteJobStore.open(.file(directory.file("jobs.db")), isShared: isShared)
    let beat = Beat()
    let options = JobWorker.Options(pollInterval: .seconds(7))
    let worker = JobWorker(store: store, options: options, thread: beat.thread) {
      $0.handle(Work.self) { _, _ in }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      if isShared {
        await beat.sleeps(atMost: .seconds(7))
      } else {
        _ = try await JobQueue(store: store).enqueue(Work()).value
        while await beat.advance(by: .seconds(10)) != nil {}
      }
      worker.drain()
      try await group.waitForAll()
    }
    await store.close()
  }

  @Test("what is left at the end is settled again after a pause, not in a loop", .timeLimit(.minutes(10)))
  func patientEnd() async throws {
    let beat = Beat()
    let tries = WatchedState(0)
    let store = WrappedStore(beforeSettle: {
      let count = tries.withLock { count in
        count += 1
        return count
      }
      if count <= 2 { throw StorageError(.busy, "scripted") }
    })
    let (starts, start) = AsyncStream<Void>.makeStream()
    let (ends, end) = AsyncStream<Void>.makeStream()
    let options = JobWorker.Options(lease: .seconds(30))
    let worker = JobWorker(store: store, options: options, thread: beat.thread) { handlers in
      handlers.handle(Work.self) { _, _ in
        start.yield()
        for await _ in ends { return }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      let handle = try await JobQueue(store: store.inner).enqueue(Work())
      for await _ in starts { break }
      worker.drain()
      end.yield()
      for number in 1...2 {
        await tries.wait { $0 == number }
        await beat.sleeps(atMost: .milliseconds(100 * number))
        for _ in 0..<1000 { await Task.yield() }
        #expect(tries.withLock { $0 } == number)
        // The thread may end without another sleep, so nobody waits for that.
        beat.time.advance(by: .milliseconds(100 * number))
        beat.thread.clockMoved()
      }
      try await group.waitForAll()
      #expect(try await handle.snapshot?.state == .done)
    }
  }

  @Test("a worker that has ended keeps neither its store nor its thread", .timeLimit(.minutes(1)))
  func release() async throws {
    weak var store: InMemoryJobStore?
    weak var thread: HeartbeatThread?
    do {
      let (itsStore, itsThread) = (InMemoryJobStore(), HeartbeatThread())
      (store, thread) = (itsStore, itsThread)
      let options = JobWorker.Options(runTimeLimit: .seconds(3600))
      let worker = JobWorker(store: itsStore, options: options, thread: itsThread) { handlers in
        handlers.handle(Work.self) { _, _ in }
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await worker.run() }
        _ = try await JobQueue(store: itsStore).enqueue(Work()).value
        worker.drain()
        try await group.waitForAll()
      }
    }
    // The thread ends by itself, and with it what its timers held.
    while store != nil || thread != nil { await Task.yield() }
  }
}
