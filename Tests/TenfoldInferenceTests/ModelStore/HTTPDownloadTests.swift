// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TenfoldInference

@Suite struct HTTPDownloadTests {
  private static let contents = StoreFixture.bytes(300_000)

  private static func fetch(
    _ fixture: StoreFixture,
    _ sources: [ModelSource],
    log: EventLog = EventLog(),
    _ change: (inout ModelStore.Options) -> Void = { _ in }
  ) async throws -> [UInt8]? {
    var file = StoreFixture.file(contents)
    file.sources = sources
    let files = try await fixture.store([file], change).fetch("m") { log.add($0) }
    return StoreFixture.read(try files.path(of: "f.bin"))
  }

  @Test("a whole file arrives, under its hash and its name")
  func whole() async throws {
    let server = try LoopbackServer { _, _ in .whole(Self.contents) }
    let fixture = try StoreFixture()
    #expect(try await Self.fetch(fixture, [.url(server.address + "/f")]) == Self.contents)
    #expect(StoreFixture.read(fixture.root + "/store/files/m/f.bin") == Self.contents)
    #expect(fixture.names("partial").isEmpty)
    let target = try FileManager.default.destinationOfSymbolicLink(
      atPath: fixture.root + "/store/files/m/f.bin"
    )
    #expect(target == "../../blobs/sha256-\(StoreFixture.sha256(Self.contents))")
  }

  @Test("cut connections go on where they stopped", arguments: [nil, "\"v1\""] as [String?])
  func cut(tag: String?) async throws {
    let server = try LoopbackServer { request, count in
      let reply = LoopbackServer.Reply.ranged(Self.contents, request, tag: tag)
      return count < 2 ? reply.cut(after: 100_000) : reply
    }
    let log = EventLog()
    #expect(try await Self.fetch(StoreFixture(), [.url(server.address + "/f")], log: log) == Self.contents)
    #expect(log.retries == 2)
    let starts = server.requests.map(\.rangeStart)
    #expect(starts.count == 3 && starts[0] == nil)
    #expect(starts.dropFirst().allSatisfy { ($0 ?? 0) > 0 })
    #expect(server.requests.last?.headers["if-range"] == tag)
  }

  @Test("a file that changed meanwhile is taken from the start")
  func changed() async throws {
    let server = try LoopbackServer { request, count in
      count == 0
        ? LoopbackServer.Reply.ranged(StoreFixture.bytes(300_000, seed: 9), request, tag: "\"old\"").cut(
          after: 1_000
        )
        : .ranged(Self.contents, request, tag: "\"new\"")
    }
    #expect(try await Self.fetch(StoreFixture(), [.url(server.address + "/f")]) == Self.contents)
  }

  @Test("a server without ranges is asked again from the start")
  func noRanges() async throws {
    let server = try LoopbackServer { _, count in
      count == 0 ? LoopbackServer.Reply.whole(Self.contents).cut(after: 50_000) : .whole(Self.contents)
    }
    #expect(try await Self.fetch(StoreFixture(), [.url(server.address + "/f")]) == Self.contents)
    #expect(server.requests.count == 2)
  }

  @Test("a wrong range, or none, is asked again from the start", arguments: [206, 416])
  func wrongRange(status: Int) async throws {
    let server = try LoopbackServer { request, count in
      if count == 0 { return LoopbackServer.Reply.whole(Self.contents).cut(after: 50_000) }
      if request.rangeStart == nil { return .whole(Self.contents) }
      return LoopbackServer.Reply(
        status: status,
        headers: [("Content-Range", "bytes 0-99/300000")],
        body: Array(Self.contents.prefix(100)),
        claimedLength: 100
      )
    }
    #expect(try await Self.fetch(StoreFixture(), [.url(server.address + "/f")]) == Self.contents)
    #expect(server.requests.count == 3)
  }

  @Test("a server that is never well is given up, and the next source asked")
  func givesUp() async throws {
    let ill = try LoopbackServer { _, _ in LoopbackServer.Reply(status: 503, claimedLength: 0) }
    let well = try LoopbackServer { _, _ in .whole(Self.contents) }
    let log = EventLog()
    let sources: [ModelSource] = [.url(ill.address + "/f"), .url(well.address + "/f")]
    #expect(try await Self.fetch(StoreFixture(), sources, log: log) == Self.contents)
    #expect(ill.requests.count == 4)
    #expect(log.skipped.count == 1 && log.skipped[0].contains("503"), "\(log.skipped)")
  }

  @Test("a server that answered, if only with an error, is asked again when it drops the connection")
  func dropped() async throws {
    let server = try LoopbackServer { _, count in
      switch count {
      case 0: LoopbackServer.Reply(status: 503, claimedLength: 0)
      case 1: LoopbackServer.Reply(isMissing: true)
      default: .whole(Self.contents)
      }
    }
    let log = EventLog()
    #expect(try await Self.fetch(StoreFixture(), [.url(server.address + "/f")], log: log) == Self.contents)
    #expect(log.retries == 2 && log.skipped.isEmpty)
  }

