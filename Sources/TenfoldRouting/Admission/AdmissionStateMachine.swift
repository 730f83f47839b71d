// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Decides who gets in, who waits and who is turned away; pure.
///
/// ```swift
/// var machine = AdmissionStateMachine(options: options)
/// switch machine.arrive(ticket, now: time.now).decision { … }
/// ```
public struct AdmissionStateMachine: Sendable {
  /// A request at the door.
  public struct Ticket: Hashable, Sendable {
    /// The ticket's number, unique.
    public var number: UInt64
    /// Whose request it is.
    public var tenant: TenantID
    /// How much it matters.
    public var priority: RequestPriority
    /// When nobody waits any more.
    public var deadline: ContinuousClock.Instant?

    /// Creates a ticket.
    public init(
      number: UInt64,
      tenant: TenantID,
      priority: RequestPriority,
      deadline: ContinuousClock.Instant? = nil
    ) {
      self.number = number
      self.tenant = tenant
      self.priority = priority
      self.deadline = deadline
    }
  }

  /// Why a request is turned away.
  public enum Refusal: Hashable, Sendable {
    /// Its deadline has passed, or passes before its turn can come.
    case deadline
    /// Its tenant asks too often.
    case rate(retryAfter: Duration)
    /// Its tenant has spent what it may spend.
    case budget(retryAfter: Duration)
    /// Too many wait already.
    case overload(retryAfter: Duration)
  }

  /// What happens to a request that arrives.
  public enum Decision: Hashable, Sendable {
    /// It gets in.
    case admit
    /// It waits.
    case wait
    /// It is turned away.
    case refuse(Refusal)
  }

  /// What happens to requests that were waiting.
  public struct Outcome: Hashable, Sendable {
    /// These get in, in order.
    public var admitted: [UInt64] = []
    /// These are turned away.
    public var refused: [UInt64: Refusal] = [:]
  }

  /// How an admitted request ended.
  public enum Ending: Hashable, Sendable {
    /// A model answered it.
    case answered(ConcurrencyLimitStateMachine.Sample)
    /// It was answered without a model: by a cache, or from another request's answer.
    case served
    /// It failed for want of room or time.
    case overloaded
    /// It ended in a way that tells nothing: it failed, or its reader left.
    case untold
  }

  private struct Account: Sendable {
    var bucket: TokenBucket?
    var spent = Money.zero
    var windowStart: ContinuousClock.Instant
  }

  /// The options.
  public let options: AdmissionMiddleware.Options
  /// How many may be worked on at once.
  public private(set) var concurrency: ConcurrencyLimitStateMachine
  /// How many are being worked on.
  public private(set) var inFlight = 0
  private var queues: [RequestPriority: [Ticket]] = [:]
  private var accounts: [TenantID: Account] = [:]
  /// How many accounts there are when quiet ones are looked for: all must be gone through for that, so not for each newcomer.
  private var nextCleaning: Int
  /// How often quiet accounts were looked for.
  package private(set) var cleanings = 0
  private var serviceTime = 0.05
  /// How many wait.
  public private(set) var waiting = 0

  /// Creates a machine in which nobody waits.
  public init(options: AdmissionMiddleware.Options) {
    self.options = options
    self.concurrency = ConcurrencyLimitStateMachine(options: options.concurrency)
    self.nextCleaning = options.maximumTenants
  }

  /// How many tenants are remembered.
  package var accountCount: Int { accounts.count }

  /// About how long a request that arrives now would wait.
  public var expectedWait: Duration {
    .seconds(min(3600, Double(waiting + 1) * serviceTime / Double(max(1, concurrency.limit))))
  }

  /// A request arrives.
  ///
  /// - Parameters:
  ///   - ticket: The request.
  ///   - now: The instant.
  /// - Returns: What happens to it, and who has to leave the queue for it.
  public mutating func arrive(
    _ ticket: Ticket,
    now: ContinuousClock.Instant
  ) -> (decision: Decision, displaced: UInt64?) {
    if let deadline = ticket.deadline, deadline <= now { return (.refuse(.deadline), nil) }
    if let refusal = take(from: ticket.tenant, now) { return (.refuse(refusal), nil) }
    if inFlight < concurrency.limit, waiting == 0 {
      inFlight += 1
      return (.admit, nil)
    }
    let ahead = queues.reduce(0) { $1.key >= ticket.priority ? $0 + $1.value.count : $0 }
    let wait = Duration.seconds(
      min(3600, Double(ahead + 1) * serviceTime / Double(max(1, concurrency.limit)))
    )
    if let deadline = ticket.deadline, now.advanced(by: wait) >= deadline {
      putBack(ticket.tenant)
      return (.refuse(.overload(retryAfter: wait)), nil)
    }
    var displaced: UInt64?
    if waiting >= options.maximumWaiting {
      guard let lowest = queues.filter({ !$0.value.isEmpty }).keys.min(), lowest < ticket.priority,
        let victim = queues[lowest]?.popLast()
      else {
        putBack(ticket.tenant)
        return (.refuse(.overload(retryAfter: expectedWait)), nil)
      }
      waiting -= 1
      displaced = victim.number
    }
    queues[ticket.priority, default: []].append(ticket)
    waiting += 1
    return (.wait, displaced)
  }

