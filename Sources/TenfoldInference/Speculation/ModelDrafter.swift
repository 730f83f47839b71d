// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

/// Guesses with a draft model what sequences go on with: the draft's passes and pages, and what became of its guesses.
///
/// In a round the draft model first takes in what it has not seen of the sequences, all in one pass; from then on each of
/// its passes makes one more guess for every sequence that is still worth it. It belongs to the engine's thread.
final class ModelDrafter {
  /// A sequence that waits for a token.
  struct Request {
    var id: Int
    var tokens: [Int32]
    /// The most guesses that have a place.
    var room: Int
    /// The tokens of its answer so far.
    var generated: Int
    /// How many more it may have.
    var left: Int
    /// Within which pages are shared; `nil` to share none.
    var scope: BlockAllocator.Scope?
    /// Whether its tokens are drawn, not the likeliest ones.
    var isSampled: Bool
  }

  /// What the engine knows of a round.
  struct Surroundings {
    /// The rows that the model's next pass has anyway.
    var rows: Int
    /// The sequences that it gives a token to.
    var sequences: Int
    /// The most guesses, all sequences together.
    var room: Int
    /// Whether the last of a sequence's guesses can come true.
    var isPlausible: (_ id: Int, _ guesses: [Int32]) -> Bool
    /// Whether the round is no longer wanted.
    var isAbandoned: () -> Bool
  }

  /// A sequence's guesses of a round.
  private struct Guesses {
    var limit: Int
    let isSampled: Bool
    var tokens: [Int32] = []
    var confidences: [Double] = []
    /// The probability that all come true.
    var chance = 1.0
    var passes = 0
    /// The rows of those passes; of what there was to catch up with, no more than is part of a round.
    var rows = 0
  }

  let model: DecoderModel
  private let runner: DecoderRunner
  private let limit: Int
  private let positions: Int
  /// How many of the draft's logits are of tokens that the model has too.
  private let vocabularySize: Int
  private let limits: EngineScheduler.Limits
  private var allocator: BlockAllocator
  private var policy: DraftPolicy
  private var contexts: [Int: DraftContext] = [:]
  /// Those of the last round that were not checked yet.
  private var guesses: [Int: Guesses] = [:]
  private var isProbe = false
  /// How long answers are; a running mean.
  private var answerLength = 128.0
  /// Passes of the draft model so far.
  private(set) var passes = 0
  /// The rows of the last round, by sequence.
  private(set) var rows: [Int: Int] = [:]

  /// - Parameters:
  ///   - draft: The draft model.
  ///   - limit: The most tokens guessed at once for a sequence.
  ///   - target: What runs the model to draft for; the draft model has as many pages, and the same threads.
  ///   - limits: What bounds a step of the engine.
  ///   - contextLength: The most tokens of a sequence.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/storageFull``.
  init(
    _ draft: DraftModel,
    limit: Int,
    target: DecoderRunner,
    limits: EngineScheduler.Limits,
    contextLength: Int
  ) throws(ModelError) {
    model = draft.model
    self.limit = limit
    self.limits = limits
    positions = min(contextLength, draft.model.configuration.contextLength)
    vocabularySize = min(draft.model.vocabularySize, target.model.vocabularySize)
    let memory = try KeyValueMemory(
      draft.model.configuration,
      pageCount: target.memory.pageCount,
      precision: target.memory.precision
    )
    runner = try DecoderRunner(
      model: draft.model,
      memory: memory,
      positions: positions,
      maximumRows: limits.maximumSequences + limits.lonePromptRows,
      maximumLogitRows: limits.maximumSequences,
      precision: target.precision,
      pool: target.pool
    )
    allocator = BlockAllocator(count: memory.pageCount, idleLimit: limits.keptPages)
    let ratio = Double(draft.model.streamedByteCount) / Double(target.model.streamedByteCount)
    policy =
      draft.costs.map { DraftPolicy(limit: limit, ratio: ratio, target: $0.target, draft: $0.draft) }
      ?? DraftPolicy(limit: limit, ratio: ratio)
  }

  /// Pages that sequences hold.
  var usedPages: Int { allocator.usedCount }

  /// Whether a sequence's guesses of the last round wait for being checked.
  func hasGuesses(for id: Int) -> Bool { guesses[id]?.tokens.isEmpty == false }

  // MARK: - Events

  /// Forgets guesses of the last round that were never checked, as their sequence has lost its pages.
  func dropGuesses() {
    guesses.removeAll(keepingCapacity: true)
    rows.removeAll(keepingCapacity: true)
  }

  /// Notes a pass of the model.
  func didComputeTarget(rows: Int, isDecoding: Bool, seconds: Double) {
    policy.didComputeTarget(rows: rows, isDecoding: isDecoding, seconds: seconds)
  }

