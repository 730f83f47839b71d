// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Synchronization
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("A local model")
struct LocalLanguageModelTests {
  private static let prompts = (0..<8).map { number in
    String(repeating: "question \(number) ", count: 1 + number * 3)
  }

  @Test("gives the same tokens alone and among eight", .timeLimit(.minutes(10)), arguments: [Float(0), 0.9])
  func batchInvariance(temperature: Float) async throws {
    let options = try GenerationOptions(maxTokens: 40, temperature: temperature, topP: 0.95, seed: 5)
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    var alone: [[Int32]] = []
    for prompt in Self.prompts { alone.append(try await model.run(prompt, options).ids) }
    #expect(Set(alone).count > 1)
    let crowd = try LocalLanguageModel.synthetic(endTokens: [])
    let together = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
      for (number, prompt) in Self.prompts.enumerated() {
        group.addTask { (number, try await crowd.run(prompt, options).ids) }
      }
      return try await group.reduce(into: [Int: [Int32]]()) { $0[$1.0] = $1.1 }
    }
    for number in Self.prompts.indices { #expect(together[number] == alone[number], "prompt \(number)") }
    #expect(crowd.statistics.computedRows > crowd.statistics.steps)
    await model.shutdown()
    await crowd.shutdown()
  }

  @Test("gives the same tokens when pages run out and prompts are computed again", .timeLimit(.minutes(10)))
  func preemption() async throws {
    let options = try GenerationOptions(maxTokens: 150, temperature: 0.7, seed: 9)
    let roomy = try LocalLanguageModel.synthetic(endTokens: [])
    var alone: [[Int32]] = []
    for prompt in Self.prompts.prefix(4) { alone.append(try await roomy.run(prompt, options).ids) }
    let page = KeyValueMemory.bytesPerPage(roomy.model.configuration)
    let tight = try LocalLanguageModel.synthetic(
      endTokens: [],
      options: .init(threads: 1, keyValueCacheBytes: page * 10)
    )
    let together = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
      for number in 0..<4 {
        group.addTask { (number, try await tight.run(Self.prompts[number], options).ids) }
      }
      return try await group.reduce(into: [Int: [Int32]]()) { $0[$1.0] = $1.1 }
    }
    #expect(tight.statistics.preemptions > 0)
    for number in 0..<4 { #expect(together[number] == alone[number], "prompt \(number)") }
    #expect(tight.statistics.usedPages == 0)
    await roomy.shutdown()
    await tight.shutdown()
  }

