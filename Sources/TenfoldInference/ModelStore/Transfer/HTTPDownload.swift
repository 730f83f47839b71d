// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Gets a file over HTTP into a ``PartialFile``: goes on where an earlier attempt stopped, follows safe redirects,
/// survives cut connections.
struct HTTPDownload {
  /// A connection that broke; another attempt may go on.
  private struct Interrupted: Error {
    let reason: String
  }

  /// What the attempts so far have shown.
  private struct Experience {
    var received: UInt64 = 0
    /// Whether the server answered at all, be it with an error.
    var hasAnswered = false
    /// Whether to ask for the rest only.
    var useRange = true
  }

  /// The most that is written when the manifest doesn't say how large the file is.
  static let unknownSizeLimit: UInt64 = 256 << 30
  private static let redirectLimit = 10

  let address: String
  /// Sent to the address's own host only, and only over https.
  let token: String?
  let file: ModelFileDescription
  let options: ModelStore.Options
  let silent: SilentHosts
  let signal: CancellationSignal
  let partial: PartialFile
  let progress: (UInt64) -> Void
  let retrying: (String) -> Void

  /// Downloads until the partial file is complete.
  func run() throws {
    guard let start = URL(string: address), Self.isAllowed(start, from: nil), let host = start.host else {
      throw SourceFailure.skipped("not an https address")
    }
    let authority = "\(host):\(start.port ?? 443)"
    guard !silent.contains(authority) else {
      throw SourceFailure.skipped("\(host) did not answer a moment ago")
    }
    var failures = 0
    var experience = Experience()
    while true {
      try signal.check()
      do {
        try attempt(start, authority, &experience)
        return
      } catch let interruption as Interrupted {
        failures += 1
        // A long download over a bad line may break more often, as long as it gets on.
        guard failures <= options.retries + Int(experience.received >> 24) else {
          throw SourceFailure.skipped("\(interruption.reason); gave up after \(failures) attempts")
        }
        retrying(interruption.reason)
        signal.wait(options.retryDelay * min(failures, 8))
      }
    }
  }

  private func attempt(
    _ start: URL,
    _ authority: String,
    _ experience: inout Experience
  ) throws {
    if let size = file.size, partial.count > size { try partial.keep(0, signal) }
    if let size = file.size, partial.count == size, size > 0 {
      try partial.keep(size, signal)
      return
    }
    let offset = experience.useRange ? partial.count : 0
    let (transfer, head) = try answer(start, authority, offset: offset, experience)
    defer { transfer.cancel() }
    experience.hasAnswered = true
    let length = try expectedLength(head, offset: offset, useRange: &experience.useRange)
    // From here on the partial file is this source's.
    try partial.keep(head.status == 206 ? offset : 0, signal)
    var state = PartialFile.State()
    state.source = ModelSource.redacted(address)
    state.entityTag = head["etag"]
    try partial.record(state)

    let limit = file.size ?? Self.unknownSizeLimit
    while true {
      guard let event = try transfer.next(within: options.stallTimeout, signal) else {
        throw Interrupted(reason: "no data for \(options.stallTimeout)")
      }
      switch event {
      case .head: continue
      case .data(let data):
        guard UInt64(data.count) <= limit - partial.count else {
          throw SourceFailure.wrongContent("sends more than the \(limit) bytes expected")
        }
        try partial.append([UInt8](data).span)
        experience.received += UInt64(data.count)
        progress(partial.count)
      case .end(let error):
        if let error {
          throw Interrupted(reason: "the connection broke after \(partial.count) bytes: \(error)")
        }
        if let length = file.size ?? length, partial.count < length {
          throw Interrupted(reason: "the connection ended after \(partial.count) of \(length) bytes")
        }
        return
      }
    }
  }