  /// Notes what came of a sequence's guesses.
  ///
  /// - Parameters:
  ///   - id: The sequence.
  ///   - checked: How many were checked.
  ///   - hits: How many came true.
  ///   - isMissed: Whether the next one did not.
  func didCheck(_ id: Int, checked: Int, hits: Int, isMissed: Bool) {
    guard let own = guesses.removeValue(forKey: id) else { return }
    policy.didCheck(
      Array(own.confidences.prefix(checked)),
      hits: hits,
      isMissed: isMissed,
      isSampled: own.isSampled,
      isProbe: isProbe
    )
    finish(id, own, accepted: hits, checked: checked)
  }

  /// Forgets a sequence.
  ///
  /// - Parameters:
  ///   - id: The sequence; an unknown one is ignored.
  ///   - generated: The length of its answer.
  func remove(_ id: Int, generated: Int) {
    contexts[id]?.release(to: &allocator)
    contexts[id] = nil
    if generated > 0 { answerLength += (Double(generated) - answerLength) / 16 }
  }

  private func finish(_ id: Int, _ own: Guesses, accepted: Int, checked: Int) {
    policy.didFinish(
      accepted: accepted,
      checked: checked,
      passes: own.passes,
      rows: own.rows,
      isSampled: own.isSampled
    )
    contexts[id]?.yield.note(accepted: accepted, checked: checked, passes: own.passes, rows: own.rows)
  }

  // MARK: - A round

  /// Guesses what sequences go on with; guesses of the last round must have been checked or dropped.
  ///
  /// - Parameters:
  ///   - requests: The sequences, at most as many as run at the same time.
  ///   - around: What the engine knows of the round.
  /// - Returns: The guesses of those that have any.
  /// - Throws: ``ModelError`` for memory that is not to be had.
  func propose(
    for requests: [Request],
    _ around: Surroundings
  ) throws(ModelError) -> [(id: Int, guesses: [Int32])] {
    var around = around
    let requests = requests.filter(isReadable)
    let round = policy.round(requests.map(offer), besides: around.rows, sequences: around.sequences)
    isProbe = round.isProbe
    guard !round.ids.isEmpty else { return [] }
    for request in requests where round.ids.contains(request.id) {
      guesses[request.id] = Guesses(
        limit: min(limit, request.room, positions - request.tokens.count + 1),
        isSampled: request.isSampled
      )
    }
    var going = try start(round.ids, &around)
    while !going.isEmpty { going = try goOn(going, &around) }
    var proposals: [(id: Int, guesses: [Int32])] = []
    for id in round.ids {
      guard let own = guesses[id] else { continue }
      if !own.tokens.isEmpty {
        proposals.append((id, own.tokens))
      } else if own.passes > 0 {
        finish(id, own, accepted: 0, checked: 0)
      }
    }
    return proposals
  }

  /// Whether the draft model has a place and an embedding for each token.
  private func isReadable(_ request: Request) -> Bool {
    request.room > 0 && request.tokens.count <= positions
      && (model.vocabularySize == vocabularySize
        || request.tokens.allSatisfy { Int($0) < model.vocabularySize })
  }

  private func offer(_ request: Request) -> DraftPolicy.Offer {
    var context =
      contexts.removeValue(forKey: request.id)
      ?? DraftContext(
        id: request.id,
        scope: request.scope,
        yield: policy.yield(isSampled: request.isSampled)
      )
    context.follow(request.tokens, allocator: &allocator)
    defer { contexts[request.id] = context }
    // As long as answers are, and as long again as this one is once it has outgrown them.
    let expected = max(Int(answerLength) - request.generated, request.generated)
    return DraftPolicy.Offer(
      id: request.id,
      pending: context.pending,
      remaining: min(request.left, expected),
      yield: context.yield
    )
  }

  /// Catches up with sequences and makes the first guess of those that it has caught up with.
  ///
  /// - Returns: Those that may have another guess.
  private func start(_ ids: [Int], _ around: inout Surroundings) throws(ModelError) -> [Int] {
    var step = DecoderStep()
    var work: [(id: Int, count: Int, logits: Int?)] = []
    var budget = catchUpRows(isAlone: around.sequences == 1) + ids.count
    var inWork: Set<BlockAllocator.Prefix> = []
    for id in ids where budget > 0 {
      guard reserve(id, among: ids), let context = contexts[id] else { continue }
      let new = context.next(budget)
      // A page that another sequence fills in this pass can be had for nothing in the next.
      if let name = context.nameInWork(after: new.count), !inWork.insert(name).inserted { continue }
      let isCaughtUp = new.count == context.pending
      work.append((id, new.count, isCaughtUp ? step.logitRows.count : nil))
      step.add(new, at: context.position, pages: context.pages, logits: isCaughtUp ? 1 : 0)
      budget -= new.count
    }
    guard try run(step, around) else { return [] }
    var going: [Int] = []
    for (id, count, logits) in work {
      contexts[id]?.didCompute(count, allocator: &allocator)
      rows[id, default: 0] += count
      guesses[id]?.rows += min(count, DraftPolicy.smallCatchUp)
      if let logits, take(id, logits: logits, &around) { going.append(id) }
    }
    return going
  }

