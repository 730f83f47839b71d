// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization
import TenfoldCore
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldStorage

/// A place to read from whose position a test sets.
private final class Place: Sendable {
  let name: String
  private let state: Mutex<(position: Int64, fails: Bool)>

  init(_ name: String, _ position: Int64) {
    self.name = name
    state = Mutex((position, false))
  }

  var position: Int64 {
    get { state.withLock { $0.position } }
    set { state.withLock { $0.position = newValue } }
  }

  var fails: Bool {
    get { state.withLock { $0.fails } }
    set { state.withLock { $0.fails = newValue } }
  }

  var replica: ReadReplica<Place> {
    ReadReplica(name, source: self) { self.position }
  }

  func read() throws -> String {
    if fails { throw StorageError(.inputOutput, "scripted") }
    return name
  }
}

/// Holds back whoever waits, deaf to cancellation, until it is opened.
private final class Gate: Sendable {
  private let state: Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>

  init() { state = Mutex((false, [])) }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLock { state in
        if !state.isOpen { state.waiting.append(continuation) }
        return state.isOpen
      }
      if isOpen { continuation.resume() }
    }
  }

  func open() {
    let waiting = state.withLock { state in
      state.isOpen = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for one in waiting { one.resume() }
  }
}

@Suite("Reads go to replicas that are new enough")
struct ReadRouterTests {
  private let time = ManualTime()
  private let primary = Place("primary", 10)
  private let a = Place("a", 5)
  private let b = Place("b", 8)

  private func router(wait: Duration = .zero) -> ReadRouter<Place> {
    ReadRouter(
      primary: primary.replica,
      replicas: [a.replica, b.replica],
      options: .init(
        maximumWait: wait,
        lookInterval: .seconds(1),
        rest: .seconds(10),
        positionTimeout: nil,
        time: time.source
      )
    )
  }

  @Test("a replica that doesn't say how far it is doesn't hold a read up, and rests")
  func hanging() async throws {
    let asked = Mutex(0)
    let (never, _) = AsyncStream<Void>.makeStream()
    let hanging = ReadReplica("hanging", source: a) {
      asked.withLock { $0 += 1 }
      for await _ in never {}
      throw CancellationError()
    }
    let router = ReadRouter(
      primary: primary.replica,
      replicas: [hanging],
      options: .init(maximumWait: .zero, rest: .seconds(10), positionTimeout: .seconds(1), time: time.source)
    )
    try await withThrowingTaskGroup(of: String.self) { group in
      group.addTask { try await place(router, .includes(WriteToken(1))) }
      await time.waitForSleepers()
      time.advance(by: .seconds(1))
      let first = try await group.next()
      #expect(first == "primary")
    }
    #expect(try await place(router, .includes(WriteToken(1))) == "primary")
    #expect(asked.withLock { $0 } == 1)
  }

