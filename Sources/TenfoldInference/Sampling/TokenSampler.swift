// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldCore

/// Chooses the next token of one sequence from its logits.
///
/// The order is: what the options change of the logits (``LogitAdjustment``), the answer's format and its least length,
/// temperature, top-k, top-p among what is left, min-p. At temperature 0 it is the largest logit, the lower id of equals.
/// The random numbers depend on the seed and on how many tokens were drawn, so a sequence whose keys and values are computed
/// again goes on as before.
struct TokenSampler: Sendable {
  /// A token and its log probability by the model itself, before penalty and temperature.
  struct Choice: Equatable {
    var token: Int32
    var logProbability: Double
    /// What else could have been chosen, where the options ask for it.
    var place: TokenPlace?
  }

  private let options: GenerationOptions
  private var adjustment: LogitAdjustment
  /// The logarithm of the last logits' normaliser, before they were changed.
  private var normaliser = 0.0
  private var random: SamplerRandom

  /// - Parameters:
  ///   - options: How to sample.
  ///   - seed: The seed where the options have none.
  ///   - alternative: Which of several answers to the same request this is; each draws numbers of its own.
  ///   - endTokens: Tokens that end an answer, which is not to have them before its least length.
  ///   - prompt: Tokens that the repetition penalty counts as seen.
  init(
    options: GenerationOptions,
    seed: UInt64,
    alternative: Int = 0,
    endTokens: Set<Int32> = [],
    prompt: [Int32]
  ) {
    self.options = options
    adjustment = LogitAdjustment(options: options, endTokens: endTokens, prompt: prompt)
    // Any odd number makes all seeds of a request different.
    let offset = UInt64(alternative) &* 0x9E37_79B9_7F4A_7C15
    self.random = SamplerRandom(seed: (options.seed ?? seed) &+ offset)
  }

  /// Picks one of the given answers.
  mutating func pick(from trie: ChoiceTrie) -> Int {
    trie.pick(temperature: options.temperature, random: &random)
  }

  /// Chooses a token.
  ///
  /// - Parameters:
  ///   - logits: One for each token of the vocabulary; they are changed as the options ask for.
  ///   - weights: Room for as many numbers.
  ///   - kernels: The loops of the instruction set in use.
  ///   - constraint: What the answer has to look like; the logits of tokens that it excludes are changed.
  /// - Returns: The token.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTensor`` if a logit is NaN or infinite, or `RequestError`
  ///   with code `unsupportedFormat` if the format takes too much work here.
  mutating func next(
    _ logits: UnsafeMutableBufferPointer<Float>,
    weights: UnsafeMutableBufferPointer<Float>,
    kernels: UnsafePointer<tenfold_elementwise_kernels>,
    constraint: TokenConstraint? = nil
  ) throws -> Choice {
    guard let base = logits.baseAddress, let output = weights.baseAddress,
      weights.count >= logits.count
    else { throw Self.notNumbers() }
    // Both pointers are valid for the buffers' counts, here and below.
    var summary = unsafe kernels.pointee.summarize_logits(base, logits.count)
    guard summary.index < logits.count, summary.sum_of_exponentials.isFinite else { throw Self.notNumbers() }
    normaliser = Double(summary.largest) + logarithm(summary.sum_of_exponentials)
    let place = options.logProbabilities.map { count in
      unsafe TokenPlace(logits, weights: weights, summary: summary, count: count, kernels: kernels)
    }
    // A format says itself where its answer can go on, so its ends are left out together with what it doesn't allow.
    if unsafe adjustment.apply(to: logits, excludingEnds: constraint == nil) {
      summary = unsafe kernels.pointee.summarize_logits(base, logits.count)
      guard summary.index < logits.count, summary.largest.isFinite else { throw Self.notNumbers() }
    }
    // The likeliest token of all is the likeliest allowed one if it is allowed, so that a mask is not needed.
    if let constraint, options.temperature > 0 || !allows(Int32(summary.index), constraint) {
      let mask = try constraint.mask
      // Where nothing can be said any more, the answer ends however short it is.
      let ends = adjustment.holdsBackEnds && !mask.isEmpty ? [] : constraint.allowedEnds
      unsafe mask.apply(to: logits, keeping: ends)
      summary = unsafe kernels.pointee.summarize_logits(base, logits.count)
      guard summary.index < logits.count, summary.largest.isFinite else { throw Self.notNumbers() }
    }
    let token: Int
    if options.temperature == 0 {
      token = summary.index
    } else {
      let total = unsafe kernels.pointee.weigh_logits(
        base,
        output,
        logits.count,
        summary.largest,
        options.temperature,
        isLimited(logits.count) ? 0 : options.minP
      )
      token = unsafe draw(
        UnsafeBufferPointer(start: output, count: logits.count),
        total: total,
        likeliest: summary.index,
        kernels
      )
    }
    var choice = Choice(token: Int32(token), logProbability: 0, place: place)
    choice.logProbability = unsafe logProbability(of: choice.token, logits)
    return choice
  }