  /// Makes another guess for those for which that pays.
  ///
  /// - Returns: Those that may have yet another.
  private func goOn(_ ids: [Int], _ around: inout Surroundings) throws(ModelError) -> [Int] {
    let known = ids.compactMap { id in guesses[id].map { (id: id, guesses: $0) } }
    let chosen = policy.worthExtending(
      known.map { ($0.guesses.chance, $0.guesses.isSampled) },
      besides: around.rows,
      sequences: around.sequences
    )
    var step = DecoderStep()
    var work: [Int] = []
    for index in chosen {
      guard let context = contexts[known[index].id], let last = known[index].guesses.tokens.last else {
        continue
      }
      step.add([last], at: context.position, pages: context.pages, logits: 1)
      work.append(known[index].id)
    }
    guard try run(step, around) else { return [] }
    var going: [Int] = []
    for (index, id) in work.enumerated() {
      contexts[id]?.didCompute(guess: step.tokens[index])
      rows[id, default: 0] += 1
      guesses[id]?.rows += 1
      if take(id, logits: index, &around) { going.append(id) }
    }
    return going
  }

  /// Takes the likeliest token as a guess if it is worth checking.
  ///
  /// - Returns: Whether another guess may follow it.
  private func take(_ id: Int, logits index: Int, _ around: inout Surroundings) -> Bool {
    guard var own = guesses[id] else { return false }
    own.passes += 1
    defer { guesses[id] = own }
    guard own.tokens.count < own.limit, around.room > 0, let (token, confidence) = likeliest(index) else {
      return false
    }
    let chance = own.chance * policy.rate(confidence: confidence, isSampled: own.isSampled)
    let isWorth = policy.isWorthChecking(chance, besides: around.rows, sequences: around.sequences)
    // A probe learns nothing from guesses that are not checked.
    guard isWorth || (isProbe && own.tokens.isEmpty), around.isPlausible(id, own.tokens + [token]) else {
      return false
    }
    own.tokens.append(token)
    own.confidences.append(confidence)
    own.chance = chance
    around.rows += 1
    around.room -= 1
    return own.tokens.count < own.limit && around.room > 0
  }

  // MARK: - Passes

  private func run(_ step: DecoderStep, _ around: Surroundings) throws(ModelError) -> Bool {
    guard !step.tokens.isEmpty else { return false }
    let start = ContinuousClock.now
    guard try runner.run(step, isAbandoned: around.isAbandoned) else { return false }
    passes += 1
    let seconds = start.duration(to: .now) / .seconds(1)
    policy.didComputeDraft(rows: step.tokens.count, isProbe: isProbe, seconds: seconds)
    return true
  }

  /// The likeliest token and its probability; `nil` where the logits are damaged.
  private func likeliest(_ index: Int) -> (token: Int32, confidence: Double)? {
    let logits = unsafe runner.logits(index)
    guard let base = logits.baseAddress else { return nil }
    // At most as many as there are.
    let summary = unsafe runner.elementwise.pointee.summarize_logits(base, vocabularySize)
    guard summary.index < vocabularySize, summary.sum_of_exponentials.isFinite else { return nil }
    return (Int32(summary.index), 1 / summary.sum_of_exponentials)
  }

  /// How many rows of a pass may be spent on catching up, so that the model's next pass is not late.
  private func catchUpRows(isAlone: Bool) -> Int {
    let most = isAlone ? limits.lonePromptRows : limits.sharedPromptRows
    guard let target = limits.timePerToken else { return most }
    return min(most, max(PassTimes.fewestRows, policy.draftRows(within: target / .seconds(1))))
  }

  /// Takes pages for a sequence and its guesses, from sequences that the round is not about if need be.
  ///
  /// - Returns: False if there are none, even for its tokens.
  private func reserve(_ id: Int, among ids: [Int]) -> Bool {
    // The last guess is not stored.
    guard let wanted = guesses[id].map({ $0.limit - 1 }) else { return false }
    var room = contexts[id]?.reserve(wanted, from: &allocator)
    if room != wanted {
      for other in Array(contexts.keys) where !ids.contains(other) {
        contexts[other]?.release(to: &allocator)
      }
      room = contexts[id]?.reserve(wanted, from: &allocator)
    }
    guard let room else { return false }
    guesses[id]?.limit = room + 1
    return true
  }
}
