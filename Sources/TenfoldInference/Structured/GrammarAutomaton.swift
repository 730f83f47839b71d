// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Follows a grammar byte by byte, and says which tokens may come next.
///
/// A state is the set of all places where the text so far can have led, each with the calls it is inside of. States,
/// their successors and their masks are made when they are first needed and kept, so that an answer soon costs a look
/// into a table for each byte. Most of a mask depends on the innermost call only and is shared by all states that are at
/// the same place of it, however they came there (``MaskOutline``). Confined to one thread.
///
/// Where a text can be understood in ever more ways, as with alternatives that begin alike within each other, only so
/// many of them are followed: the answer then keeps to its format still, but some of the ways on are closed to it.
///
/// Work is bounded as well, as other answers wait for it. A text after which too many places are possible leads to a state
/// that stands for all such (``isTooLarge(_:)``), and a mask that takes too long is given up; either fails an answer that
/// needs it, and no other.
final class GrammarAutomaton {
  /// A state in which the text so far can't go on and can't end.
  static let dead: Int32 = -1
  /// Stands for a successor that was not looked for.
  private static let unknown: Int32 = -1
  /// The most bytes that ``required(_:)`` looks ahead.
  static let longestRequirement = 256
  /// How much is kept.
  ///
  /// A mask has a bit for each token, a state four bytes for each byte. Masks and outlines are made again beyond that;
  /// beyond as many states or frames the automaton ``isLarge``.
  private static let largestMaskCount = 64
  private static let largestOutlineCount = 512
  private static let largestStateCount = 8_192
  private static let largestFrameCount = 1 << 16
  private static let largestPlaceCount = 1 << 20
  /// In how many calls at once a state follows the same place.
  private static let largestAmbiguity = 256
  /// How many steps a state may take to make, each a place that is looked at, and so how many places it can have.
  ///
  /// The start of an enumeration has a place for each value; the largest of the schemas in the tests but those made for
  /// this has fewer than 100.
  static let largestState = 1 << 15
  /// What the work of one mask, and of looking ahead for ``required(_:)``, may come to.
  ///
  /// A mask of a model's whole vocabulary that this suffices for takes a tenth of a second or so.
  private static let maskWork = 1 << 25
  private static let requirementWork = 1 << 21
  /// The work of a step of making a state, in looks at a place for a byte, and of keeping a new state.
  private static let stepWork = 16
  private static let stateWork = 512

  /// A call that has not returned: where it goes on, and the call around it.
  private struct Frame: Hashable {
    var parent: Int32
    var next: Int32
  }

  /// A place and the innermost call.
  private struct Place: Hashable, Comparable {
    var node: Int32
    var frame: Int32

    static func < (a: Self, b: Self) -> Bool { (a.node, a.frame) < (b.node, b.frame) }
  }

  let grammar: Grammar
  let trie: VocabularyTrie
  /// Frame 0 is the whole text.
  private var frames: [Frame] = [Frame(parent: 0, next: 0)]
  private var frameNumbers: [Frame: Int32] = [:]
  /// The bytes from where each call goes on to the end of the text, on a shortest way.
  private var frameLengths = [0]
  private var states: [[Place]] = []
  private var stateNumbers: [[Place]: Int32] = [:]
  /// For each state and byte, one more than the next state, or 0 for none, doubled; odd where calls return on the way.
  private var successors: [Int32] = []
  /// The calls that return on the way to a successor, where any do.
  private var returns: [Int: Set<Int32>] = [:]
  private var masks: [Int32: TokenMask] = [:]
  private var outlines: [MaskOutline.Key: MaskOutline] = [:]
  private var completions: [Int32: [Int32]?] = [:]
  private var requirements: [Int32: [UInt8]] = [:]
  private var walk: [Int32]
  private var walkedBytes: [UInt8]
  /// The places of all states.
  private var placeCount = 0
  /// What has been done so far, in looks at a place for a byte.
  private(set) var work = 0
  /// The states whose masks were given up.
  private var abandoned: Set<Int32> = []
  private var first: Int32?
  private let startMask: TokenMask?

  /// - Parameters:
  ///   - grammar: What is followed.
  ///   - trie: The vocabulary.
  ///   - startMask: The mask of ``start()``, where it is known.
  init(grammar: Grammar, trie: VocabularyTrie, startMask: TokenMask? = nil) {
    self.grammar = grammar
    self.trie = trie
    self.startMask = startMask
    walk = Array(repeating: 0, count: trie.maximumDepth + 1)
    walkedBytes = Array(repeating: 0, count: trie.maximumDepth + 1)
  }

  /// Whether so much has been kept that starting afresh is better.
  var isLarge: Bool {
    states.count > Self.largestStateCount || frames.count > Self.largestFrameCount
      || placeCount > Self.largestPlaceCount
  }

