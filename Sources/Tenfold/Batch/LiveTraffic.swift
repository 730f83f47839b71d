// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore
import TenfoldStorage

/// Lets work of a batch run while no live request is being answered, and stops it when one comes.
///
/// As a layer it counts the requests in flight that are not of background priority; place it nearest to the model, so that
/// what a cache answers doesn't count. ``whileQuiet(_:)`` runs work between them, and ``BatchInference`` does so with its
/// lines when ``BatchInference/Options/yieldsTo`` names it. An engine that makes tokens for several requests at once makes
/// each of them later: priority alone can't spare a live request from that.
///
/// Work that was stopped is done again from its beginning. After ``Options/maximumStops`` of these it isn't stopped any
/// more, so that it comes to its end beside traffic that rarely rests; traffic that never does holds it up for good,
/// unless ``Options/maximumWait`` says otherwise.
///
/// ```swift
/// let traffic = LiveTraffic()
/// let pipeline = Pipeline(model: model, middlewares: [observation, admission, cache, traffic])
/// let batches = BatchInference(store: store, model: pipeline, options: .init(yieldsTo: traffic))
/// ```
public final class LiveTraffic: InferenceMiddleware {
  /// How far work gives way; every field has a default.
  public struct Options: Sendable {
    /// How often a piece of work is stopped at most.
    public var maximumStops: Int
    /// How long a piece of work waits for quiet at most, each time; `nil` for as long as it takes.
    public var maximumWait: Duration?
    /// What the waiting goes by.
    public var time: TimeSource

    /// Creates options.
    ///
    /// - Parameters:
    ///   - maximumStops: How often a piece of work is stopped at most.
    ///   - maximumWait: How long a piece of work waits for quiet at most, each time.
    ///   - time: What the waiting goes by.
    public init(maximumStops: Int = 8, maximumWait: Duration? = nil, time: TimeSource = .system) {
      self.maximumStops = maximumStops
      self.maximumWait = maximumWait
      self.time = time
    }
  }

  private let options: Options
  private let live = Mutex(0)
  private let hub = HintHub<Void>()

  /// Creates a layer that has seen no request.
  ///
  /// - Parameter options: How far work gives way.
  public init(options: Options = Options()) { self.options = options }

  /// How many live requests are being answered.
  public var count: Int { live.withLock { $0 } }

  /// Passes a request on, and counts it until its answer ends if it is a live one.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - next: The layers inside.
  /// - Returns: The same stream.
  /// - Throws: Whatever `next` throws.
  public func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    guard request.context.priority > .background else { return try await next(request) }
    change(by: 1)
    do {
      return try await next(request).onEnd { [self] _ in change(by: -1) }
    } catch {
      change(by: -1)
      throw error
    }
  }

  /// Runs work when no live request is being answered; when one comes, cancels it and begins again after that.
  ///
  /// - Parameter body: The work, in a child task; it must do no harm when it is done again.
  /// - Returns: What the body gave.
  /// - Throws: What the body throws when it was not stopped; `CancellationError`.
  public func whileQuiet<Value: Sendable>(
    _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    for _ in 0..<max(0, options.maximumStops) {
      try await waitForQuiet()
      let value = try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await body() }
        group.addTask { [self] in
          try await wait { $0 > 0 }
          return nil
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
      }
      if let value { return value }
    }
    try await waitForQuiet()
    return try await body()
  }

  private func waitForQuiet() async throws {
    guard let limit = options.maximumWait else { return try await wait { $0 == 0 } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { [self] in try await wait { $0 == 0 } }
      group.addTask { [options] in try await options.time.sleep(until: options.time.now + limit) }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func wait(until isReached: (Int) -> Bool) async throws {
    // The stream comes first, so that no change between looking and waiting is missed.
    let hints = hub.stream()
    if isReached(count) { return }
    for await _ in hints where isReached(count) { return }
    throw CancellationError()
  }

  private func change(by difference: Int) {
    live.withLock { $0 += difference }
    hub.send(())
  }
}
