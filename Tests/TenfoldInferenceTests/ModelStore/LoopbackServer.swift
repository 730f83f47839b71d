// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A small HTTP server on the loopback interface that can misbehave on request.
final class LoopbackServer: Sendable {
  struct Request: Sendable {
    let path: String
    let headers: [String: String]

    /// The first byte asked for, if the request has a range.
    var rangeStart: Int? {
      guard let range = headers["range"], range.hasPrefix("bytes="), range.hasSuffix("-") else { return nil }
      return Int(range.dropFirst(6).dropLast())
    }
  }

  struct Reply: Sendable {
    var status = 200
    var headers: [(String, String)] = []
    var body: [UInt8] = []
    /// The `Content-Length` to claim, or `nil` for none.
    var claimedLength: Int?
    /// Whether to leave the connection open after the last byte until the client closes it.
    var hangs = false
    /// Whether to send nothing at all until the client closes the connection.
    var isMute = false
    /// Whether to close the connection without an answer.
    var isMissing = false

    static func whole(_ body: [UInt8]) -> Reply { Reply(body: body, claimedLength: body.count) }

    /// What a server that knows ranges answers.
    static func ranged(_ body: [UInt8], _ request: Request, tag: String? = nil) -> Reply {
      var headers = tag.map { [("ETag", $0)] } ?? []
      guard let start = request.rangeStart, start < body.count,
        tag == nil || request.headers["if-range"].map({ $0 == tag }) ?? true
      else { return Reply(headers: headers, body: body, claimedLength: body.count) }
      headers.append(("Content-Range", "bytes \(start)-\(body.count - 1)/\(body.count)"))
      return Reply(
        status: 206,
        headers: headers,
        body: Array(body[start...]),
        claimedLength: body.count - start
      )
    }

    /// The same, but the connection ends after some bytes of the body.
    func cut(after count: Int) -> Reply {
      var reply = self
      reply.body = Array(body.prefix(count))
      return reply
    }
  }

  let port: UInt16
  /// Whether the server is gone. Its thread alone closes the listening socket: closed by another, the number could be a
  /// new server's by the time the thread accepts from it again.
  private let isOver = Flag()
  private let log = Mutex<[Request]>([])

  /// The requests so far.
  var requests: [Request] { log.withLock { $0 } }
  var address: String { "http://127.0.0.1:\(port)" }

  /// Starts to answer; `handler` also gets how many requests came before.
  init(_ handler: @escaping @Sendable (Request, Int) -> Reply) throws {
    let listener = socket(AF_INET, Self.stream, 0)
    var target = Self.loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = unsafe withUnsafeMutablePointer(to: &target) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(listener, address, length) == 0 && listen(listener, 16) == 0
          && getsockname(listener, address, &length) == 0
      }
    }
    guard bound else { throw POSIXError(.EADDRNOTAVAIL) }
    port = UInt16(bigEndian: target.sin_port)
    let record: @Sendable (Request) -> Int = { [weak self] request in
      self?.log.withLock { log in
        log.append(request)
        return log.count - 1
      } ?? 0
    }
    let isOver = isOver
    Thread {
      defer { close(listener) }
      while true {
        let connection = accept(listener, nil, nil)
        if connection < 0 { return }
        if isOver.value.load(ordering: .acquiring) {
          close(connection)
          return
        }
        Thread { Self.serve(connection, record, handler) }.start()
      }
    }.start()
  }

  deinit {
    isOver.value.store(true, ordering: .releasing)
    // Wakes the thread on every system, which shutting the socket down doesn't.
    guard let connection = Self.connect(to: port) else { return }
    close(connection)
  }

  private final class Flag: Sendable {
    let value = Atomic(false)
  }

  private static func connect(to port: UInt16) -> CInt? {
    let connection = socket(AF_INET, stream, 0)
    var target = loopback(port)
    let connected = unsafe withUnsafeMutablePointer(to: &target) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        #if canImport(Glibc)
        unsafe Glibc.connect(connection, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        #elseif canImport(Musl)
        unsafe Musl.connect(connection, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        #else
        unsafe Darwin.connect(connection, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        #endif
      }
    }
    if connected { return connection }
    close(connection)
    return nil
  }

  private static var stream: CInt {
    #if canImport(Glibc)
    CInt(SOCK_STREAM.rawValue)
    #else
    SOCK_STREAM
    #endif
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    address.sin_port = port.bigEndian
    return address
  }

  private static func serve(
    _ connection: CInt,
    _ record: (Request) -> Int,
    _ handler: (Request, Int) -> Reply
  ) {
    defer { close(connection) }
    guard let request = receive(connection) else { return }
    let reply = handler(request, record(request))
    if reply.isMissing { return }
    if reply.isMute { return waitForClose(connection) }
    var head = "HTTP/1.1 \(reply.status) Status\r\nConnection: close\r\n"
    for (name, value) in reply.headers { head += "\(name): \(value)\r\n" }
    if let length = reply.claimedLength { head += "Content-Length: \(length)\r\n" }
    send(connection, Array((head + "\r\n").utf8) + reply.body)
    if reply.hangs { return waitForClose(connection) }
    shutdown(connection, CInt(SHUT_WR))
  }

  private static func receive(_ connection: CInt) -> Request? {
    var bytes: [UInt8] = []
    while !bytes.suffix(4).elementsEqual("\r\n\r\n".utf8) {
      var byte: UInt8 = 0
      guard unsafe read(connection, &byte, 1) == 1, bytes.count < 65_536 else { return nil }
      bytes.append(byte)
    }
    let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ")
    guard words.count >= 2 else { return nil }
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
        in: .whitespaces
      )
    }
    return Request(path: String(words[1]), headers: headers)
  }

  private static func send(_ connection: CInt, _ bytes: [UInt8]) {
    #if canImport(Darwin)
    let flags: CInt = 0
    var on: CInt = 1
    setsockopt(connection, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<CInt>.size))
    #else
    let flags = CInt(MSG_NOSIGNAL)
    #endif
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        #if canImport(Glibc)
        unsafe Glibc.send(connection, buffer.baseAddress! + done, buffer.count - done, flags)
        #elseif canImport(Musl)
        unsafe Musl.send(connection, buffer.baseAddress! + done, buffer.count - done, flags)
        #else
        unsafe Darwin.send(connection, buffer.baseAddress! + done, buffer.count - done, flags)
        #endif
      }
      if count <= 0 { return }
      done += count
    }
  }

  private static func waitForClose(_ connection: CInt) {
    var byte: UInt8 = 0
    while unsafe read(connection, &byte, 1) > 0 {}
  }
}
