// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// Lets in as much as can be done in time and turns the rest away at once.
///
/// In order: the deadline, the tenant's budget and rate, then the limit of concurrent work, which finds itself. Beyond it
/// requests wait in a bounded queue, first come first served within a priority; when the queue is full the youngest of
/// the lowest priority makes room for a higher one. Refusals take microseconds, carry ``RequestError/retryAfter``, and
/// cost no work. A reader that leaves gives its place back.
///
/// ```swift
/// let admission = AdmissionMiddleware(options: .init(requestsPerSecond: 20, burst: 40))
/// ```
public final class AdmissionMiddleware: InferenceMiddleware {
  /// What is let in; every field has a default.
  public struct Options: Sendable {
    /// How many requests work at once.
    public var concurrency: ConcurrencyLimitStateMachine.Options
    /// How many requests wait at most.
    public var maximumWaiting: Int
    /// How long a request waits at most.
    public var maximumWait: Duration
    /// How many requests a tenant may make in a second; `nil` for no limit.
    ///
    /// With a rate that is no positive finite number a tenant may make ``burst`` requests and no more.
    public var requestsPerSecond: Double?
    /// How many requests a tenant may make at once after a pause, at least 1; other numbers, infinity too, let nothing in
    /// where there is a rate.
    public var burst: Double
    /// What a tenant may spend in a window, charged as models are called; `nil` for no limit.
    public var tenantBudget: Money?
    /// How long a budget's window is.
    public var budgetWindow: Duration
    /// How many tenants are remembered before quiet ones, whose rate is unused and who have spent nothing in their window, are
    /// forgotten.
    ///
    /// At twice as many those who spent least are forgotten too, and may spend it once more; so this should be above the number
    /// of tenants that spend something in a window.
    public var maximumTenants: Int

    /// Creates options.
    public init(
      concurrency: ConcurrencyLimitStateMachine.Options = .init(),
      maximumWaiting: Int = 256,
      maximumWait: Duration = .seconds(10),
      requestsPerSecond: Double? = nil,
      burst: Double = 20,
      tenantBudget: Money? = nil,
      budgetWindow: Duration = .seconds(86_400),
      maximumTenants: Int = 10_000
    ) {
      self.concurrency = concurrency
      self.maximumWaiting = max(0, maximumWaiting)
      self.maximumWait = maximumWait
      self.requestsPerSecond = requestsPerSecond
      self.burst = burst
      self.tenantBudget = tenantBudget
      self.budgetWindow = budgetWindow
      self.maximumTenants = max(1, maximumTenants)
    }
  }

  /// How busy the door is.
  public struct Load: Hashable, Sendable {
    /// How many requests are being worked on.
    public var inFlight: Int
    /// How many wait.
    public var waiting: Int
    /// How many may be worked on at once.
    public var limit: Int
  }

  private enum Waiter {
    case continuation(CheckedContinuation<Void, any Error>)
    /// The outcome came before the continuation did.
    case settled(Result<Void, any Error>)
  }

  private struct State {
    var machine: AdmissionStateMachine
    var waiters: [UInt64: Waiter] = [:]
    var nextNumber: UInt64 = 0
  }

  /// What is let in.
  public let options: Options
  private let time: TimeSource
  private let state: Mutex<State>

  /// Creates a door.
  ///
  /// - Parameters:
  ///   - options: What is let in.
  ///   - time: Where it reads the time.
  public init(options: Options = Options(), time: TimeSource = .system) {
    self.options = options
    self.time = time
    self.state = Mutex(State(machine: AdmissionStateMachine(options: options)))
  }

  /// How busy the door is; queue wait and in-flight over limit are the signal to scale on.
  public var load: Load {
    state.withLock { state in
      Load(
        inFlight: state.machine.inFlight,
        waiting: state.machine.waiting,
        limit: state.machine.concurrency.limit
      )
    }
  }

