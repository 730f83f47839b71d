// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// What the options of an answer change of the model's logits: penalties for what was said, biases, and the ends that are
/// held back while the answer is short.
///
/// First comes the repetition penalty, then the bias is added, then the frequency and the presence penalty are subtracted.
/// Each token's new logit depends on its own one only, so that the order of tokens makes no difference. With the default
/// options nothing is done and nothing is kept.
struct LogitAdjustment: Sendable {
  /// The largest bias of the options, which is a matter of all or nothing.
  private static let absoluteBias: Float = 100
  /// What it stands for: at the highest temperature still e^300 times as likely, or as unlikely, as another token, while the
  /// tokens that have it keep their order.
  private static let absoluteShift: Float = 32_768
  /// More than this the frequency penalty doesn't come to, so that it never outweighs the largest bias.
  private static let largestPenalty: Float = 4_096

  private let repetitionPenalty: Float
  private let frequencyPenalty: Float
  private let presencePenalty: Float
  private let bias: [(token: Int32, shift: Float)]
  /// Empty where the answer has no least length.
  private let endTokens: Set<Int32>
  private let minTokens: Int
  /// What the repetition penalty counts as seen.
  private var seen: Set<Int32> = []
  /// The prompt until the first logits come, as a request that waits needs no set of its tokens.
  private var unseen: [Int32] = []
  /// How often the answer has each token, where a penalty needs to know.
  private var counts: [Int32: Int] = [:]
  /// How many tokens the answer has; not counted beyond its least length.
  private var length = 0
  /// The last logits as the model gave them, where they were changed.
  private var originals: [Int32: Float] = [:]

  /// - Parameters:
  ///   - options: What to change.
  ///   - endTokens: Tokens that end an answer.
  ///   - prompt: The prompt's tokens.
  init(options: GenerationOptions, endTokens: Set<Int32>, prompt: [Int32]) {
    repetitionPenalty = options.repetitionPenalty
    frequencyPenalty = options.frequencyPenalty
    presencePenalty = options.presencePenalty
    bias = options.logitBias.map { token, bias in
      (token, bias.magnitude < Self.absoluteBias ? bias : bias < 0 ? -Self.absoluteShift : Self.absoluteShift)
    }
    minTokens = options.minTokens
    self.endTokens = minTokens > 0 ? endTokens : []
    if repetitionPenalty != 1 { unseen = prompt }
  }

  /// Whether the answer is too short to be ended.
  var holdsBackEnds: Bool { length < minTokens }

  /// Whether a token is an end that would come too early.
  func isHeldBack(_ token: Int32) -> Bool { holdsBackEnds && endTokens.contains(token) }

  /// Changes logits.
  ///
  /// - Parameters:
  ///   - logits: One for each token of the model.
  ///   - excludingEnds: Whether the ends that come too early are excluded.
  /// - Returns: Whether anything was changed.
  /// - Complexity: O(*n*) in the different tokens that were seen and those with a bias.
  mutating func apply(to logits: UnsafeMutableBufferPointer<Float>, excludingEnds: Bool) -> Bool {
    if !originals.isEmpty { originals.removeAll(keepingCapacity: true) }
    let (repetition, presence) = (repetitionPenalty, presencePenalty)
    if repetition != 1 {
      if !unseen.isEmpty {
        seen.formUnion(unseen)
        unseen = []
      }
      for token in seen { unsafe change(token, logits) { $0 > 0 ? $0 / repetition : $0 * repetition } }
    }
    for (token, shift) in bias { unsafe change(token, logits) { $0 + shift } }
    for (token, count) in counts {
      let frequency = max(-Self.largestPenalty, min(Self.largestPenalty, Float(count) * frequencyPenalty))
      unsafe change(token, logits) { $0 - (frequency + presence) }
    }
    if excludingEnds, holdsBackEnds {
      for token in endTokens { unsafe change(token, logits) { _ in -.infinity } }
    }
    return !originals.isEmpty
  }

  /// A token's logit as the model gave it.
  func original(of token: Int32, _ logits: UnsafeMutableBufferPointer<Float>) -> Float {
    unsafe originals[token] ?? logits[Int(token)]
  }

  /// Notes that a token was said.
  mutating func take(_ token: Int32) {
    if repetitionPenalty != 1 { seen.insert(token) }
    if frequencyPenalty != 0 || presencePenalty != 0 { counts[token, default: 0] += 1 }
    if length < minTokens { length += 1 }
  }

  @inline(__always)
  private mutating func change(
    _ token: Int32,
    _ logits: UnsafeMutableBufferPointer<Float>,
    _ change: (Float) -> Float
  ) {
    guard logits.indices.contains(Int(token)) else { return }
    let logit = unsafe logits[Int(token)]
    if originals[token] == nil { originals[token] = logit }
    unsafe logits[Int(token)] = change(logit)
  }
}
