// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// A sequence as the scheduler sees it.
struct ScheduledSequence: Sendable {
  let id: Int
  let priority: Int
  let order: UInt64
  /// When its reader wants to have it.
  let due: ContinuousClock.Instant?
  let group: Int?
  var tokens: [Int32]
  let tenant: TenantID
  /// Within which pages are shared.
  let scope: BlockAllocator.Scope
  let sharesPrefix: Bool
  /// Tokens whose work was charged to the tenant; what has to be computed again is not charged again.
  var charged = 0
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
  /// Tokens that may follow, to be checked in the next step.
  var draft: [Int32] = []

  var pending: Int { tokens.count - computed }

  /// Whether it keeps its pages rather than another.
  func isBefore(_ other: Self) -> Bool {
    priority > other.priority || (priority == other.priority && order < other.order)
  }

  /// Whether it was admitted before and lost its pages: its reader may be in the middle of an answer.
  var isInterrupted: Bool { charged > 0 }

  /// Its place among those of the same tenant and priority that wait, no two alike.
  struct Rank: Comparable, Sendable {
    var isInterrupted: Bool
    var due: ContinuousClock.Instant?
    var order: UInt64
    /// Answers to one request have its order in common; their ids move away from 0.
    var id: Int

    static func < (a: Self, b: Self) -> Bool {
      guard a.isInterrupted == b.isInterrupted else { return a.isInterrupted }
      guard a.due != b.due else { return (a.order, a.id.magnitude, a.id) < (b.order, b.id.magnitude, b.id) }
      guard let due = a.due else { return false }
      return b.due.map { due < $0 } ?? true
    }
  }

  var rank: Rank { Rank(isInterrupted: isInterrupted, due: due, order: order, id: id) }

  /// Whether it goes before another that waits, by priority, by whether it was interrupted, by what the tenants have used and
  /// by when the two are due.
  func isBefore(_ other: Self, by shares: FairShares) -> Bool {
    guard priority == other.priority else { return priority > other.priority }
    guard isInterrupted == other.isInterrupted else { return isInterrupted }
    let (used, others) = (shares.used(by: tenant), shares.used(by: other.tenant))
    return used == others ? rank < other.rank : used < others
  }

  /// Whether its prompt goes before another's that was admitted, too: by priority, then what is computed again for a reader in
  /// the middle of an answer, then by shares.
  func computesBefore(_ other: Self, by shares: FairShares) -> Bool {
    guard priority == other.priority else { return priority > other.priority }
    let (answers, others) = (tokens.count > promptCount, other.tokens.count > other.promptCount)
    guard answers == others else { return answers }
    return isBefore(other, by: shares)
  }

  /// Notes that tokens up to `end` were computed.
  ///
  /// - Returns: How many of them are to be charged: those beyond the ones charged before.
  mutating func charge(upTo end: Int) -> Int {
    defer { charged = max(charged, end) }
    return max(0, end - max(computed, charged))
  }

  /// Pages to be taken before all known tokens have one.
  var pagesNeeded: Int {
    let length = BlockAllocator.blockLength
    let count = max(tokens.count, promptCount + replaceable)
    return max(0, (count + length - 1) / length - pages.count)
  }

  /// Takes a page for guesses if one is wanted, and drops those that have no place.
  ///
  /// - Parameters:
  ///   - allocator: The pages.
  ///   - reserve: How many pages to leave for others.
  mutating func reserveDraft(from allocator: inout BlockAllocator, leaving reserve: Int) {
    var room: Int { pages.count * BlockAllocator.blockLength - tokens.count }
    if draft.count > room, allocator.freeCount > reserve, let page = allocator.allocate() {
      pages.append(page)
    }
    draft.removeLast(max(0, draft.count - room))
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
    draft = []
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
      scope: scope,
      parent: serial,
      tokens: Array(tokens[page * length..<(page + 1) * length])
    )
  }
}
