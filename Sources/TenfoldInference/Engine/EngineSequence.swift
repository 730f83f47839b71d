// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldCore

/// One answer while the engine works on it: sampling, text, times and the stream it fills.
struct EngineSequence {
  let request: EngineRequest
  /// Which of the request's answers this is; 0 is the one that is streamed.
  let alternative: Int
  var sampler: TokenSampler
  var choices: ChoiceTrie?
  /// Whether the prompt stands in the engine's statistics.
  var isPromptCounted = false
  private(set) var constraint: TokenConstraint?
  private var formatBudget: FormatBudget
  /// A token that was drawn before its turn.
  private var drawn: Result<TokenSampler.Choice, any Error>?
  private let vocabulary: any DecoderVocabulary
  private var stop: StopMatcher
  private var detokenizer: any TokenDetokenizer
  private(set) var usage: TokenUsage
  /// How the request ended, in a word.
  private(set) var outcome = "failed"
  private var started: ContinuousClock.Instant?
  private var firstToken: ContinuousClock.Instant?
  private var lastToken: ContinuousClock.Instant?
  /// Tokens of other answers in ``usage``.
  private var absorbedTokens = 0
  private var certainty = CertaintyMeter()
  private var tokenLogProbabilities: [TokenLogProbability] = []
  private var memoryBytes = 0.0
  private var reason: FinishReason?
  /// The text of an answer that is not streamed.
  private var text = ""

  /// - Parameters:
  ///   - request: What is answered.
  ///   - alternative: Which of its answers this is.
  ///   - vocabulary: The model's tokens.
  ///   - formatBudget: The work on the format that the answer may cause.
  init(
    _ request: EngineRequest,
    alternative: Int = 0,
    vocabulary: any DecoderVocabulary,
    formatBudget: FormatBudget = FormatBudget()
  ) {
    self.request = request
    self.formatBudget = formatBudget
    self.alternative = alternative
    self.vocabulary = vocabulary
    sampler = TokenSampler(
      options: request.options,
      seed: request.seed,
      alternative: alternative,
      endTokens: vocabulary.endTokens,
      prompt: request.prompt
    )
    choices = request.choices
    stop = request.stop
    detokenizer = vocabulary.makeDetokenizer()
    usage = TokenUsage(promptTokens: request.prompt.count)
  }

  private var now: ContinuousClock.Instant { request.context.trace.time.now }

  /// The time until the deadline; `nil` without one.
  var timeLeft: Duration? { request.context.deadline.map { now.duration(to: $0) } }

  /// Whether the deadline has passed.
  var isLate: Bool { timeLeft.map { $0 <= .zero } ?? false }

  /// Tokens generated so far.
  var generated: Int { usage.completionTokens }

  /// Notes the first step, and how much of the prompt was there already.
  ///
  /// - Parameters:
  ///   - cached: Tokens of the prompt whose pages were there.
  ///   - automaton: Gives what follows the request's format; requests that wait have none, however many they are.
  mutating func start(cached: Int, _ automaton: (CompiledFormat) -> GrammarAutomaton) {
    if firstToken == nil { usage.cachedPromptTokens = cached }
    guard started == nil else { return }
    if let format = request.format {
      constraint = TokenConstraint(automaton(format), endTokens: vocabulary.endTokens) { [vocabulary] in
        vocabulary.bytes(of: $0)
      }
    }
    let now = now
    started = now
    usage.queueTime = request.arrival.duration(to: now)
  }

  /// Prompt tokens that were not computed.
  var cachedPromptTokens: Int { usage.cachedPromptTokens }

  /// Charges a share of a step.
  mutating func charge(cpuTime: Duration, memoryBytes: Double) {
    usage.cpuTime += cpuTime
    self.memoryBytes += memoryBytes
  }

  /// Goes on with a smaller automaton once the shared one has grown too large.
  mutating func renewAutomaton(_ make: (CompiledFormat) -> GrammarAutomaton) {
    guard let format = request.format, constraint?.automaton.isLarge == true else { return }
    let automaton = make(format)
    let before = automaton.work
    constraint?.move(to: automaton)
    formatBudget.spend(automaton.work - before)
  }

  /// Whether the answer follows a format.
  var isInFormat: Bool { constraint != nil }

  /// What the answer's automaton, which others use as well, has done so far.
  private var formatWork: Int { constraint?.automaton.work ?? 0 }

  /// How many more tokens are worth guessing, and which ones are certain, if any are.
  func draftLimits(contextLength: Int) -> (room: Int, certain: [Int32]?) {
    // The last token of the answer needs no row.
    (tokensLeft(contextLength) - 1, constraint?.ending)
  }

