// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Where callers leave texts and the compute thread finds them.
// Sendable: everything mutable is guarded by `mutex`.
@safe
final class EmbedderMailbox: @unchecked Sendable {
  typealias Outcome = Handoff<EmbeddingBatch>

  private struct Pending {
    var texts: [[Int32]]
    var isTruncated: [Bool]
    var vectors: [Float]
    var outcome: Outcome
  }

  /// What the compute thread does next.
  struct Step {
    var items: [EmbeddingBatcher.Item]
    var texts: [[Int32]]
  }

  private let width: Int
  private let mergeWindow: Duration
  @unsafe private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  @unsafe private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var batcher: EmbeddingBatcher
  /// Since when something waits for a step.
  private var waitingSince = ContinuousClock.now
  private var pending: [UInt64: Pending] = [:]
  private var cancelledEarly: Set<UInt64> = []
  private var nextID: UInt64 = 0
  private var isStopping = false
  private var hasEnded = false
  private var endWaiters: [Handoff<Void>] = []
  private var counts = EmbedderStatistics()

  init(batcher: EmbeddingBatcher, width: Int, mergeWindow: Duration) {
    self.batcher = batcher
    self.width = width
    self.mergeWindow = mergeWindow
    unsafe mutex = .allocate(capacity: 1)
    unsafe changed = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    #if canImport(Darwin)
    unsafe pthread_cond_init(changed, nil)
    #else
    // Waits end by a clock that nobody sets.
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(changed, &attributes)
    unsafe pthread_condattr_destroy(&attributes)
    #endif
  }

  deinit {
    unsafe pthread_cond_destroy(changed)
    unsafe pthread_mutex_destroy(mutex)
    unsafe changed.deallocate()
    unsafe mutex.deallocate()
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body()
  }

  // MARK: - Callers

  /// A number for a new request.
  func reserve() -> UInt64 {
    locked {
      nextID += 1
      return nextID
    }
  }

  /// Leaves texts; `outcome` is resumed exactly once.
  func submit(_ id: UInt64, texts: [[Int32]], isTruncated: [Bool], outcome: Outcome) {
    let tokenCounts = texts.map(\.count)
    let tokens = tokenCounts.reduce(0, +)
    // A call that is refused costs no memory, and nobody waits for the lock while that of others is made.
    if let failure = locked({ refuseWhileLocked(id, tokens) }) {
      outcome.resume(throwing: failure)
      return
    }
    let vectors = [Float](repeating: 0, count: texts.count * width)
    let failure: (any Error)? = locked {
      if let failure = refuseWhileLocked(id, tokens) { return failure }
      if batcher.isEmpty { waitingSince = .now }
      guard batcher.add(id, tokenCounts: tokenCounts) else { return overloadWhileLocked() }
      pending[id] = Pending(
        texts: texts,
        isTruncated: isTruncated,
        vectors: vectors,
        outcome: outcome
      )
      unsafe pthread_cond_signal(changed)
      return nil
    }
    if let failure { outcome.resume(throwing: failure) }
  }

  /// Why a request with so many tokens is not taken; `nil` if it is.
  private func refuseWhileLocked(_ id: UInt64, _ tokens: Int) -> (any Error)? {
    if cancelledEarly.remove(id) != nil { return CancellationError() }
    if isStopping { return Self.stopped }
    return batcher.takes(tokens) ? nil : overloadWhileLocked()
  }

  private func overloadWhileLocked() -> ModelError {
    counts.refusedCalls += 1
    return ModelError(
      .storageFull,
      """
      \(batcher.waitingTokens) tokens wait to be embedded, the limit is \(batcher.waitingLimit): \
      send fewer calls at once or raise Options.waitingTokens.
      """
    )
  }

  /// Ends a request whose task was cancelled, also one that is not here yet.
  func cancel(_ id: UInt64) {
    let entry: Pending? = locked {
      batcher.remove(id)
      guard let entry = pending.removeValue(forKey: id) else {
        cancelledEarly.insert(id)
        return nil
      }
      counts.cancelledCalls += 1
      return entry
    }
    entry?.outcome.resume(throwing: CancellationError())
  }

  /// Forgets that a request was cancelled; called when it has ended.
  func forget(_ id: UInt64) { locked { _ = cancelledEarly.remove(id) } }

