// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The keys and values that a draft model has of one sequence: of its tokens, and of guesses after them.
struct DraftContext: Sendable {
  /// The sequence as far as it is known here, with pages of the draft model's.
  private var sequence: ScheduledSequence
  /// Guesses whose keys and values stand after those of all tokens.
  private var ahead: [Int32] = []
  var yield: DraftYield

  /// - Parameters:
  ///   - id: The sequence's name.
  ///   - scope: Within which pages are shared; `nil` to share none.
  ///   - yield: What is expected of its rounds.
  init(id: Int, scope: BlockAllocator.Scope?, yield: DraftYield) {
    sequence = ScheduledSequence(
      id: id,
      priority: 0,
      order: 0,
      due: nil,
      group: nil,
      tokens: [],
      tenant: scope?.tenant ?? "",
      scope: scope ?? BlockAllocator.Scope(tenant: ""),
      sharesPrefix: scope != nil,
      promptCount: 0,
      replaceable: 0
    )
    self.yield = yield
  }

  /// The pages, first to last.
  var pages: [UInt32] { sequence.pages }
  /// The position of the next row.
  var position: Int { sequence.computed + ahead.count }
  /// Tokens without keys and values.
  var pending: Int { sequence.pending }

  /// Takes over what the sequence has become; guesses that came true keep their keys and values, the others' are forgotten.
  ///
  /// - Parameters:
  ///   - tokens: The sequence: that of the last call, and what came since.
  ///   - allocator: The draft model's pages.
  mutating func follow(_ tokens: [Int32], allocator: inout BlockAllocator) {
    let known = sequence.tokens.count
    let new = tokens[min(known, tokens.count)...]
    let hits = zip(new, ahead).prefix { $0 == $1 }.count
    sequence.tokens += new
    if hits > 0 { sequence.computed += hits }
    ahead = []
    // The last token's logits are wanted, so it is computed again should its keys and values be there.
    sequence.computed = min(sequence.computed, tokens.count - 1)
    sequence.publish(to: &allocator)
    sequence.reusePrefix(of: &allocator)
  }

  /// Takes pages for all tokens and for `guesses` after them, as far as there are any.
  ///
  /// - Returns: How many guesses have a place; `nil` if not even the tokens have.
  mutating func reserve(_ guesses: Int, from allocator: inout BlockAllocator) -> Int? {
    guard sequence.reserve(from: &allocator) else { return nil }
    var room: Int { sequence.pages.count * BlockAllocator.blockLength - sequence.tokens.count }
    while room < guesses, let page = allocator.allocate() { sequence.pages.append(page) }
    return min(room, guesses)
  }

  /// The next tokens without keys and values, at most `count`.
  func next(_ count: Int) -> ArraySlice<Int32> {
    sequence.tokens[sequence.computed..<min(sequence.tokens.count, sequence.computed + count)]
  }

  /// The name that the next page will get once `count` more tokens are stored, if it could be had from another sequence.
  func nameInWork(after count: Int) -> BlockAllocator.Prefix? {
    sequence.canReuseNext ? sequence.nameInWork(after: count) : nil
  }

  /// Notes that the next `count` tokens are stored.
  mutating func didCompute(_ count: Int, allocator: inout BlockAllocator) {
    sequence.computed += count
    sequence.publish(to: &allocator)
  }

  /// Notes that a guess is stored.
  mutating func didCompute(guess: Int32) { ahead.append(guess) }

  /// Gives all pages back; everything has to be computed again.
  mutating func release(to allocator: inout BlockAllocator) {
    sequence.release(to: &allocator)
    ahead = []
  }
}
