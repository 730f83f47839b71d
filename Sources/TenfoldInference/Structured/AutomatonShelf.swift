// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The automata of the formats used last, shared by all answers in a format; confined to the engine's thread.
struct AutomatonShelf {
  private static let limit = 32
  /// The bytes of the automata that are kept; more only of a single one.
  private static let byteLimit = 1 << 28
  private var automata: [(format: CompiledFormat, automaton: GrammarAutomaton)] = []

  /// The automaton of a format; a fresh one when it has grown too large.
  mutating func automaton(for format: CompiledFormat) -> GrammarAutomaton {
    let index = automata.firstIndex { $0.format === format }
    var entry = index.map { automata.remove(at: $0) }
    if entry?.automaton.isLarge ?? true {
      entry = (format, Self.make(format))
    }
    guard let entry else { return Self.make(format) }
    automata.append(entry)
    var bytes = automata.reduce(0) { $0 + $1.automaton.byteCount }
    while automata.count > Self.limit || (bytes > Self.byteLimit && automata.count > 1) {
      bytes -= automata.removeFirst().automaton.byteCount
    }
    return entry.automaton
  }

  private static func make(_ format: CompiledFormat) -> GrammarAutomaton {
    GrammarAutomaton(grammar: format.grammar, trie: format.trie, startMask: format.startMask)
  }
}
