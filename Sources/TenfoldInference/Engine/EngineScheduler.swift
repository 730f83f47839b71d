// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Decides what each step of the engine computes; pure state, no threads, no clocks.
///
/// Each tick all sequences that wait for one token go first, then pieces of prompts up to a budget of rows, which is what
/// fits into the time that the waiting ones may have to wait. Sequences
/// are admitted by priority, within a priority in fair shares between tenants, and within a tenant by when they are due;
/// they hold pages for all their tokens. When a decoding one finds no page, the least important and latest sequence gives
/// up its own and is computed again later. So do sequences of lower priorities for one that finds no place or no pages, but
/// only where that lets it in; within a priority nobody gives way to a newcomer.
struct EngineScheduler: Sendable {
  /// What bounds a step.
  struct Limits: Sendable {
    /// Sequences that hold pages at the same time.
    var maximumSequences = 16
    /// The most prompt rows of a step beside decoding sequences or other prompts.
    var sharedPromptRows = 192
    /// The most prompt rows of a step with nothing else to do.
    var lonePromptRows = 512
    /// How long a step with prompts in it may make decoding sequences wait; `nil` for as long as it takes.
    var timePerToken: Duration?
    /// Guessed rows of a step, all sequences together.
    var draftRows = 32
    /// Pages that are kept for later prompts while no sequence holds them; `nil` for all, 0 to share none at all.
    var keptPages: Int?
    /// Weights of tenants' shares; 1 where there is none.
    var tenantWeights: [TenantID: Double] = [:]
  }

  /// Rows of one sequence in a step.
  struct Work: Sendable, Equatable {
    var id: Int
    /// The position of the first row.
    var start: Int
    /// Rows of known tokens.
    var count: Int
    /// Tokens that may follow, one row each after the known ones; their logits are wanted too.
    var draft: [Int32] = []
    /// Whether the last row is the sequence's last known token, so that its logits are wanted.
    var isLast: Bool
    /// Tokens of the prompt that were not computed because their pages were there.
    var reused: Int
    var pages: [UInt32]

    /// Rows of known tokens and of guesses.
    var rowCount: Int { count + draft.count }
  }

  let limits: Limits
  private var allocator: BlockAllocator
  private var waiting = WaitingLine()
  private(set) var shares: FairShares
  private var passTimes = PassTimes()
  /// In the order of admission.
  private var running: [ScheduledSequence] = []
  private var nextOrder: UInt64 = 0
  /// A request with several answers.
  private struct Group {
    var order: UInt64
    var members = 0
    /// Whether there were several at once, so that the first has its first token.
    var isForked = false
  }

  private var groups: [Int: Group] = [:]
  /// Sequences that the last plan left out and forgot, as they would not have had their first token in time.
  private(set) var hopeless: [Int] = []
  /// How often a sequence had to give up its pages.
  private(set) var preemptions = 0

  init(limits: Limits, blockCount: Int) {
    self.limits = limits
    self.shares = FairShares(weights: limits.tenantWeights)
    self.allocator = BlockAllocator(count: blockCount, idleLimit: limits.keptPages)
  }

  /// Sequences that wait for admission.
  var waitingCount: Int { waiting.count }
  /// Sequences that hold pages.
  var runningCount: Int { running.count }
  /// Whether there is nothing to do.
  var isIdle: Bool { waiting.isEmpty && running.isEmpty }
  /// Pages held by sequences.
  var usedBlocks: Int { allocator.usedCount }
  /// Pages that no sequence holds, kept for prompts that begin alike.
  var keptBlocks: Int { allocator.idleCount }
  /// All pages.
  var blockCount: Int { allocator.count }
  /// How many sequences hold each page, for tests.
  var holders: [UInt32: Int] {
    running.reduce(into: [:]) { holders, sequence in
      for page in sequence.pages { holders[page, default: 0] += 1 }
    }
  }
  /// How many references the books show for a page, for tests.
  func references(to page: UInt32) -> Int { allocator.references(to: page) }
  /// The most tokens one sequence can have.
  var capacity: Int { allocator.count * BlockAllocator.blockLength }