  /// Lets the request in, now or after a while.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - next: What answers it.
  /// - Returns: The answer; the place is given back when it ends.
  /// - Throws: ``RequestError`` with code ``RequestError/Code/overloaded``, ``RequestError/Code/deadlineExceeded`` or
  ///   ``RequestError/Code/budgetExhausted``; `CancellationError`; whatever `next` throws.
  public func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    let arrival = time.now
    let context = request.context
    var line = StageRecord(stage: "admission", work: .zero)
    do {
      try await enter(context, arrival, &line)
    } catch {
      line.work = arrival.duration(to: time.now) - line.wait
      line.note = "refused"
      context.trace.record(line)
      throw error
    }
    let start = time.now
    line.work = arrival.duration(to: start) - line.wait
    context.trace.record(line)
    let visit = Visit(start: start)
    if options.tenantBudget != nil {
      // A model books its call when its work ends, which may be after the reader has left.
      context.trace.observe(by: self) { [weak self, tenant = context.tenant] entry in
        if case .call(let call) = entry { self?.charge(tenant, visit.due(for: call)) }
      }
    }
    do {
      let stream = try await next(request)
      return stream.mapEvents { event in
        visit.noteEvent(at: self.time.now)
        return event
      }.onEnd { self.leave(context.tenant, visit, $0) }
    } catch {
      leave(context.tenant, visit, error is CancellationError ? .abandoned : .failed(error))
      throw error
    }
  }

  // MARK: - Private

  /// Gets a place; what is waited for it in the queue is the line's wait, and the rest of the time its work.
  private func enter(
    _ context: RequestContext,
    _ now: ContinuousClock.Instant,
    _ line: inout StageRecord
  ) async throws {
    let (number, decision) = state.withLock { state in
      state.nextNumber += 1
      let ticket = AdmissionStateMachine.Ticket(
        number: state.nextNumber,
        tenant: context.tenant,
        priority: context.priority,
        deadline: context.deadline
      )
      let (decision, displaced) = state.machine.arrive(ticket, now: now)
      if let displaced {
        let error = Self.error(.overload(retryAfter: state.machine.expectedWait), context.tenant)
        settle(displaced, .failure(error), &state)
      }
      return (ticket.number, decision)
    }
    switch decision {
    case .admit: return
    case .refuse(let refusal): throw Self.error(refusal, context.tenant)
    case .wait:
      let start = time.now
      defer { line.wait = start.duration(to: time.now) }
      let patience = now.advanced(by: options.maximumWait)
      try await wait(number, until: min(context.deadline ?? patience, patience), context)
    }
  }

  private func wait(
    _ number: UInt64,
    until end: ContinuousClock.Instant,
    _ context: RequestContext
  ) async throws {
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await self.turn(number)
        return true
      }
      group.addTask {
        // Whether the ticket was called is for the other task to say, also when both are cancelled.
        guard (try? await self.time.sleep(until: end)) != nil else { return false }
        let isLate = context.deadline.map { $0 <= end } ?? false
        self.giveUp(number, isLate ? .deadline : .overload(retryAfter: self.expectedWait), context.tenant)
        return false
      }
      while let isTurn = try await group.next() {
        guard isTurn else { continue }
        group.cancelAll()
        return
      }
    }
  }

  private var expectedWait: Duration { state.withLock { $0.machine.expectedWait } }

  /// Waits until the ticket is called; cancelling the task takes it out of the queue.
  private func turn(_ number: UInt64) async throws {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        state.withLock { state in
          if case .settled(let result)? = state.waiters.removeValue(forKey: number) {
            continuation.resume(with: result)
          } else {
            state.waiters[number] = .continuation(continuation)
          }
        }
      }
    } onCancel: {
      state.withLock { state in
        // A ticket that has been called already is admitted; its caller finds out that it was cancelled.
        guard state.machine.leave(number) else { return }
        settle(number, .failure(CancellationError()), &state)
      }
    }
  }

  private func giveUp(_ number: UInt64, _ refusal: AdmissionStateMachine.Refusal, _ tenant: TenantID) {
    state.withLock { state in
      guard state.machine.leave(number) else { return }
      settle(number, .failure(Self.error(refusal, tenant)), &state)
    }
  }

  /// Resuming a continuation only enqueues its task, so it is safe under the lock.
  private func settle(_ number: UInt64, _ result: Result<Void, any Error>, _ state: inout State) {
    if case .continuation(let continuation)? = state.waiters.removeValue(forKey: number) {
      continuation.resume(with: result)
    } else {
      state.waiters[number] = .settled(result)
    }
  }

  private func charge(_ tenant: TenantID, _ cost: Money) {
    let now = time.now
    state.withLock { $0.machine.charge(tenant, cost, now: now) }
  }

  private func leave(_ tenant: TenantID, _ visit: Visit, _ end: GenerationEnd) {
    let now = time.now
    // What the summary says beyond the calls that were charged already.
    if case .finished(let summary) = end { charge(tenant, visit.due(for: summary)) }
    state.withLock { state in
      let ending = Self.ending(end, visit, now, lateAfter: state.machine.concurrency.lateAfter)
      let outcome = state.machine.finished(ending, service: visit.start.duration(to: now), now: now)
      for number in outcome.admitted { settle(number, .success(()), &state) }
      for (number, refusal) in outcome.refused {
        settle(number, .failure(Self.error(refusal, tenant)), &state)
      }
    }
  }

  private static func ending(
    _ end: GenerationEnd,
    _ visit: Visit,
    _ now: ContinuousClock.Instant,
    lateAfter: Duration
  ) -> AdmissionStateMachine.Ending {
    switch end {
    case .finished(let summary):
      guard case .model = summary.provenance.answeredBy else { return .served }
      let queueTime = summary.usage.queueTime
      return .answered(
        ConcurrencyLimitStateMachine.Sample(
          latency: visit.latency(until: now),
          queueTime: queueTime > .zero ? queueTime : nil,
          admitted: visit.start
        )
      )
    case .failed(let error):
      switch (error as? RequestError)?.code {
      case .overloaded?: return .overloaded
      // A deadline too short for an idle model must not take places away from all others.
      case .deadlineExceeded?: return visit.start.duration(to: now) > lateAfter ? .overloaded : .untold
      default: return .untold
      }
    case .abandoned: return .untold
    }
  }

  private static func error(_ refusal: AdmissionStateMachine.Refusal, _ tenant: TenantID) -> RequestError {
    switch refusal {
    case .deadline:
      RequestError(.deadlineExceeded, "The deadline passes before the request's turn comes; allow more time.")
    case .rate(let wait):
      RequestError(.overloaded, "Tenant \(tenant) asks more often than its rate allows.", retryAfter: wait)
    case .budget(let wait):
      RequestError(
        .budgetExhausted,
        "Tenant \(tenant) has spent its budget for this window.",
        retryAfter: wait
      )
    case .overload(let wait):
      RequestError(.overloaded, "More requests wait than can be answered in time.", retryAfter: wait)
    }
  }
}

