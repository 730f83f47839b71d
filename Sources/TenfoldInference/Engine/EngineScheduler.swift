// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Decides what each step of the engine computes; pure state, no threads, no clocks.
///
/// Each tick all sequences that wait for one token go first, then pieces of prompts up to a budget of rows. Sequences
/// are admitted first come, first served within their priority and hold pages for all their tokens; when a decoding
/// one finds no page, the least important and latest sequence gives up its own and is computed again later.
struct EngineScheduler: Sendable {
  /// What bounds a step.
  struct Limits: Sendable {
    /// Sequences that hold pages at the same time.
    var maximumSequences = 16
    /// Prompt rows of a step beside decoding sequences or other prompts.
    var sharedPromptRows = 192
    /// Prompt rows of a step with nothing else to do.
    var lonePromptRows = 512
    /// Pages that are kept for later prompts while no sequence holds them; `nil` for all, 0 to share none at all.
    var keptPages: Int?
  }

  /// Rows of one sequence in a step.
  struct Work: Sendable, Equatable {
    var id: Int
    /// The position of the first row.
    var start: Int
    var count: Int
    /// Whether the last row is the sequence's last known token, so that its logits are wanted.
    var isLast: Bool
    /// Tokens of the prompt that were not computed because their pages were there.
    var reused: Int
    var pages: [UInt32]
  }

  /// A sequence as the scheduler sees it.
  private struct Sequence {
    let id: Int
    let priority: Int
    let order: UInt64
    let group: Int?
    var tokens: [Int32]
    let tenant: String
    let sharesPrefix: Bool
    /// Tokens whose keys and values are stored.
    var computed = 0
    /// Prompt tokens whose pages were there, as far as the sequence has not lost pages since.
    var reused = 0
    var hasLostPages = false
    /// Pages named so far, and the serial number of the last.
    var published = 0
    var serial: UInt64 = 0
    let promptCount: Int
    /// Tokens after the prompt that may come and go; pages for them are held from the start.
    let replaceable: Int
    var pages: [UInt32] = []

    var pending: Int { tokens.count - computed }

    func isBefore(_ other: Self) -> Bool {
      priority > other.priority || (priority == other.priority && order < other.order)
    }

    /// Pages to be taken before all known tokens have one.
    var pagesNeeded: Int {
      let length = BlockAllocator.blockLength
      let count = max(tokens.count, promptCount + replaceable)
      return max(0, (count + length - 1) / length - pages.count)
    }

    /// Takes pages for all tokens; takes none and returns false if there are not enough.
    mutating func reserve(from allocator: inout BlockAllocator) -> Bool {
      let needed = pagesNeeded
      guard needed <= allocator.freeCount else { return false }
      for _ in 0..<needed {
        guard let page = allocator.allocate() else { return false }
        pages.append(page)
      }
      return true
    }

    /// Gives all pages back; everything has to be computed again.
    mutating func release(to allocator: inout BlockAllocator) {
      // The last page first, so that the beginning of a prefix outlives its end.
      for page in pages.reversed() { allocator.release(page) }
      pages = []
      // What it gets back later was computed for it, so it is not a saving.
      if computed > reused { hasLostPages = true }
      if !hasLostPages { reused = 0 }
      computed = 0
      published = 0
      serial = 0
    }

    /// Takes over pages that hold what comes next; at least the last token is left to compute.
    ///
    /// A page that was reserved for these tokens is given back. So a prompt that waits for its turn also profits from
    /// what others have computed since it was admitted.
    mutating func reusePrefix(of allocator: inout BlockAllocator) {
      while canReuseNext {
        guard let named = allocator.reuse(prefix(published)) else { return }
        if published < pages.count {
          allocator.release(pages[published])
          pages[published] = named.block
        } else {
          pages.append(named.block)
        }
        serial = named.serial
        published += 1
        computed += BlockAllocator.blockLength
        if !hasLostPages { reused += BlockAllocator.blockLength }
      }
    }

    /// Names the pages that have become full.
    mutating func publish(to allocator: inout BlockAllocator) {
      guard sharesPrefix else { return }
      // Pages with tokens that may be replaced get no name.
      let end = replaceable > 0 ? min(computed, promptCount) : computed
      while (published + 1) * BlockAllocator.blockLength <= end {
        let named = allocator.publish(pages[published], as: prefix(published))
        pages[published] = named.block
        serial = named.serial
        published += 1
      }
    }

    /// Whether the next page could be had from another sequence.
    var canReuseNext: Bool {
      let length = BlockAllocator.blockLength
      // Pages with tokens that may be replaced are the sequence's own.
      let end = replaceable > 0 ? min(promptCount + 1, tokens.count) : tokens.count
      return sharesPrefix && computed == published * length && computed + length < end
    }

    /// The name that the next page will get once `count` more rows are stored; `nil` if that does not fill it.
    func nameInWork(after count: Int) -> BlockAllocator.Prefix? {
      guard sharesPrefix, computed + count >= (published + 1) * BlockAllocator.blockLength else { return nil }
      return prefix(published)
    }

