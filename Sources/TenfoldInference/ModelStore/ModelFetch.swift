// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A model on its way into the store, as a sequence of events.
///
/// The download starts with the iteration and stops when the iterator is dropped or its task is cancelled; what has
/// arrived by then is kept for the next time. The buffer is bounded by what there is to tell: a hundred steps a file.
///
/// ```swift
/// for try await event in store.events(fetching: "all-MiniLM-L6-v2") {
///   if case .progress(let file, let bytes, _) = event { print(file, bytes) }
/// }
/// ```
public struct ModelFetch: AsyncSequence, Sendable {
  /// What happens.
  public typealias Element = ModelFetchEvent

  /// Gives the events of one download.
  public struct AsyncIterator: AsyncIteratorProtocol {
    private var events: AsyncThrowingStream<ModelFetchEvent, any Error>.Iterator

    fileprivate init(_ events: AsyncThrowingStream<ModelFetchEvent, any Error>) {
      self.events = events.makeAsyncIterator()
    }

    /// The next event, or `nil` after ``ModelFetchEvent/finished(_:)``.
    public mutating func next() async throws -> ModelFetchEvent? {
      try await events.next(isolation: #isolation)
    }

    /// The same, on the caller's actor.
    public mutating func next(isolation actor: isolated (any Actor)?) async throws -> ModelFetchEvent? {
      try await events.next(isolation: actor)
    }
  }

  let store: ModelStore
  let id: String

  /// Starts the download on a thread of its own.
  public func makeAsyncIterator() -> AsyncIterator {
    let signal = CancellationSignal()
    let (events, continuation) = AsyncThrowingStream<ModelFetchEvent, any Error>.makeStream()
    continuation.onTermination = { _ in signal.cancel() }
    let (store, id) = (store, id)
    BlockingWork.start("tenfold-fetch") {
      do {
        let files = try store.worker(signal) { continuation.yield($0) }.fetch(id)
        continuation.yield(.finished(files))
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
      }
    }
    return AsyncIterator(events)
  }
}
