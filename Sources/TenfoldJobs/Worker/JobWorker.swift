// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Metrics
import Synchronization
import TenfoldCore
internal import TenfoldStorage

/// Runs jobs from a store until told to stop.
///
/// Leases are renewed from a thread of their own, so a job that blocks the cooperative pool keeps its lease; a run
/// whose lease is lost has its task cancelled and can't settle. Cancelling the task of ``run()`` stops claiming, gives
/// back what had not begun, cancels what runs (which can save a checkpoint and leave; it doesn't count as an attempt),
/// and returns when all of it is settled. ``drain(grace:)`` lets what runs finish first.
///
/// **When it wakes.** For a job, by the store's hint; every third of a lease, but only while it holds leases; when a
/// delayed job is due or the lease of a lost worker ends; and every ``Options/pollInterval`` where other processes may use
/// the store (``JobStore/isShared``). A worker without work on a store of its own wakes for nothing.
///
/// ```swift
/// let worker = JobWorker(store: store) { handlers in
///   handlers.handle(EmbedDocuments.self) { job, context in try await embed(job.documents) }
/// }
/// try await worker.run()
/// ```
public final class JobWorker: Sendable {
  struct State {
    /// Leases that came without being claimed, and the place where this worker waits for more.
    var arrived: [JobLease] = []
    var ticket: Int?
    /// Whether a task stands by, and how it is told what to run once it does.
    var hasStandby = false
    var standby: CheckedContinuation<JobLease?, Never>?
    var active = 0
    /// A job that has to run alone for a while is held or runs: nothing else begins.
    var alone: JobLease.Reference?
    /// Whether it was told to run.
    var hasBegun = false
    var isDraining = false
    /// All is settled: the heartbeat ends too.
    var hasEnded = false
  }

  /// Leases that are taken back in one step, so that a mass of them doesn't hold up what else the store has to do.
  private static let reapLimit = 100

  let store: any JobStore
  let options: Options
  private let handlers: [JobName: JobHandlers.Handler]
  let running = RunningJobs()
  let state = Mutex(State())
  private let events: AsyncStream<Void>
  let signal: AsyncStream<Void>.Continuation
  private let logger = Logger(label: "tenfold.jobs")
  let thread: HeartbeatThread
  let ended: EndedRuns
  private let metrics: RunMetrics
  private let failures = StoreFailures()
  private let limits: RunTimeLimits
  let heartbeat: LeaseHeartbeat

  /// Creates a worker; nothing runs before ``run()``.
  ///
  /// - Parameters:
  ///   - store: Where the jobs are.
  ///   - options: How to work.
  ///   - register: Names the kinds of jobs and how to run them.
  public convenience init(
    store: any JobStore,
    options: Options = Options(),
    handlers register: (inout JobHandlers) -> Void
  ) {
    self.init(store: store, options: options, thread: HeartbeatThread(), handlers: register)
  }