  /// The state before the first byte.
  func start() -> Int32 {
    if let first { return first }
    var entry = Entry()
    enter(Place(node: grammar.rules[0], frame: 0), &entry)
    let state = number(of: entry.isTooLarge ? [] : entry.places)
    first = state
    return state
  }

  /// Whether so many places are possible that they are not followed; all such states are one, which has none.
  ///
  /// Whatever comes after it is taken to be allowed, so that an answer fails only if it comes there.
  func isTooLarge(_ state: Int32) -> Bool { states[Int(state)].isEmpty }

  /// How many places a state has.
  func placeCount(of state: Int32) -> Int { states[Int(state)].count }

  /// What is said of a format that takes too much work.
  static func tooMuchWork() -> RequestError {
    RequestError(
      .unsupportedFormat,
      """
      responseFormat can go on in too many ways at once, which would hold up other answers; use fewer alternatives \
      that begin alike, and shorter lists of values.
      """
    )
  }

  /// The state of this automaton that equals one of another for the same grammar.
  func state(equalTo state: Int32, of other: GrammarAutomaton) -> Int32 {
    var known: [Int32: Int32] = [0: 0]
    return number(
      of: Set(
        other.states[Int(state)].map { Place(node: $0.node, frame: adopt($0.frame, of: other, &known)) }
      )
    )
  }

  /// The state after a byte, or ``dead``.
  @inline(__always)
  func next(_ state: Int32, _ byte: UInt8) -> Int32 {
    (successor(state, byte) >> 1) - 1
  }

  /// What ``successors`` holds for a state and a byte, found if it is unknown.
  @inline(__always)
  private func successor(_ state: Int32, _ byte: UInt8) -> Int32 {
    let known = successors[Int(state) * 256 + Int(byte)]
    return known == Self.unknown ? findSuccessor(state, byte) : known
  }

  /// The state after a token's bytes, or ``dead``.
  func next(_ state: Int32, _ bytes: [UInt8]) -> Int32 {
    var state = state
    for byte in bytes where state != Self.dead { state = next(state, byte) }
    return state
  }

  /// Whether the text may end here.
  func accepts(_ state: Int32) -> Bool {
    states[Int(state)].contains { grammar.nodes[Int($0.node)] == .end }
  }

  /// Whether the text may end here and can't go on.
  func isComplete(_ state: Int32) -> Bool {
    !isTooLarge(state) && states[Int(state)].allSatisfy { grammar.nodes[Int($0.node)] == .end }
  }

  /// The tokens that may come next; ends of text are not among them.
  ///
  /// - Throws: `RequestError` with code `unsupportedFormat` where that takes too much work to say.
  func mask(_ state: Int32) throws(RequestError) -> TokenMask {
    if state == first, let startMask { return startMask }
    if let mask = masks[state] { return mask }
    guard !isTooLarge(state), !abandoned.contains(state) else { throw Self.tooMuchWork() }
    let limit = work + Self.maskWork
    let outline = outline(state, limit)
    var mask = outline.mask
    for exit in outline.exits {
      let before = next(state, exit.bytes)
      // Not dead: it is where the outline's state got to.
      guard before != Self.dead else { continue }
      let depth = exit.bytes.count
      walk[depth] = before
      let nodes = Int(exit.node)..<Int(trie.ends[Int(exit.node)])
      _ = collect(nodes, inside: 0, limit, &mask)
    }
    guard work <= limit else {
      abandoned.insert(state)
      throw Self.tooMuchWork()
    }
    if masks.count >= Self.largestMaskCount { masks.removeAll(keepingCapacity: true) }
    masks[state] = mask
    return mask
  }

  /// How many masks are kept whole, and in outline.
  var keptMasks: (whole: Int, outlines: Int) { (masks.count, outlines.count) }

  /// What a state's mask shares with those of all states that look like it from inside their calls.
  private func outline(_ state: Int32, _ limit: Int) -> MaskOutline {
    let (key, call) = key(of: state)
    if let outline = outlines[key] { return outline }
    var outline = MaskOutline(mask: TokenMask(count: trie.tokenCount))
    walk[0] = state
    outline.exits = collect(0..<trie.bytes.count, inside: call, limit, &outline.mask)
    guard work <= limit else { return outline }
    if outlines.count >= Self.largestOutlineCount { outlines.removeAll(keepingCapacity: true) }
    outlines[key] = outline
    return outline
  }