  /// Sends the request, follows redirects, and returns the first answer that is none.
  private func answer(
    _ start: URL,
    _ authority: String,
    offset: UInt64,
    _ experience: Experience
  ) throws -> (HTTPTransfer, HTTPTransfer.Head) {
    var url = start
    for _ in 0...Self.redirectLimit {
      let transfer = HTTPTransfer.start(request(url, start, offset: offset))
      var keep = false
      defer { if !keep { transfer.cancel() } }
      switch try transfer.next(within: options.answerTimeout, signal) {
      case nil:
        silent.insert(authority)
        throw SourceFailure.skipped("no answer within \(options.answerTimeout)")
      case .end(let error):
        let reason = error ?? "the connection closed without an answer"
        // Whoever answered once is worth another try.
        if experience.hasAnswered || partial.count > 0 && error == nil { throw Interrupted(reason: reason) }
        silent.insert(authority)
        throw SourceFailure.skipped("can't connect: \(reason)")
      case .data: throw Interrupted(reason: "the answer has no headers")
      case .head(let head):
        guard [301, 302, 303, 307, 308].contains(head.status), let location = head["location"] else {
          keep = true
          return (transfer, head)
        }
        guard let next = URL(string: location, relativeTo: url)?.absoluteURL, Self.isAllowed(next, from: url)
        else {
          throw SourceFailure.skipped(
            "redirects to \(ModelSource.redacted(location)), which is not https: refused"
          )
        }
        url = next
      }
    }
    throw SourceFailure.skipped("more than \(Self.redirectLimit) redirects")
  }

  private func request(_ url: URL, _ start: URL, offset: UInt64) -> URLRequest {
    var request = URLRequest(url: url)
    // Ranges and lengths must count the file's own bytes.
    request.setValue("identity", forHTTPHeaderField: "Accept-Encoding")
    request.setValue("tenfold", forHTTPHeaderField: "User-Agent")
    if offset > 0 {
      request.setValue("bytes=\(offset)-", forHTTPHeaderField: "Range")
      if let tag = partial.state.entityTag, partial.state.source == ModelSource.redacted(address),
        !tag.hasPrefix("W/")
      {
        request.setValue(tag, forHTTPHeaderField: "If-Range")
      }
    }
    if let token, url.host == start.host, url.port == start.port, url.scheme == start.scheme {
      request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization")
    }
    return request
  }

  /// Judges the answer's status and lengths.
  ///
  /// - Returns: The length of the whole file as far as the server tells it.
  private func expectedLength(
    _ head: HTTPTransfer.Head,
    offset: UInt64,
    useRange: inout Bool
  ) throws -> UInt64? {
    var length: UInt64?
    switch head.status {
    case 200:
      if head["content-encoding"] == nil { length = head["content-length"].flatMap { UInt64($0) } }
    case 206:
      guard let range = Self.contentRange(head["content-range"]), range.start == offset else {
        useRange = false
        throw Interrupted(reason: "the server sent another range than asked for")
      }
      length = range.total
    case 416:
      useRange = false
      throw Interrupted(reason: "the server has no such range")
    case 401, 403:
      throw SourceFailure.skipped("access denied (status \(head.status)); if the file needs it, set HF_TOKEN")
    case 404, 410: throw SourceFailure.skipped("no such file (status \(head.status))")
    case 408, 425, 429, 500...599:
      throw Interrupted(reason: "the server is in trouble (status \(head.status))")
    default: throw SourceFailure.skipped("unexpected status \(head.status)")
    }
    if let size = file.size, let length, size != length {
      throw SourceFailure.wrongContent("has \(length) bytes, not \(size)")
    }
    return length
  }

  /// Reads `bytes <start>-<end>/<total or *>`.
  static func contentRange(_ value: String?) -> (start: UInt64, total: UInt64?)? {
    guard let value, value.lowercased().hasPrefix("bytes ") else { return nil }
    let parts = value.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let first = parts[0].split(separator: "-").first, let start = UInt64(first) else {
      return nil
    }
    if parts[1] == "*" { return (start, nil) }
    guard let total = UInt64(parts[1]) else { return nil }
    return (start, total)
  }

  /// Whether an address may be asked: https, or http on this machine unless that leaves https.
  static func isAllowed(_ url: URL, from previous: URL?) -> Bool {
    guard let scheme = url.scheme?.lowercased(), let host = url.host, !host.isEmpty else { return false }
    if scheme == "https" { return true }
    guard scheme == "http", isLoopback(host) else { return false }
    guard let previous else { return true }
    return previous.scheme?.lowercased() == "http"
  }

  private static func isLoopback(_ host: String) -> Bool {
    ["localhost", "::1", "[::1]", "127.0.0.1"].contains(host.lowercased())
  }
}
