// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// One request while the engine works on it: sampling, text, times and the stream it fills.
struct EngineSequence {
  let request: EngineRequest
  var sampler: TokenSampler
  var choices: ChoiceTrie?
  private var stop: StopMatcher
  private var detokenizer: any TokenDetokenizer
  private var usage: TokenUsage
  private var started: ContinuousClock.Instant?
  private var firstToken: ContinuousClock.Instant?
  private var logProbability = 0.0
  private var memoryBytes = 0.0

  init(_ request: EngineRequest, vocabulary: some DecoderVocabulary) {
    self.request = request
    sampler = TokenSampler(options: request.options, seed: request.seed, prompt: request.prompt)
    choices = request.choices
    stop = StopMatcher(request.options.stop)
    detokenizer = vocabulary.makeDetokenizer()
    usage = TokenUsage(promptTokens: request.prompt.count)
  }

  private var now: ContinuousClock.Instant { request.context.trace.time.now }

  /// Whether the deadline has passed.
  var isLate: Bool { request.context.deadline.map { $0 <= now } ?? false }

  /// Tokens generated so far.
  var generated: Int { usage.completionTokens }

  /// Notes the first step, and how much of the prompt was still there.
  mutating func start(cached: Int) {
    guard started == nil else { return }
    let now = now
    started = now
    usage.queueTime = request.arrival.duration(to: now)
    usage.cachedPromptTokens = cached
  }

  /// Charges a share of a step.
  mutating func charge(cpuTime: Duration, memoryBytes: Double) {
    usage.cpuTime += cpuTime
    self.memoryBytes += memoryBytes
  }

  /// Adds a token to the answer.
  ///
  /// - Returns: Why the answer ends here, or `nil`.
  mutating func take(
    _ choice: TokenSampler.Choice,
    endTokens: Set<Int32>,
    contextLength: Int
  ) -> FinishReason? {
    noteFirstToken()
    usage.completionTokens += 1
    logProbability += choice.logProbability
    request.onToken?(choice.token)
    if endTokens.contains(choice.token) { return .endOfText }
    let (text, isStopped) = stop.take(detokenizer.take(choice.token))
    if !text.isEmpty { request.continuation.yield(.text(text)) }
    if isStopped { return .stopText }
    if usage.completionTokens >= request.options.maxTokens { return .maxTokens }
    // The next token would have no position.
    return request.prompt.count + usage.completionTokens >= contextLength ? .contextFull : nil
  }

  /// Ends the answer with the likeliest of the given ones.
  mutating func finishWithChoice(_ trie: ChoiceTrie, profile: ModelProfile) {
    let index = sampler.pick(from: trie)
    noteFirstToken()
    usage.completionTokens = trie.tokenCount(of: index)
    request.continuation.yield(.text(request.options.choices[index]))
    finish(
      .choice,
      profile: profile,
      meanLogProbability: trie.meanLogProbability(of: index),
      probabilities: trie.probabilities
    )
  }

  /// Ends the answer and the stream.
  mutating func finish(_ reason: FinishReason, profile: ModelProfile) {
    if reason != .stopText {
      var (text, isStopped) = stop.take(detokenizer.flush())
      if !isStopped { text += stop.flush() }
      if !text.isEmpty { request.continuation.yield(.text(text)) }
    }
    let mean = generated > 0 ? logProbability / Double(generated) : nil
    finish(reason, profile: profile, meanLogProbability: mean, probabilities: [])
  }

  /// Ends the stream without an answer; what was spent is booked all the same.
  mutating func fail(_ error: any Error, profile: ModelProfile) {
    _ = book(note: "failed", profile: profile)
    request.continuation.finish(throwing: error)
  }

  /// Books what was spent on a request whose reader has left.
  mutating func abandon(profile: ModelProfile) {
    _ = book(note: "cancelled", profile: profile)
    request.continuation.finish(throwing: CancellationError())
  }

  // MARK: - Ends

  private mutating func noteFirstToken() {
    guard firstToken == nil else { return }
    let now = now
    firstToken = now
    usage.timeToFirstToken = request.arrival.duration(to: now)
  }

  private mutating func finish(
    _ reason: FinishReason,
    profile: ModelProfile,
    meanLogProbability: Double?,
    probabilities: [Double]
  ) {
    let call = book(note: reason.rawValue, profile: profile)
    let summary = GenerationSummary(
      reason: reason,
      usage: usage,
      provenance: Provenance(
        answeredBy: .model(id: profile.id, tier: profile.tier),
        modelCalls: [call],
        documents: request.documents,
        stages: request.context.trace.stages,
        cost: call.cost
      ),
      meanLogProbability: meanLogProbability,
      choiceProbabilities: probabilities
    )
    request.continuation.yield(.finished(summary))
    request.continuation.finish()
  }

  private mutating func book(note: String, profile: ModelProfile) -> ModelCall {
    let now = now
    if let started {
      usage.computeTime = started.duration(to: now)
    } else {
      usage.queueTime = request.arrival.duration(to: now)
    }
    let call = ModelCall(
      model: profile.id,
      tier: profile.tier,
      usage: usage,
      cost: profile.price.cost(of: usage)
    )
    let stage = StageRecord(
      stage: "inference",
      wait: usage.queueTime,
      work: usage.computeTime,
      cpuTime: usage.cpuTime,
      memoryBytes: Int(memoryBytes),
      note: "\(profile.id): \(note)",
      cost: call.cost
    )
    request.context.trace.record(call)
    request.context.trace.record(stage)
    return call
  }
}