  /// Adds the tokens among some nodes of the trie, the first of which is entered from ``walk``, that may come next.
  ///
  /// It stops where the work has come to its limit.
  ///
  /// - Returns: Where the given call would return; what follows from there is passed over. Call 0 never returns.
  private func collect(
    _ nodes: Range<Int>,
    inside call: Int32,
    _ limit: Int,
    _ mask: inout TokenMask
  ) -> [MaskOutline.Exit] {
    var exits: [MaskOutline.Exit] = []
    let (bytes, depths, ends) = (trie.bytes, trie.depths, trie.ends)
    var node = nodes.lowerBound
    while node < nodes.upperBound, work <= limit {
      let depth = Int(depths[node])
      let successor = successor(walk[depth], bytes[node])
      if call != 0, successor & 1 != 0,
        returns[Int(walk[depth]) * 256 + Int(bytes[node])]?.contains(call) ?? false
      {
        exits.append(MaskOutline.Exit(node: Int32(node), bytes: Array(walkedBytes[..<depth])))
        node = Int(ends[node])
        continue
      }
      let next = (successor >> 1) - 1
      guard next != Self.dead else {
        node = Int(ends[node])
        continue
      }
      walk[depth + 1] = next
      walkedBytes[depth] = bytes[node]
      for index in trie.firstTokens[node]..<trie.ownTokensEnd(node) { mask.insert(trie.tokens[Int(index)]) }
      node += 1
    }
    return exits
  }

  /// What tells a state's outline from others, and the innermost call that all its places are inside of.
  private func key(of state: Int32) -> (MaskOutline.Key, call: Int32) {
    let places = states[Int(state)]
    // Where so many ways are followed that some may be given up, which ones can depend on the calls around them.
    guard places.count <= Self.largestAmbiguity / 4 else {
      return (MaskOutline.Key(isWholeText: true, chains: [], state: state), 0)
    }
    let call = commonCall(of: places)
    var chains: [[Int32]] = places.map { place in
      var chain = [place.node]
      var frame = place.frame
      while frame != call {
        chain.append(frames[Int(frame)].next)
        frame = frames[Int(frame)].parent
      }
      return chain
    }
    chains.sort { $0.lexicographicallyPrecedes($1) }
    return (MaskOutline.Key(isWholeText: call == 0, chains: chains), call)
  }

  /// The innermost call around all places.
  private func commonCall(of places: [Place]) -> Int32 {
    func around(_ frame: Int32) -> [Int32] {
      var chain = [frame]
      while let last = chain.last, last != 0 { chain.append(frames[Int(last)].parent) }
      return chain.reversed()
    }
    guard var common = places.first.map({ around($0.frame) }) else { return 0 }
    for place in places.dropFirst() where common.last != place.frame {
      let other = around(place.frame)
      var shared = 0
      while shared < min(common.count, other.count), common[shared] == other[shared] { shared += 1 }
      common.removeLast(common.count - shared)
    }
    return common.last ?? 0
  }

  /// Tokens that lead from a state to an end on a shortest way; `nil` if the vocabulary has none.
  func completion(_ state: Int32) -> [Int32]? {
    if let known = completions[state] { return known }
    let best = states[Int(state)].min { length($0) < length($1) }
    let tokens = best.flatMap { trie.tokens(for: text($0)) }
    completions[state] = .some(tokens)
    return tokens
  }

  /// The bytes that come next whatever the model says: names of members, punctuation, constants.
  ///
  /// Where a space may stand or not, as after a comma, it is taken to stand, as it does in most text.
  func required(_ state: Int32) -> [UInt8] {
    if let known = requirements[state] { return known }
    var bytes: [UInt8] = []
    var place = state
    let limit = work + Self.requirementWork
    while bytes.count < Self.longestRequirement, work < limit, let byte = onlyByte(place) {
      bytes.append(byte)
      place = next(place, byte)
    }
    requirements[state] = bytes
    return bytes
  }

  private func onlyByte(_ state: Int32) -> UInt8? {
    let space: UInt8 = 0x20
    var only: UInt8?
    var isOpen = false
    for place in states[Int(state)] {
      guard case .bytes(let low, let high, _) = grammar.nodes[Int(place.node)], low == high else {
        isOpen = true
        continue
      }
      // Within strings a space is one of a range.
      if low == space { return space }
      if let only, only != low { isOpen = true }
      only = low
    }
    return isOpen ? nil : only
  }

  // MARK: - States

  private func findSuccessor(_ state: Int32, _ byte: UInt8) -> Int32 {
    let place = Int(state) * 256 + Int(byte)
    guard !isTooLarge(state) else {
      successors[place] = (state + 1) << 1
      return successors[place]
    }
    var entry = Entry()
    work += states[Int(state)].count
    for place in states[Int(state)] {
      if case .bytes(let low, let high, let next) = grammar.nodes[Int(place.node)], low <= byte, byte <= high
      {
        enter(Place(node: next, frame: place.frame), &entry)
      }
    }
    // What is left of a text's ways can be none because some were given up; that isn't a text that can't go on.
    if entry.isTooLarge || (entry.places.isEmpty && entry.isCut) {
      entry.isTooLarge = true
      entry.places = []
      // Whether it is too large can depend on all the calls around it.
      entry.returned = calls(around: state)
    }
    let next = entry.places.isEmpty && !entry.isTooLarge ? Self.dead : number(of: entry.places)
    let successor = (next + 1) << 1 | (entry.returned.isEmpty ? 0 : 1)
    if !entry.returned.isEmpty { returns[place] = entry.returned }
    successors[place] = successor
    return successor
  }

