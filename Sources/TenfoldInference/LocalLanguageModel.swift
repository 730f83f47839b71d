// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Metrics
public import TenfoldCore
import TenfoldKernels

/// A language model that runs in this process on CPU threads of its own.
///
/// Requests of any number of callers share each pass through the weights; what one gets never depends on the others.
/// One thread owns the loop and starts with the model; it ends with ``shutdown()``, or on its own soon after the last
/// reference to the model and to its streams is gone. Texts wait in bounded buffers, so slow readers don't slow others.
///
/// ```swift
/// let model = try await LocalLanguageModel.load(gguf: "/models/model.gguf")
/// let answer = try await model.respond(to: InferenceRequest("Why is the sky blue?", tenant: "acme"))
/// print(answer.text)
/// await model.shutdown()
/// ```
public final class LocalLanguageModel: LanguageModel {
  /// The model's name, context length, tier and price.
  public let profile: ModelProfile
  /// The weights, for sessions of one's own such as ``DecoderSession``.
  public let model: DecoderModel
  let vocabulary: any DecoderVocabulary
  private let formats: FormatCompiler
  let mailbox: EngineMailbox
  private let maximumQueuedRequests: Int

  /// Starts the engine's thread.
  init(
    model: DecoderModel,
    vocabulary: any DecoderVocabulary,
    options: Options,
    name: String,
    metrics: any MetricsFactory = MetricsSystem.factory
  ) throws(ModelError) {
    try options.check()
    let draft = options.speculation.maximumDraftTokens > 0 ? options.speculation.draftModel : nil
    try draft?.check(vocabulary, of: options.id ?? name)
    let threads = options.threads ?? max(1, WorkerPool.defaultThreadCount - 1)
    let memory = try KeyValueMemory(
      model.configuration,
      byteCount: options.keyValueCacheBytes,
      precision: options.keyValuePrecision
    )
    let capacity = memory.pageCount * BlockAllocator.blockLength
    // First what no memory helps against; from here on the number is one to count with.
    if let wanted = options.contextLength, wanted > model.configuration.contextLength {
      throw ModelError(
        .invalidOption,
        "contextLength is \(wanted), but the model was made for at most \(model.configuration.contextLength) tokens."
      )
    }
    if let wanted = options.contextLength, wanted > capacity {
      let pages = (wanted - 1) / BlockAllocator.blockLength + 1
      throw ModelError(
        .invalidOption,
        """
        contextLength is \(wanted), but keyValueCacheBytes has room for \(capacity) tokens: give it \
        \(pages * memory.pageByteCount) bytes, or lower contextLength.
        """
      )
    }
    let context = min(options.contextLength ?? model.configuration.contextLength, capacity)
    var limits = EngineScheduler.Limits()
    limits.maximumSequences = options.maximumConcurrentSequences
    limits.timePerToken = options.timePerTokenTarget
    limits.keptPages = options.prefixCacheBytes.map {
      // Any budget but zero is good for a page.
      $0 == 0 ? 0 : ($0 - 1) / memory.pageByteCount + 1
    }
    limits.tenantWeights = options.tenantWeights
    if options.speculation.maximumDraftTokens == 0 { limits.draftRows = 0 }
    self.profile = ModelProfile(
      id: options.id ?? name,
      revision: options.revision ?? "1",
      contextLength: context,
      tier: options.tier,
      price: options.price
    )
    self.model = model
    self.vocabulary = vocabulary
    self.formats = FormatCompiler(vocabulary)
    self.mailbox = EngineMailbox()
    self.maximumQueuedRequests = options.maximumQueuedRequests
    let runner = try DecoderRunner(
      model: model,
      memory: memory,
      positions: context,
      maximumRows: limits.maximumSequences + limits.draftRows + limits.lonePromptRows,
      maximumLogitRows: limits.maximumSequences + limits.draftRows,
      precision: options.precision,
      pool: WorkerPool(threads: threads)
    )
    let modelDrafter = try draft.map { (draft) throws(ModelError) in
      try ModelDrafter(
        draft,
        limit: options.speculation.maximumDraftTokens,
        target: runner,
        limits: limits,
        contextLength: context
      )
    }
    let loop = EngineLoop(
      mailbox: mailbox,
      runner: runner,
      vocabulary: vocabulary,
      profile: profile,
      limits: limits,
      speculation: options.speculation,
      modelDrafter: modelDrafter,
      threads: threads,
      metrics: EngineMetrics(model: profile.id, factory: metrics)
    )
    try EngineThread.start { loop.run() }
  }