  // MARK: - Events

  /// Queues a sequence.
  ///
  /// - Parameters:
  ///   - id: Its name, unique among the living.
  ///   - tokens: The prompt, not empty and shorter than ``capacity``.
  ///   - priority: Higher goes first.
  ///   - due: When its reader wants to have it; `nil` is after all others.
  ///   - tenant: Whose share its work is, and whose pages it may use.
  ///   - sharesPrefix: Whether it may use, and leave behind, pages of a common prefix.
  ///   - replaceable: How many tokens ``replaceTokens(of:from:with:)`` will put after the prompt at most.
  ///   - group: The request, where several sequences have the same prompt: they share its pages in any case, and later
  ///     ones take the first one's place in the order of arrival.
  mutating func add(
    id: Int,
    tokens: [Int32],
    priority: Int,
    due: ContinuousClock.Instant? = nil,
    tenant: TenantID,
    sharesPrefix: Bool,
    replaceable: Int = 0,
    group: Int? = nil
  ) {
    let sharesAll = sharesPrefix && limits.keptPages != 0
    let order = group.flatMap { groups[$0]?.order } ?? nextOrder
    if let group {
      groups[group, default: Group(order: order)].members += 1
      if groups[group]?.members ?? 0 > 1 { groups[group]?.isForked = true }
    }
    let sequence = ScheduledSequence(
      id: id,
      priority: priority,
      order: order,
      due: due,
      group: group,
      tokens: tokens,
      tenant: tenant,
      scope: BlockAllocator.Scope(tenant: tenant, group: sharesAll ? nil : group),
      sharesPrefix: sharesAll || group != nil,
      promptCount: tokens.count,
      replaceable: replaceable
    )
    nextOrder += 1
    shares.enter(tenant)
    waiting.insert(sequence)
  }

  /// Forgets a sequence, wherever it is; an unknown one is ignored.
  mutating func remove(_ id: Int) {
    if let sequence = waiting.remove(id) { leave(sequence) }
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    running[index].release(to: &allocator)
    leave(running.remove(at: index))
  }

  private mutating func leave(_ sequence: ScheduledSequence) {
    shares.leave(sequence.tenant)
    guard let group = sequence.group else { return }
    groups[group]?.members -= 1
    if groups[group]?.members == 0 { groups[group] = nil }
  }

  /// Notes that the rows of a piece of work are stored.
  mutating func didCompute(_ work: Work) {
    guard let index = running.firstIndex(where: { $0.id == work.id }) else { return }
    let tenant = running[index].tenant
    let generated = running[index].charge(upTo: work.start + work.count)
    shares.charge(
      tenant,
      FairShares.tokenWork * Double(generated) + FairShares.promptWork * Double(work.draft.count)
    )
    running[index].computed = work.start + work.count
    running[index].publish(to: &allocator)
  }

  /// Charges time that a step took for one sequence beside its rows, as the rows that take as long.
  mutating func charge(_ duration: Duration, to id: Int) {
    guard let sequence = running.first(where: { $0.id == id }) else { return }
    shares.charge(sequence.tenant, FairShares.promptWork * passTimes.rows(in: duration))
  }

  /// Notes what a step took by the clock.
  mutating func didTake(_ duration: Duration, rows: Int) { passTimes.note(rows: rows, duration: duration) }

  /// Adds a generated token.
  mutating func append(_ token: Int32, to id: Int) {
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    running[index].tokens.append(token)
  }

  /// Sequences that wait for one token, and that token's position.
  var decoding: [(id: Int, position: Int)] {
    running.filter { $0.pending == 1 }.map { ($0.id, $0.computed) }
  }

  /// Sets what may follow a sequence's last token; the next plan checks as much of it as has a place.
  mutating func propose(_ draft: [Int32], for id: Int) {
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    running[index].draft = draft
  }

