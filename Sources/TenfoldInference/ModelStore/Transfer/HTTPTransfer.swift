// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// One HTTP request whose answer is read piece by piece by a thread that may block.
///
/// Redirects are not followed: the caller decides about each one.
///
/// `@unchecked Sendable`: `condition` protects `events`, `buffered`, `hasHead`, `isOver` and `isRedirect`; `session`
/// and `task` are set once, before the request starts.
final class HTTPTransfer: NSObject, URLSessionDataDelegate, @unchecked Sendable {
  /// The first line and the headers of an answer.
  struct Head: Sendable {
    let status: Int
    private let headers: [String: String]

    init(_ response: HTTPURLResponse) {
      status = response.statusCode
      var headers: [String: String] = [:]
      for (name, value) in response.allHeaderFields {
        headers["\(name)".lowercased()] = "\(value)"
      }
      self.headers = headers
    }

    /// The value of a header, by its lower-case name.
    subscript(name: String) -> String? { headers[name] }
  }

  /// What the answer consists of, in order: a head, data, the end.
  enum Event: Sendable {
    case head(Head)
    case data(Data)
    case end(error: String?)
  }

  /// How much is kept in memory before the sender has to wait.
  private static let bufferLimit = 16 << 20

  private let condition = NSCondition()
  private var events: [Event] = []
  private var buffered = 0
  private var hasHead = false
  private var isOver = false
  private var isRedirect = false
  private var session: URLSession?
  private var task: URLSessionDataTask?

  /// Starts a request.
  static func start(_ request: URLRequest) -> HTTPTransfer {
    let transfer = HTTPTransfer()
    let configuration = URLSessionConfiguration.ephemeral
    configuration.urlCache = nil
    configuration.httpCookieStorage = nil
    configuration.requestCachePolicy = .reloadIgnoringLocalCacheData
    // The reading thread has its own, shorter limits.
    configuration.timeoutIntervalForRequest = 600
    configuration.timeoutIntervalForResource = 7 * 24 * 3600
    let queue = OperationQueue()
    queue.maxConcurrentOperationCount = 1
    let session = URLSession(configuration: configuration, delegate: transfer, delegateQueue: queue)
    let task = session.dataTask(with: request)
    transfer.session = session
    transfer.task = task
    task.resume()
    return transfer
  }

  /// Waits for the next event; `nil` when none comes in time.
  func next(within limit: Duration, _ signal: CancellationSignal) throws -> Event? {
    let end = ContinuousClock.now + limit
    condition.lock()
    defer { condition.unlock() }
    while events.isEmpty {
      try signal.check()
      guard ContinuousClock.now < end else { return nil }
      // Short, to notice a cancellation soon.
      _ = condition.wait(until: Date(timeIntervalSinceNow: 0.05))
    }
    let event = events.removeFirst()
    if case .data(let data) = event {
      buffered -= data.count
      condition.broadcast()
    }
    return event
  }

  /// Drops the connection; no event follows.
  func cancel() {
    condition.lock()
    isOver = true
    events = []
    let isRedirect = isRedirect
    condition.broadcast()
    condition.unlock()
    // A redirect that was answered ends by itself; on Linux, Foundation traps when it is cancelled meanwhile.
    if isRedirect { return }
    task?.cancel()
    session?.invalidateAndCancel()
  }

  private func post(_ event: Event) {
    condition.lock()
    defer { condition.unlock() }
    guard !isOver else { return }
    switch event {
    case .head:
      guard !hasHead else { return }
      hasHead = true
    case .data(let data):
      while buffered > Self.bufferLimit, !isOver { condition.wait() }
      buffered += data.count
    case .end: break
    }
    guard !isOver else { return }
    events.append(event)
    if case .end = event { isOver = true }
    condition.broadcast()
  }

  func urlSession(
    _ session: URLSession,
    task: URLSessionTask,
    willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest,
    completionHandler: @escaping (URLRequest?) -> Void
  ) {
    condition.lock()
    let isCancelled = isOver
    if !isCancelled { isRedirect = true }
    condition.unlock()
    // A cancelled task must not be answered any more.
    if isCancelled { return }
    completionHandler(nil)
    post(.head(Head(response)))
  }

  func urlSession(
    _ session: URLSession,
    dataTask: URLSessionDataTask,
    didReceive response: URLResponse,
    completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
  ) {
    if let response = response as? HTTPURLResponse { post(.head(Head(response))) }
    completionHandler(.allow)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    post(.data(data))
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    post(.end(error: error.map { $0.localizedDescription }))
    session.finishTasksAndInvalidate()
  }
}