  @Test(
    "a position that is deaf to cancellation holds no read up, and is asked once",
    .timeLimit(.minutes(3))
  )
  func deaf() async throws {
    let gate = Gate()
    let asked = Mutex(0)
    let deaf = ReadReplica("deaf", source: a) {
      asked.withLock { $0 += 1 }
      await gate.wait()
      return 9
    }
    let look = PositionLook(deaf, timeout: .seconds(1), time: time.source)
    await withTaskGroup(of: StorageError.Code?.self) { group in
      for _ in 0..<2 {
        group.addTask {
          do { _ = try await look.answer() } catch { return (error as? StorageError)?.code }
          return nil
        }
      }
      await time.waitForSleepers(2)
      time.advance(by: .seconds(1))
      for await code in group { #expect(code == .busy) }
    }
    // Still open: nobody waits for it a second time.
    await #expect(throws: StorageError.self) { _ = try await look.answer() }
    #expect(look.isOpen && asked.withLock { $0 } == 1)
    gate.open()
    while look.isOpen { await Task.yield() }
    #expect(try await look.answer().position == 9)
    #expect(asked.withLock { $0 } == 2)
  }

  @Test("who comes after a question was given up gets an answer of its own", .timeLimit(.minutes(3)))
  func givenUp() async throws {
    let gate = Gate()
    let asked = Mutex(0)
    let place = ReadReplica("a", source: a) {
      let isFirst = asked.withLock { asked in
        asked += 1
        return asked == 1
      }
      if !isFirst { return 9 }
      await gate.wait()
      throw CancellationError()
    }
    let look = PositionLook(place, timeout: .seconds(60), time: time.source)
    let leaves = Task { try await look.answer().position }
    await time.waitForSleepers()
    leaves.cancel()
    await #expect(throws: CancellationError.self) { _ = try await leaves.value }
    #expect(look.isOpen)
    try await withThrowingTaskGroup(of: Int64.self) { group in
      group.addTask { try await look.answer().position }
      await time.waitForSleepers()
      gate.open()
      let position = try await group.next()
      #expect(position == 9)
    }
    #expect(asked.withLock { $0 } == 2)
  }

  @Test("a view is as new as it must be also when the look at the primary was somebody else's")
  func sharedLook() async throws {
    let gate = Gate()
    let asked = Mutex(0)
    let slow = ReadReplica("primary", source: primary) {
      asked.withLock { $0 += 1 }
      await gate.wait()
      return 5
    }
    let router = ReadRouter(
      primary: slow,
      replicas: [a.replica],
      options: .init(maximumWait: .zero, rest: .seconds(10), positionTimeout: .seconds(60), time: time.source)
    )
    try await withThrowingTaskGroup(of: String.self) { group in
      group.addTask { try await place(router, .within(.seconds(30))) }
      await time.waitForSleepers()
      time.advance(by: .seconds(20))
      group.addTask { try await place(router, .within(.seconds(10))) }
      await time.waitForSleepers(2)
      gate.open()
      // One may see what there was twenty seconds ago, the other may not.
      let names = [try await group.next(), try await group.next()]
      #expect(Set(names) == ["a", "primary"])
    }
    #expect(asked.withLock { $0 } == 1)
  }

  /// A log and what follows it, each in a file.
  private static func logAndReplica(
    in directory: TemporaryDirectory
  ) async throws -> (SQLiteEventLog, SQLiteWriteSink) {
    let database = try await SQLiteDatabase.open(
      .file(directory.file("log.db")),
      schemas: [SQLiteEventLog.schema]
    )
    return (
      SQLiteEventLog(database: database), try await DataLayer.sink(.file(directory.file("replica.db")))
    )
  }

  @Test("a read leaves a replica whose readers are all busy", .timeLimit(.minutes(3)))
  func busyReaders() async throws {
    let directory = try TemporaryDirectory()
    let (log, sink) = try await Self.logAndReplica(in: directory)
    let writes = WriteBehind(log: log, sink: sink)
    let token = try await writes.write([NewEvent(kind: "k", subject: "s", payload: [7])])
    try await sink.apply(try await log.events(after: 0, limit: 9))
    let router = ReadRouter(primary: .primary(log), replicas: [.replica("r", sink)])
    let count = sink.database.options.readerCount
    let (begun, release) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<count {
        group.addTask {
          try await sink.database.read { _ in
            begun.signal()
            release.wait()
          }
        }
      }
      try await DedicatedThread.run(name: "wait") { for _ in 0..<count { begun.wait() } }
      let isPrimary = try? await router.read(.includes(token)) { $0 === log.database }
      for _ in 0..<count { release.signal() }
      #expect(isPrimary == true)
      try await group.waitForAll()
    }
    await log.database.close()
    await sink.database.close()
  }

  private func place(_ router: ReadRouter<Place>, _ consistency: ReadConsistency) async throws -> String {
    try await router.read(consistency) { try $0.read() }
  }

  @Test("a writer sees its own writes")
  func tokens() async throws {
    let router = router()
    #expect(try await place(router, .includes(WriteToken(7))) == "b")
    #expect(try await place(router, .includes(WriteToken(9))) == "primary")
    a.position = 9
    #expect(try await place(router, .includes(WriteToken(9))) == "a")
    #expect(try await place(router, .newest) == "primary")
    #expect(Set([try await place(router, .eventual), try await place(router, .eventual)]) == ["a", "b"])
    #expect(router.statistics == .init(primaryReads: 2, replicaReads: 4))
    #expect(try await router.lags() == ["a": 1, "b": 2])
  }

  @Test("a read waits a little for a replica, then takes the primary")
  func waiting() async throws {
    let router = router(wait: .seconds(3))
    try await withThrowingTaskGroup(of: String.self) { group in
      group.addTask { try await place(router, .includes(WriteToken(9))) }
      await time.waitForSleepers()
      b.position = 9
      time.advance(by: .seconds(1))
      let first = try await group.next()
      #expect(first == "b")
      group.addTask { try await place(router, .includes(WriteToken(10))) }
      for _ in 0..<3 {
        await time.waitForSleepers()
        time.advance(by: .seconds(1))
      }
      let second = try await group.next()
      #expect(second == "primary")
    }
  }

