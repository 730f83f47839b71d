// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore

/// A response format that is ready for use: its grammar, and the vocabulary it is spelled in.
final class CompiledFormat: Sendable {
  let grammar: Grammar
  let trie: VocabularyTrie
  /// Tokens of a shortest answer.
  let shortestAnswer: Int
  /// The tokens that an answer may begin with.
  ///
  /// Made here, on the caller's thread: at its beginning a format often has more ways on than anywhere else.
  let startMask: TokenMask

  /// - Throws: `RequestError` with code `unsatisfiableFormat` for a format that the vocabulary can't spell, or
  ///   `unsupportedFormat` for one that takes too much work at its very beginning.
  init(grammar: Grammar, trie: VocabularyTrie) throws(RequestError) {
    let automaton = GrammarAutomaton(grammar: grammar, trie: trie)
    let start = automaton.start()
    guard !automaton.isTooLarge(start) else { throw GrammarAutomaton.tooMuchWork() }
    guard let shortest = automaton.completion(start) else {
      throw RequestError(
        .unsatisfiableFormat,
        "responseFormat needs characters that the model has no tokens for; use another model."
      )
    }
    self.grammar = grammar
    self.trie = trie
    shortestAnswer = shortest.count
    startMask = try automaton.mask(start)
  }
}

/// Compiles response formats, and remembers those used last.
final class FormatCompiler: Sendable {
  private struct State {
    var trie: VocabularyTrie?
    var formats: [ResponseFormat: CompiledFormat] = [:]
    /// The least recently used first.
    var order: [ResponseFormat] = []
    /// The places of all their grammars.
    var nodeCount = 0

    mutating func keep(_ compiled: CompiledFormat, as format: ResponseFormat) {
      guard formats.updateValue(compiled, forKey: format) == nil else { return }
      order.append(format)
      nodeCount += compiled.grammar.nodes.count
      while order.count > limit || (nodeCount > nodeLimit && order.count > 1) {
        nodeCount -= formats.removeValue(forKey: order.removeFirst())?.grammar.nodes.count ?? 0
      }
    }
  }

  private static let limit = 64
  /// A place takes some 60 bytes with what is known of it; more are kept only of a single format.
  private static let nodeLimit = 1 << 20
  private let state = Mutex(State())
  private let vocabulary: any DecoderVocabulary

  init(_ vocabulary: any DecoderVocabulary) { self.vocabulary = vocabulary }

  /// The compiled form of a format, `nil` for plain text.
  ///
  /// - Throws: `RequestError` with code `invalidOption`, `unsupportedFormat` or `unsatisfiableFormat`.
  func compile(_ format: ResponseFormat) throws(RequestError) -> CompiledFormat? {
    guard format.kind != .text else { return nil }
    if let known = known(format) { return known }
    let grammar: Grammar
    switch format.kind {
    case .jsonSchema: grammar = try JSONSchemaCompiler.grammar(format.source)
    case .jsonObject: grammar = try JSONSchemaCompiler.anyObject()
    case .grammar: grammar = try GrammarText.grammar(format.source)
    default:
      throw RequestError(
        .unsupportedFormat,
        "responseFormat '\(format.kind)' is not supported by local models."
      )
    }
    let compiled = try CompiledFormat(grammar: grammar, trie: trie())
    state.withLock { $0.keep(compiled, as: format) }
    return compiled
  }

  /// The places of the grammars that are kept, for tests.
  var keptNodeCount: Int { state.withLock { $0.nodeCount } }

  private func known(_ format: ResponseFormat) -> CompiledFormat? {
    state.withLock { state in
      guard let known = state.formats[format], let index = state.order.firstIndex(of: format) else {
        return nil
      }
      state.order.append(state.order.remove(at: index))
      return known
    }
  }

  /// Made once, when the first format is asked for; it takes a tenth of a second for a large vocabulary.
  private func trie() -> VocabularyTrie {
    if let trie = state.withLock({ $0.trie }) { return trie }
    let (vocabulary, ends) = (vocabulary, vocabulary.endTokens)
    // What ends an answer is never a part of it, even where the vocabulary gives it a text.
    let made = VocabularyTrie(count: vocabulary.count) { ends.contains($0) ? [] : vocabulary.bytes(of: $0) }
    return state.withLock { state in
      let trie = state.trie ?? made
      state.trie = trie
      return trie
    }
  }
}