  /// A state being made.
  private struct Entry {
    /// Those that wait for a byte, and the end of the text.
    var places: Set<Place> = []
    /// The calls that were left.
    var returned: Set<Int32> = []
    /// Places that were looked at.
    var steps = 0
    var isTooLarge = false
    /// Whether places were passed over, being among too many alike.
    var isCut = false
    private var seen: Set<Place> = []
    /// How many calls each place was met in.
    private var counts: [Int32: Int] = [:]

    /// Whether a place is to be followed from here: it is new, and not one of too many.
    mutating func admits(_ place: Place) -> Bool {
      guard counts[place.node, default: 0] < GrammarAutomaton.largestAmbiguity else {
        isCut = isCut || !seen.contains(place)
        return false
      }
      guard seen.insert(place).inserted else { return false }
      counts[place.node, default: 0] += 1
      return true
    }
  }

  /// Adds the places that a place leads to without a byte.
  private func enter(_ place: Place, _ entry: inout Entry) {
    var open = [place]
    let before = entry.steps
    defer { work += (entry.steps - before) * Self.stepWork }
    while let place = open.popLast() {
      guard entry.steps + open.count < Self.largestState else {
        entry.isTooLarge = true
        return
      }
      entry.steps += 1
      guard grammar.distances[Int(place.node)] < Grammar.unreachable, entry.admits(place) else { continue }
      switch grammar.nodes[Int(place.node)] {
      case .bytes: entry.places.insert(place)
      case .fork(let options): open += options.map { Place(node: $0, frame: place.frame) }
      case .call(let rule, let next):
        // A call that ends its own rule returns straight to the caller's caller.
        let isLast = grammar.nodes[Int(next)] == .end
        let frame = isLast ? place.frame : self.frame(Frame(parent: place.frame, next: next))
        open.append(Place(node: grammar.rules[Int(rule)], frame: frame))
      case .end:
        guard place.frame != 0 else {
          entry.places.insert(place)
          continue
        }
        let frame = frames[Int(place.frame)]
        entry.returned.insert(place.frame)
        open.append(Place(node: frame.next, frame: frame.parent))
      }
    }
  }

  /// All calls that the places of a state are inside of.
  private func calls(around state: Int32) -> Set<Int32> {
    var calls: Set<Int32> = []
    for place in states[Int(state)] {
      var frame = place.frame
      while frame != 0, calls.insert(frame).inserted { frame = frames[Int(frame)].parent }
    }
    return calls
  }

  private func number(of places: Set<Place>) -> Int32 {
    let places = places.sorted()
    if let number = stateNumbers[places] { return number }
    let number = Int32(states.count)
    states.append(places)
    stateNumbers[places] = number
    placeCount += places.count
    work += Self.stateWork
    successors += repeatElement(Self.unknown, count: 256)
    return number
  }

  private func frame(_ frame: Frame) -> Int32 {
    if let number = frameNumbers[frame] { return number }
    let number = Int32(frames.count)
    frames.append(frame)
    frameLengths.append(grammar.distances[Int(frame.next)] + frameLengths[Int(frame.parent)])
    frameNumbers[frame] = number
    return number
  }

  /// The call that equals one of another automaton; `known` holds those that were asked for already.
  private func adopt(_ frame: Int32, of other: GrammarAutomaton, _ known: inout [Int32: Int32]) -> Int32 {
    var chain: [Int32] = []
    var frame = frame
    while known[frame] == nil {
      chain.append(frame)
      frame = other.frames[Int(frame)].parent
    }
    var own = known[frame] ?? 0
    for frame in chain.reversed() {
      own = self.frame(Frame(parent: own, next: other.frames[Int(frame)].next))
      known[frame] = own
    }
    return own
  }

  // MARK: - Shortest ways

  private func length(_ place: Place) -> Int {
    grammar.distances[Int(place.node)] + frameLengths[Int(place.frame)]
  }

  private func text(_ place: Place) -> [UInt8] {
    var text = grammar.shortestText(from: place.node)
    var frame = place.frame
    while frame != 0 {
      text += grammar.shortestText(from: frames[Int(frame)].next)
      frame = frames[Int(frame)].parent
    }
    return text
  }
}
