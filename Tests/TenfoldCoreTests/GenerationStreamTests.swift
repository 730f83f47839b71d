// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldTesting
import Testing

/// A flag that a callback sets.
final class Flag: Sendable {
  private let value = WatchedState(0)
  var count: Int { value.withLock { $0 } }
  func raise() { value.withLock { $0 += 1 } }
  func wait() async { await value.wait { $0 > 0 } }
}

private func summary(_ text: String = "") -> GenerationSummary {
  GenerationSummary(
    reason: .endOfText,
    usage: TokenUsage(completionTokens: 1),
    provenance: Provenance(answeredBy: .model(id: "m", tier: .small))
  )
}

private struct Broken: Error {}

@Suite("A generation stream", .timeLimit(.minutes(10)))
struct GenerationStreamTests {
  @Test("delivers texts in order and then the summary")
  func delivers() async throws {
    let (stream, continuation) = GenerationStream.makeStream()
    for text in ["a", "b", "c"] { #expect(continuation.yield(.text(text))) }
    continuation.yield(.finished(summary()))
    continuation.finish()
    let completion = try await stream.collect()
    #expect(completion.text == "abc")
    #expect(completion.summary.reason == .endOfText)
  }

  @Test("merges texts when nobody reads, and loses none", arguments: [1, 2, 7, 64])
  func merges(limit: Int) async throws {
    let (stream, continuation) = GenerationStream.makeStream(bufferLimit: limit)
    let words = (0..<500).map { "\($0)," }
    for word in words { continuation.yield(.text(word)) }
    continuation.yield(.finished(summary()))
    continuation.finish()
    var pieces = 0
    var text = ""
    for try await event in stream {
      if case .text(let piece) = event {
        pieces += 1
        text += piece
      }
    }
    #expect(text == words.joined())
    #expect(pieces <= limit)
  }

  @Test("a reader that is always a little behind gets everything")
  func lagging() async throws {
    let (stream, continuation) = GenerationStream.makeStream(bufferLimit: 4)
    var iterator = stream.makeAsyncIterator()
    continuation.yield(.text("0,"))
    var text = ""
    for index in 1..<100 {
      continuation.yield(.text("\(index),"))
      if case .text(let piece)? = try await iterator.next() { text += piece }
    }
    continuation.yield(.finished(summary()))
    continuation.finish()
    while case .text(let piece)? = try await iterator.next() { text += piece }
    #expect(text == (0..<100).map { "\($0)," }.joined())
  }

  @Test("nothing follows the summary, whatever the producer says")
  func nothingAfterSummary() async throws {
    let (stream, continuation) = GenerationStream.makeStream()
    continuation.yield(.finished(summary()))
    continuation.yield(.text("late"))
    continuation.yield(.finished(summary()))
    continuation.finish()
    var events = 0
    for try await _ in stream { events += 1 }
    #expect(events == 1)
  }

  @Test("dropping the stream tells the producer once")
  func dropping() async {
    let flag = Flag()
    let continuation: GenerationStream.Continuation
    do {
      let made = GenerationStream.makeStream()
      continuation = made.continuation
      continuation.onCancel { flag.raise() }
      _ = made.stream
    }
    await flag.wait()
    #expect(flag.count == 1)
    #expect(continuation.isCancelled)
    #expect(!continuation.yield(.text("more")))
  }

  @Test("leaving the loop cancels the producing task")
  func leaving() async throws {
    let ended = Flag()
    do {
      let stream = GenerationStream { continuation in
        defer { ended.raise() }
        continuation.yield(.text("first"))
        try await waitForCancellation()
      }
      for try await _ in stream { break }
    }
    await ended.wait()
    #expect(ended.count == 1)
  }

  @Test("cancelling the reading task ends the wait and stops the producer")
  func cancelling() async {
    let ended = Flag()
    let stream = GenerationStream { _ in
      defer { ended.raise() }
      try await waitForCancellation()
    }
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        do {
          _ = try await stream.collect()
          return false
        } catch { return error is CancellationError }
      }
      group.cancelAll()
      let wasCancelled = await group.next()
      #expect(wasCancelled == true)
    }
    await ended.wait()
    #expect(ended.count == 1)
  }

  @Test("an error comes after what was delivered")
  func failing() async throws {
    let stream = GenerationStream { continuation in
      continuation.yield(.text("half"))
      throw Broken()
    }
    var text = ""
    await #expect(throws: Broken.self) {
      for try await event in stream { if case .text(let piece) = event { text += piece } }
    }
    #expect(text == "half")
  }

  @Test("a stream without a summary is an error for who wants the whole answer")
  func noSummary() async {
    let stream = GenerationStream { continuation in continuation.yield(.text("half")) }
    await #expect { try await stream.collect() } throws: { ($0 as? RequestError)?.code == .modelFailed }
  }

  @Test("events can be changed on the way, in order")
  func mapping() async throws {
    let stream = GenerationStream(Completion(text: "abc", summary: summary())).mapEvents { event in
      if case .text(let text) = event { .text(text.uppercased()) } else { event }
    }
    #expect(try await stream.collect().text == "ABC")
  }

  @Test("dropping a changed stream drops the one below")
  func droppingMapped() async {
    let flag = Flag()
    do {
      let (stream, continuation) = GenerationStream.makeStream()
      continuation.onCancel { flag.raise() }
      _ = stream.mapEvents { $0 }.onEnd { _ in }.recoveringBeforeFirstEvent { throw $0 }
    }
    await flag.wait()
    #expect(flag.count == 1)
  }

  @Test("the end is told once", arguments: ["finished", "failed", "abandoned", "no summary"])
  func ending(how: String) async {
    let seen = WatchedState<[String]>([])
    do {
      let (stream, continuation) = GenerationStream.makeStream()
      let observed = stream.onEnd { end in
        let name =
          switch end {
          case .finished: "finished"
          case .failed: "failed"
          case .abandoned: "abandoned"
          }
        seen.withLock { $0.append(name) }
      }
      continuation.yield(.text("a"))
      switch how {
      case "finished":
        continuation.yield(.finished(summary()))
        continuation.finish()
      case "failed": continuation.finish(throwing: Broken())
      case "no summary": continuation.finish()
      default: break
      }
      if how == "abandoned" {
        for try await _ in observed { break }
      } else {
        for try await _ in observed {}
      }
    } catch {}
    await seen.wait { !$0.isEmpty }
    #expect(seen.withLock { $0 } == [how == "no summary" ? "abandoned" : how])
  }

  @Test("a stream that fails before its first event is replaced, once")
  func recovering() async throws {
    let failing = GenerationStream { _ in throw Broken() }
    let answer = try await failing.recoveringBeforeFirstEvent { _ in
      GenerationStream(Completion(text: "instead", summary: summary()))
    }.collect()
    #expect(answer.text == "instead")
    let twice = GenerationStream { _ in throw Broken() }.recoveringBeforeFirstEvent { _ in
      GenerationStream { _ in throw Broken() }
    }
    await #expect(throws: Broken.self) { try await twice.collect() }
  }

  @Test("a stream that fails after its first event is not replaced")
  func notRecovering() async {
    let calls = Flag()
    let stream = GenerationStream { continuation in
      continuation.yield(.text("half"))
      throw Broken()
    }.recoveringBeforeFirstEvent { error in
      calls.raise()
      throw error
    }
    await #expect(throws: Broken.self) { try await stream.collect() }
    #expect(calls.count == 0)
  }

  @Test("two readers at once are told")
  func twoReaders() async {
    let (stream, continuation) = GenerationStream.makeStream()
    let errors = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<2 {
        group.addTask {
          do {
            for try await _ in stream {}
            return 0
          } catch {
            continuation.finish()
            return (error as? RequestError)?.code == .invalidOption ? 1 : 100
          }
        }
      }
      return await group.reduce(0, +)
    }
    #expect(errors == 1)
  }
}
