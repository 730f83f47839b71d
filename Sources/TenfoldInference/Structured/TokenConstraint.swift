// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Keeps one answer within its format.
///
/// Before an answer would become too long to be ended within its limit it is closed on a shortest way, so that it
/// follows its format however few tokens it gets.
struct TokenConstraint {
  private(set) var automaton: GrammarAutomaton
  private let endTokens: Set<Int32>
  private var state: Int32
  /// What is still to be said, last first, once the answer is being closed.
  private var closing: [Int32]?
  private let bytesOf: (Int32) -> [UInt8]

  /// - Parameters:
  ///   - automaton: Follows the format.
  ///   - endTokens: Tokens with which the model ends an answer.
  ///   - bytesOf: The bytes of a token.
  init(_ automaton: GrammarAutomaton, endTokens: Set<Int32>, bytesOf: @escaping (Int32) -> [UInt8]) {
    self.automaton = automaton
    self.endTokens = endTokens
    self.bytesOf = bytesOf
    state = automaton.start()
  }

  /// The end tokens that are allowed now.
  var allowedEnds: Set<Int32> { automaton.accepts(state) ? endTokens : [] }

  /// The tokens that are allowed now, without ends.
  ///
  /// - Throws: `RequestError` with code `unsupportedFormat` where that takes too much work to say.
  var mask: TokenMask { get throws(RequestError) { try automaton.mask(state) } }

  /// Whether a token is allowed now.
  func allows(_ token: Int32) -> Bool {
    if endTokens.contains(token) { return automaton.accepts(state) }
    let bytes = bytesOf(token)
    return !bytes.isEmpty && automaton.next(state, bytes) != GrammarAutomaton.dead
  }

  /// The text that has to come next; empty where there is a choice.
  var requiredText: String {
    guard closing == nil else { return "" }
    // What is not whole scalars can't be cut into tokens as text.
    return String(validating: automaton.required(state), as: UTF8.self) ?? ""
  }

  /// Whether nothing may follow.
  var isComplete: Bool { automaton.isComplete(state) }

  /// The token that has to come now because the answer is being closed.
  var forced: Int32? { closing?.last }

  /// All tokens that have to come now because the answer is being closed, in their order.
  var ending: [Int32]? { closing?.reversed() }

  /// Whether the answer is being closed and nothing is left to say.
  var isClosed: Bool { closing?.isEmpty ?? false }

  /// Starts closing if the answer could not be ended within its limit after a token.
  ///
  /// - Parameters:
  ///   - token: What the model would say; allowed.
  ///   - left: How many tokens may follow it.
  /// - Returns: What to say: the token, or the first one of the shortest ending; `nil` if the answer ends here.
  /// - Throws: `RequestError` with code `unsupportedFormat` if the format can't be followed beyond the token.
  mutating func checked(_ token: Int32, left: Int) throws(RequestError) -> Int32? {
    guard !endTokens.contains(token) else { return token }
    let next = automaton.next(state, bytesOf(token))
    if next != GrammarAutomaton.dead, automaton.isTooLarge(next) { throw GrammarAutomaton.tooMuchWork() }
    if next != GrammarAutomaton.dead, automaton.canEnd(next, within: left) { return token }
    // There is an ending, as there was one before every token so far.
    let ending = automaton.completion(state) ?? []
    closing = ending.reversed()
    return ending.first
  }

  /// Notes that a token was said.
  mutating func take(_ token: Int32) {
    if closing != nil { closing?.removeLast() }
    guard !endTokens.contains(token) else { return }
    let next = automaton.next(state, bytesOf(token))
    if next != GrammarAutomaton.dead { state = next }
  }

  /// Goes on with another automaton of the same grammar.
  mutating func move(to other: GrammarAutomaton) {
    guard other !== automaton else { return }
    state = other.state(equalTo: state, of: automaton)
    automaton = other
  }
}