  @Test("reuses the beginning of an earlier prompt and gives the same tokens", .timeLimit(.minutes(10)))
  func prefixReuse() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let options = try GenerationOptions(maxTokens: 20)
    let prompt = String(repeating: "a common beginning. ", count: 8)
    let first = try await model.run(prompt, options)
    let second = try await model.run(prompt, options)
    #expect(first.completion.summary.usage.cachedPromptTokens == 0)
    #expect(second.completion.summary.usage.cachedPromptTokens == 128)
    #expect(first.ids == second.ids)
    let statistics = model.statistics
    #expect(statistics.promptTokens == 320 && statistics.cachedPromptTokens == 128)
    #expect(statistics.keptPages > 0 && statistics.totalPages > statistics.keptPages)
    await model.shutdown()
  }

  @Test(
    "a request that bypasses the caches takes over nothing and leaves nothing behind",
    .timeLimit(.minutes(10))
  )
  func prefixBypass() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let options = try GenerationOptions(maxTokens: 20)
    let prompt = String(repeating: "a common beginning. ", count: 8)
    var request = InferenceRequest.raw(prompt, options)
    request.context.cachePolicy = .bypass
    let first = try await model.respond(to: request)
    #expect(model.statistics.keptPages == 0)
    _ = try await model.run(prompt, options)
    let kept = model.statistics.keptPages
    let second = try await model.respond(to: request)
    #expect(first.summary.usage.cachedPromptTokens == 0 && second.summary.usage.cachedPromptTokens == 0)
    #expect(first.text == second.text)
    #expect(kept > 0 && model.statistics.keptPages == kept)
    await model.shutdown()
  }

  @Test(
    "gives the same tokens whatever the arrival, cancellations, page budget and reuse; and loses no page",
    .timeLimit(.minutes(10)),
    arguments: RandomArrivals.seeds
  )
  func randomArrivals(seed: UInt64) async throws {
    var random = SamplerRandom(seed: seed)
    let options = try GenerationOptions(maxTokens: 24, temperature: seed % 2 == 0 ? 0 : 0.8, seed: 3)
    // Beginnings in common, of different lengths.
    let beginning = String(repeating: "once upon a time ", count: 9)
    let prompts = (0..<10).map { number in
      beginning.prefix(Int.random(in: 0...150, using: &random)) + "question \(number)"
    }
    let apart = try LocalLanguageModel.synthetic(
      endTokens: [],
      options: .init(threads: 1, prefixCacheBytes: 0)
    )
    var alone: [[Int32]] = []
    for prompt in prompts { alone.append(try await apart.run(String(prompt), options).ids) }
    let expected = alone
    #expect(apart.statistics.cachedPromptTokens == 0 && apart.statistics.keptPages == 0)
    let page = KeyValueMemory.bytesPerPage(apart.model.configuration)
    let crowd = try LocalLanguageModel.synthetic(
      endTokens: [],
      options: .init(
        threads: 1,
        keyValueCacheBytes: page * Int.random(in: 9...30, using: &random),
        prefixCacheBytes: [nil, page * 3][Int(seed / 2 % 2)],
        maximumConcurrentSequences: 4
      )
    )
    let order = (0..<20).map { $0 % 10 }.shuffled(using: &random)
    let leaving = Set((0..<20).filter { _ in Int.random(in: 0..<4, using: &random) == 0 })
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (position, number) in order.enumerated() {
        group.addTask {
          let prompt = String(prompts[number])
          guard leaving.contains(position) else {
            let ids = try await crowd.run(prompt, options).ids
            #expect(ids == expected[number], "seed \(seed), prompt \(number)")
            return
          }
          for try await _ in try crowd.start(.raw(prompt, options), onToken: nil) { break }
        }
      }
      try await group.waitForAll()
    }
    await crowd.waitForIdle()
    #expect(crowd.statistics.usedPages == 0, "seed \(seed): pages leak")
    #expect(crowd.statistics.cachedPromptTokens > 0, "seed \(seed)")
    await apart.shutdown()
    await crowd.shutdown()
  }

  @Test("frees its place when the reader leaves", .timeLimit(.minutes(10)))
  func leaving() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let request = InferenceRequest.raw("go on ", try GenerationOptions(maxTokens: 400))
    // The engine waits after ten tokens until the reader, who leaves after three, has gone.
    let hasLeft = DispatchSemaphore(value: 0)
    let made = TokenCount()
    do {
      var pieces = 0
      let stream = try model.start(request) { _ in
        if made.next() == 10 { hasLeft.wait() }
      }
      for try await event in stream {
        if case .text = event { pieces += 1 }
        if pieces == 3 { break }
      }
    }
    hasLeft.signal()
    await model.waitForIdle()
    #expect(model.statistics.usedPages == 0)
    await model.shutdown()
    // What was spent is booked, cut short as it was.
    let call = try #require(request.context.trace.modelCalls.first)
    #expect(call.usage.completionTokens < 400)
    #expect(request.context.trace.stages.map(\.stage) == ["inference"])
  }

  @Test("stops when the reading task is cancelled", .timeLimit(.minutes(10)))
  func cancelling() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let stream = try await model.generate(.raw("go on ", try GenerationOptions(maxTokens: 400)))
    let task = Task { try await stream.collect() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    await model.waitForIdle()
    await model.shutdown()
  }

  @Test("ends before a stop text, and holds none of it out to the reader")
  func stopText() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let free = try await model.run("tell me ", GenerationOptions(maxTokens: 30)).completion.text
    let stop = String(free.dropFirst(10).prefix(4))
    let cut = try await model.run("tell me ", GenerationOptions(maxTokens: 30, stop: [stop])).completion
    #expect(cut.summary.reason == .stopText)
    #expect(free.hasPrefix(cut.text + stop) && !cut.text.contains(stop))
    await model.shutdown()
  }

  @Test("ends at its end token, at the token limit and at the end of the context")
  func ends() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let limited = try await model.run("abc", GenerationOptions(maxTokens: 7))
    #expect(limited.completion.summary.reason == .maxTokens && limited.ids.count == 7)
    let end = limited.ids[4]
    let ending = try LocalLanguageModel.synthetic(endTokens: [end])
    let ended = try await ending.run("abc", GenerationOptions(maxTokens: 7))
    #expect(ended.completion.summary.reason == .endOfText && ended.ids.last == end)
    let short = try LocalLanguageModel.synthetic(endTokens: [], options: .init(threads: 1, contextLength: 12))
    let full = try await short.run("abc", GenerationOptions(maxTokens: 50))
    #expect(full.completion.summary.reason == .contextFull && full.ids.count == 9)
    for model in [model, ending, short] { await model.shutdown() }
  }

  @Test("answers with one of the given texts, and says how likely each is")
  func choices() async throws {
    let model = try LocalLanguageModel.synthetic()
    let choices = ["yes", "no", "not at all"]
    let completion = try await model.run("is it so? ", GenerationOptions(choices: choices)).completion
    let probabilities = completion.summary.choiceProbabilities
    #expect(completion.summary.reason == .choice)
    #expect(abs(probabilities.reduce(0, +) - 1) < 1e-9 && probabilities.count == 3)
    let best = probabilities.indices.max { probabilities[$0] < probabilities[$1] } ?? 0
    #expect(completion.text == choices[best])

    // The same from the logits of a session.
    let session = try DecoderSession(model.model, contextLength: 64, threads: 1)
    func logits(_ text: String) throws -> [Double] {
      session.rewind()
      return try session.evaluate(text.utf8.map { Int32($0) }) { logits in
        logits.indices.map { Double(logits[$0]) }
      }
    }
    func share(_ logits: [Double], _ token: String, of other: String) -> Double {
      let (a, b) = (logits[Int(token.utf8.first ?? 0)], logits[Int(other.utf8.first ?? 0)])
      return 1 / (1 + exp(b - a))
    }
    let yes = share(try logits("is it so? "), "y", of: "n")
    #expect(abs(probabilities[0] - yes) < 1e-6)
    let no = 1 - yes
    let after = try logits("is it so? no")
    let goesOn = 1 / (1 + exp(after[127] - after[Int(UInt8(ascii: "t"))]))
    #expect(abs(probabilities[2] - no * goesOn) < 1e-6)
    await model.shutdown()
  }

  @Test("told to end by SIGTERM it finishes the answers under way and those that wait, and refuses others")
  func drain() async throws {
    let options = try GenerationOptions(maxTokens: 60)
    let model = try LocalLanguageModel.synthetic(
      endTokens: [],
      options: .init(threads: 1, maximumConcurrentSequences: 2)
    )
    let expected = try await model.run("abc", options).completion.text
    // Handled here, it doesn't end the process of the tests.
    let source = DispatchSource.makeSignalSource(signal: SIGTERM)
    let (signals, delivered) = AsyncStream<Void>.makeStream()
    source.setEventHandler { delivered.yield() }
    // Not sent before it is watched for, or it would be lost.
    await withCheckedContinuation { registered in
      source.setRegistrationHandler { registered.resume() }
      source.resume()
    }
    #if canImport(Darwin)
    let former = signal(SIGTERM, SIG_IGN)
    defer { _ = signal(SIGTERM, former) }
    #endif
    let streams = try (0..<6).map { _ in try model.start(.raw("abc", options), onToken: nil) }
    var iterator = streams[0].makeAsyncIterator()
    var text = ""
    if case .text(let piece)? = try await iterator.next() { text += piece }
    kill(getpid(), SIGTERM)
    for await _ in signals { break }
    source.cancel()
    async let isDrained = model.shutdown(drainingFor: .seconds(600))
    while let event = try await iterator.next() { if case .text(let piece) = event { text += piece } }
    #expect(text == expected)
    for stream in streams.dropFirst() {
      let answer = try await stream.collect()
      #expect(answer.text == expected && answer.summary.reason == .maxTokens)
    }
    #expect(await isDrained)
    await #expect { _ = try await model.generate(.raw("abc", options)) } throws: {
      ($0 as? ModelError)?.code == .engineStopped
    }
  }

  @Test("answers that take longer than the grace fail, and no further ones are accepted meanwhile")
  func shortGrace() async throws {
    let model = try LocalLanguageModel.synthetic(
      endTokens: [],
      options: .init(threads: 1)
    )
    let long = try GenerationOptions(maxTokens: 500)
    let stream = try model.start(.raw("abc", long), onToken: Self.untilStopped(model))
    #expect(await model.shutdown(drainingFor: .zero) == false)
    await #expect { _ = try await stream.collect() } throws: { ($0 as? ModelError)?.code == .engineStopped }
    // Once more does no harm.
    #expect(await model.shutdown(drainingFor: .zero) == true)

    let other = try LocalLanguageModel.synthetic(endTokens: [], options: .init(threads: 1))
    let held = try other.start(.raw("abc", long), onToken: Self.untilStopped(other))
    let draining = Task { await other.shutdown(drainingFor: .seconds(3600)) }
    // Refused from the moment on that the drain begins, however long it takes.
    while (try? other.start(.raw("abc", GenerationOptions(maxTokens: 1)), onToken: nil)) != nil {
      await Task.yield()
    }
    draining.cancel()
    _ = await draining.value
    _ = try? await held.collect()
    #expect(other.statistics.usedPages == 0)
  }

  /// Holds every token until the model is stopped, however long that takes.
  private static func untilStopped(_ model: LocalLanguageModel) -> @Sendable (Int32) -> Void {
    let mailbox = model.mailbox
    return { _ in while !mailbox.abandons([-1]) { usleep(1_000) } }
  }

  @Test("counts the tokens of a prompt, and refuses a context that its memory can't hold")
  func lengths() async throws {
    let model = try LocalLanguageModel.synthetic()
    #expect(try model.tokenCount(of: .text("0123456789")) == 10)
    #expect(try model.tokenCount(of: .chat([])) == 0)
    #expect(try model.tokenCount(of: .chat([.user("ab")])) == "user: ab\n".count)
    await model.shutdown()
    let error = #expect(throws: ModelError.self) {
      _ = try LocalLanguageModel.synthetic(
        options: .init(threads: 1, contextLength: 500, keyValueCacheBytes: 40_000)
      )
    }
    #expect(error?.code == .invalidOption && error?.message.contains("keyValueCacheBytes") == true)
  }

  @Test(
    "says first that the model was made for less, which no memory helps against",
    arguments: [100_000, .max]
  )
  func tooLong(context: Int) {
    let error = #expect(throws: ModelError.self) {
      _ = try LocalLanguageModel.synthetic(
        options: .init(threads: 1, contextLength: context, keyValueCacheBytes: 40_000)
      )
    }
    #expect(error?.code == .invalidOption && error?.message.contains("keyValueCacheBytes") == false)
  }

  @Test("takes all the time that there is for what is under way")
  func endlessGrace() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let stream = try await model.generate(.raw("a", try GenerationOptions(maxTokens: 5)))
    async let isDrained = model.shutdown(drainingFor: .seconds(Int64.max))
    #expect(try await stream.collect().summary.usage.completionTokens == 5)
    #expect(await isDrained)
  }

  @Test("needs one pass for answers that differ in their first token")
  func cheapChoices() async throws {
    let model = try LocalLanguageModel.synthetic()
    _ = try await model.run("is it so? ", GenerationOptions(choices: ["yes", "no"]))
    await model.waitForIdle()
    #expect(model.statistics.steps == 1 && model.statistics.generatedTokens == 1)
    await model.shutdown()
  }

  @Test("refuses what can't be computed, before queueing it")
  func refusals() async throws {
    let model = try LocalLanguageModel.synthetic(options: .init(threads: 1, contextLength: 40))
    let long = String(repeating: "x", count: 40)
    let tooLong = await #expect(throws: ModelError.self) {
      try await model.generate(.raw(long, .standard))
    }
    #expect(tooLong?.code == .promptTooLong && tooLong?.message.contains("40") == true)
    let longAnswer = await #expect(throws: ModelError.self) {
      try await model.generate(.raw("x", try GenerationOptions(choices: [long, "no"])))
    }
    #expect(
      longAnswer?.code == .promptTooLong && longAnswer?.message.contains("answer, by its choices") == true
    )
    let empty = await #expect(throws: RequestError.self) { try await model.generate(.raw("", .standard)) }
    #expect(empty?.code == .emptyRequest)
    let late = await #expect(throws: RequestError.self) {
      try await model.generate(.raw("a", .standard, deadline: .now - .seconds(1)))
    }
    #expect(late?.code == .deadlineExceeded)
    await model.shutdown()
    let stopped = await #expect(throws: ModelError.self) { try await model.generate(.raw("a", .standard)) }
    #expect(stopped?.code == .engineStopped)
  }

  @Test("takes no more requests than its queue holds")
  func overload() async throws {
    let model = try LocalLanguageModel.synthetic(
      endTokens: [],
      options: .init(threads: 1, maximumQueuedRequests: 2)
    )
    let options = try GenerationOptions(maxTokens: 500)
    let first = try await model.generate(.raw("a", options))
    let second = try await model.generate(.raw("b", options))
    let error = await #expect(throws: RequestError.self) { try await model.generate(.raw("c", options)) }
    #expect(error?.code == .overloaded && error?.retryAfter != nil)
    _ = (first, second)
    await model.shutdown()
  }

  @Test("cuts no prompt into tokens that its queue has no room for", .timeLimit(.minutes(10)))
  func overloadIsCheap() async throws {
    let vocabulary = CountingVocabulary()
    let limit = 32
    let model = try LocalLanguageModel(
      model: SyntheticModel().load(),
      vocabulary: vocabulary,
      options: .init(threads: 1, maximumQueuedRequests: limit),
      name: "synthetic"
    )
    let options = try GenerationOptions(maxTokens: 3)
    var accepted: [GenerationStream] = []
    var refused = 0
    for number in 0..<10_000 {
      do {
        accepted.append(try await model.generate(.raw("question \(number)", options)))
      } catch let error as RequestError where error.code == .overloaded {
        refused += 1
      }
    }
    // Nobody else asks, so what was taken is what was cut.
    #expect(vocabulary.encodings == accepted.count)
    #expect(refused > 0 && accepted.count >= limit)
    for stream in accepted { #expect(try await stream.collect().summary.usage.completionTokens > 0) }
    await model.waitForIdle()

    // All at once.
    let counts = try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<10_000 {
        group.addTask {
          do {
            let stream = try await model.generate(.raw("question \(number)", options))
            let statistics = model.statistics
            #expect(statistics.waiting + statistics.running <= limit)
            #expect(try await stream.collect().summary.usage.completionTokens > 0)
            return true
          } catch let error as RequestError where error.code == .overloaded {
            return false
          }
        }
      }
      return try await group.reduce(into: [true: 0, false: 0]) { $0[$1, default: 0] += 1 }
    }
    #expect((counts[true] ?? 0) >= limit && (counts[true] ?? 0) + (counts[false] ?? 0) == 10_000)
    await model.waitForIdle()
    #expect(model.statistics.usedPages == 0)
    await model.shutdown()
  }

  @Test("refuses by its bytes alone what can't fit, and nothing that could")
  func bytes() async throws {
    let vocabulary = CountingVocabulary()
    let model = try LocalLanguageModel(
      model: SyntheticModel().load(),
      vocabulary: vocabulary,
      options: .init(threads: 1, contextLength: 64),
      name: "synthetic"
    )
    func code(_ prompt: InferencePrompt, _ choices: [String] = []) async -> ModelError.Code? {
      do {
        let options = try GenerationOptions(maxTokens: 1, choices: choices)
        let context = RequestContext(tenant: "test")
        let request = InferenceRequest(prompt: prompt, options: options, context: context)
        _ = try await model.respond(to: request)
        return nil
      } catch { return (error as? ModelError)?.code }
    }
    // Its longest token has three bytes.
    #expect(await code(.text(String(repeating: "abc", count: 65))) == .promptTooLong)
    #expect(await code(.chat([.user(String(repeating: "x", count: 193))])) == .promptTooLong)
    #expect(vocabulary.encodings == 0)
    #expect(await code(.text(String(repeating: "abc", count: 63))) == nil)
    #expect(await code(.text(String(repeating: "abc", count: 64))) == .promptTooLong)
    #expect(vocabulary.encodings == 2)
    // Templates may leave out white space at the ends of a message.
    #expect(await code(.chat([.user(String(repeating: " ", count: 5_000) + "hi")])) == nil)
    #expect(vocabulary.encodings == 3)
    #expect(await code(.text("a"), ["yes", String(repeating: "x", count: 200)]) == .promptTooLong)
    #expect(await code(.text("a"), ["yes", String(repeating: "x", count: 64)]) == .promptTooLong)
    #expect(await code(.text("a"), ["yes", String(repeating: "x", count: 60)]) == nil)
    await model.shutdown()
  }

  @Test(
    "refuses by its bytes alone what can't fit though its vocabulary lacks a byte, and counts none that it drops"
  )
  func droppedBytes() async throws {
    let vocabulary = CountingVocabulary(isLacking: true)
    let model = try LocalLanguageModel(
      model: SyntheticModel().load(),
      vocabulary: vocabulary,
      options: .init(threads: 1, contextLength: 64),
      name: "synthetic"
    )
    func code(_ text: String) async -> ModelError.Code? {
      do {
        _ = try await model.respond(to: .raw(text, try GenerationOptions(maxTokens: 1)))
        return nil
      } catch { return (error as? ModelError)?.code }
    }
    #expect(await code(String(repeating: "x", count: 65)) == .promptTooLong)
    #expect(vocabulary.encodings == 0)
    #expect(await code("x" + String(repeating: "\u{4}", count: 500)) == nil)
    #expect(vocabulary.encodings == 1)
    await model.shutdown()
  }

  @Test(
    "refuses choices that its vocabulary can't spell, or can't tell apart, and goes on",
    .timeLimit(.minutes(10))
  )
  func unspeakableChoices() async throws {
    let model = try LocalLanguageModel(
      model: SyntheticModel().load(),
      vocabulary: CountingVocabulary(isLacking: true),
      options: .init(threads: 1),
      name: "synthetic"
    )
    for choices in [["\u{4}"], ["yes", "\u{4}"], ["no\u{4}"], ["a\u{4}", "a"], ["A", "\u{C1}"]] {
      let error = await #expect(throws: RequestError.self, "\(choices)") {
        _ = try await model.run("is it so? ", GenerationOptions(choices: choices))
      }
      #expect(error?.code == .invalidOption && error?.message.contains("choices[") == true)
    }
    let answer = try await model.run("is it so? ", GenerationOptions(choices: ["yes", "no"])).completion
    #expect(["yes", "no"].contains(answer.text))
    await model.shutdown()
  }

  @Test("computes what choices have in common once")
  func choicesWithCommonBeginning() async throws {
    let model = try LocalLanguageModel.synthetic(options: .init(threads: 1, speculation: .off))
    let prompt = "which one is it? "
    let choices =
      (0..<26).map { "the answer is number \(UnicodeScalar(UInt8(97 + $0)))x" }
      + (0..<26).map { "the answer is letter \(UnicodeScalar(UInt8(97 + $0)))y" }
    let completion = try await model.run(prompt, GenerationOptions(choices: choices)).completion
    #expect(choices.contains(completion.text))
    await model.waitForIdle()
    // The prompt, what all begin with, and then two ways of seven.
    #expect(model.statistics.computedRows <= prompt.utf8.count + 14 + 2 * 8)
    await model.shutdown()
  }

  @Test("ends at the deadline with what it has", .timeLimit(.minutes(10)))
  func deadline() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    // A clock that a token turns by a second.
    let clock = Mutex(ContinuousClock.now)
    let start = clock.withLock { $0 }
    let time = TimeSource(now: { clock.withLock { $0 } }, sleep: { _ in })
    var request = InferenceRequest.raw("go on ", try GenerationOptions(maxTokens: 400))
    request.context = RequestContext(
      tenant: "test",
      deadline: start + .milliseconds(4_500),
      trace: RequestTrace(time: time)
    )
    let stream = try model.start(request) { _ in clock.withLock { $0 += .seconds(1) } }
    let completion = try await stream.collect()
    #expect(completion.summary.reason == .deadline && completion.summary.usage.completionTokens == 5)
    await model.shutdown()
  }

  @Test("fails where the deadline passes before the first token", .timeLimit(.minutes(10)))
  func deadlineBeforeAnything() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    // The engine looks after it took the request in, when it is an hour later.
    let looks = Mutex(0)
    let start = ContinuousClock.now
    let time = TimeSource(
      now: {
        looks.withLock { looks in
          looks += 1
          return looks == 1 ? start : start + .seconds(3_600)
        }
      },
      sleep: { _ in }
    )
    var request = InferenceRequest.raw("go on ", try GenerationOptions(maxTokens: 4))
    request.context = RequestContext(
      tenant: "test",
      deadline: start + .seconds(60),
      trace: RequestTrace(time: time)
    )
    let error = await #expect(throws: RequestError.self) { try await model.generate(request).collect() }
    #expect(error?.code == .deadlineExceeded)
    await model.waitForIdle()
    #expect(model.statistics.usedPages == 0)
    await model.shutdown()
  }

  @Test("gives up a request that would be late before anything is computed for it", .timeLimit(.minutes(10)))
  func hopeless() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    // A clock that stands still, so that no deadline passes.
    let start = ContinuousClock.now
    let time = TimeSource(now: { start }, sleep: { _ in })
    var hurried = InferenceRequest.raw("far too long ", try GenerationOptions(maxTokens: 4))
    hurried.context = RequestContext(
      tenant: "test",
      deadline: start + .nanoseconds(1),
      trace: RequestTrace(time: time)
    )
    let late = Mutex<GenerationStream?>(nil)
    // Long enough to tell how fast prompts are read.
    let prompt = String(repeating: "go on ", count: 20)
    let first = try model.start(.raw(prompt, try GenerationOptions(maxTokens: 20))) { [hurried] _ in
      late.withLock { $0 = $0 ?? (try? model.start(hurried, onToken: nil)) }
    }
    #expect(try await first.collect().summary.usage.completionTokens == 20)
    let stream = try #require(late.withLock { $0 })
    let error = await #expect(throws: RequestError.self) { try await stream.collect() }
    #expect(error?.code == .deadlineExceeded)
    await model.waitForIdle()
    #expect(model.statistics.promptTokens == 120 && model.statistics.usedPages == 0)
    // With nothing else to do it is tried.
    #expect(try await model.start(hurried, onToken: nil).collect().summary.usage.completionTokens == 4)
    await model.shutdown()
  }

  @Test("tells the tokens' probabilities and how sure it was, where that is asked for")
  func logProbabilities() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let options = try GenerationOptions(maxTokens: 6, logProbabilities: 3)
    let (ids, completion) = try await model.run("so sure ", options)
    let summary = completion.summary
    let places = summary.tokenLogProbabilities
    #expect(places.map(\.chosen.bytes) == ids.map { $0 == 127 ? [] : [UInt8($0)] })
    // Without temperature the chosen token is the likeliest.
    #expect(places.allSatisfy { $0.likeliest.count == 3 && $0.likeliest[0] == $0.chosen })
    let certainty = try #require(summary.certainty)
    let values = places.map(\.chosen.logProbability)
    #expect(abs(certainty.meanLogProbability - values.reduce(0, +) / 6) < 1e-9)
    #expect(certainty.meanLogProbability == summary.meanLogProbability)
    #expect(certainty.minimumLogProbability == values.min())
    #expect((certainty.meanEntropy ?? 0) > 0 && (certainty.meanMargin ?? -1) >= 0)
    let plain = try await model.run("so sure ", GenerationOptions(maxTokens: 6)).completion
    #expect(plain.text == completion.text && plain.summary.tokenLogProbabilities.isEmpty)
    #expect(plain.summary.certainty?.minimumLogProbability == certainty.minimumLogProbability)
    #expect(plain.summary.certainty?.meanEntropy == nil)
    await model.shutdown()
  }

  @Test(
    "draws several answers to a prompt that is computed once",
    .timeLimit(.minutes(10)),
    arguments: [nil, 0] as [Int?]
  )
  func alternatives(prefixCacheBytes: Int?) async throws {
    let model = try LocalLanguageModel.synthetic(
      endTokens: [],
      options: .init(threads: 1, prefixCacheBytes: prefixCacheBytes)
    )
    let prompt = String(repeating: "a common beginning. ", count: 8)
    func options(_ count: Int) throws -> GenerationOptions {
      try GenerationOptions(maxTokens: 10, temperature: 1, seed: 7, alternatives: count)
    }
    let several = try await model.run(prompt, options(4)).completion
    let rows = model.statistics.computedRows
    // 160 rows of the prompt once, then 32 for each other answer, and 9 for what follows each first token.
    #expect(rows == 160 + 3 * 32 + 4 * 9)
    let answers = [several.text] + several.summary.alternatives.map(\.text)
    #expect(answers.count == 4 && Set(answers).count == 4)
    #expect(several.summary.usage.completionTokens == 40 && several.summary.usage.promptTokens == 160)
    #expect(several.summary.alternatives.allSatisfy { $0.completionTokens == 10 && $0.reason == .maxTokens })
    #expect(several.summary.alternatives.allSatisfy { $0.certainty != nil })
    // The streamed answer is the same as without the others.
    #expect(try await model.run(prompt, options(1)).completion.text == several.text)
    await model.waitForIdle()
    #expect(model.statistics.usedPages == 0)
    await model.shutdown()
  }

  @Test("ends all answers to a request when its reader leaves", .timeLimit(.minutes(10)))
  func leavingAlternatives() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let options = try GenerationOptions(maxTokens: 400, temperature: 1, alternatives: 5)
    let request = InferenceRequest.raw("go on ", options)
    for try await _ in try await model.generate(request) { break }
    await model.waitForIdle()
    #expect(model.statistics.usedPages == 0)
    // Its place in the queue is free again, once.
    _ = try await model.run("a", GenerationOptions(maxTokens: 2))
    await model.shutdown()
    #expect(request.context.trace.modelCalls.count == 1)
  }

  @Test("accounts for what it did")
  func usage() async throws {
    let price = ModelPrice(dollarsPerMillionPromptTokens: 1, dollarsPerMillionCompletionTokens: 2)
    let model = try LocalLanguageModel.synthetic(
      endTokens: [],
      options: .init(threads: 1, id: "tiny", tier: .large, price: price)
    )
    let request = InferenceRequest.raw("ten chars.", try GenerationOptions(maxTokens: 5))
    let summary = try await model.respond(to: request).summary
    let usage = summary.usage
    #expect(usage.promptTokens == 10 && usage.completionTokens == 5)
    #expect(usage.cpuTime > .zero && usage.computeTime > .zero && usage.timeToFirstToken > .zero)
    #expect(usage.timeToFirstToken <= usage.queueTime + usage.computeTime)
    #expect(summary.provenance.answeredBy == .model(id: "tiny", tier: .large))
    #expect(summary.provenance.cost == Money(dollars: 20e-6))
    #expect(summary.provenance.modelCalls.count == 1)
    #expect((summary.meanLogProbability ?? 1) < 0)
    let stage = try #require(request.context.trace.stages.first)
    // The call is booked by itself.
    #expect(stage.cost == .zero)
    // Each step streams all weights once and is charged to its only sequence.
    #expect(stage.memoryBytes == 5 * model.model.streamedByteCount && stage.cpuTime == usage.cpuTime)
    await model.shutdown()
  }

  @Test("fails what is under way when it is shut down")
  func shutdown() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let stream = try await model.generate(.raw("a", try GenerationOptions(maxTokens: 500)))
    await model.shutdown()
    let error = await #expect(throws: ModelError.self) { _ = try await stream.collect() }
    #expect(error?.code == .engineStopped)
    await model.shutdown()
  }

  @Test("ends its thread when nobody refers to it any more", .timeLimit(.minutes(10)))
  func release() async throws {
    weak var weakModel: DecoderModel?
    do {
      let model = try LocalLanguageModel.synthetic()
      weakModel = model.model
      _ = try await model.run("a", GenerationOptions(maxTokens: 3))
    }
    // The thread lets go of the model after its last word: nothing is left that could tell.
    while weakModel != nil { await Task.yield() }
  }

  @Test("checks its options", arguments: [(0, 100, 1), (1, 1, 1), (1, 100, 0), (300, 100, 1)])
  func options(threads: Int, context: Int, sequences: Int) {
    let options = LocalLanguageModel.Options(
      threads: threads,
      contextLength: context,
      maximumConcurrentSequences: sequences
    )
    let error = #expect(throws: ModelError.self) { _ = try LocalLanguageModel.synthetic(options: options) }
    #expect(error?.code == .invalidOption)
    let hurry = LocalLanguageModel.Options(timePerTokenTarget: .zero)
    #expect(throws: ModelError.self) { _ = try LocalLanguageModel.synthetic(options: hurry) }
  }
}