  @Test(
    "a source that refuses is skipped at once",
    arguments: [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (404, "no such file"), (418, "418")]
  )
  func refused(status: Int, reason: String) async throws {
    let server = try LoopbackServer { _, _ in LoopbackServer.Reply(status: status, claimedLength: 0) }
    let log = EventLog()
    let error = await #expect(throws: ModelError.self) {
      try await Self.fetch(StoreFixture(), [.url(server.address + "/f")], log: log)
    }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("tenfold models add m --file PATH") == true)
    #expect(server.requests.count == 1)
    #expect(log.skipped.first?.contains(reason) == true)
  }

  @Test("a silent server is skipped, and not asked again for the next file")
  func silent() async throws {
    let mute = try LoopbackServer { _, _ in LoopbackServer.Reply(isMute: true) }
    let well = try LoopbackServer { _, _ in .whole(Self.contents) }
    let log = EventLog()
    let sources: [ModelSource] = [
      .url(mute.address + "/a"), .url(mute.address + "/b"), .url(well.address + "/f"),
    ]
    let got = try await Self.fetch(StoreFixture(), sources, log: log) {
      $0.answerTimeout = .seconds(5)
    }
    #expect(got == Self.contents)
    #expect(mute.requests.count == 1)
    #expect(log.skipped.count == 2)
    #expect(log.skipped.last?.contains("a moment ago") == true)
  }

  @Test("a connection that goes quiet in the middle is replaced")
  func stalls() async throws {
    let server = try LoopbackServer { request, count in
      var reply = LoopbackServer.Reply.ranged(Self.contents, request)
      if count == 0 {
        reply = reply.cut(after: 100_000)
        reply.hangs = true
      }
      return reply
    }
    let got = try await Self.fetch(StoreFixture(), [.url(server.address + "/f")]) {
      $0.stallTimeout = .milliseconds(300)
      $0.retries = 100
    }
    #expect(got == Self.contents)
    #expect(server.requests.count > 1)
  }

  @Test("nothing listens: skipped")
  func closed() async throws {
    var server: LoopbackServer? = try LoopbackServer { _, _ in .whole([]) }
    let address = server?.address ?? ""
    server = nil
    let error = await #expect(throws: ModelError.self) {
      try await Self.fetch(StoreFixture(), [.url(address + "/f")])
    }
    #expect(error?.code == .unavailable)
  }

  @Test("the wrong size is refused before anything is downloaded")
  func wrongSize() async throws {
    let server = try LoopbackServer { _, _ in .whole([1, 2, 3]) }
    let error = await #expect(throws: ModelError.self) {
      try await Self.fetch(StoreFixture(), [.url(server.address + "/f")])
    }
    #expect(error?.code == .hashMismatch)
    #expect(error?.message.contains("has 3 bytes, not 300000") == true)
  }

  @Test("more than the size is refused where the server doesn't tell the length")
  func tooMuch() async throws {
    let server = try LoopbackServer { _, _ in LoopbackServer.Reply(body: StoreFixture.bytes(400_000)) }
    let fixture = try StoreFixture()
    let error = await #expect(throws: ModelError.self) {
      try await Self.fetch(fixture, [.url(server.address + "/f")])
    }
    #expect(error?.code == .hashMismatch)
    #expect(fixture.names("blobs").isEmpty)
  }

  @Test("wrong contents go to the quarantine, and the next source is asked")
  func quarantine() async throws {
    let wrong = try LoopbackServer { _, _ in .whole(StoreFixture.bytes(300_000, seed: 2)) }
    let right = try LoopbackServer { _, _ in .whole(Self.contents) }
    let fixture = try StoreFixture()
    let error = await #expect(throws: ModelError.self) {
      try await Self.fetch(fixture, [.url(wrong.address + "/f")])
    }
    #expect(error?.code == .hashMismatch)
    #expect(fixture.names("quarantine").count == 1)
    #expect(fixture.names("blobs").isEmpty && fixture.names("partial").isEmpty)
    let sources: [ModelSource] = [.url(wrong.address + "/f"), .url(right.address + "/f")]
    #expect(try await Self.fetch(fixture, sources) == Self.contents)
    #expect(fixture.names("quarantine").count == 2)
  }

  @Test("bytes left by someone else that spoil the hash are dropped and fetched again")
  func poisoned() async throws {
    let server = try LoopbackServer { request, _ in .ranged(Self.contents, request) }
    let fixture = try StoreFixture()
    let part = "store/partial/\(StoreFixture.sha256(Self.contents)).part"
    _ = try fixture.write(Array(repeating: 0, count: 1_000), to: part)
    #expect(try await Self.fetch(fixture, [.url(server.address + "/f")]) == Self.contents)
    #expect(server.requests.map(\.rangeStart) == [1_000, nil])
  }

  @Test("the hub gets the token, a server it redirects to does not")
  func hub() async throws {
    let storage = try LoopbackServer { request, _ in .ranged(Self.contents, request) }
    let target = storage.address
    let hub = try LoopbackServer { _, _ in
      LoopbackServer.Reply(status: 302, headers: [("Location", target + "/blob?sig=1")], claimedLength: 0)
    }
    let got = try await Self.fetch(StoreFixture(), [.hub("owner/name", path: "dir/f.bin")]) {
      $0.hubEndpoint = hub.address + "/"
      $0.hubToken = "secret"
    }
    #expect(got == Self.contents)
    #expect(hub.requests.map(\.path) == ["/owner/name/resolve/main/dir/f.bin"])
    #expect(hub.requests.first?.headers["authorization"] == "Bearer secret")
    #expect(storage.requests.map(\.path) == ["/blob?sig=1"])
    #expect(storage.requests.first.map { $0.headers["authorization"] == nil } == true)
  }

  @Test("a redirect to plain http elsewhere, or round in circles, is refused")
  func redirects() async throws {
    for location in ["http://example.com/f", "ftp://127.0.0.1/f", "/again"] {
      let server = try LoopbackServer { _, _ in
        LoopbackServer.Reply(status: 302, headers: [("Location", location)], claimedLength: 0)
      }
      let error = await #expect(throws: ModelError.self) {
        try await Self.fetch(StoreFixture(), [.url(server.address + "/f")])
      }
      #expect(error?.code == .unavailable)
      #expect(error?.message.contains("redirect") == true)
    }
  }

  @Test(
    "only https, or http on this machine that did not come from https, may be asked",
    arguments: [
      ("https://a.example/f", nil, true),
      ("https://a.example/f", "https://b.example/", true),
      ("https://a.example/f", "http://127.0.0.1:1/", true),
      ("http://a.example/f", nil, false),
      ("http://a.example/f", "https://b.example/", false),
      ("http://127.0.0.1/f", "https://b.example/", false),
      ("http://127.0.0.1/f", "http://localhost/", true),
      ("file:///etc/passwd", nil, false),
    ] as [(String, String?, Bool)]
  )
  func allowed(address: String, previous: String?, expected: Bool) throws {
    let url = try #require(URL(string: address))
    #expect(HTTPDownload.isAllowed(url, from: previous.flatMap { URL(string: $0) }) == expected)
  }

  @Test("what may be secret in an address is not shown")
  func redaction() {
    #expect(ModelSource.url("https://user:pw@h.example/f?token=x#y").description == "https://h.example/f")
  }

  @Test("leaving the events stops the download; the next one goes on from there")
  func leaving() async throws {
    let server = try LoopbackServer { request, count in
      var reply = LoopbackServer.Reply.ranged(Self.contents, request)
      if count == 0 {
        reply = reply.cut(after: 200_000)
        reply.hangs = true
      }
      return reply
    }
    let fixture = try StoreFixture()
    let store = try fixture.store([StoreFixture.file(Self.contents, .url(server.address + "/f"))])
    for try await event in store.events(fetching: "m") {
      if case .progress(_, let bytes, _) = event, bytes > 0 { break }
    }
    // The lock is free again as soon as the download stopped.
    var last: ModelFetchEvent?
    for try await event in store.events(fetching: "m") { last = event }
    guard case .finished(let files) = last else {
      Issue.record("the last event is \(String(describing: last))")
      return
    }
    #expect(StoreFixture.read(try files.path(of: "f.bin")) == Self.contents)
    #expect((server.requests.last?.rangeStart ?? 0) > 0)
  }

  @Test("cancelling the task ends the download with a cancellation and keeps what arrived")
  func cancelling() async throws {
    let server = try LoopbackServer { _, _ in
      var reply = LoopbackServer.Reply.whole(Self.contents).cut(after: 100_000)
      reply.hangs = true
      return reply
    }
    let fixture = try StoreFixture()
    let store = try fixture.store([StoreFixture.file(Self.contents, .url(server.address + "/f"))])
    let (begun, begin) = AsyncStream<Void>.makeStream()
    let task = Task {
      try await store.fetch("m") { event in
        if case .progress(_, let bytes, _) = event, bytes > 0 { begin.finish() }
      }
    }
    for await _ in begun {}
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    let part = fixture.root + "/store/partial/\(StoreFixture.sha256(Self.contents)).part"
    let kept = try #require(StoreFixture.read(part))
    #expect(!kept.isEmpty && Self.contents.starts(with: kept))
  }
}
