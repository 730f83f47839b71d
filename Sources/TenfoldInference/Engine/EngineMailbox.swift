// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// What other threads want of the engine's thread, and what it tells them.
// Sendable: every access to the stored properties is between `lock` and `unlock` of `mutex`.
@safe
final class EngineMailbox: @unchecked Sendable {
  /// What has come since the last look.
  struct Mail {
    var requests: [EngineRequest] = []
    var cancelled: Set<Int> = []
    var isStopped = false
  }

  private var mail = Mail()
  /// Whether further requests are refused though the thread goes on.
  private var isClosed = false
  /// Requests accepted and not yet ended.
  private var pending = 0
  private var nextID = 0
  private var published = EngineStatistics()
  private var hasEnded = false
  private var endWaiters: [Handoff<Void>] = []
  private var idleWaiters: [Handoff<Void>] = []
  @unsafe private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  @unsafe private let condition: UnsafeMutablePointer<pthread_cond_t>

  init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(condition, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body()
  }

  // MARK: - Callers' side

  /// Why a request was not taken.
  enum Refusal {
    case isFull(Int)
    case isStopped
  }

  /// Why a request would not be taken now; `nil` if it would be.
  func refusal(limit: Int) -> Refusal? { locked { refusalWhileLocked(limit) } }

  private func refusalWhileLocked(_ limit: Int) -> Refusal? {
    if mail.isStopped || isClosed { return .isStopped }
    return pending >= limit ? .isFull(pending) : nil
  }

  /// Queues a request under a new id; `make` must be quick.
  func submit(limit: Int, _ make: (Int) -> EngineRequest) -> Refusal? {
    locked {
      if let refusal = refusalWhileLocked(limit) { return refusal }
      pending += 1
      nextID += 1
      mail.requests.append(make(nextID))
      unsafe pthread_cond_signal(condition)
      return nil
    }
  }

  /// Asks for a request to be dropped.
  func cancel(_ id: Int) {
    locked {
      mail.cancelled.insert(id)
      unsafe pthread_cond_signal(condition)
    }
  }

  /// Refuses further requests; those that were accepted go on.
  func close() { locked { isClosed = true } }

  /// Asks the thread to end; requests that are not done fail.
  ///
  /// - Returns: Whether there are none of those.
  @discardableResult
  func stop() -> Bool {
    locked {
      mail.isStopped = true
      unsafe pthread_cond_signal(condition)
      return pending == 0
    }
  }

  /// Suspends until the thread has ended.
  func waitForEnd() async {
    // Nobody hands an error over.
    try? await Handoff<Void>.receive { waiter in
      let isOver = locked {
        if !hasEnded { endWaiters.append(waiter) }
        return hasEnded
      }
      if isOver { waiter.resume(returning: ()) }
    }
  }

  /// Suspends until every request that was accepted has ended.
  func waitForIdle() async {
    // Nobody hands an error over.
    try? await Handoff<Void>.receive { waiter in
      let isOver = locked {
        if pending > 0 { idleWaiters.append(waiter) }
        return pending == 0
      }
      if isOver { waiter.resume(returning: ()) }
    }
  }

  var statistics: EngineStatistics { locked { published } }

  // MARK: - The engine's side

  /// Takes what has come; sleeps until something has if there is nothing else to do.
  func collect(waiting isIdle: Bool) -> Mail {
    locked {
      while isIdle, mail.requests.isEmpty, mail.cancelled.isEmpty, !mail.isStopped {
        unsafe pthread_cond_wait(condition, mutex)
      }
      defer { mail = Mail(isStopped: mail.isStopped) }
      return mail
    }
  }

  /// Whether the thread shall end, or all of `ids` are cancelled.
  func abandons(_ ids: [Int]) -> Bool {
    locked { mail.isStopped || (!mail.cancelled.isEmpty && ids.allSatisfy(mail.cancelled.contains)) }
  }

  /// Publishes the statistics, and how many requests have ended since.
  func publish(_ statistics: EngineStatistics, ended: Int) {
    let waiters: [Handoff<Void>] = locked {
      published = statistics
      pending -= ended
      guard pending == 0 else { return [] }
      defer { idleWaiters = [] }
      return idleWaiters
    }
    for waiter in waiters { waiter.resume(returning: ()) }
  }

  /// Tells those who wait that the thread is gone.
  func end() {
    let waiters = locked {
      hasEnded = true
      defer { endWaiters = [] }
      return endWaiters
    }
    for waiter in waiters { waiter.resume(returning: ()) }
  }
}