  /// What has been done so far.
  var statistics: EmbedderStatistics {
    locked {
      var result = counts
      result.waitingTokens = batcher.waitingTokens
      return result
    }
  }

  /// Lets the thread end after its current step, without waiting for it.
  func stop() {
    let left: [Pending] = locked {
      isStopping = true
      unsafe pthread_cond_signal(changed)
      let left = Array(pending.values)
      for id in pending.keys { batcher.remove(id) }
      pending = [:]
      return left
    }
    for entry in left { entry.outcome.resume(throwing: Self.stopped) }
  }

  /// Waits until the thread has ended.
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

  private static var stopped: ModelError {
    ModelError(.engineStopped, "The embedder was shut down before the call ended.")
  }

  // MARK: - The compute thread

  /// Waits for work; `nil` when the thread is to end.
  func next() -> Step? {
    locked {
      while !isStopping {
        if batcher.isEmpty {
          unsafe pthread_cond_wait(changed, mutex)
        } else if let time = mergeTimeWhileLocked {
          waitWhileLocked(time)
        } else {
          break
        }
      }
      guard !isStopping else { return nil }
      let items = batcher.nextStep()
      return Step(items: items, texts: items.map { pending[$0.request]?.texts[$0.index] ?? [] })
    }
  }

  /// How long to wait for more calls yet; `nil` to compute what is there.
  private var mergeTimeWhileLocked: Duration? {
    guard mergeWindow > .zero, batcher.waitingTokens < batcher.stepTokens else { return nil }
    let left = mergeWindow - waitingSince.duration(to: .now)
    return left > .zero ? left : nil
  }

  /// Waits until something changes, or for a time.
  private func waitWhileLocked(_ time: Duration) {
    let (seconds, attoseconds) = time.components
    var span = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    #if canImport(Darwin)
    unsafe pthread_cond_timedwait_relative_np(changed, mutex, &span)
    #else
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    let nanoseconds = now.tv_nsec + span.tv_nsec
    span.tv_sec += now.tv_sec + nanoseconds / 1_000_000_000
    span.tv_nsec = nanoseconds % 1_000_000_000
    unsafe pthread_cond_timedwait(changed, mutex, &span)
    #endif
  }

  /// Hands over a step's vectors; calls with texts whose vectors are of no use fail, and no others.
  func finish(_ step: Step, vectors: [Float], unsound: [Int]) {
    let (complete, failed): ([Pending], [Pending]) = locked {
      counts.steps += 1
      let failed = removeWhileLocked(unsound.map { step.items[$0].request })
      for (position, item) in step.items.enumerated() where pending[item.request] != nil {
        counts.texts += 1
        counts.tokens += step.texts[position].count
        if pending[item.request]?.isTruncated[item.index] == true { counts.truncatedTexts += 1 }
        pending[item.request]?.vectors.replaceSubrange(
          item.index * width..<(item.index + 1) * width,
          with: vectors[position * width..<(position + 1) * width]
        )
      }
      return (batcher.finish(step.items).compactMap { pending.removeValue(forKey: $0) }, failed)
    }
    for entry in failed { entry.outcome.resume(throwing: BERTEncoder.unsoundVector()) }
    for entry in complete {
      entry.outcome.resume(
        returning: EmbeddingBatch(
          values: entry.vectors,
          dimension: width,
          tokenCounts: entry.texts.map(\.count),
          isTruncated: entry.isTruncated
        )
      )
    }
  }

  /// Ends the requests of a step that failed.
  func fail(_ step: Step, _ error: ModelError) {
    let failed: [Pending] = locked {
      counts.steps += 1
      return removeWhileLocked(step.items.map(\.request))
    }
    for entry in failed { entry.outcome.resume(throwing: error) }
  }

  /// Takes out requests that have failed.
  private func removeWhileLocked(_ ids: [UInt64]) -> [Pending] {
    Set(ids).compactMap { id in
      batcher.remove(id)
      return pending.removeValue(forKey: id)
    }
  }

  /// Notes that the thread has ended.
  func end() {
    let waiters = locked {
      hasEnded = true
      defer { endWaiters = [] }
      return endWaiters
    }
    for waiter in waiters { waiter.resume(returning: ()) }
  }
}
