// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import Tenfold

@Suite("A batch answers a file of requests")
struct BatchInferenceTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private var input: String { directory.file("in.jsonl") }
  private var output: String { directory.file("out.jsonl") }

  private func write(_ lines: [String]) throws {
    try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: URL(fileURLWithPath: input))
  }

  private func ask(_ question: String, id: String? = nil, more: String = "") -> String {
    let name = id.map { #""custom_id":"\#($0)","# } ?? ""
    return #"{\#(name)"body":{"messages":[{"role":"user","content":"\#(question)"}]\#(more)}}"#
  }

  private func batches(
    _ options: BatchInference.Options = .init(retry: RetryPolicy(base: .zero)),
    model: ScriptedLanguageModel = ScriptedLanguageModel { .text("echo \($0.question)") }
  ) async throws -> BatchInference {
    let database = try await SQLiteDatabase.open(
      .inMemory,
      schemas: [SQLiteJobStore.schema, BatchInference.schema]
    )
    var options = options
    options.pollInterval = .milliseconds(5)
    return BatchInference(store: try await SQLiteJobStore.open(in: database), model: model, options: options)
  }

  private func results() throws -> [String] {
    try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  @Test("a worker that can't run ends the call that waits for its answers", .timeLimit(.minutes(1)))
  func workerFails() async throws {
    let batches = try await batches(.init(lease: .zero))
    try write([ask("one")])
    await #expect { try await batches.answer(input, to: output, as: "b", for: "t") } throws: {
      ($0 as? JobError)?.code == .invalidOption
    }
    // Its lines are there for a worker that can.
    let others = BatchInference(store: batches.store, model: batches.model)
    #expect(try await others.answer(input, to: output, as: "b", for: "t").succeeded == 1)
  }

  @Test("each line has its result, in the input's order, in the form of the batch API")
  func roundTrip() async throws {
    let clock = ManualStoreClock()
    let batches = try await batches(.init(clock: clock.clock))
    try write([
      ask("one", id: "a"), "", ask("two"),
      #"{"custom_id":"c","url":"/v1/completions","body":{"prompt":"say \"three\"","max_tokens":2}}"# + "\r",
    ])
    let done = try await batches.answer(input, to: output, as: "b", for: "t")
    #expect(done.succeeded == 3 && done.failed == 0 && done.isFinished && done.completionTokens == 6)
    let results = try results()
    #expect(
      results[0]
        == #"{"id":"b-1","custom_id":"a","response":{"status_code":200,"request_id":"b-1","body":{"id":"b-1","#
        + #""object":"chat.completion","created":1700000000,"model":"scripted","choices":[{"index":0,"message":"#
        + #"{"role":"assistant","content":"echo one"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"#
        + #""completion_tokens":2,"total_tokens":3}}},"error":null}"#
    )
    #expect(results[1].hasPrefix(#"{"id":"b-3","custom_id":null,"#))
    #expect(results[2].contains(#""text":"echo say","finish_reason":"length""#))
    // The numbers of blank lines count, so that an id names a line of the file.
    #expect(results[2].hasPrefix(#"{"id":"b-4","custom_id":"c","#))
  }

  @Test("counts that no build writes are no more than wrong")
  func damagedCounts() async throws {
    let batches = try await batches(.init(maximumAttempts: .max))
    try write([ask("one")])
    #expect(try await batches.answer(input, to: output, as: "b", for: "t").succeeded == 1)
    for (succeeded, failed, total) in [
      (Int64.max, Int64.max, Int64(1)), (.min, .min, .max), (.max, .max, .min),
    ] {
      try await batches.database.write { tx in
        try tx.execute("UPDATE batch SET succeeded = ?1, failed = ?2, total = ?3", succeeded, failed, total)
      }
      let progress = try await batches.status(of: "b")
      #expect(!progress.isFinished && progress.fraction.isFinite)
      await #expect { try await batches.write("b", to: output) } throws: {
        ($0 as? BatchError)?.code == .notFinished
      }
    }
  }

  @Test("requests carry their options, their tenant and background priority")
  func options() async throws {
    let model = ScriptedLanguageModel { _ in .text("yes") }
    let batches = try await batches(model: model)
    let more =
      #","temperature":0.5,"top_p":0.9,"seed":-1,"stop":["x","y"],"max_completion_tokens":7,"logprobs":true,"#
      + #""top_logprobs":3,"n":2"#
    try write([
      ask("one", more: more),
      ask(
        "shaped",
        more:
          #","frequency_penalty":0.5,"presence_penalty":-2,"logit_bias":{"50256":-100,"0":1.5},"min_tokens":3,"#
          + #""max_completion_tokens":9"#
      ),
      ask(
        "two",
        more: #","response_format":{"type":"json_schema","json_schema":{"schema":{"b":1,"a":[2e0]}}}"#
      ),
      #"{"body":{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"#
        + #"[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}}"#,
    ])
    _ = try await batches.answer(input, to: output, as: "b", for: "acme")
    let requests = model.requests.sorted { $0.context.id.rawValue < $1.context.id.rawValue }
    #expect(requests.allSatisfy { $0.context.priority == .background && $0.context.tenant == "acme" })
    #expect(
      requests[0].options
        == (try GenerationOptions(
          maxTokens: 7,
          temperature: 0.5,
          topP: 0.9,
          seed: .max,
          stop: ["x", "y"],
          logProbabilities: 3,
          alternatives: 2
        ))
    )
    #expect(
      requests[1].options
        == (try GenerationOptions(
          maxTokens: 9,
          frequencyPenalty: 0.5,
          presencePenalty: -2,
          logitBias: [50_256: -100, 0: 1.5],
          minTokens: 3
        ))
    )
    // A schema keeps the order of its members.
    #expect(requests[2].options.responseFormat == .jsonSchema(#"{"b":1,"a":[2e0]}"#))
    #expect(requests[3].prompt == .chat([.system("be brief"), .user("ab")]))
  }

  @Test("what a line asked to know of its tokens stands in its result")
  func logProbabilities() {
    let token = TokenLogProbability(
      chosen: .init(bytes: Array("hé".utf8), logProbability: -0.5),
      likeliest: [.init(bytes: [0xC3], logProbability: -.infinity)]
    )
    let completion = Completion(
      text: "hé",
      summary: GenerationSummary(
        reason: .endOfText,
        usage: TokenUsage(promptTokens: 1, completionTokens: 1),
        provenance: Provenance(answeredBy: .model(id: "m", tier: .small)),
        tokenLogProbabilities: [token],
        alternatives: [AlternativeAnswer(text: "ha", reason: .endOfText, completionTokens: 1)]
      )
    )
    let result = BatchResult.answer(completion, isChat: true, model: "m", created: 1)
    let line = String(decoding: result.line(id: "b-1", customID: nil), as: UTF8.self)
    #expect(
      line.contains(
        #""content":"hé"},"finish_reason":"stop","logprobs":{"content":[{"token":"hé","logprob":-0.5,"#
          + #""bytes":[104,195,169],"top_logprobs":[{"token":"\#u{FFFD}","logprob":-9999.0,"bytes":[195]}]}]}},"#
          + #"{"index":1,"message":{"role":"assistant","content":"ha"},"finish_reason":"stop"}]"#
      )
    )
  }

  static let badLines: [(String, BatchError.Code)] = [
    ("{", .malformedLine), ("[]", .malformedLine), ("{}", .malformedLine), ("\u{0}", .malformedLine),
    (#"{"body":{"messages":[]}}"#, .malformedLine),
    (#"{"body":{"messages":[{"role":"user"}]}}"#, .malformedLine),
    (#"{"body":{"messages":"x"}}"#, .malformedLine), (#"{"custom_id":7,"body":{}}"#, .malformedLine),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"max_tokens":1.5}}"#, .malformedLine),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"max_tokens":0}}"#, .unsupportedRequest),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"temperature":1e99}}"#, .unsupportedRequest),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"tools":[]}}"#, .unsupportedRequest),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"frequency_penalty":2.5}}"#, .unsupportedRequest),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"presence_penalty":"1"}}"#, .malformedLine),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"logit_bias":{"5":300}}}"#, .unsupportedRequest),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"logit_bias":{"-5":3}}}"#, .unsupportedRequest),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"logit_bias":{"a":3}}}"#, .malformedLine),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"logit_bias":{"5":null}}}"#, .malformedLine),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"min_tokens":9999}}"#, .unsupportedRequest),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"logit_bias":[]}}"#, .malformedLine),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"best_of":2}}"#, .unsupportedRequest),
    (#"{"url":"/v1/completions","body":{"prompt":"x","echo":true}}"#, .unsupportedRequest),
    (#"{"url":"/v1/completions","body":{"prompt":"x","suffix":"y"}}"#, .unsupportedRequest),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"repetition_penalty":-2}}"#, .unsupportedRequest),
    (#"{"body":{"messages":[{"role":"user","content":"x"}],"min_p":2}}"#, .unsupportedRequest),
    (#"{"url":"/v1/embeddings","body":{}}"#, .unsupportedRequest),
    (#"{"method":"GET","body":{}}"#, .unsupportedRequest),
    (#"{"body":{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}}"#, .unsupportedRequest),
    (String(repeating: "[", count: 10_000), .malformedLine),
    (#"{"custom_id":"a","body":{"messages":[{"role":"user","content":"x"}]}}"#, .duplicateID),
    (String(repeating: "x", count: 20_001), .lineTooLong),
  ]

  @Test("a bad line refuses the file, or gets an error as its result", arguments: badLines)
  func badLine(line: String, code: BatchError.Code) async throws {
    var options = BatchInference.Options(maximumLineInBytes: 20_000)
    let isNamed = line.hasPrefix("{\"") && !line.contains("custom_id")
    let bad = isNamed ? #"{"custom_id":"bad",\#(line.dropFirst())"# : line
    let name = isNamed ? #""bad""# : code == .duplicateID ? #""a""# : "null"
    try write([ask("one", id: "a"), bad, ask("three", id: "c")])
    let strict = try await batches(options)
    await #expect { try await strict.submit(input, as: "b", for: "t") } throws: { error in
      (error as? BatchError)?.code == code && (error as? BatchError)?.inputLine == 2
    }
    #expect(try await strict.list().isEmpty)
    options.badLines = .report
    let lenient = try await batches(options)
    let done = try await lenient.answer(input, to: output, as: "b", for: "t")
    #expect(done.succeeded == 2 && done.failed == 1)
    let result = #""custom_id":\#(name),"response":null,"error":{"code":"\#(code)""#
    #expect(try results()[1].contains(result))
    #expect(try results()[2].contains("echo three"))
  }

  @Test(
    "what is valid with the limit that lines without one get, and ids of different bytes, are taken in",
    arguments: [BatchInference.BadLines.refuse, .report]
  )
  func goodLines(badLines: BatchInference.BadLines) async throws {
    // The second and third names are the same characters, in one code point and in two.
    try write([
      ask("one", more: #","min_tokens":5"#), ask("two", id: "\u{E9}"), ask("three", id: "e\u{301}"),
    ])
    let batches = try await batches(.init(badLines: badLines))
    let done = try await batches.answer(input, to: output, as: "b", for: "t")
    #expect(done.succeeded == 3 && done.failed == 0)
    // The limit of lines that name none is less than what the first one wants.
    let tight = try await self.batches(.init(badLines: badLines, defaultMaxTokens: 4))
    if badLines == .refuse {
      await #expect { try await tight.submit(input, as: "b", for: "t") } throws: {
        ($0 as? BatchError)?.code == .unsupportedRequest && ($0 as? BatchError)?.inputLine == 1
      }
    } else {
      let done = try await tight.answer(input, to: output, as: "b", for: "t")
      #expect(done.succeeded == 2 && done.failed == 1)
    }
  }

  @Test("an empty or missing file is refused", arguments: ["", "\n \r\n\n"])
  func empty(text: String) async throws {
    let batches = try await batches()
    try Data(text.utf8).write(to: URL(fileURLWithPath: input))
    await #expect { try await batches.submit(input, as: "b", for: "t") } throws: {
      ($0 as? BatchError)?.code == .emptyInput
    }
    await #expect { try await batches.submit("/nowhere/x", as: "b", for: "t") } throws: {
      ($0 as? BatchError)?.code == .inputOutput
    }
    await #expect { try await batches.status(of: "b") } throws: { ($0 as? BatchError)?.code == .notFound }
  }

  @Test("refusals become results, overload waits, failures are retried and then become results")
  func failures() async throws {
    let calls = Mutex<[String: Int]>([:])
    let model = ScriptedLanguageModel { request in
      let count = calls.withLock { calls in
        calls[request.question, default: 0] += 1
        return calls[request.question] ?? 0
      }
      switch request.question {
      case "refused": throw RequestError(.emptyRequest, "no")
      case "busy" where count <= 20: throw RequestError(.overloaded, "later", retryAfter: .zero)
      case "broken": return .failureAfter("half", RequestError(.modelFailed, "broke"))
      case "shaky" where count < 3: throw RequestError(.modelFailed, "once more")
      default: return .text("fine")
      }
    }
    let batches = try await batches(
      .init(maximumAttempts: 3, retry: RetryPolicy(base: .zero)),
      model: model
    )
    try write(["refused", "busy", "broken", "shaky"].map { ask($0) })
    let done = try await batches.answer(input, to: output, as: "b", for: "t")
    #expect(done.succeeded == 2 && done.failed == 2)
    #expect(calls.withLock { $0 } == ["refused": 1, "busy": 21, "broken": 3, "shaky": 3])
    #expect(try results()[0].contains(#""error":{"code":"emptyRequest","message":"no"}"#))
    #expect(try results()[2].contains(#""error":{"code":"modelFailed","message":"broke"}"#))
    // A failed line is a result, not a dead letter.
    #expect(try await batches.store.observe(.init()).dead == 0)
  }

  @Test("submitting again changes nothing; another file or tenant under the name is refused")
  func again() async throws {
    let model = ScriptedLanguageModel { .text("echo \($0.question)") }
    let batches = try await batches(model: model)
    try write([ask("one"), ask("two")])
    _ = try await batches.answer(input, to: output, as: "b", for: "t")
    let first = try results()
    _ = try await batches.answer(input, to: output, as: "b", for: "t")
    #expect(try results() == first && model.requests.count == 2)
    await #expect { try await batches.submit(input, as: "b", for: "u") } throws: {
      ($0 as? BatchError)?.code == .inputChanged
    }
    try write([ask("one"), ask("three")])
    await #expect { try await batches.submit(input, as: "b", for: "t") } throws: {
      ($0 as? BatchError)?.code == .inputChanged
    }
    await #expect { try await batches.write("b", to: "/nowhere/x") } throws: { $0 is StorageError }
  }

  @Test("progress ends with the finished state and never goes back")
  func progress() async throws {
    let batches = try await batches()
    try write((0..<40).map { ask("q\($0)") })
    try await batches.submit(input, as: "b", for: "t")
    let worker = batches.makeWorker()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      var seen: [Int] = []
      var last: BatchProgress?
      for try await progress in batches.progress(of: "b") {
        seen.append(progress.succeeded)
        last = progress
      }
      worker.drain()
      try await group.waitForAll()
      #expect(seen == seen.sorted() && seen.last == 40)
      #expect(last?.isFinished == true && last?.fraction == 1)
    }
  }

  @Test("cancelling the task gives back what was being answered; calling again goes on")
  func interruption() async throws {
    let isOpen = Mutex(false)
    let asked = AsyncStream<Void>.makeStream()
    let model = ScriptedLanguageModel { request in
      if isOpen.withLock({ $0 }) { return .text("echo \(request.question)") }
      asked.continuation.yield()
      return .hang
    }
    let batches = try await batches(.init(concurrency: 2, maximumAttempts: 1), model: model)
    try write((0..<5).map { ask("q\($0)") })
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await #expect(throws: CancellationError.self) {
          try await batches.answer(input, to: output, as: "b", for: "t")
        }
      }
      var calls = asked.stream.makeAsyncIterator()
      for _ in 0..<2 { await calls.next() }
      group.cancelAll()
    }
    #expect(!FileManager.default.fileExists(atPath: output))
    await #expect { try await batches.write("b", to: output) } throws: {
      ($0 as? BatchError)?.code == .notFinished
    }
    isOpen.withLock { $0 = true }
    // Their only attempt was not used up.
    #expect(try await batches.answer(input, to: output, as: "b", for: "t").succeeded == 5)
  }

  @Test("a cancelled batch ends with errors for what had no answer, and can be removed")
  func cancelling() async throws {
    let batches = try await batches()
    try write((0..<1100).map { ask("q\($0)", id: "c\($0)") })
    try await batches.submit(input, as: "b", for: "t")
    let leases = try await batches.store.claim(ClaimRequest(queues: ["batch"], maximum: 3))
    try await batches.cancel("b")
    let progress = try await batches.status(of: "b")
    #expect(progress.isFinished && progress.failed == 1100 && progress.state == .cancelled)
    try await batches.write("b", to: output)
    #expect(try results().count == 1100)
    #expect(try results()[7].contains(#""custom_id":"c7","response":null,"error":{"code":"cancelled""#))
    #expect(try await batches.store.observe(.init()).ready == 0 && leases.count == 3)
    await #expect { try await batches.submit(input, as: "b", for: "t") } throws: {
      ($0 as? BatchError)?.code == .cancelled
    }
    try await batches.erase("t")
    #expect(try await batches.list().isEmpty)
    try await batches.remove("b")
    let left = try await batches.store.database.read { tx in
      try tx.first("SELECT count(*) FROM batch_line") { try $0.int(0) }
    }
    #expect(left == 0)
  }

  @Test("what is erased is in neither the file nor its log, and leaves no dead letter")
  func erased() async throws {
    let path = directory.file("batch.db")
    let database = try await SQLiteDatabase.open(
      .file(path),
      schemas: [SQLiteJobStore.schema, BatchInference.schema]
    )
    let store = try await SQLiteJobStore.open(in: database)
    let batches = BatchInference(store: store, model: ScriptedLanguageModel { _ in .text("yes") })
    func occurrences(of text: String, in endings: [String] = ["", "-wal"]) throws -> Int {
      try endings.map { path + $0 }.filter(FileManager.default.fileExists).count { file in
        try Data(contentsOf: URL(fileURLWithPath: file)).range(of: Data(text.utf8)) != nil
      }
    }
    try write([ask("MARKER-OF-THE-ERASED"), ask("MARKER-OF-THE-ERASED again")])
    try await batches.submit(input, as: "gone", for: "gone")
    let leases = try await store.claim(ClaimRequest(queues: ["batch"], maximum: 1))
    let death = JobSettlement.Outcome.dead(error: "ERROR-OF-THE-ERASED")
    _ = try await store.settle(leases.map { JobSettlement($0.reference, death) })
    try await batches.settleLost("gone")
    try write([ask("MARKER-OF-OTHERS")])
    try await batches.submit(input, as: "stays", for: "stays")
    for text in ["MARKER-OF-THE-ERASED", "ERROR-OF-THE-ERASED"] { #expect(try occurrences(of: text) > 0) }
    #expect(try await store.observe(.init()).dead == 1)
    try await batches.erase("gone")
    #expect(try await store.observe(.init()).dead == 0)
    #expect(try await batches.list().map(\.id) == ["stays"])
    for text in ["MARKER-OF-THE-ERASED", "ERROR-OF-THE-ERASED"] {
      #expect(try occurrences(of: text, in: ["-wal"]) == 0)
    }
    try await database.compact()
    for text in ["MARKER-OF-THE-ERASED", "ERROR-OF-THE-ERASED"] { #expect(try occurrences(of: text) == 0) }
    #expect(try occurrences(of: "MARKER-OF-OTHERS") > 0)
    await store.close()
  }

  @Test("lines whose jobs an operator cancelled, or that died, end with an error instead of never")
  func lost() async throws {
    let batches = try await batches()
    try write([ask("one"), ask("two"), ask("three")])
    try await batches.submit(input, as: "b", for: "t")
    let jobs = try await batches.store.observe(.init(list: .init(limit: 9))).listed.map(\.id)
    try await batches.store.control(.cancel([jobs[0]]))
    let leases = try await batches.store.claim(ClaimRequest(queues: ["batch"], maximum: 1))
    _ = try await batches.store.settle(leases.map { JobSettlement($0.reference, .dead(error: "poison")) })
    let done = try await batches.answer(input, to: output, as: "b", for: "t")
    #expect(done.succeeded == 1 && done.failed == 2)
    #expect(try results()[0].contains(#""error":{"code":"cancelled""#))
    #expect(try results()[1].contains("poison"))
  }

  @Test("the output of a batch whose last lines were lost is written, though nobody watched it")
  func lostUnwatched() async throws {
    let batches = try await batches()
    try write([ask("one"), ask("two", id: "x"), ask("three")])
    try await batches.submit(input, as: "b", for: "t")
    let leases = try await batches.store.claim(ClaimRequest(queues: ["batch"], maximum: 1))
    let jobs = try await batches.store.observe(.init(list: .init(state: .ready, limit: 9))).listed.map(\.id)
    _ = try await batches.store.settle(leases.map { JobSettlement($0.reference, .dead(error: "poison")) })
    try await batches.store.control(.cancel([jobs[0]]))
    // The third waits for a worker, so there is nothing to write yet.
    await #expect { try await batches.write("b", to: output) } throws: {
      ($0 as? BatchError)?.code == .notFinished
    }
    #expect(!FileManager.default.fileExists(atPath: output))
    try await batches.store.control(.cancel([jobs[1]]))
    try await batches.write("b", to: output)
    #expect(try await batches.status(of: "b").failed == 3)
    #expect(try results()[0].contains("poison"))
    #expect(try results()[1].contains(#""custom_id":"x","response":null,"error":{"code":"cancelled""#))
    #expect(try results().count == 3)
  }

  @Test("lost lines end a batch also while other jobs come and go all the time", .timeLimit(.minutes(10)))
  func lostInTraffic() async throws {
    let batches = try await batches()
    try write([ask("one"), ask("two")])
    try await batches.submit(input, as: "b", for: "t")
    let leases = try await batches.store.claim(ClaimRequest(queues: ["batch"], maximum: 2))
    // Another batch's line is being answered all the while.
    _ = try await batches.store.enqueue([
      NewJob(name: "other", payload: [], options: JobOptions(queue: "batch"))
    ])
    let other = try await batches.store.claim(
      ClaimRequest(queues: ["batch"], maximum: 1, leaseFor: .seconds(3600))
    )
    #expect(leases.count == 2 && other.count == 1)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        while !Task.isCancelled { _ = try await batches.store.enqueue([NewJob(name: "x", payload: [])]) }
      }
      var updates = batches.progress(of: "b").makeAsyncIterator()
      #expect(try await updates.next()?.failed == 0)
      _ = try await batches.store.settle([JobSettlement(leases[0].reference, .dead(error: "poison"))])
      #expect(try await updates.next()?.failed == 1)
      _ = try await batches.store.settle([JobSettlement(leases[1].reference, .cancelled)])
      let last = try await updates.next()
      #expect(last?.failed == 2 && last?.isFinished == true)
      group.cancelAll()
    }
  }

  @Test("a file whose counts are damaged still ends its batches", .timeLimit(.minutes(10)))
  func damagedCount() async throws {
    let batches = try await batches()
    try write([ask("one"), ask("two")])
    try await batches.submit(input, as: "b", for: "t")
    let leases = try await batches.store.claim(ClaimRequest(queues: ["batch"], maximum: 2))
    try await batches.store.database.write { tx in
      try tx.execute("UPDATE job_lane SET waiting = 9223372036854775807")
    }
    var updates = batches.progress(of: "b").makeAsyncIterator()
    #expect(try await updates.next()?.failed == 0)
    for (number, lease) in leases.enumerated() {
      _ = try await batches.store.settle([JobSettlement(lease.reference, .dead(error: "poison"))])
      #expect(try await updates.next()?.failed == number + 1)
    }
  }

  /// Counts who comes to a door, before it lets them in.
  private final class ArrivalCounter: InferenceMiddleware {
    private let arrivals = Mutex(0)
    private let (stream, continuation) = AsyncStream<Int>.makeStream()
    var counts: AsyncStream<Int> { stream }

    func intercept(
      _ request: InferenceRequest,
      next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
    ) async throws -> GenerationStream {
      if request.context.priority == .background {
        continuation.yield(
          arrivals.withLock { arrivals in
            arrivals += 1
            return arrivals
          }
        )
      }
      return try await next(request)
    }
  }

  @Test("while live requests fill the model, lines wait without losing an attempt; then all are answered")
  func liveTraffic() async throws {
    let gate = AsyncStream<Void>.makeStream()
    let begun = AsyncStream<Void>.makeStream()
    let model = ScriptedLanguageModel { request in
      if request.question == "live" {
        begun.continuation.yield()
        for await _ in gate.stream { break }
      }
      return .text("echo \(request.question)")
    }
    let counter = ArrivalCounter()
    let door = AdmissionMiddleware(
      options: .init(concurrency: .init(initial: 1, minimum: 1, maximum: 1), maximumWaiting: 0)
    )
    let pipeline = Pipeline(model: model, middlewares: [counter, door])
    let database = try await SQLiteDatabase.open(
      .inMemory,
      schemas: [SQLiteJobStore.schema, BatchInference.schema]
    )
    let batches = BatchInference(
      store: try await SQLiteJobStore.open(in: database),
      model: pipeline,
      options: .init(
        maximumAttempts: 1,
        refusalPause: .zero,
        pollInterval: .milliseconds(5),
        retry: RetryPolicy(base: .zero)
      )
    )
    try write((0..<6).map { ask("q\($0)") })
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        _ = try await pipeline.respond(to: InferenceRequest("live", tenant: "people"))
      }
      for await _ in begun.stream { break }
      group.addTask { try await batches.answer(input, to: output, as: "b", for: "t") }
      // Lines have been turned away again and again, and none has reached the model.
      for await count in counter.counts where count >= 12 { break }
      #expect(model.requests.map(\.question) == ["live"])
      gate.continuation.finish()
      try await group.waitForAll()
    }
    let done = try await batches.status(of: "b")
    #expect(done.succeeded == 6 && done.failed == 0)
  }
}
