// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import HeapModule
import TenfoldCore
import TenfoldKernels

/// The step loop: takes mail, asks the scheduler for a step, computes it, hands out tokens.
///
/// It is confined to one thread.
final class EngineLoop {
  /// When a request without a deadline is due.
  private static let patience = Duration.seconds(60)

  let mailbox: EngineMailbox
  let runner: DecoderRunner
  private let vocabulary: any DecoderVocabulary
  private let profile: ModelProfile
  let contextLength: Int
  let threads: Int
  private let speculation: DecoderSpeculation
  var scheduler: EngineScheduler
  var sequences: [Int: EngineSequence] = [:]
  var tokens: [Int: [Int32]] = [:]
  var drafters: [Int: SequenceDrafter] = [:]
  /// Guesses where there is nothing to look up; `nil` without a draft model, or once it has failed.
  var modelDrafter: ModelDrafter?
  /// Requests for several answers, by the request's id.
  private var groups: [Int: EngineGroup] = [:]
  private var lastAlternative = 0
  /// The deadlines of sequences; those that have ended stay until their time or until they are many.
  private var deadlines: Heap<Deadline> = []
  private var automata = AutomatonShelf()
  /// For each thread, room for a number a token.
  var weights: [Float]
  var statistics = EngineStatistics()
  private var metrics: EngineMetrics
  private var ended = 0

  init(
    mailbox: EngineMailbox,
    runner: DecoderRunner,
    vocabulary: any DecoderVocabulary,
    profile: ModelProfile,
    limits: EngineScheduler.Limits,
    speculation: DecoderSpeculation,
    modelDrafter: ModelDrafter? = nil,
    threads: Int,
    metrics: EngineMetrics
  ) {
    self.mailbox = mailbox
    self.runner = runner
    self.vocabulary = vocabulary
    self.profile = profile
    self.contextLength = profile.contextLength
    self.threads = threads
    self.speculation = speculation
    self.modelDrafter = modelDrafter
    self.metrics = metrics
    self.scheduler = EngineScheduler(limits: limits, blockCount: runner.memory.pageCount)
    self.weights = Array(repeating: 0, count: max(1, threads) * runner.model.vocabularySize)
  }

  /// Works until the mailbox says stop.
  func run() {
    defer { mailbox.end() }
    while true {
      let mail = mailbox.collect(waiting: scheduler.isIdle)
      for request in mail.requests { accept(request) }
      for id in mail.cancelled { drop(id) { $0.abandon(profile: $1) } }
      if mail.isStopped {
        let error = ModelError(
          .engineStopped,
          "The model \(profile.id) was shut down before the answer was complete."
        )
        for id in (Array(groups.keys) + sequences.keys).sorted() { drop(id) { $0.fail(error, profile: $1) } }
        publish()
        return
      }
      finishLate()
      step()
      publish()
    }
  }

  // MARK: - Requests

  /// When a sequence has to be done.
  private struct Deadline: Comparable {
    var time: ContinuousClock.Instant
    var id: Int

    static func < (a: Self, b: Self) -> Bool { (a.time, a.id) < (b.time, b.id) }
  }

  private func accept(_ request: EngineRequest) {
    if request.options.alternatives > 1 { groups[request.id] = EngineGroup(members: [request.id]) }
    add(request, as: request.id, alternative: 0)
  }

  private func add(_ request: EngineRequest, as id: Int, alternative: Int) {
    sequences[id] = EngineSequence(request, alternative: alternative, vocabulary: vocabulary)
    tokens[id] = request.prompt
    if let deadline = request.context.deadline { deadlines.insert(Deadline(time: deadline, id: id)) }
    if speculation.maximumDraftTokens > 0, request.choices == nil {
      drafters[id] = SequenceDrafter(
        limit: speculation.maximumDraftTokens,
        looksUp: speculation.usesPromptLookup
      )
    }
    scheduler.add(
      id: id,
      tokens: request.prompt,
      priority: request.context.priority.rawValue,
      // A reader without a deadline has patience for a while, so that those with one don't go before it for ever.
      due: request.context.deadline ?? request.arrival + Self.patience,
      tenant: request.context.tenant,
      sharesPrefix: request.context.cachePolicy.allowsPrefixReuse,
      replaceable: request.choices?.longestPath ?? 0,
      group: request.options.alternatives > 1 ? request.id : nil
    )
  }