  deinit { mailbox.stop() }

  /// What the engine is doing and has done.
  public var statistics: EngineStatistics { mailbox.statistics }

  /// Starts answering a request.
  ///
  /// The prompt is tokenised on the calling task, unless the queue is full or the prompt too long by its bytes alone; then
  /// the request waits for its turn. A higher priority goes first; within a priority the tenant that has had least of the
  /// engine, by its weight; within a tenant the earliest deadline, where a request without one counts as due a minute after
  /// it came. What had to make room goes first again, and half of the rows for prompts are kept for the one admitted first. Cancelling frees its
  /// place within one pass through the model. A deadline that passes in the middle of an answer ends it with what there is; one
  /// that passes before fails the stream with ``TenfoldCore/RequestError/Code/deadlineExceeded``. So fails, while others are
  /// computed, a request whose prompt alone takes longer than its time.
  ///
  /// - Parameter request: The question, its options and its context.
  /// - Returns: The answer as it is made, ending with one summary.
  /// - Throws: ``TenfoldCore/RequestError`` with code ``TenfoldCore/RequestError/Code/emptyRequest``,
  ///   ``TenfoldCore/RequestError/Code/overloaded`` or ``TenfoldCore/RequestError/Code/deadlineExceeded``; for a bias of a
  ///   token that the model doesn't have ``TenfoldCore/RequestError/Code/invalidOption``, and for the response format that one,
  ///   ``TenfoldCore/RequestError/Code/unsupportedFormat`` or ``TenfoldCore/RequestError/Code/unsatisfiableFormat``;
  ///   ``ModelError`` with code ``ModelError/Code/promptTooLong`` or ``ModelError/Code/engineStopped``. The stream fails
  ///   with code ``TenfoldCore/RequestError/Code/unsupportedFormat`` where a format proves to be too much work only later.
  public func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    try start(request, onToken: nil)
  }

  /// How many tokens a prompt has, with those that the model's chat template adds.
  ///
  /// With it a host can shorten a conversation before it is too long for ``profile``'s context.
  ///
  /// - Parameter prompt: The prompt.
  /// - Returns: The number; 0 for a prompt without text or messages.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/unsupported`` for a conversation where the model's template isn't
  ///   known.
  /// - Complexity: O(*n*) in the prompt's length; it computes nothing else.
  public func tokenCount(of prompt: InferencePrompt) throws -> Int { try tokens(of: prompt).count }

  /// Stops the engine: streams that are not at their end fail with ``ModelError/Code/engineStopped``.
  ///
  /// Returns when the thread has ended; further requests are refused. Calling it again does no harm.
  public func shutdown() async {
    mailbox.stop()
    await mailbox.waitForEnd()
  }

  /// Stops the engine once the answers under way are done, or when the time for that is over.
  ///
  /// For a host that is told to end, by SIGTERM or because another build takes over. Further requests are refused at once with
  /// ``ModelError/Code/engineStopped``, which a `ReplicatedModel` takes as a reason to ask another replica; those that were
  /// accepted, waiting ones among them, go on. What isn't done in time fails as with ``shutdown()``. Cancelling the task
  /// ends the grace.
  ///
  /// ```swift
  /// // On macOS with `signal(SIGTERM, SIG_IGN)`, on Linux without: there an ignored signal is lost.
  /// let terminated = DispatchSource.makeSignalSource(signal: SIGTERM)
  /// …
  /// await model.shutdown(drainingFor: .seconds(20))
  /// ```
  ///
  /// - Parameter grace: How long the answers may take.
  /// - Returns: Whether all of them were done in time.
  @discardableResult
  public func shutdown(drainingFor grace: Duration) async -> Bool {
    mailbox.close()
    let isDrained = await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        await self.mailbox.waitForIdle()
        return true
      }
      group.addTask {
        // Also when the task is cancelled, or the engine idle: then there is nothing left to fail.
        let time = TimeSource.system
        try? await time.sleep(until: time.now + grace)
        return self.mailbox.stop()
      }
      // An engine that was stopped is idle soon after, so what the other task says counts too.
      var isDrained = true
      for await outcome in group {
        isDrained = isDrained && outcome
        group.cancelAll()
      }
      return isDrained
    }
    await shutdown()
    return isDrained
  }

  /// Waits until every request has ended, its pages are free, and the statistics show it.
  func waitForIdle() async { await mailbox.waitForIdle() }

  /// As ``generate(_:)``, handing every token to `onToken` on the engine's thread.
  func start(_ request: InferenceRequest, onToken: (@Sendable (Int32) -> Void)?) throws -> GenerationStream {
    let arrival = request.context.trace.time.now
    if let deadline = request.context.deadline, deadline <= arrival {
      throw RequestError(
        .deadlineExceeded,
        "The request's deadline had passed when it reached \(profile.id)."
      )
    }
    // Before anything is worked out for a request that would be refused.
    try refuse(mailbox.refusal(limit: maximumQueuedRequests))
    try checkBias(request.options.logitBias)
    let prompt = try encode(request.prompt)
    try checkLength(prompt: prompt.count, answer: 1)
    let choices = try makeTrie(request.options.choices, prompt: prompt.count)
    let format = try formats.compile(request.options.responseFormat)
    let answerTokens = choices?.longestPath ?? max(1, format?.shortestAnswer ?? 1)
    guard answerTokens <= request.options.maxTokens || format == nil else {
      throw RequestError(
        .invalidOption,
        "maxTokens is \(request.options.maxTokens); the shortest answer in this format takes \(answerTokens)."
      )
    }
    try checkLength(prompt: prompt.count, answer: answerTokens)
    let stop = StopMatcher(request.options.stop)
    let (stream, continuation) = GenerationStream.makeStream()
    var id = 0
    let refusal = mailbox.submit(limit: maximumQueuedRequests) { newID in
      id = newID
      return EngineRequest(
        id: newID,
        prompt: prompt,
        options: request.options,
        context: request.context,
        documents: request.passages.map(\.document),
        choices: choices,
        format: format,
        stop: stop,
        seed: .random(in: .min ... .max),
        arrival: arrival,
        continuation: continuation,
        onToken: onToken
      )
    }
    try refuse(refusal)
    // Capturing the model keeps the engine alive as long as the stream is being filled.
    continuation.onCancel { [self, id] in mailbox.cancel(id) }
    return stream
  }

  private func checkBias(_ bias: [Int32: Float]) throws(RequestError) {
    guard let largest = bias.keys.max(), largest >= vocabulary.count else { return }
    throw RequestError(
      .invalidOption,
      "logitBias has token \(largest); \(profile.id) has \(vocabulary.count) tokens, counted from 0."
    )
  }

  private func tokens(of prompt: InferencePrompt) throws -> [Int32] {
    switch prompt {
    case .text(let text): try vocabulary.encode(prompt: text)
    case .chat(let messages): messages.isEmpty ? [] : try vocabulary.encode(messages)
    }
  }

  /// Throws what is said of a request that the engine doesn't take.
  private func refuse(_ refusal: EngineMailbox.Refusal?) throws {
    switch refusal {
    case .isFull(let count):
      throw RequestError(
        .overloaded,
        "\(count) requests wait for \(profile.id), which is its limit; try again later.",
        retryAfter: .seconds(1)
      )
    case .isStopped:
      throw ModelError(.engineStopped, "The model \(profile.id) was shut down; load it again.")
    case nil: break
    }
  }

  private func checkLength(prompt: Int, answer: Int) throws(ModelError) {
    guard prompt + answer <= profile.contextLength else {
      guard answer == 1 else {
        throw ModelError(
          .promptTooLong,
          """
          The prompt has \(prompt) tokens and the answer, by its choices or format, \(answer) or more; \(profile.id) takes \
          at most \(profile.contextLength) together. Shorten either, or raise contextLength or keyValueCacheBytes.
          """
        )
      }
      throw ModelError(
        .promptTooLong,
        """
        The prompt has \(prompt) tokens; with room for an answer \(profile.id) takes at most \
        \(max(0, profile.contextLength - answer)). Shorten it, or raise contextLength or keyValueCacheBytes.
        """
      )
    }
  }

  /// The bytes of a text that become tokens: some vocabularies lack bytes, which are dropped.
  private func tokenBytes<Text: StringProtocol>(of text: Text) -> Int {
    let dropped = vocabulary.droppedBytes
    return dropped.isEmpty ? text.utf8.count : text.utf8.count { !dropped.contains($0) }
  }

  /// Refuses a text that is too long whatever its tokens are, as cutting one into tokens takes many times its memory.
  private func checkBytes(_ byteCount: Int, of what: String) throws(ModelError) {
    guard let longest = vocabulary.longestToken else { return }
    let (limit, isEndless) = profile.contextLength.multipliedReportingOverflow(by: longest)
    guard isEndless || byteCount <= limit else {
      throw ModelError(
        .promptTooLong,
        """
        \(what) has \(byteCount) bytes of text. Its tokens were not counted: even if each were as long as the longest, of \
        \(longest) bytes, there would be more than the \(profile.contextLength) that \(profile.id) takes. Shorten it, or \
        raise contextLength or keyValueCacheBytes.
        """
      )
    }
  }

  /// The bytes of a prompt's text that every template writes: some leave out white space at the ends of messages.
  private func certainBytes(of prompt: InferencePrompt) -> Int {
    switch prompt {
    case .text(let text): tokenBytes(of: text)
    case .chat(let messages): messages.reduce(0) { $0 + tokenBytes(of: vocabulary.certainText(of: $1)) }
    }
  }

  private func encode(_ prompt: InferencePrompt) throws -> [Int32] {
    try checkBytes(certainBytes(of: prompt), of: "The prompt")
    let tokens = try tokens(of: prompt)
    guard !tokens.isEmpty else {
      throw RequestError(.emptyRequest, "The prompt is empty; give at least one message or one character.")
    }
    return tokens
  }

  private func makeTrie(_ choices: [String], prompt: Int) throws -> ChoiceTrie? {
    guard !choices.isEmpty else { return nil }
    var known: Set<[Int32]> = []
    let tokens = try choices.enumerated().map { (number, choice) in
      try checkBytes(tokenBytes(of: choice), of: "A choice")
      let tokens = try vocabulary.encode(choice)
      try checkLength(prompt: prompt, answer: tokens.count)
      guard says(tokens, choice) else {
        throw RequestError(
          .invalidOption,
          "choices[\(number)] has characters that \(profile.id) has no tokens for; write it without them."
        )
      }
      guard known.insert(tokens).inserted else {
        throw RequestError(
          .invalidOption,
          "choices[\(number)] has the same tokens as another choice; \(profile.id) can't tell them apart."
        )
      }
      return tokens
    }
    return try ChoiceTrie(choices: tokens, endToken: vocabulary.turnEnd)
  }

  /// Whether tokens stand for a text, and for all of it.
  private func says(_ tokens: [Int32], _ text: String) -> Bool {
    let bytes = tokens.flatMap { vocabulary.bytes(of: $0) }
    guard !bytes.isEmpty else { return false }
    // SentencePiece spells spaces with a character of its own, and so reads that character as a space.
    return bytes.elementsEqual(text.utf8) || bytes.elementsEqual(text.replacing("\u{2581}", with: " ").utf8)
  }
}
