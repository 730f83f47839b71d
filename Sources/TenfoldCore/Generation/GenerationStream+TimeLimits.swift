// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension GenerationStream {
  /// When a stream that doesn't come, or doesn't go on, is given up.
  package struct TimeLimits: Sendable {
    /// The instant at which it ends in any case.
    package var deadline: ContinuousClock.Instant?
    /// How long nothing may come: no stream at first, no event then.
    package var silence: Duration?
    /// What is waited for, for messages.
    package var subject: String

    /// Creates limits; without any the stream is only passed on.
    package init(deadline: ContinuousClock.Instant? = nil, silence: Duration? = nil, subject: String) {
      self.deadline = deadline
      self.silence = silence
      self.subject = subject
    }
  }

  /// Opens a stream, and gives it up when its time is over even if what makes it doesn't listen to cancellation.
  ///
  /// The work goes on in the task that the returned stream owns; it is cancelled when a limit is passed or the reader
  /// leaves. Code that ignores that stays in that task until it returns by itself, but nobody waits for it.
  ///
  /// - Parameters:
  ///   - limits: When it is given up.
  ///   - time: Where the time is read.
  ///   - open: Makes the stream; called once.
  /// - Returns: The stream, once `open` has made it.
  /// - Throws: What `open` throws; ``RequestError`` with code ``RequestError/Code/deadlineExceeded`` or, for silence,
  ///   ``RequestError/Code/modelFailed``, here or, later, through the stream; `CancellationError`.
  package static func opening(
    within limits: TimeLimits,
    time: TimeSource,
    _ open: @escaping @Sendable () async throws -> GenerationStream
  ) async throws -> GenerationStream {
    guard limits.deadline != nil || limits.silence != nil else { return try await open() }
    let alarm = StreamAlarm(limits, time)
    let (opening, door) = AsyncThrowingStream<Void, any Error>.makeStream()
    let stream = GenerationStream { continuation in
      @Sendable func end(_ error: (any Error)?) {
        continuation.finish(throwing: error)
        door.finish(throwing: error)
      }
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          do {
            let upstream = try await open()
            alarm.noteEvent()
            door.finish()
            for try await event in upstream {
              alarm.noteEvent()
              guard continuation.yield(event) else { break }
            }
            end(nil)
          } catch {
            end(error)
          }
        }
        group.addTask {
          if let error = await alarm.wait() { end(error) }
        }
        await group.next()
        group.cancelAll()
      }
    }
    for try await _ in opening {}
    try Task.checkCancellation()
    return stream
  }
}

extension RequestContext {
  /// Does something that may not return in time, and gives it up at the request's deadline.
  ///
  /// Without a deadline `body` is only called. With one it runs in a task of its own, which is cancelled when the deadline
  /// passes or the caller is cancelled; code that ignores that ends by itself, but nobody waits for it.
  ///
  /// - Parameters:
  ///   - subject: What is done, for messages.
  ///   - body: Does it.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws; ``RequestError`` with code ``RequestError/Code/deadlineExceeded``;
  ///   `CancellationError`.
  package func beforeDeadline<Value: Sendable>(
    _ subject: String,
    _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    guard let deadline else { return try await body() }
    let result = LateResult<Value>()
    _ = try await GenerationStream.opening(
      within: GenerationStream.TimeLimits(deadline: deadline, subject: subject),
      time: trace.time
    ) {
      let value = try await body()
      result.value.withLock { $0 = value }
      return GenerationStream { _ in }
    }
    guard let value = result.value.withLock({ $0 }) else { throw CancellationError() }
    return value
  }
}

/// A result that is handed from the task that made it to the one that waits.
private final class LateResult<Value: Sendable>: Sendable {
  let value = Mutex<Value?>(nil)
}

/// Tells when a stream's time is over.
private final class StreamAlarm: Sendable {
  private let limits: GenerationStream.TimeLimits
  private let time: TimeSource
  private let lastEvent: Mutex<ContinuousClock.Instant>

  init(_ limits: GenerationStream.TimeLimits, _ time: TimeSource) {
    self.limits = limits
    self.time = time
    lastEvent = Mutex(time.now)
  }

  func noteEvent() {
    guard limits.silence != nil else { return }
    let now = time.now
    lastEvent.withLock { $0 = now }
  }

  /// Waits until the time is over, or the task is cancelled.
  func wait() async -> RequestError? {
    while true {
      let silenceEnd = limits.silence.map { silence in lastEvent.withLock { $0.advanced(by: silence) } }
      guard let end = [limits.deadline, silenceEnd].compactMap(\.self).min(),
        (try? await time.sleep(until: end)) != nil
      else { return nil }
      let now = time.now
      if let deadline = limits.deadline, deadline <= now {
        return RequestError(.deadlineExceeded, "The deadline passed before \(limits.subject) was done.")
      }
      if let silence = limits.silence, lastEvent.withLock({ $0.advanced(by: silence) }) <= now {
        return RequestError(.modelFailed, "Nothing came from \(limits.subject) for \(silence).")
      }
    }
  }
}
