// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension GrammarAutomaton {
  /// The work of a step of making a state, in looks at a place for a byte, and of keeping a new state.
  private static let stepWork = 16
  private static let stateWork = 512

  /// The state of this automaton that equals one of another for the same grammar.
  func state(equalTo state: Int32, of other: GrammarAutomaton) -> Int32 {
    var known: [Int32: Int32] = [0: 0]
    return number(
      of: Set(
        other.states[Int(state)].map { Place(node: $0.node, frame: adopt($0.frame, of: other, &known)) }
      )
    )
  }

  func findSuccessor(_ state: Int32, _ byte: UInt8) -> Int32 {
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
    if !entry.returned.isEmpty {
      returns[place] = entry.returned
      returnBytes += 80 + 8 * entry.returned.count
    }
    successors[place] = successor
    return successor
  }

  /// A state being made.
  struct Entry {
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
  func enter(_ place: Place, _ entry: inout Entry) {
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

  func number(of places: Set<Place>) -> Int32 {
    // In an order that doesn't depend on what other answers have looked at: of too many places alike the first are followed.
    let places = places.sorted { a, b in
      (a.node, frameHashes[Int(a.frame)], a.frame) < (b.node, frameHashes[Int(b.frame)], b.frame)
    }
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
    let around = frameHashes[Int(frame.parent)] ^ UInt64(UInt32(bitPattern: frame.next)) &+ 1
    frameHashes.append((around &* 0x9e37_79b9_7f4a_7c15) ^ (around &* 0xc2b2_ae3d_27d4_eb4f) >> 32)
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
}
