// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TenfoldCore
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldStorage

/// A sink that fails as often as it is told to, before or after it has applied.
private final class ShakySink: WriteSink {
  let inner = InMemoryWriteSink()
  private let failures: Mutex<[Bool]>

  init(failures: [Bool]) { self.failures = Mutex(failures) }

  func position() async throws -> Int64 { try await inner.position() }

  func apply(_ writes: [StoredEvent]) async throws {
    let failure = failures.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    if failure != false { try await inner.apply(writes) }
    if failure != nil { throw StorageError(.inputOutput, "scripted") }
  }
}

/// A projection that only counts along.
private struct Nothing: Projection {
  let name = "nothing"
  let version = 1
  func prepare(in tx: SQLiteTransaction) throws {}
  func apply(_ event: StoredEvent, in tx: SQLiteTransaction) throws {}
}

@Suite("Writes return when they are safe and are applied behind")
struct WriteBehindTests {
  private func event(_ number: Int) -> NewEvent {
    NewEvent(kind: "set.v1", subject: "s\(number % 3)", payload: [UInt8(truncatingIfNeeded: number)])
  }

  /// Runs a body while the writes are applied.
  private func withRunning(
    _ writes: WriteBehind,
    _ body: () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await #expect(throws: CancellationError.self) { try await writes.run() } }
      try await body()
      group.cancelAll()
      try await group.waitForAll()
    }
  }

  @Test("an acknowledged write is in the log, an applied one in the sink")
  func levels() async throws {
    let (log, sink) = (InMemoryEventLog(), InMemoryWriteSink())
    let writes = WriteBehind(log: log, sink: sink)
    let token = try await writes.write([event(1)])
    #expect(token == WriteToken(1) && sink["s1"] == nil)
    #expect(try await writes.lag() == 1)
    try await withRunning(writes) {
      try await writes.wait(for: token)
      #expect(sink["s1"]?.payload == [1])
      try await writes.write([event(4)], until: .applied)
      #expect(sink["s1"]?.payload == [4])
      #expect(try await writes.lag() == 0)
    }
  }

  @Test("a sink that fails, before or after applying, gets each write and counts it once")
  func failures() async throws {
    let time = ManualTime()
    let sink = ShakySink(failures: [false, true, true, false, true])
    let log = InMemoryEventLog()
    let writes = WriteBehind(
      log: log,
      sink: sink,
      options: .init(batch: 3, pollInterval: .seconds(3600), time: time.source)
    )
    _ = try await log.append((0..<10).map(event))
    try await withRunning(writes) {
      // After each failure it pauses.
      for _ in 0..<5 {
        await time.waitForSleepers()
        time.advance(by: .seconds(1))
      }
      try await writes.wait(for: WriteToken(10))
    }
    #expect(sink.inner.appliedCount == 10)
  }

  @Test("with a limit writers wait for the sink; cancelled ones have written nothing")
  func backPressure() async throws {
    let (log, sink) = (InMemoryEventLog(), InMemoryWriteSink())
    let writes = WriteBehind(log: log, sink: sink, options: .init(maximumLag: 2))
    for number in 0..<3 { try await writes.write([event(number)]) }
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await #expect(throws: CancellationError.self) { try await writes.write([event(3)]) }
      }
      group.cancelAll()
    }
    #expect(try await log.latest() == 3)
    try await withRunning(writes) {
      for number in 4..<40 { try await writes.write([event(number)]) }
      try await writes.wait(for: WriteToken(39))
    }
    #expect(sink.appliedCount == 39)
  }

  @Test("writers don't wait for what was trimmed before a sink had it", .timeLimit(.minutes(10)))
  func trimmed() async throws {
    let (log, sink) = (InMemoryEventLog(), InMemoryWriteSink())
    _ = try await log.append((0..<10).map(event))
    try await log.trim(through: 10)
    let writes = WriteBehind(log: log, sink: sink, options: .init(maximumLag: 2))
    try await withRunning(writes) { try await writes.write([event(11)], until: .applied) }
    #expect(sink.appliedCount == 1)
  }

  @Test(
    "a sink that is ahead of its log is refused, instead of passing over new writes",
    .timeLimit(.minutes(10))
  )
  func diverged() async throws {
    let database = try await SQLiteDatabase.open(.inMemory, schemas: [SQLiteWriteSink.schema])
    let sink = SQLiteWriteSink("copy", in: database) { _, _ in }
    let before = InMemoryEventLog()
    _ = try await before.append((0..<5).map(event))
    try await sink.apply(try await before.events(after: 0, limit: 9))
    // As after a restart of a log in memory, or with one that was put back from a backup.
    let writes = WriteBehind(log: InMemoryEventLog(), sink: sink)
    let token = try await writes.write([event(9)])
    var errors: [StorageError] = []
    for body in [{ try await writes.run() }, { try await writes.wait(for: token) }]
      as [() async throws -> Void]
    {
      do { try await body() } catch let error as StorageError { errors.append(error) }
    }
    #expect(errors.map(\.code) == [.diverged, .diverged])
    #expect(errors.first?.message.contains("event 5") == true)
  }

  @Test("a sink that is added to a log in use can begin with what comes now")
  func beginning() async throws {
    let database = try await SQLiteDatabase.open(
      .inMemory,
      schemas: [SQLiteEventLog.schema, SQLiteWriteSink.schema]
    )
    let log = SQLiteEventLog(database: database)
    _ = try await log.erase("gone and back")
    let erased = Mutex<[TenantID]>([])
    let sink = ErasureSink("index", in: database) { tenant in erased.withLock { $0.append(tenant) } }
    try await sink.begin(after: log.latest())
    let token = WriteToken(try await log.erase("gone"))
    let writes = WriteBehind(log: log, sink: sink)
    try await withRunning(writes) { try await writes.wait(for: token) }
    #expect(erased.withLock { $0 } == ["gone"])
    // Later it changes nothing.
    try await sink.begin(after: 99)
    #expect(try await sink.position() == token.sequence)
  }

  @Test("what a sink has not applied isn't trimmed from its log, wherever the sink's position is")
  func trimming() async throws {
    let database = try await SQLiteDatabase.open(
      .inMemory,
      schemas: [SQLiteEventLog.schema, SQLiteWriteSink.schema, DataLayer.schema]
    )
    let log = SQLiteEventLog(database: database)
    // Without anyone that follows it nothing is trimmed.
    _ = try await log.append((0..<10).map(event))
    #expect(try await log.trimApplied() == 0)
    let elsewhere = InMemoryWriteSink()
    var writes: WriteBehind? = WriteBehind(log: log, sink: elsewhere)
    let inside = SQLiteWriteSink("inside", in: database) { _, _ in }
    try await inside.apply(try await log.events(after: 0, limit: 7))
    try await log.takeOver(Nothing())
    // One has not begun, another is at 7, the projection at 10.
    #expect(try await log.trimApplied() == 0)
    #expect(try await log.events(after: 0, limit: 99).count == 10)
    try await elsewhere.apply(try await log.events(after: 0, limit: 5))
    #expect(try await log.trimApplied() == 5)
    #expect(writes != nil)
    let remote = ShakySink(failures: [])
    try await remote.apply(try await log.events(after: 5, limit: 1))
    #expect(try await log.trimApplied(and: [remote]) == 5)
    // A copy of the log knows them too, and what is gone holds back no more.
    writes = nil
    let copy = log
    #expect(try await copy.trimApplied(and: [remote]) == 6)
    #expect(try await copy.trimApplied() == 7)
    try await inside.retire()
    #expect(try await copy.trimApplied() == 10)
    #expect(try await log.events(after: 0, limit: 99).isEmpty)
    await database.close()
  }

  @Test("a sink whose position can't be read keeps everything")
  func unreadablePosition() async throws {
    struct Unreadable: WriteSink {
      func position() async throws -> Int64 { throw StorageError(.inputOutput, "scripted") }
      func apply(_ writes: [StoredEvent]) async throws {}
    }
    let database = try await SQLiteDatabase.open(.inMemory, schemas: [SQLiteEventLog.schema])
    let log = SQLiteEventLog(database: database)
    _ = try await log.append((0..<3).map(event))
    try await log.takeOver(Nothing())
    let writes = WriteBehind(log: log, sink: Unreadable())
    await #expect(throws: StorageError.self) { try await log.trimApplied() }
    #expect(try await log.events(after: 0, limit: 9).count == 3)
    await #expect(throws: StorageError.self) { _ = try await writes.lag() }
    await database.close()
  }

  @Test("a replica file goes on from its own position after a restart")
  func restart() async throws {
    let directory = try TemporaryDirectory()
    let log = SQLiteEventLog(
      database: try await SQLiteDatabase.open(.inMemory, schemas: [SQLiteEventLog.schema])
    )
    for round in 1...3 {
      let sink = try await DataLayer.sink(.file(directory.file("replica.db")))
      #expect(try await sink.position() == Int64((round - 1) * 5))
      let writes = WriteBehind(log: log, sink: sink, options: .init(batch: 2))
      try await withRunning(writes) {
        try await writes.write((0..<5).map(event), until: .applied)
      }
      let count = try await sink.database.read { tx in
        try tx.first("SELECT sum(writes) FROM value") { try $0.int(0) }
      }
      #expect(count == round * 5)
      await sink.database.close()
    }
  }

  @Test("a gate lets through who waits for what is reached, and lets go who is cancelled")
  func gate() async throws {
    let gate = PositionGate()
    try await withThrowingTaskGroup(of: Int64.self) { group in
      for position in [3, 1, 2] as [Int64] {
        group.addTask {
          try await gate.wait(for: position)
          return position
        }
      }
      // A gate tells nobody of those who wait.
      while gate.waiterCount < 3 { await Task.yield() }
      gate.advance(to: 2)
      let first = Set([try await group.next(), try await group.next()])
      #expect(first == [1, 2] && gate.waiterCount == 1)
      gate.advance(to: 1)
      group.cancelAll()
      await #expect(throws: CancellationError.self) { try await group.waitForAll() }
    }
    #expect(gate.position == 2 && gate.waiterCount == 0)
  }

  @Test("an erasure leaves nothing of its tenant in a sink in memory")
  func erasedInMemory() async throws {
    let sink = InMemoryWriteSink()
    try await sink.apply([
      StoredEvent(sequence: 1, kind: "set.v1", subject: "x", payload: [1], tenant: "a"),
      StoredEvent(sequence: 2, kind: "set.v1", subject: "y", payload: [2], tenant: "b"),
      StoredEvent(sequence: 3, kind: StoredEvent.erasure, subject: "a", payload: [], tenant: "a"),
    ])
    #expect(sink["x"] == nil && sink["a"] == nil && sink["y"]?.payload == [2])
    #expect(try await sink.position() == 3)
  }

  @Test("an erasure leaves nothing of its tenant in a replica's files")
  func erasedFromFiles() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("replica.db")
    let words = SQLiteSchema("words", [.init(1, "CREATE TABLE word(tenant TEXT, text TEXT) STRICT;")])
    let database = try await SQLiteDatabase.open(.file(path), schemas: [SQLiteWriteSink.schema, words])
    let sink = SQLiteWriteSink("words", in: database) { write, tx in
      if write.kind == StoredEvent.erasure {
        try tx.execute("DELETE FROM word WHERE tenant = ?1", write.subject)
      } else {
        let text = String(decoding: write.payload, as: UTF8.self)
        try tx.execute("INSERT INTO word(tenant, text) VALUES(?1, ?2)", write.tenant.rawValue, text)
      }
    }
    func occurrences() throws -> Int {
      try [path, path + "-wal"].filter(FileManager.default.fileExists).reduce(0) { count, file in
        let data = try Data(contentsOf: URL(fileURLWithPath: file))
        return count + (data.range(of: Data("unmistakable".utf8)) == nil ? 0 : 1)
      }
    }
    try await sink.apply(
      (1...50).map {
        StoredEvent(
          sequence: $0,
          kind: "set.v1",
          subject: "s",
          payload: Array("unmistakable".utf8),
          tenant: "a"
        )
      }
    )
    #expect(try occurrences() > 0)
    try await sink.apply([
      StoredEvent(sequence: 51, kind: StoredEvent.erasure, subject: "a", payload: [], tenant: "a")
    ])
    #expect(try occurrences() == 0)
    await database.close()
  }
}