  /// The tokens of the text that the answer's format calls for next, as text is usually cut; empty where the model has
  /// a choice.
  mutating func requiredTokens() -> [Int32] {
    let before = formatWork
    defer { formatBudget.spend(formatWork - before) }
    guard let text = constraint?.requiredText, !text.isEmpty else { return [] }
    return (try? vocabulary.encode(text)) ?? []
  }

  /// As much of a guess as can come true.
  mutating func plausible(_ draft: [Int32]) -> [Int32] {
    let before = formatWork
    defer { formatBudget.spend(formatWork - before) }
    // Nothing is computed after an end.
    let draft = draft.prefix { !vocabulary.endTokens.contains($0) }
    guard var constraint, constraint.ending == nil else { return Array(draft) }
    return Array(
      draft.prefix { token in
        guard constraint.allows(token) else { return false }
        constraint.take(token)
        return true
      }
    )
  }

  /// Notes tokens that were guessed, and ones that came true.
  mutating func noteDraft(drafted: Int, accepted: Int) {
    usage.draftedTokens += drafted
    usage.acceptedTokens += accepted
  }

  /// Whether ``draw(_:weights:kernels:)`` can go before ``choose(_:weights:kernels:contextLength:)``: what a format or a
  /// choice of answers needs is shared with other sequences.
  var drawsFreely: Bool { constraint == nil && choices == nil }

  /// Draws the next token, beside other sequences that draw theirs on other threads; what is wrong is said in its turn.
  mutating func draw(
    _ logits: UnsafeMutableBufferPointer<Float>,
    weights: UnsafeMutableBufferPointer<Float>,
    kernels: UnsafePointer<tenfold_elementwise_kernels>
  ) {
    drawn = Result { try unsafe sampler.next(logits, weights: weights, kernels: kernels) }
  }

  /// Chooses the next token: the one that was drawn, if one was.
  ///
  /// - Returns: The token, or `nil` if the answer has to end here to keep its format.
  /// - Throws: ``ModelError`` if the logits are damaged, `RequestError` if the format can't be followed further.
  mutating func choose(
    _ logits: UnsafeMutableBufferPointer<Float>,
    weights: UnsafeMutableBufferPointer<Float>,
    kernels: UnsafePointer<tenfold_elementwise_kernels>,
    contextLength: Int
  ) throws -> TokenSampler.Choice? {
    if let drawn {
      self.drawn = nil
      return try drawn.get()
    }
    let before = formatWork
    defer {
      formatBudget.spend(formatWork - before)
      formatBudget.earn()
    }
    // An answer that is being closed needs no work to be ended: what comes is known, and no mask is made.
    let forced = constraint?.forced
    if forced == nil { try formatBudget.check() }
    var choice = try unsafe sampler.next(
      logits,
      weights: weights,
      kernels: kernels,
      constraint: forced == nil ? constraint : nil
    )
    guard var constraint else { return choice }
    let token = try forced ?? constraint.checked(choice.token, left: tokensLeft(contextLength) - 1)
    self.constraint = constraint
    guard let token else { return nil }
    if token != choice.token { choice = unsafe sampler.replacing(choice, with: token, logits) }
    return choice
  }

  /// How many more tokens the answer may have.
  private func tokensLeft(_ contextLength: Int) -> Int {
    min(request.options.maxTokens, contextLength - request.prompt.count) - usage.completionTokens
  }

  /// Adds a token to the answer.
  ///
  /// - Returns: Why the answer ends here, or `nil`.
  mutating func take(
    _ choice: TokenSampler.Choice,
    endTokens: Set<Int32>,
    contextLength: Int
  ) -> FinishReason? {
    noteToken()
    usage.completionTokens += 1
    sampler.take(choice.token)
    constraint?.take(choice.token)
    note(choice)
    if alternative == 0 { request.onToken?(choice.token) }
    if endTokens.contains(choice.token) { return .endOfText }
    let piece = detokenizer.take(choice.token)
    // In the tokens that the answer is to have in any case stop texts are not looked for.
    let isShort = usage.completionTokens <= request.options.minTokens
    let (text, isStopped) = isShort ? (piece, false) : stop.take(piece)
    write(text)
    if isStopped { return .stopText }
    if let constraint {
      if constraint.isClosed { return .maxTokens }
      if constraint.isComplete { return .endOfText }
    }
    if usage.completionTokens >= request.options.maxTokens { return .maxTokens }
    // The next token would have no position.
    return request.prompt.count + usage.completionTokens >= contextLength ? .contextFull : nil
  }