  init(
    store: any JobStore,
    options: Options,
    thread: HeartbeatThread,
    metrics: any MetricsFactory = MetricsSystem.factory,
    handlers register: (inout JobHandlers) -> Void
  ) {
    var handlers = JobHandlers()
    register(&handlers)
    self.store = store
    self.options = options
    self.handlers = handlers.handlers
    self.thread = thread
    self.metrics = RunMetrics(metrics)
    ended = EndedRuns(running: running, metrics: metrics)
    limits = RunTimeLimits(limit: options.runTimeLimit, running: running, thread: thread)
    // Events only say "look again", so one waiting event stands for any number.
    (events, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    heartbeat = LeaseHeartbeat(
      store: store,
      lease: options.lease,
      running: running,
      thread: thread,
      told: { [signal] in signal.yield() }
    )
  }

  /// Stops claiming and lets ``run()`` return once what runs has finished; jobs that had not begun are given back.
  ///
  /// Call it when the process is told to end, by `SIGTERM` or by the notice of a machine that is taken away.
  ///
  /// - Parameter grace: How long what runs may go on. After it the runs' tasks are cancelled: they can save a checkpoint
  ///   and leave, which costs them no attempt. `nil` lets them finish.
  public func drain(grace: Duration? = nil) {
    state.withLock { $0.isDraining = true }
    signal.yield()
    if let grace { thread.arm(.grace, at: thread.now + grace) { [running] in running.preempt() } }
  }

  /// Runs jobs until the task is cancelled or ``drain(grace:)`` is called; run it once.
  ///
  /// The jobs run in a task of their own: they have the caller's task-local values, but no task executor that it prefers. A
  /// cancellation handler of theirs may take locks, report and check the lease; it must not wait for other tasks, as the
  /// end of its run waits for it.
  ///
  /// - Throws: ``JobError`` with code ``JobError/Code/invalidOption`` for an option out of range and for a worker that runs or
  ///   has run, or the system's refusal of a thread. Failures of the store are logged and retried, as leases protect the jobs
  ///   meanwhile, except those that last: a `StorageError` with code `closed` or `syncFailed` ends the worker, what ran is
  ///   cancelled and comes again when its leases end. Open the store anew then, and make a worker for it. So does one with code
  ///   `futureFormat` or `migrationChanged`: a newer build has migrated the store, and only such a build can go on.
  public func run() async throws {
    try options.validate()
    // A second run would take over the thread's timers, and neither would end.
    let isFirst = state.withLock { state in
      defer { state.hasBegun = true }
      return !state.hasBegun
    }
    guard isFirst else {
      throw JobError(.invalidOption, "this worker runs already, or has run; make another one")
    }
    try thread.start()
    defer { thread.stop() }
    await withTaskCancellationHandler {
      // Not a child of the caller's task: when that is cancelled there is still work to settle and to give back, and leases
      // to renew until then. A store may refuse the calls of a cancelled task, and streams end in one.
      await Task { [self] in await work() }.value
    } onCancel: {
      drain()
      running.preempt()
    }
    if let failure = failures.final { throw failure }
  }

  private func work() async {
    let hints = (store as? any HintingJobStore).map { store in
      (hub: store.hub, key: store.hub.subscribe { [signal] _ in signal.yield() })
    }
    defer { if let hints { hints.hub.unsubscribe(hints.key) } }
    // Before the first look, or what comes between the two would wake nobody.
    let wakeups = hints == nil ? store.wakeups : nil
    await withTaskGroup(of: Void.self) { group in
      limits.watch()
      group.addTask(executorPreference: thread) { [self] in
        await heartbeat.run(while: { !state.withLock { $0.hasEnded } }, failed: endIfFinal)
      }
      if let wakeups { group.addTask { [signal] in for await _ in wakeups { signal.yield() } } }
      await withDiscardingTaskGroup { jobs in
        await serve(&jobs)
        await settleRest()
      }
      state.withLock { $0.hasEnded = true }
      // The heartbeat looks at the flag when it wakes, which may be never.
      heartbeat.look()
      group.cancelAll()
    }
  }

  /// Ends the worker if the store can't be used any more.
  private func endIfFinal(_ error: any Error) {
    guard failures.end(with: error) else { return }
    state.withLock { $0.isDraining = true }
    logger.error("the job store must be opened anew, the worker ends", metadata: ["error": "\(error)"])
    running.preempt()
    signal.yield()
  }

  // MARK: - The loop

  private var isDraining: Bool { state.withLock { $0.isDraining } }

  private func serve(_ jobs: inout DiscardingTaskGroup) async {
    signal.yield()
    var events = events.makeAsyncIterator()
    var waiting: [JobLease] = []
    var alone: LoneJob?
    var nextReap = ContinuousClock.now
    while await events.next() != nil, !isDraining {
      waiting += takeArrived()
      await setApart(&alone, from: &waiting)
      start(&waiting, &jobs)
      let room = state.withLock { state in
        state.alone == nil ? options.concurrency + options.prefetch - state.active - waiting.count : 0
      }
      var batch = ended.take()
      // What is done is written first.
      if batch.isEmpty { begin(&alone, &jobs) }
      guard room > 0 || !batch.isEmpty else {
        if running.hasLost { await reapForOthers(&nextReap) }
        continue
      }
      do {
        let begin = ContinuousClock.now
        let (settled, leases) = try await store.settleAndClaim(batch, request(max(0, room)))
        ended.book(batch, settled)
        batch = []
        guard accept(leases, since: begin) else { continue }
        waiting += leases
        // The worker may have been told to go while the store was busy.
        if isDraining { break }
        // The next round sees to it.
        guard alone == nil, !leases.contains(where: \.isLastChance) else {
          signal.yield()
          continue
        }
        start(&waiting, &jobs)
        // After the settling: what has been given back, or is done, can't be taken back.
        if ContinuousClock.now >= nextReap {
          let (count, mayBeMore) = await reap()
          // The next round goes on with them, and jobs are handed out in between.
          if count > 0 { signal.yield() }
          if !mayBeMore { nextReap = ContinuousClock.now + min(options.lease / 3, .seconds(1)) }
        }
        if leases.count < room {
          standBy(&jobs)
          wait(for: room - leases.count)
          try await scheduleLook()
        }
        failures.over()
      } catch {
        // Nothing of it where what failed comes after the settling.
        ended.restore(batch)
        endIfFinal(error)
        if StoreFailures.isFinal(error) { break }
        logger.error("the job store failed, trying again", metadata: ["error": "\(error)"])
        thread.arm(.look, at: thread.now + failures.another()) { [signal] in signal.yield() }
      }
    }
    waiting += await takeLastArrived()
    if let lease = alone?.lease { waiting.append(lease) }
    ended.release(waiting)
    let standby = state.withLock { state in
      state.isDraining = true
      defer { state.standby = nil }
      return state.standby
    }
    standby?.resume(returning: nil)
  }

  /// Takes back leases that expired, though there is no room for their jobs.
  ///
  /// A run that ignores the end of its lease keeps its place. A job that was handed over as it came is known to no other
  /// worker, so none looks when its lease ends.
  private func reapForOthers(_ next: inout ContinuousClock.Instant) async {
    if .now >= next {
      let (_, mayBeMore) = await reap()
      next = .now + (mayBeMore ? .zero : min(options.lease / 3, .seconds(1)))
    }
    thread.arm(.look, at: thread.now + max(.milliseconds(5), next - .now)) { [signal] in signal.yield() }
  }

  /// Gives back at once what had not begun, and settles runs as they end, until none is left.
  private func settleRest() async {
    var events = events.makeAsyncIterator()
    while true {
      // Looked at first: a run that ends after this says so.
      let isLast = state.withLock { $0.active == 0 }
      await ended.settleAll(
        in: store,
        for: options.lease,
        on: thread,
        whileRunning: { state.withLock { $0.active > 0 } },
        failed: endIfFinal
      )
      if isLast { return }
      _ = await events.next()
    }
  }

  /// Holds leases from now on, unless the store took so long that they may end before they are renewed: then they are given
  /// back without having begun, as a lease that ends counts against its job.
  func accept(_ leases: [JobLease], since begin: ContinuousClock.Instant) -> Bool {
    guard !leases.isEmpty, ContinuousClock.now - begin > options.lease / 2 else {
      heartbeat.hold(leases, since: begin)
      return true
    }
    logger.warning(
      "the store took longer than half a lease to hand out jobs, giving them back: raise JobWorker.Options.lease",
      metadata: ["jobs": "\(leases.count)", "lease": "\(options.lease)"]
    )
    ended.release(leases)
    signal.yield()
    return false
  }

  /// Takes back leases that expired; how many, and whether there may be more.
  ///
  /// Those that can't be taken back keep no other job waiting.
  private func reap() async -> (count: Int, mayBeMore: Bool) {
    do {
      let count = try await store.reap(limit: Self.reapLimit)
      metrics.count(expired: count)
      return (count, count >= Self.reapLimit)
    } catch {
      logger.error("taking back expired leases failed, trying again", metadata: ["error": "\(error)"])
      return (0, false)
    }
  }

  func request(_ maximum: Int) -> ClaimRequest {
    ClaimRequest(
      queues: options.queues,
      maximum: maximum,
      leaseFor: options.lease,
      workerID: options.workerID
    )
  }

  /// Arranges to look again when a delayed job is due, a lease expires, or another process may have enqueued.
  private func scheduleLook() async throws {
    let due = try await store.observe(.init(queues: options.queues, countsJobs: false)).untilNextDue
    // A job that is due but was not handed out waits for its key or its queue: don't spin on it.
    let poll = store.isShared ? options.pollInterval : nil
    guard let pause = [due.map { max($0, .milliseconds(5)) }, poll].compactMap({ $0 }).min() else {
      return thread.disarm(.look)
    }
    thread.arm(.look, at: thread.now + pause) { [signal] in signal.yield() }
  }

  /// Begins as many jobs as there is room for, and none once the worker is told to go.
  private func start(_ waiting: inout [JobLease], _ jobs: inout DiscardingTaskGroup) {
    let count = state.withLock { state in
      let count = state.isDraining ? 0 : min(waiting.count, max(0, options.concurrency - state.active))
      state.active += count
      return count
    }
    for lease in waiting.prefix(count) { jobs.addTask { [self] in await execute(lease) } }
    waiting.removeFirst(count)
  }

  private func isFailure(of lease: JobLease) -> (any Error) -> Bool {
    { [self] error in
      RunVerdict.isFailure(
        error,
        stop: running.stopReason(lease.reference),
        isDraining: state.withLock { $0.isDraining },
        isCancelled: Task.isCancelled
      )
    }
  }

  func execute(_ lease: JobLease) async {
    let context = JobContext(lease: lease, running: running, store: store, leaseDuration: options.lease)
    var ending: EndedRuns.Ending
    do {
      let result = try await unsafe withUnsafeCurrentTask { task in
        if let task = unsafe task { unsafe running.attach(lease.reference, task) }
        defer { running.detach(lease.reference) }
        // It may have waited here for a while: what was cancelled or lost meanwhile doesn't begin.
        if running.stopReason(lease.reference) != nil { throw CancellationError() }
        limits.begin(lease.reference)
        let begin = metrics.begin(after: lease.waited)
        defer { metrics.end(begin) }
        guard let handler = handlers[lease.name] else {
          throw JobError(.unknownName, "this worker has no handler for \(lease.name)")
        }
        return try await JobTracing(tracer: options.tracer).run(lease, isFailure: isFailure(of: lease)) {
          try await handler(context)
        }
      }
      ending = running.stopReason(lease.reference) == .leaseLost ? .lost : .settle(.done(result: result))
    } catch {
      var generator = SeededGenerator(seed: nil)
      let outcome = RunVerdict.outcome(
        of: error,
        lease: lease,
        stop: running.stopReason(lease.reference),
        isDraining: state.withLock { $0.isDraining },
        isCancelled: Task.isCancelled,
        limit: options.runTimeLimit,
        policy: options.retry,
        using: &generator
      )
      ending = outcome.map { .settle($0) } ?? .lost
    }
    // Whatever the run did after that.
    if running.isFinished(lease.reference) { ending = .finished }
    // Before its place is free: what the loop then takes holds it.
    ended.add(lease.reference, ending)
    state.withLock { state in
      state.active -= 1
      if state.alone == lease.reference { state.alone = nil }
    }
    signal.yield()
  }
}