  /// Starts the other answers to a request, now that the prompt's keys and values are there for them.
  private func fork(_ request: EngineRequest) {
    guard groups[request.id]?.isForked == false else { return }
    groups[request.id]?.isForked = true
    for alternative in 1..<request.options.alternatives {
      // Negative, so that they never meet the ids that the mailbox gives.
      lastAlternative -= 1
      groups[request.id]?.members.insert(lastAlternative)
      add(request, as: lastAlternative, alternative: alternative)
    }
  }

  /// Ends one answer, and with the last answer to its request the stream.
  private func finish(_ id: Int, _ reason: FinishReason) {
    guard var sequence = sequences[id] else { return }
    let request = sequence.request.id
    guard groups[request] != nil else {
      drop(id) { $0.finish(reason, profile: $1) }
      return
    }
    sequences[id] = nil
    tokens[id] = nil
    stopDrafting(sequence, id)
    scheduler.remove(id)
    sequence.conclude(reason)
    groups[request]?.members.remove(id)
    groups[request]?.ended.append(sequence)
    guard let group = groups[request], group.members.isEmpty else { return }
    let answers = group.alternatives
    drop(request) { $0.finish(profile: $1, alternatives: answers) }
  }

  /// Ends the answers whose deadline has passed.
  private func finishLate() {
    while let first = deadlines.min {
      guard let sequence = sequences[first.id] else {
        deadlines.removeMin()
        continue
      }
      guard sequence.isLate else { break }
      deadlines.removeMin()
      finishLate(first.id)
    }
    guard deadlines.count > 2 * sequences.count + 64 else { return }
    deadlines = Heap(deadlines.unordered.filter { sequences[$0.id] != nil })
  }

  /// Ends an answer whose deadline has passed: with what it has, or with an error if its request has nothing yet.
  private func finishLate(_ id: Int) {
    guard let sequence = sequences[id] else { return }
    guard sequence.generated == 0, groups[sequence.request.id]?.isForked != true else {
      return finish(id, .deadline)
    }
    failLate(id, "The request's deadline passed before \(profile.id) had its first token.")
  }

  private func failLate(_ id: Int, _ message: String) {
    let error = RequestError(.deadlineExceeded, message)
    drop(id) { $0.fail(error, note: FinishReason.deadline.rawValue, profile: $1) }
  }

  /// Ends a request with all its answers in the way `end` says and frees their pages.
  ///
  /// - Parameters:
  ///   - id: The request, or any of its answers.
  ///   - end: Ends the answer that is streamed.
  private func drop(_ id: Int, _ end: (inout EngineSequence, ModelProfile) -> Void) {
    let request = sequences[id]?.request.id ?? id
    let group = groups.removeValue(forKey: request) ?? EngineGroup(members: [request])
    var all = group.ended
    for member in group.members {
      guard let sequence = sequences.removeValue(forKey: member) else { continue }
      tokens[member] = nil
      stopDrafting(sequence, member)
      scheduler.remove(member)
      all.append(sequence)
    }
    guard let index = all.firstIndex(where: { $0.alternative == 0 }) else { return }
    var streamed = all.remove(at: index)
    for other in all { streamed.absorb(other) }
    ended += 1
    // The statistics show the freed pages before the reader sees the end.
    publish()
    end(&streamed, profile)
    metrics.record(streamed)
  }

  private func publish() {
    statistics.running = scheduler.runningCount
    statistics.waiting = scheduler.waitingCount
    statistics.usedPages = scheduler.usedBlocks
    statistics.keptPages = scheduler.keptBlocks
    statistics.totalPages = scheduler.blockCount
    statistics.preemptions = scheduler.preemptions
    statistics.usedDraftPages = modelDrafter?.usedPages ?? 0
    mailbox.publish(statistics, ended: ended)
    metrics.record(statistics)
    ended = 0
  }

  // MARK: - Steps