  /// A waiting request goes away by itself: cancelled, or tired of waiting.
  ///
  /// - Parameter number: Its ticket's number.
  /// - Returns: Whether it was still waiting.
  public mutating func leave(_ number: UInt64) -> Bool {
    for (priority, queue) in queues {
      guard let index = queue.firstIndex(where: { $0.number == number }) else { continue }
      queues[priority]?.remove(at: index)
      waiting -= 1
      return true
    }
    return false
  }

  /// An admitted request has ended.
  ///
  /// - Parameters:
  ///   - ending: How.
  ///   - service: From admission to the end.
  ///   - now: The instant.
  /// - Returns: Who gets in now, and whose time has passed.
  public mutating func finished(
    _ ending: Ending,
    service: Duration,
    now: ContinuousClock.Instant
  ) -> Outcome {
    switch ending {
    case .answered(let sample): concurrency.observe(sample, inFlight: inFlight, now: now)
    case .overloaded: concurrency.observeOverload(now: now)
    case .served, .untold: break
    }
    switch ending {
    // Whoever is served takes a place as long as it takes, so hits shorten the wait of those behind.
    case .answered, .served: serviceTime += 0.1 * (max(0, service.inSeconds) - serviceTime)
    case .overloaded, .untold: break
    }
    inFlight = max(0, inFlight - 1)
    return admitWaiting(now)
  }

  /// A tenant's request has cost something, whether it has ended or not.
  ///
  /// - Parameters:
  ///   - tenant: Whose request it is.
  ///   - cost: How much more it has cost.
  ///   - now: The instant.
  public mutating func charge(_ tenant: TenantID, _ cost: Money, now: ContinuousClock.Instant) {
    guard options.tenantBudget != nil, cost > .zero else { return }
    var account = account(of: tenant, now)
    account.spent += cost
    accounts[tenant] = account
  }

  // MARK: - Private

  /// Highest priority first, first come first served within it.
  private mutating func admitWaiting(_ now: ContinuousClock.Instant) -> Outcome {
    var outcome = Outcome()
    for priority in queues.keys.sorted(by: >) {
      guard var queue = queues[priority] else { continue }
      var taken = 0
      for ticket in queue {
        if let deadline = ticket.deadline, deadline <= now {
          outcome.refused[ticket.number] = .deadline
        } else if inFlight < concurrency.limit {
          inFlight += 1
          outcome.admitted.append(ticket.number)
        } else {
          break
        }
        taken += 1
      }
      queue.removeFirst(taken)
      waiting -= taken
      queues[priority] = queue.isEmpty ? nil : queue
      if inFlight >= concurrency.limit { break }
    }
    return outcome
  }

  private mutating func account(of tenant: TenantID, _ now: ContinuousClock.Instant) -> Account {
    if var account = accounts[tenant] {
      if account.windowStart.duration(to: now) >= options.budgetWindow {
        account.spent = .zero
        account.windowStart = now
      }
      return account
    }
    if accounts.count >= nextCleaning { forgetAccounts(now) }
    return Account(
      bucket: options.requestsPerSecond.map { TokenBucket(perSecond: $0, burst: options.burst, now: now) },
      windowStart: now
    )
  }

  /// Makes room for new tenants, and says when there must be room again.
  private mutating func forgetAccounts(_ now: ContinuousClock.Instant) {
    cleanings += 1
    // Those that say nothing: a full bucket and nothing spent in this window.
    accounts = accounts.filter { [budgetWindow = options.budgetWindow] _, account in
      var account = account
      let isOver = account.spent == .zero || account.windowStart.duration(to: now) >= budgetWindow
      return !isOver || account.bucket?.isFull(now: now) == false
    }
    let tenants = max(1, options.maximumTenants)
    let newcomers = max(1, tenants / 8)
    let most = tenants > Int.max / 2 ? Int.max : 2 * tenants
    if accounts.count >= most {
      // Those that gain least by it: who has spent little, and of them who has asked for little.
      let order = accounts.map { tenant, account -> (tenant: TenantID, spent: Money, unused: Double) in
        var account = account
        return (tenant, account.spent, account.bucket?.available(now: now) ?? 0)
      }.sorted { ($0.spent, $1.unused) < ($1.spent, $0.unused) }
      for account in order.prefix(accounts.count - (most - newcomers)) { accounts[account.tenant] = nil }
    }
    nextCleaning = min(most, max(tenants, accounts.count + newcomers))
  }

  private mutating func take(from tenant: TenantID, _ now: ContinuousClock.Instant) -> Refusal? {
    guard options.requestsPerSecond != nil || options.tenantBudget != nil else { return nil }
    var account = account(of: tenant, now)
    defer { accounts[tenant] = account }
    if let budget = options.tenantBudget, account.spent >= budget {
      return .budget(retryAfter: options.budgetWindow - account.windowStart.duration(to: now))
    }
    return account.bucket?.take(1, now: now).map { .rate(retryAfter: $0) }
  }

  private mutating func putBack(_ tenant: TenantID) { accounts[tenant]?.bucket?.putBack(1) }
}