/// When a request was let in, when its first word came, and what its tenant was charged for it.
private final class Visit: Sendable {
  let start: ContinuousClock.Instant
  private let first = Mutex<ContinuousClock.Instant?>(nil)
  private let bill = Mutex(Bill())

  private struct Bill {
    var calls = Money.zero
    var charged = Money.zero

    /// What `total` is above what was charged: a model may book its calls, or only sum them up, in either order.
    mutating func due(_ total: Money) -> Money {
      guard total > charged else { return .zero }
      defer { charged = total }
      return Money(nanodollars: total.nanodollars - charged.nanodollars)
    }
  }

  init(start: ContinuousClock.Instant) { self.start = start }

  func noteEvent(at now: ContinuousClock.Instant) {
    first.withLock { first in if first == nil { first = now } }
  }

  /// What is to be charged for one more call.
  func due(for call: ModelCall) -> Money {
    bill.withLock { bill in
      bill.calls += max(.zero, call.cost)
      return bill.due(bill.calls)
    }
  }

  /// What is to be charged for the whole answer.
  func due(for summary: GenerationSummary) -> Money { bill.withLock { $0.due(summary.provenance.cost) } }

  func latency(until now: ContinuousClock.Instant) -> Duration {
    start.duration(to: first.withLock { $0 } ?? now)
  }
}