  @Test("a view may be as old as it is allowed to be, and no older")
  func staleness() async throws {
    let router = router()
    // Nothing is known of the primary yet: it is asked, and only it is as new as now.
    #expect(try await place(router, .within(.seconds(10))) == "primary")
    primary.position = 20
    b.position = 10
    time.advance(by: .seconds(9))
    // The replica has all that the primary had nine seconds ago.
    #expect(try await place(router, .within(.seconds(10))) == "b")
    time.advance(by: .seconds(2))
    #expect(try await place(router, .within(.seconds(10))) == "primary")
    #expect(try await place(router, .within(.zero)) == "primary")
    b.position = 20
    #expect(try await place(router, .within(.zero)) == "b")
  }

  @Test("a replica that fails rests, and its reads go to the primary")
  func failing() async throws {
    let router = router()
    (a.fails, b.fails) = (true, true)
    for _ in 0..<4 { #expect(try await place(router, .eventual) == "primary") }
    // Two tries found out; after that nobody asks them.
    #expect(router.statistics.replicaFailures == 2)
    (a.fails, b.fails) = (false, false)
    #expect(try await place(router, .eventual) == "primary")
    time.advance(by: .seconds(10))
    #expect(try await place(router, .eventual) != "primary")
    primary.fails = true
    await #expect(throws: StorageError.self) { _ = try await place(router, .newest) }
  }

  @Test("an error of the reader's own says nothing about the replica, and the read isn't made again")
  func ownErrors() async throws {
    struct Undecodable: Error {}
    let router = router()
    let reads = Mutex<[String]>([])
    for _ in 0..<4 {
      await #expect(throws: Undecodable.self) {
        try await router.read(.eventual) { place in
          reads.withLock { $0.append(place.name) }
          throw Undecodable()
        }
      }
    }
    #expect(reads.withLock { $0.count } == 4 && !reads.withLock { $0.contains("primary") })
    #expect(router.statistics == .init())
    #expect(try await place(router, .eventual) != "primary")
  }

  @Test("an error of the storage counts also as the cause of another; what else does is the host's to say")
  func causes() async throws {
    struct DriverError: Error {}
    let wrapped = StorageError(.other, "b", underlying: StorageError(.inputOutput, "a"))
    #expect(StorageError.isCause(of: wrapped) && !StorageError.isCause(of: DriverError()))
    let router = ReadRouter(
      primary: primary.replica,
      replicas: [a.replica],
      options: .init(rest: .seconds(10), isReplicaFailure: { $0 is DriverError }, time: time.source)
    )
    let name = try await router.read(.eventual) { place in
      if place.name == "a" { throw DriverError() }
      return place.name
    }
    #expect(name == "primary" && router.statistics.replicaFailures == 1)
  }

  @Test("no read is ever older than it asked for", arguments: 1...100)
  func property(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let router = router()
    var newest: Int64 = 10
    for _ in 0..<50 {
      switch Int.random(in: 0..<5, using: &random) {
      case 0:
        newest += Int64.random(in: 1...3, using: &random)
        primary.position = newest
      case 1: a.position = min(newest, a.position + Int64.random(in: 0...4, using: &random))
      case 2: b.position = min(newest, b.position + Int64.random(in: 0...4, using: &random))
      case 3: time.advance(by: .seconds(Int.random(in: 0...20, using: &random)))
      default:
        let token = WriteToken(Int64.random(in: 0...newest, using: &random))
        let seen = try await router.read(.includes(token)) { $0.position }
        #expect(seen >= token.sequence, "seed \(seed)")
      }
    }
  }

  @Test("an embedded replica behind a log serves what it has, the log's database the rest")
  func embedded() async throws {
    let directory = try TemporaryDirectory()
    let (log, sink) = try await Self.logAndReplica(in: directory)
    // However slow the machine is, the replica is waited for.
    let router = ReadRouter(
      primary: .primary(log),
      replicas: [.replica("r", sink)],
      options: .init(positionTimeout: nil)
    )
    let writes = WriteBehind(log: log, sink: sink)
    let token = try await writes.write([NewEvent(kind: "k", subject: "s", payload: [7])])
    #expect(try await router.read(.includes(token)) { $0 === log.database })
    try await sink.apply(try await log.events(after: 0, limit: 9))
    #expect(try await router.read(.includes(token)) { try await DataLayer.value("s", in: $0) } == [7])
    await log.database.close()
    await sink.database.close()
  }
}