  /// The same place with another token in it, one that is not excluded.
  func replacing(
    _ choice: Choice,
    with token: Int32,
    _ logits: UnsafeMutableBufferPointer<Float>
  ) -> Choice {
    let logProbability = unsafe logProbability(of: token, logits)
    return Choice(token: token, logProbability: logProbability, place: choice.place)
  }

  /// Notes that a token was said.
  mutating func take(_ token: Int32) { adjustment.take(token) }

  private func allows(_ token: Int32, _ constraint: TokenConstraint) -> Bool {
    constraint.allows(token) && !adjustment.isHeldBack(token)
  }

  private func logProbability(of token: Int32, _ logits: UnsafeMutableBufferPointer<Float>) -> Double {
    Double(unsafe adjustment.original(of: token, logits)) - normaliser
  }

  // MARK: - Drawing

  /// Whether top-k or top-p leave out some of so many tokens.
  private func isLimited(_ count: Int) -> Bool {
    (options.topK > 0 && options.topK < count) || options.topP < 1
  }

  /// Draws an index with probability proportional to its weight; the largest weight is 1.
  ///
  /// - Parameters:
  ///   - weights: One for each token; what min-p excludes is 0 unless top-k or top-p limit the tokens.
  ///   - total: Their sum.
  ///   - likeliest: The index of the largest.
  ///   - kernels: The loops of the instruction set in use.
  /// - Returns: The index.
  private mutating func draw(
    _ weights: UnsafeBufferPointer<Float>,
    total: Double,
    likeliest: Int,
    _ kernels: UnsafePointer<tenfold_elementwise_kernels>
  ) -> Int {
    let (topK, topP, minP) = (options.topK, options.topP, options.minP)
    guard let base = weights.baseAddress else { return likeliest }
    guard isLimited(weights.count) else {
      let index = unsafe kernels.pointee.draw_weight(base, weights.count, random.unit() * total)
      return index < weights.count ? index : likeliest
    }
    var shortlist = unsafe Shortlist(candidates(weights, total: total, kernels))
    if topK > 0 { shortlist.keep(topK) }
    if topP < 1 {
      // Without top-k the nucleus is a share of all tokens, else of those that top-k left.
      let all = topK > 0 && topK < weights.count ? shortlist.sum : total
      shortlist.keep(reaching: Double(topP) * all)
    }
    shortlist.keep(atLeast: minP)
    return shortlist.token(beyond: random.unit() * shortlist.sum) ?? likeliest
  }

  /// The candidates among which top-k and top-p decide, found by lowering a threshold until they suffice, so that a
  /// large vocabulary is not sorted.
  private func candidates(
    _ weights: UnsafeBufferPointer<Float>,
    total: Double,
    _ kernels: UnsafePointer<tenfold_elementwise_kernels>
  ) -> [Shortlist.Candidate] {
    guard let base = weights.baseAddress else { return [] }
    let wanted = options.topK > 0 ? min(options.topK, weights.count) : .max
    let mass = options.topK > 0 ? .infinity : Double(options.topP) * total
    var candidates: [Shortlist.Candidate] = []
    var threshold: Float = 0.0625
    while true {
      candidates.removeAll(keepingCapacity: true)
      var sum = 0.0
      let least = max(threshold, .leastNonzeroMagnitude)
      // The kernel stays within the weights' count.
      var index = unsafe kernels.pointee.find_weight(base, 0, weights.count, least)
      while index < weights.count {
        let weight = unsafe base[index]
        candidates.append(Shortlist.Candidate(token: index, weight: weight))
        sum += Double(weight)
        index = unsafe kernels.pointee.find_weight(base, index + 1, weights.count, least)
      }
      if candidates.count >= wanted || sum >= mass || threshold == 0 { return candidates }
      threshold = threshold < 1e-6 ? 0 : threshold / 16
    }
  }

  static func notNumbers() -> ModelError {
    ModelError(
      .invalidTensor,
      "The model's logits are not finite numbers; its weights are damaged. Verify the model file."
    )
  }
}