  /// Notes that the token appended last was guessed, so that its keys and values are stored already.
  mutating func acceptDraft(of id: Int) {
    guard let index = running.firstIndex(where: { $0.id == id }), running[index].pending == 1 else { return }
    // Charged with the guesses.
    _ = running[index].charge(upTo: running[index].computed + 1)
    running[index].computed += 1
    running[index].publish(to: &allocator)
  }

  /// Replaces all tokens from `position` on; what was computed for them is forgotten.
  mutating func replaceTokens(of id: Int, from position: Int, with tokens: some Sequence<Int32>) {
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    running[index].tokens.removeLast(running[index].tokens.count - position)
    running[index].tokens += tokens
    running[index].computed = min(running[index].computed, position)
    // Other tokens are other work.
    running[index].charged = min(running[index].charged, position)
  }

  // MARK: - Planning

  /// Decides the next step and takes the pages it needs.
  ///
  /// - Parameter timeLeft: The time until a sequence's deadline; `nil` for one that has none.
  /// - Returns: The work, decoding sequences first; empty only if nothing is queued.
  mutating func plan(timeLeft: (Int) -> Duration? = { _ in nil }) -> [Work] {
    hopeless = []
    var plan: [Work] = []
    var index = 0
    while index < running.count {
      let id = running[index].id
      guard running[index].pending == 1 else {
        index += 1
        continue
      }
      guard running[index].reserve(from: &allocator) else {
        // The victim may be this sequence; positions after it shift, earlier work of it is withdrawn.
        let victim = preemptLeastImportant()
        plan.removeAll { $0.id == victim }
        index = running.firstIndex { $0.id == id } ?? min(index, running.count)
        continue
      }
      running[index].reserveDraft(from: &allocator, leaving: running.count)
      plan.append(work(running[index], count: 1))
      running[index].draft = []
      index += 1
    }
    let evicted = admit(timeLeft: timeLeft)
    // Their pages may belong to others by now.
    plan.removeAll { evicted.contains($0.id) }
    let decoding = Set(plan.map(\.id))
    let prompts = running.indices.filter { !decoding.contains(running[$0].id) }
      .sorted { running[$0].computesBefore(running[$1], by: shares) }
    var budget = promptRows(isAlone: plan.isEmpty && prompts.count == 1, besides: plan)
    // By shares alone, those who come later and have used less would keep a long prompt waiting for ever, with its pages: half
    // of the rows are kept for the one of the highest priority that was admitted first.
    let oldest = prompts.first.flatMap { first in
      prompts.filter { running[$0].priority == running[first].priority }.min()
    }
    var kept = oldest.map { min(running[$0].pending, (budget + 1) / 2) } ?? 0
    var inWork: Set<BlockAllocator.Prefix> = []
    for index in prompts where budget > 0 {
      running[index].reusePrefix(of: &allocator)
      if index == oldest { kept = 0 }
      let count = min(budget - kept, running[index].pending)
      // A sequence of which nothing is left to compute waits for its owner to go on with it or to end it.
      guard count > 0 else { continue }
      // A page that another prompt fills in this step can be had for nothing in the next.
      if let name = running[index].nameInWork(after: count), !inWork.insert(name).inserted,
        running[index].canReuseNext
      {
        continue
      }
      budget -= count
      plan.append(work(running[index], count: count))
    }
    return plan
  }

  private func promptRows(isAlone: Bool, besides plan: [Work]) -> Int {
    let limit = isAlone ? limits.lonePromptRows : limits.sharedPromptRows
    guard let target = limits.timePerToken else { return limit }
    // Nobody waits for a token yet, but somebody may come and wait for the first one.
    let time = plan.isEmpty ? target * 4 : target
    return passTimes.promptRows(
      within: time,
      besides: plan.reduce(0) { $0 + $1.rowCount },
      limit: limit
    )
  }

