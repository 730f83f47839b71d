// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// An answer as it is made: pieces of text, then one summary.
///
/// Leaving the loop, dropping the stream or cancelling the reading task stops the work behind it. The stream has one
/// reader; its buffer is bounded by merging texts, so a slow reader never blocks the producer.
///
/// ```swift
/// for try await event in try await model.generate(request) {
///   switch event {
///   case .text(let text): print(text, terminator: "")
///   case .finished(let summary): print("\n\(summary.usage.completionTokens) tokens")
///   }
/// }
/// ```
public struct GenerationStream: AsyncSequence, Sendable {
  /// The producer's end of a stream.
  public struct Continuation: Sendable {
    let channel: GenerationChannel

    /// Hands an event to the reader without ever waiting.
    ///
    /// - Parameter event: The next event.
    /// - Returns: False when the reader has gone and the producer should stop.
    @discardableResult
    public func yield(_ event: GenerationEvent) -> Bool { channel.send(event) }

    /// Ends the stream, with an error or without; only the first call counts.
    public func finish(throwing error: (any Error)? = nil) {
      channel.finish(error.map { .failure($0) } ?? .success(()))
    }

    /// Runs `action` once when the reader leaves early; at once if it already has.
    public func onCancel(_ action: @escaping @Sendable () -> Void) { channel.setOnCancel(action) }

    /// Whether the reader has gone.
    public var isCancelled: Bool { channel.isCancelled }
  }

  /// Reads a stream's events.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let reader: Reader

    /// The next event, or `nil` after the summary.
    ///
    /// - Returns: The event.
    /// - Throws: The producer's error, or `CancellationError` when the task is cancelled.
    public mutating func next() async throws -> GenerationEvent? { try await reader.next() }
  }

  /// Shared by the stream and its iterators; when the last of them goes, the producer is told to stop.
  final class Reader: Sendable {
    private let pull: @Sendable () async throws -> GenerationEvent?
    private let cancel: @Sendable () -> Void

    init(
      pull: @escaping @Sendable () async throws -> GenerationEvent?,
      cancel: @escaping @Sendable () -> Void
    ) {
      self.pull = pull
      self.cancel = cancel
    }

    func next() async throws -> GenerationEvent? { try await pull() }

    deinit { cancel() }
  }

  private let reader: Reader

  private init(reader: Reader) { self.reader = reader }

  /// Creates a stream whose events `pull` gives; releasing `pull` is how it learns that the reader has left.
  package init(pull: @escaping @Sendable () async throws -> GenerationEvent?) {
    self.reader = Reader(pull: pull, cancel: {})
  }

  private init(channel: GenerationChannel) {
    self.reader = Reader(pull: { try await channel.next() }, cancel: { channel.cancel() })
  }

  /// Creates a stream and the end through which a producer fills it.
  ///
  /// - Parameter bufferLimit: How many events wait unread before texts are merged.
  /// - Returns: The stream and its producer's end.
  public static func makeStream(bufferLimit: Int = 64) -> (stream: Self, continuation: Continuation) {
    let channel = GenerationChannel(bufferLimit: bufferLimit)
    return (Self(channel: channel), Continuation(channel: channel))
  }

  /// Creates a stream that `produce` fills in a task of its own.
  ///
  /// The task belongs to the stream: it is cancelled when the reader leaves, and the stream ends when it returns.
  ///
  /// - Parameters:
  ///   - bufferLimit: How many events wait unread before texts are merged.
  ///   - produce: Yields the events; an error it throws ends the stream.
  public init(
    bufferLimit: Int = 64,
    producing produce: @escaping @Sendable (Continuation) async throws -> Void
  ) {
    let channel = GenerationChannel(bufferLimit: bufferLimit)
    let continuation = Continuation(channel: channel)
    // The one unstructured task of the library: owned by the channel, cancelled with it.
    let task = Task {
      do {
        try await produce(continuation)
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
      }
    }
    channel.setOnCancel { task.cancel() }
    self.init(channel: channel)
  }

  /// Creates a stream of an answer that is already complete.
  public init(_ completion: Completion) {
    let channel = GenerationChannel(bufferLimit: 2)
    if !completion.text.isEmpty { _ = channel.send(.text(completion.text)) }
    _ = channel.send(.finished(completion.summary))
    channel.finish(.success(()))
    self.init(channel: channel)
  }

  /// Starts reading; a second iterator goes on where the first one is.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(reader: reader) }

  /// This stream with each event passed through `transform`, on the reader's task and in order.
  ///
  /// - Parameter transform: Returns the event to deliver in place of its argument; it must not block.
  /// - Returns: The changed stream; dropping it drops this one.
  public func mapEvents(_ transform: @escaping @Sendable (GenerationEvent) -> GenerationEvent) -> Self {
    let upstream = reader
    return Self(
      reader: Reader(
        pull: { try await upstream.next().map(transform) },
        // Holding the upstream reader is enough: it is released, and so cancelled, with this closure.
        cancel: {}
      )
    )
  }

  /// This stream with `action` run once when it ends: with the summary, or with the error, or with neither when the
  /// reader left early.
  ///
  /// - Parameter action: Called exactly once; it must not block.
  /// - Returns: The observed stream.
  public func onEnd(_ action: @escaping @Sendable (GenerationEnd) -> Void) -> Self {
    let observer = GenerationEndObserver(action)
    let upstream = reader
    return Self(
      reader: Reader(
        pull: {
          do {
            let event = try await upstream.next()
            if case .finished(let summary)? = event { observer.end(.finished(summary)) }
            if event == nil { observer.end(.abandoned) }
            return event
          } catch {
            observer.end(error is CancellationError ? .abandoned : .failed(error))
            throw error
          }
        },
        cancel: { observer.end(.abandoned) }
      )
    )
  }

  /// This stream, its summary delivered once `action` has returned.
  ///
  /// - Parameter action: Called at most once, on the reader's task, when the whole answer was delivered but for its
  ///   summary; a reader that leaves earlier, and an error, end the stream without it.
  /// - Returns: The changed stream; dropping it drops this one.
  public func beforeSummary(_ action: @escaping @Sendable (GenerationSummary) async -> Void) -> Self {
    let upstream = reader
    return Self(pull: {
      let event = try await upstream.next()
      if case .finished(let summary)? = event { await action(summary) }
      return event
    })
  }

  /// Reads the stream to its end.
  ///
  /// - Returns: The whole answer.
  /// - Throws: The producer's error; ``RequestError`` with code ``RequestError/Code/modelFailed`` if the stream ends
  ///   without a summary; `CancellationError` when the task is cancelled.
  public func collect() async throws -> Completion {
    var text = ""
    for try await event in self {
      switch event {
      case .text(let piece): text += piece
      case .finished(let summary): return Completion(text: text, summary: summary)
      }
    }
    try Task.checkCancellation()
    throw RequestError.missingSummary()
  }
}