/// Counts tokens on the engine's thread.
private final class TokenCount: Sendable {
  private let count = Mutex(0)

  func next() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}

/// Counts the texts that are cut into tokens; "abc" is one token, and messages are trimmed.
private final class CountingVocabulary: DecoderVocabulary {
  private let base = ASCIIVocabulary(endTokens: [])
  private let cuts = Mutex(0)
  /// Whether it drops U+0004 and takes U+00C1 for an A instead, and no token has several bytes.
  private let isLacking: Bool

  init(isLacking: Bool = false) { self.isLacking = isLacking }

  var encodings: Int { cuts.withLock { $0 } }
  var endTokens: Set<Int32> { base.endTokens }
  var turnEnd: Int32? { 127 }
  var count: Int { base.count }
  var longestToken: Int? { isLacking ? 1 : 3 }
  var droppedBytes: Set<UInt8> { isLacking ? [4] : [] }

  func bytes(of token: Int32) -> [UInt8] { base.bytes(of: token) }

  func encode(_ text: String) throws(ModelError) -> [Int32] {
    cuts.withLock { $0 += 1 }
    guard isLacking else { return try base.encode(text.replacing("abc", with: "a")) }
    return try base.encode(text.replacing("\u{4}", with: "").replacing("\u{C1}", with: "A"))
  }

  func encode(_ messages: [ChatMessage]) throws(ModelError) -> [Int32] {
    try encode(messages.map { String($0.content.trimmed) }.joined())
  }

  func makeDetokenizer() -> any TokenDetokenizer { base.makeDetokenizer() }
}