  private func work(_ sequence: ScheduledSequence, count: Int) -> Work {
    Work(
      id: sequence.id,
      start: sequence.computed,
      count: count,
      draft: count == sequence.pending ? sequence.draft : [],
      isLast: count == sequence.pending,
      reused: sequence.reused,
      pages: sequence.pages
    )
  }

  /// Admits waiting sequences in their order while there is room; the first that does not fit stops the rest.
  ///
  /// One whose prompt alone takes longer than there is time for gets no place: its work would be lost, and late for others. An
  /// engine with nothing else to do tries all the same, so that it learns when passes have become faster.
  ///
  /// - Returns: The sequences that had to give up their pages to more important ones.
  private mutating func admit(timeLeft: (Int) -> Duration?) -> Set<Int> {
    var evicted: Set<Int> = []
    while let priority = waiting.highestPriority, hasPlace(for: priority),
      var sequence = waiting.first(by: shares)
    {
      sequence.reusePrefix(of: &allocator)
      if isHopeless(sequence, timeLeft) {
        sequence.release(to: &allocator)
        remove(sequence.id)
        hopeless.append(sequence.id)
        continue
      }
      guard let victims = victims(for: sequence) else {
        sequence.release(to: &allocator)
        return evicted
      }
      for victim in victims { preempt(victim) }
      evicted.formUnion(victims)
      guard sequence.reserve(from: &allocator) else {
        sequence.release(to: &allocator)
        return evicted
      }
      waiting.remove(sequence.id)
      // The whole prompt is charged now, so that one tenant's prompts don't take all places at once.
      let prompt = sequence.charge(upTo: sequence.promptCount)
      shares.charge(sequence.tenant, FairShares.promptWork * Double(prompt))
      running.append(sequence)
    }
    return evicted
  }

  private func isHopeless(_ sequence: ScheduledSequence, _ timeLeft: (Int) -> Duration?) -> Bool {
    // Another answer to its request has the first token already, and may have ended.
    let isFork = sequence.group.flatMap { groups[$0]?.isForked } ?? false
    guard !running.isEmpty, !sequence.isInterrupted, !isFork,
      let least = passTimes.leastDuration(ofRows: sequence.pending), let left = timeLeft(sequence.id)
    else { return false }
    return least > left
  }

  /// Whether a sequence of a priority could be admitted as far as places go: one is free, or held by a lower priority.
  private func hasPlace(for priority: Int) -> Bool {
    running.count < limits.maximumSequences || running.contains { $0.priority < priority }
  }

  /// The sequences that have to give way to one, the least important first.
  ///
  /// It is known beforehand whether they suffice, as what they give up is computed again.
  ///
  /// - Returns: Sequences of lower priorities, none if there is room; `nil` if even all of them are not enough.
  private func victims(for sequence: ScheduledSequence) -> [Int]? {
    let needed = sequence.pagesNeeded
    var (free, count) = (allocator.freeCount, running.count)
    // Each running sequence may soon need a page; leaving one for each avoids taking turns at evicting.
    func fits() -> Bool { count < limits.maximumSequences && free >= needed + count }
    guard !fits() else { return [] }
    let lesser = running.filter { $0.priority < sequence.priority }.sorted { $1.isBefore($0) }
    var victims: [Int] = []
    var released: [UInt32: Int] = [:]
    for victim in lesser {
      victims.append(victim.id)
      count -= 1
      for page in victim.pages {
        released[page, default: 0] += 1
        // A page comes free with the last sequence that holds it.
        if released[page] == allocator.references(to: page) { free += 1 }
      }
      if fits() { return victims }
    }
    return nil
  }

  private mutating func preemptLeastImportant() -> Int? {
    guard let last = running.max(by: { $0.isBefore($1) }) else { return nil }
    preempt(last.id)
    return last.id
  }

  private mutating func preempt(_ id: Int) {
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    var sequence = running.remove(at: index)
    sequence.release(to: &allocator)
    preemptions += 1
    waiting.insert(sequence)
  }
}

extension [EngineScheduler.Work] {
  func contains(id: Int) -> Bool { contains { $0.id == id } }
}