  private mutating func note(_ choice: TokenSampler.Choice) {
    certainty.take(choice)
    guard let place = choice.place, alternative == 0 else { return }
    func candidate(_ token: Int32, _ logProbability: Double) -> TokenLogProbability.Candidate {
      TokenLogProbability.Candidate(bytes: vocabulary.bytes(of: token), logProbability: logProbability)
    }
    tokenLogProbabilities.append(
      TokenLogProbability(
        chosen: candidate(choice.token, choice.logProbability),
        likeliest: place.likeliest.map { candidate($0.token, $0.logProbability) }
      )
    )
  }

  private mutating func write(_ text: String) {
    guard !text.isEmpty else { return }
    if alternative == 0 {
      request.continuation.yield(.text(text))
    } else {
      self.text += text
    }
  }

  /// Ends the answer with the likeliest of the given ones.
  mutating func finishWithChoice(_ trie: ChoiceTrie, profile: ModelProfile) {
    let index = sampler.pick(from: trie)
    noteToken()
    usage.completionTokens = trie.tokenCount(of: index)
    request.continuation.yield(.text(request.options.choices[index]))
    finish(
      .choice,
      profile: profile,
      meanLogProbability: trie.meanLogProbability(of: index),
      probabilities: trie.probabilities
    )
  }

  /// Ends the answer but not the stream: what was held back is written.
  mutating func conclude(_ reason: FinishReason) {
    if reason != .stopText {
      var (text, isStopped) = stop.take(detokenizer.flush())
      if !isStopped { text += stop.flush() }
      write(text)
    }
    self.reason = reason
  }

  /// The answer as an alternative to the streamed one.
  var answer: AlternativeAnswer {
    AlternativeAnswer(
      text: text,
      reason: reason ?? .endOfText,
      completionTokens: generated,
      certainty: certainty.certainty
    )
  }

  /// The time from the request's arrival to this answer's first token; `nil` where it has none.
  var timeToFirstToken: Duration? { firstToken.map { request.arrival.duration(to: $0) } }

  /// The mean time between this answer's own tokens; `nil` where there are fewer than two.
  var timePerToken: Duration? {
    let count = usage.completionTokens - absorbedTokens
    // The tokens of a choice all come at once.
    guard let firstToken, let lastToken, count > 1, choices == nil else { return nil }
    return firstToken.duration(to: lastToken) / (count - 1)
  }

  /// Adds what an alternative has taken.
  mutating func absorb(_ other: Self) {
    absorbedTokens += other.usage.completionTokens
    usage.completionTokens += other.usage.completionTokens
    usage.draftedTokens += other.usage.draftedTokens
    usage.acceptedTokens += other.usage.acceptedTokens
    usage.cpuTime += other.usage.cpuTime
    memoryBytes += other.memoryBytes
  }

  /// Ends the answer and the stream.
  mutating func finish(_ reason: FinishReason, profile: ModelProfile) {
    conclude(reason)
    finish(profile: profile, alternatives: [])
  }

  /// Ends the stream of an answer that was concluded.
  mutating func finish(profile: ModelProfile, alternatives: [AlternativeAnswer]) {
    finish(
      reason ?? .endOfText,
      profile: profile,
      meanLogProbability: certainty.certainty?.meanLogProbability,
      probabilities: [],
      alternatives: alternatives
    )
  }

  /// Ends the stream without an answer; what was spent is booked all the same.
  mutating func fail(_ error: any Error, note: String = "failed", profile: ModelProfile) {
    _ = book(note: note, profile: profile)
    request.continuation.finish(throwing: error)
  }

  /// Books what was spent on a request whose reader has left.
  mutating func abandon(profile: ModelProfile) {
    _ = book(note: "cancelled", profile: profile)
    request.continuation.finish(throwing: CancellationError())
  }

  // MARK: - Ends

  private mutating func noteToken() {
    let now = now
    lastToken = now
    guard firstToken == nil else { return }
    firstToken = now
    usage.timeToFirstToken = request.arrival.duration(to: now)
  }

  private mutating func finish(
    _ reason: FinishReason,
    profile: ModelProfile,
    meanLogProbability: Double?,
    probabilities: [Double],
    alternatives: [AlternativeAnswer] = []
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
      choiceProbabilities: probabilities,
      certainty: certainty.certainty,
      tokenLogProbabilities: tokenLogProbabilities,
      alternatives: alternatives
    )
    request.continuation.yield(.finished(summary))
    request.continuation.finish()
  }

  private mutating func book(note: String, profile: ModelProfile) -> ModelCall {
    outcome = note
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
      note: "\(profile.id): \(note)"
    )
    request.context.trace.record(call)
    request.context.trace.record(stage)
    return call
  }
}
