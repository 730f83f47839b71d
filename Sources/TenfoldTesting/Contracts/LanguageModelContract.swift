// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What every `LanguageModel` keeps to.
///
/// ```swift
/// let violations = await LanguageModelContract.violations { makeModel() }
/// ```
public enum LanguageModelContract {
  /// Runs the suite.
  ///
  /// - Parameters:
  ///   - question: A question that the model answers with at least two words.
  ///   - isBusy: How many answers the model is making right now, where that can be seen; it must fall to zero after
  ///     each reader has left.
  ///   - model: Makes a fresh model.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(
    question: String = "Tell me something about the sea.",
    isBusy: (@Sendable (any LanguageModel) -> Int)? = nil,
    of model: @Sendable () async throws -> any LanguageModel
  ) async -> [ContractViolation] {
    var report = ContractReport()
    await report.scenario("an answer is texts and then exactly one summary") { report in
      let model = try await model()
      let (texts, summaries, afterSummary) = try await read(model.generate(request(question)))
      report.check(
        summaries == 1,
        "an answer ends with exactly one summary",
        observed: "\(summaries) summaries"
      )
      report.check(!afterSummary, "nothing follows the summary", observed: "more events")
      report.check(
        texts.allSatisfy { !$0.isEmpty },
        "every text holds at least one character",
        observed: "an empty text"
      )
    }
    await report.scenario("the usage fits the text") { report in
      let completion = try await model().respond(to: request(question))
      let usage = completion.summary.usage
      let isFromModel = if case .model = completion.summary.provenance.answeredBy { true } else { false }
      report.check(
        usage.completionTokens >= 0 && usage.promptTokens >= 0,
        "token counts are not negative",
        observed: "\(usage)"
      )
      report.check(
        !isFromModel || completion.text.isEmpty || usage.completionTokens > 0,
        "a model that wrote a text counts its tokens",
        observed: "\(usage.completionTokens) tokens for \(completion.text.count) characters"
      )
      report.check(
        completion.summary.choiceProbabilities.isEmpty,
        "without choices there are no choice probabilities",
        observed: "\(completion.summary.choiceProbabilities)"
      )
    }
    await report.scenario("an answer costs once") { report in
      let request = request(question)
      let summary = try await model().respond(to: request).summary
      let trace = request.context.trace
      let booked = trace.modelCalls.reduce(trace.stages.reduce(Money.zero) { $0 + $1.cost }) { $0 + $1.cost }
      report.check(
        booked <= summary.provenance.cost,
        "the stages and model calls of a trace cost no more, together, than the summary says",
        observed: "\(booked) for \(summary.provenance.cost)"
      )
    }
    await report.scenario("a token limit is kept") { report in
      let options = try GenerationOptions(maxTokens: 1)
      let completion = try await model().respond(to: request(question, options))
      report.check(
        completion.summary.usage.completionTokens <= 1,
        "no more tokens are generated than asked for",
        observed: "\(completion.summary.usage.completionTokens) tokens with a limit of 1"
      )
    }
    await report.scenario("an answer is of the choices") { report in
      let options = try GenerationOptions(choices: ["yes", "no"])
      let completion = try await model().respond(to: request(question, options))
      let probabilities = completion.summary.choiceProbabilities
      guard !probabilities.isEmpty else { return }
      report.check(
        probabilities.count == 2 && probabilities.allSatisfy { $0 >= 0 && $0 <= 1 },
        "there is one probability for each choice, in 0...1",
        observed: "\(probabilities)"
      )
    }
    await report.scenario("requests at once are all answered") { report in
      let model = try await model()
      let count = try await withThrowingTaskGroup(of: Int.self) { group in
        for index in 0..<8 {
          group.addTask {
            try await read(model.generate(request("\(question) (\(index))"))).summaries
          }
        }
        return try await group.reduce(0, +)
      }
      report.check(count == 8, "each of several requests at once gets its summary", observed: "\(count) of 8")
    }
    await report.scenario("leaving a stream stops the work") { report in
      let model = try await model()
      for try await event in try await model.generate(request(question)) {
        if case .text = event { break }
      }
      if let isBusy {
        await settle { isBusy(model) == 0 }
        report.check(
          isBusy(model) == 0,
          "leaving a stream stops the work",
          observed: "\(isBusy(model)) still open"
        )
      }
      let completion = try await model.respond(to: request(question))
      report.check(
        completion.summary.reason.rawValue != "",
        "a model answers again after a reader has left",
        observed: "no reason"
      )
    }
    await report.scenario("cancelling the reader ends its stream") { report in
      let model = try await model()
      let outcome = await withTaskGroup(of: Bool.self) { group in
        group.addTask {
          try? await waitForCancellation()
          do {
            _ = try await model.respond(to: request(question))
            return false
          } catch {
            return true
          }
        }
        group.cancelAll()
        return await group.next() ?? false
      }
      report.check(outcome, "a cancelled reader gets an error", observed: "a whole answer")
      if let isBusy {
        await settle { isBusy(model) == 0 }
        report.check(isBusy(model) == 0, "cancelling a reader stops the work", observed: "still open")
      }
    }
    return report.violations
  }

  static func request(
    _ question: String,
    _ options: GenerationOptions = .standard,
    tenant: TenantID = "contract"
  ) -> InferenceRequest {
    InferenceRequest(question, tenant: tenant, options: options)
  }

  /// Gives other tasks a chance to run until a condition holds, at most ten thousand times.
  static func settle(_ condition: () -> Bool) async {
    for _ in 0..<10_000 where !condition() { await Task.yield() }
  }

  private static func read(
    _ stream: GenerationStream
  ) async throws -> (texts: [String], summaries: Int, afterSummary: Bool) {
    var texts: [String] = []
    var summaries = 0
    var afterSummary = false
    for try await event in stream {
      switch event {
      case .text(let text):
        afterSummary = afterSummary || summaries > 0
        texts.append(text)
      case .finished: summaries += 1
      }
    }
    return (texts, summaries, afterSummary)
  }
}
