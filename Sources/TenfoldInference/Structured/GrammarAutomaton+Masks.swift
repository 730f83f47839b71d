// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension GrammarAutomaton {
  /// How many masks and outlines are kept, each with a bit for each token; they are made again beyond that.
  private static let largestMaskCount = 64
  private static let largestOutlineCount = 512
  /// What the work of one mask may come to.
  ///
  /// A mask of a model's whole vocabulary that this suffices for takes a tenth of a second or so.
  private static let maskWork = 1 << 25

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
    if masks.count >= Self.largestMaskCount {
      masks.removeAll(keepingCapacity: true)
      maskBytes = 0
    }
    masks[state] = mask
    maskBytes += mask.byteCount
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
    if outlines.count >= Self.largestOutlineCount {
      outlines.removeAll(keepingCapacity: true)
      outlineBytes = 0
    }
    outlines[key] = outline
    outlineBytes += outline.byteCount
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
}