  private func step() {
    propose()
    let plan = scheduler.plan { sequences[$0]?.timeLeft }
    for id in scheduler.hopeless {
      failLate(
        id,
        "What is left of the request's time is too short for \(profile.id) to read its prompt. Allow more, or shorten it."
      )
    }
    guard !plan.isEmpty else { return }
    var step = DecoderStep()
    for work in plan {
      sequences[work.id]?.start(cached: work.reused) { automata.automaton(for: $0) }
      let known = tokens[work.id] ?? []
      step.add(
        known[work.start..<work.start + work.count] + work.draft,
        at: work.start,
        pages: work.pages,
        logits: work.isLast ? 1 + work.draft.count : 0
      )
    }
    let ids = plan.map(\.id)
    let requests = ids.map { sequences[$0]?.request.id ?? $0 }
    let (before, start) = (Self.threadTime(), ContinuousClock.now)
    let result = Result { () throws(ModelError) in
      try runner.run(step, isAbandoned: { mailbox.abandons(requests) })
    }
    // An abandoned or failed pass has cost time, too; how many of the weights it has read isn't known.
    let isComplete = (try? result.get()) == true
    charge(
      plan.map { ($0.id, $0.rowCount) },
      since: before,
      streaming: isComplete ? runner.model.streamedByteCount : 0
    )
    if case .failure(let error) = result {
      for id in ids { drop(id) { $0.fail(error, profile: $1) } }
    }
    guard isComplete else { return }
    let duration = start.duration(to: .now)
    scheduler.didTake(duration, rows: step.tokens.count)
    modelDrafter?.didComputeTarget(
      rows: step.tokens.count,
      isDecoding: step.logitRows.count == step.tokens.count,
      seconds: duration / .seconds(1)
    )
    statistics.steps += 1
    statistics.computedRows += step.tokens.count
    metrics.record(rows: step.tokens.count, sequences: plan.count)
    drawTogether(plan)
    var logits = 0
    for work in plan {
      scheduler.didCompute(work)
      guard work.isLast else { continue }
      advance(work, logits: logits)
      logits += 1 + work.draft.count
    }
  }

  /// Chooses a sequence's next token.
  ///
  /// - Returns: The token; `nil` if the sequence has ended, or goes on with other tokens than the chosen one.
  func advance(_ id: Int, logits index: Int) -> Int32? {
    // Taken out, so that its lists are not copied when they grow.
    guard var sequence = sequences.removeValue(forKey: id) else { return nil }
    if !sequence.isPromptCounted, sequence.alternative == 0 {
      sequence.isPromptCounted = true
      statistics.promptTokens += sequence.request.prompt.count
      statistics.cachedPromptTokens += sequence.cachedPromptTokens
      fork(sequence.request)
    }
    let logits = unsafe runner.logits(index)
    if sequence.choices != nil {
      sequences[id] = sequence
      unsafe decide(id, &sequence, logits)
      return nil
    }
    sequence.renewAutomaton { automata.automaton(for: $0) }
    let choice: TokenSampler.Choice?
    let start = sequence.isInFormat ? Self.threadTime() : nil
    do {
      defer {
        // Charged before the answer can end.
        if let start { sequence.charge(cpuTime: chargeFormat(id, since: start), memoryBytes: 0) }
      }
      choice = try unsafe weights.withUnsafeMutableBufferPointer { weights in
        try unsafe sequence.choose(
          logits,
          weights: weights,
          kernels: runner.elementwise,
          contextLength: contextLength
        )
      }
    } catch {
      sequences[id] = sequence
      drop(id) { $0.fail(error, profile: $1) }
      return nil
    }
    guard let choice else {
      sequences[id] = sequence
      finish(id, .maxTokens)
      return nil
    }
    statistics.generatedTokens += 1
    let reason = sequence.take(choice, endTokens: vocabulary.endTokens, contextLength: contextLength)
    sequences[id] = sequence
    if let reason {
      finish(id, reason)
      return nil
    }
    scheduler.append(choice.token, to: id)
    tokens[id]?.append(choice.token)
    return choice.token
  }

  /// Accounts for a fork of the given answers and goes to the next one.
  private func decide(
    _ id: Int,
    _ sequence: inout EngineSequence,
    _ logits: UnsafeMutableBufferPointer<Float>
  ) {
    guard let fork = sequence.choices?.forks.first else { return }
    let wanted = fork.tokens.map { unsafe logits[Int($0)] }
    guard wanted.allSatisfy(\.isFinite) else {
      drop(id) { $0.fail(TokenSampler.notNumbers(), profile: $1) }
      return
    }
    sequence.choices?.resolve(wanted)
    guard let trie = sequence.choices else { return }
    sequences[id] = sequence
    guard let next = trie.forks.first else {
      statistics.generatedTokens += 1
      drop(id) { $0.finishWithChoice(trie, profile: $1) }
      return
    }
    // What the two forks have in common was computed for the first.
    let prompt = sequence.request.prompt
    let common = zip(fork.path, next.path).prefix { $0 == $1 }.count
    scheduler.replaceTokens(of: id, from: prompt.count + common, with: next.path.dropFirst(common))
    tokens[id] = prompt + next.path
  }
}