    private func prefix(_ page: Int) -> BlockAllocator.Prefix {
      let length = BlockAllocator.blockLength
      return BlockAllocator.Prefix(
        tenant: tenant,
        parent: serial,
        tokens: Array(tokens[page * length..<(page + 1) * length])
      )
    }
  }

  private let limits: Limits
  private var allocator: BlockAllocator
  /// The most important first.
  private var waiting: [Sequence] = []
  /// In the order of admission.
  private var running: [Sequence] = []
  private var nextOrder: UInt64 = 0
  /// How often a sequence had to give up its pages.
  private(set) var preemptions = 0

  init(limits: Limits, blockCount: Int) {
    self.limits = limits
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
  ///   - tenant: Whose pages it may share.
  ///   - sharesPrefix: Whether it may use, and leave behind, pages of a common prefix.
  ///   - replaceable: How many tokens ``replaceTokens(of:from:with:)`` will put after the prompt at most.
  ///   - group: The request, where several sequences have the same prompt: they share its pages in any case, and later
  ///     ones take the first one's place in the order of arrival.
  mutating func add(
    id: Int,
    tokens: [Int32],
    priority: Int,
    tenant: String,
    sharesPrefix: Bool,
    replaceable: Int = 0,
    group: Int? = nil
  ) {
    let sharesAll = sharesPrefix && limits.keptPages != 0
    var scope = tenant
    if let group, !sharesAll { scope += "#\(group)" }
    let order = group.flatMap { group in (running + waiting).first { $0.group == group }?.order } ?? nextOrder
    let sequence = Sequence(
      id: id,
      priority: priority,
      order: order,
      group: group,
      tokens: tokens,
      tenant: scope,
      sharesPrefix: sharesAll || group != nil,
      promptCount: tokens.count,
      replaceable: replaceable
    )
    nextOrder += 1
    enqueue(sequence)
  }

  /// Forgets a sequence, wherever it is; an unknown one is ignored.
  mutating func remove(_ id: Int) {
    waiting.removeAll { $0.id == id }
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    running[index].release(to: &allocator)
    running.remove(at: index)
  }

  /// Notes that the rows of a piece of work are stored.
  mutating func didCompute(_ work: Work) {
    guard let index = running.firstIndex(where: { $0.id == work.id }) else { return }
    running[index].computed = work.start + work.count
    running[index].publish(to: &allocator)
  }

  /// Adds a generated token.
  mutating func append(_ token: Int32, to id: Int) {
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    running[index].tokens.append(token)
  }

  /// Replaces all tokens from `position` on; what was computed for them is forgotten.
  mutating func replaceTokens(of id: Int, from position: Int, with tokens: [Int32]) {
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    running[index].tokens.removeLast(running[index].tokens.count - position)
    running[index].tokens += tokens
    running[index].computed = min(running[index].computed, position)
  }

  // MARK: - Planning

  /// Decides the next step and takes the pages it needs.
  ///
  /// - Returns: The work, decoding sequences first; empty only if nothing is queued.
  mutating func plan() -> [Work] {
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
      plan.append(work(running[index], count: 1))
      index += 1
    }
    admit(besides: plan.count)
    let decoding = Set(plan.map(\.id))
    let prompts = running.indices.filter { !decoding.contains(running[$0].id) }
      .sorted { running[$0].isBefore(running[$1]) }
    let isAlone = plan.isEmpty && prompts.count == 1
    var budget = isAlone ? limits.lonePromptRows : limits.sharedPromptRows
    var inWork: Set<BlockAllocator.Prefix> = []
    for index in prompts where budget > 0 {
      running[index].reusePrefix(of: &allocator)
      let count = min(budget, running[index].pending)
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

  private func work(_ sequence: Sequence, count: Int) -> Work {
    Work(
      id: sequence.id,
      start: sequence.computed,
      count: count,
      isLast: count == sequence.pending,
      reused: sequence.reused,
      pages: sequence.pages
    )
  }

  /// Admits waiting sequences in order while there is room; the first that does not fit stops the rest.
  private mutating func admit(besides decoding: Int) {
    while var sequence = waiting.first, running.count < limits.maximumSequences {
      sequence.reusePrefix(of: &allocator)
      let needed = sequence.pagesNeeded
      // Each running sequence may soon need a page; leaving one for each avoids taking turns at evicting.
      while allocator.freeCount < needed + running.count, let last = running.max(by: { $0.isBefore($1) }),
        last.priority < sequence.priority
      {
        preempt(last.id)
      }
      guard allocator.freeCount >= needed + running.count, sequence.reserve(from: &allocator) else {
        sequence.release(to: &allocator)
        return
      }
      waiting.removeAll { $0.id == sequence.id }
      running.append(sequence)
    }
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
    enqueue(sequence)
  }

  private mutating func enqueue(_ sequence: Sequence) {
    let index = waiting.firstIndex { sequence.isBefore($0) } ?? waiting.count
    waiting.insert(sequence, at: index)
  }
}

extension [EngineScheduler.Work] {
  func contains(id: Int) -> Bool { contains { $0.id == id } }
}
