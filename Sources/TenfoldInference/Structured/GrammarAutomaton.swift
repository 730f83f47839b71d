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
  static let unknown: Int32 = -1
  /// In how many calls at once a state follows the same place.
  static let largestAmbiguity = 256
  /// How many steps a state may take to make, each a place that is looked at, and so how many places it can have.
  ///
  /// The start of an enumeration has a place for each value; the largest of the schemas in the tests but those made for
  /// this has fewer than 100.
  static let largestState = 1 << 15
  /// Beyond as many states or frames, of which a state has four bytes for each byte, the automaton ``isLarge``.
  private static let largestStateCount = 8_192
  private static let largestFrameCount = 1 << 16
  private static let largestPlaceCount = 1 << 20
  /// The same for the bytes of masks, outlines and endings; a large vocabulary's masks and outlines are half of it.
  static let largestByteCount = 1 << 25

  /// A call that has not returned: where it goes on, and the call around it.
  struct Frame: Hashable {
    var parent: Int32
    var next: Int32
  }

  /// A place and the innermost call.
  struct Place: Hashable {
    var node: Int32
    var frame: Int32
  }

  let grammar: Grammar
  let trie: VocabularyTrie
  /// Frame 0 is the whole text.
  var frames: [Frame] = [Frame(parent: 0, next: 0)]
  var frameNumbers: [Frame: Int32] = [:]
  /// The bytes from where each call goes on to the end of the text, on a shortest way.
  var frameLengths = [0]
  /// A number of each call that depends on where it and those around it go on, and not on what was looked at before.
  var frameHashes: [UInt64] = [0]
  var states: [[Place]] = []
  var stateNumbers: [[Place]: Int32] = [:]
  /// For each state and byte, one more than the next state, or 0 for none, doubled; odd where calls return on the way.
  var successors: [Int32] = []
  /// The calls that return on the way to a successor, where any do.
  var returns: [Int: Set<Int32>] = [:]
  var masks: [Int32: TokenMask] = [:]
  var outlines: [MaskOutline.Key: MaskOutline] = [:]
  var completions: [Int32: [Int32]?] = [:]
  var requirements: [Int32: [UInt8]] = [:]
  /// What ``returns`` holds.
  var returnBytes = 0
  /// What ``masks``, ``outlines``, and ``completions`` with ``requirements`` hold.
  var maskBytes = 0
  var outlineBytes = 0
  var endingBytes = 0
  /// Whether each byte of every shortest way is a token by itself, so that all endings can be spelled.
  let spellsEndings: Bool
  var walk: [Int32]
  var walkedBytes: [UInt8]
  /// The places of all states.
  var placeCount = 0
  /// What has been done so far, in looks at a place for a byte.
  var work = 0
  /// The states whose masks were given up.
  var abandoned: Set<Int32> = []
  var first: Int32?
  let startMask: TokenMask?

  /// - Parameters:
  ///   - grammar: What is followed.
  ///   - trie: The vocabulary.
  ///   - startMask: The mask of ``start()``, where it is known.
  init(grammar: Grammar, trie: VocabularyTrie, startMask: TokenMask? = nil) {
    self.grammar = grammar
    self.trie = trie
    self.startMask = startMask
    spellsEndings = grammar.nodes.allSatisfy { node in
      guard case .bytes(let low, _, _) = node else { return true }
      return trie.singleBytes.contains(low)
    }
    walk = Array(repeating: 0, count: trie.maximumDepth + 1)
    walkedBytes = Array(repeating: 0, count: trie.maximumDepth + 1)
  }

  /// Whether so much has been kept that starting afresh is better.
  var isLarge: Bool {
    states.count > Self.largestStateCount || frames.count > Self.largestFrameCount
      || placeCount > Self.largestPlaceCount || keptBytes > Self.largestByteCount
  }

  /// The bytes of masks, outlines, endings and returning calls that are kept.
  var keptBytes: Int { maskBytes + outlineBytes + endingBytes + returnBytes }

  /// About how many bytes all that is kept takes.
  var byteCount: Int { keptBytes + states.count * 1_200 + placeCount * 16 + frames.count * 48 }

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

  /// The state after a byte, or ``dead``.
  @inline(__always)
  func next(_ state: Int32, _ byte: UInt8) -> Int32 {
    (successor(state, byte) >> 1) - 1
  }

  /// What ``successors`` holds for a state and a byte, found if it is unknown.
  @inline(__always)
  func successor(_ state: Int32, _ byte: UInt8) -> Int32 {
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
}
