// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Decides for which sequences a draft model guesses, and how far; pure state.
///
/// With *w* sequences in a pass of *B* rows a token costs T(*B*) / *w*, and that is what a guess that comes true saves. It
/// costs a pass of the draft model, which all that guess share, and a row of the model's next pass. Both passes' costs
/// are measured (``PassCost``), and so is what rounds of guesses have brought (``DraftYield``); a round begins only where
/// they say that it pays. Within a round the draft model's own probability of each token tells, by how often tokens of
/// such a probability have come true (``DraftAcceptance``), whether the token is worth checking and another worth making.
struct DraftPolicy: Sendable {
  /// A sequence that guesses could be made for.
  struct Offer: Sendable {
    var id: Int
    /// Tokens that the draft model has not seen, at least one.
    var pending: Int
    /// How many tokens are expected to come.
    var remaining: Int
    var yield: DraftYield
  }

  /// A decision about a round.
  struct Round: Sendable, Equatable {
    /// Those to guess for, the least to catch up with first.
    var ids: [Int] = []
    /// Whether it is to see what guesses bring, though it is not expected to pay.
    var isProbe = false
  }

  /// A round has to be expected to save this part of a pass.
  private static let margin = 0.02
  /// The part of all time that goes into rounds that are not expected to pay.
  private static let probeShare = 0.01
  /// Catching up with so many tokens, which were looked up meanwhile, is part of a round; with more it happens once.
  static let smallCatchUp = 16

  private(set) var target: PassCost
  private(set) var draft: PassCost
  /// The modelled cost of a draft pass relative to one of the model.
  private let ratio: Double
  private var greedy = DraftAcceptance()
  private var sampled = DraftAcceptance()
  /// What rounds have brought sequences at temperature 0, and others.
  private(set) var greedyYield: DraftYield
  private(set) var sampledYield: DraftYield
  /// Time of all passes, and of rounds that were not expected to pay.
  private var spent = 0.0
  private var probed = 0.0

  /// - Parameters:
  ///   - limit: The most tokens guessed at once.
  ///   - ratio: The bytes of weights that a pass of the draft model reads relative to one of the model.
  ///   - target: What passes of the model cost.
  ///   - draft: What passes of the draft model cost.
  init(limit: Int, ratio: Double, target: PassCost = PassCost(), draft: PassCost = PassCost()) {
    self.ratio = ratio
    self.target = target
    self.draft = draft
    greedyYield = DraftYield(limit: limit)
    sampledYield = DraftYield(limit: limit)
  }

  // MARK: - Decisions

  /// Decides for which sequences to guess.
  ///
  /// - Parameters:
  ///   - offers: Those that guesses could be made for.
  ///   - rows: The rows that the model's pass has anyway.
  ///   - sequences: The sequences that the pass gives a token to.
  /// - Returns: The decision; without sequences where guessing does not pay.
  func round(_ offers: [Offer], besides rows: Int, sequences: Int) -> Round {
    let offers = offers.sorted { $0.pending < $1.pending }
    let worth = tokenWorth(rows: rows, sequences: sequences)
    let paying = offers.filter { surplus($0, worth) > 0 }
    let passes = paying.map(\.yield.passes).max() ?? 0
    let saved = paying.reduce(0) { $0 + surplus($1, worth) } - passes * sharedDraftCost
    if !paying.isEmpty, saved > Self.margin * target.seconds(rows: rows) {
      return Round(ids: paying.map(\.id))
    }
    guard let cheapest = offers.first else { return Round() }
    let cost = draftSeconds(rows: cheapest.pending) + target.further
    guard probed + cost <= Self.probeShare * spent else { return Round() }
    return Round(ids: [cheapest.id], isProbe: true)
  }

  /// Whether a guess is worth a row of the model's pass.
  ///
  /// - Parameters:
  ///   - chance: The probability that it comes true, with all before it.
  ///   - rows: The rows that the pass has anyway.
  ///   - sequences: The sequences that the pass gives a token to.
  /// - Returns: True if it saves more than it costs.
  func isWorthChecking(_ chance: Double, besides rows: Int, sequences: Int) -> Bool {
    chance * tokenWorth(rows: rows, sequences: sequences) > target.further
  }

  /// Which sequences are worth another pass of the draft model.
  ///
  /// - Parameters:
  ///   - chances: For each sequence the probability that its guesses so far come true, and whether it is sampled.
  ///   - rows: The rows that the model's pass has, guesses included.
  ///   - sequences: The sequences that the pass gives a token to.
  /// - Returns: Their indices; none where the pass does not pay.
  func worthExtending(
    _ chances: [(chance: Double, isSampled: Bool)],
    besides rows: Int,
    sequences: Int
  ) -> [Int] {
    let worth = tokenWorth(rows: rows, sequences: sequences)
    let surpluses = chances.map { chance, isSampled in
      chance * acceptance(isSampled).modelRate * worth - target.further - draftFurther
    }
    let paying = surpluses.indices.filter { surpluses[$0] > 0 }
    return paying.reduce(0) { $0 + surpluses[$1] } > sharedDraftCost ? paying : []
  }

  /// How often tokens that the draft model gives such a probability come true.
  func rate(confidence: Double, isSampled: Bool) -> Double {
    acceptance(isSampled).rate(of: .model(confidence: confidence))
  }

  /// Where a new sequence's expectations start.
  func yield(isSampled: Bool) -> DraftYield { (isSampled ? sampledYield : greedyYield).forSequence }

  /// How many rows fit into a time.
  func draftRows(within seconds: Double) -> Int {
    Int(min(1e6, max(0, seconds - sharedDraftCost) / max(1e-9, draftFurther)))
  }

  // MARK: - Events

  /// Notes a pass of the model.
  ///
  /// - Parameters:
  ///   - rows: All its rows.
  ///   - isDecoding: Whether each row's logits were wanted.
  ///   - seconds: What it took by the clock.
  mutating func didComputeTarget(rows: Int, isDecoding: Bool, seconds: Double) {
    spent += isDecoding ? target.note(rows: rows, seconds: seconds) : seconds
  }

  /// Notes a pass of the draft model.
  mutating func didComputeDraft(rows: Int, isProbe: Bool, seconds: Double) {
    let cost = draft.note(rows: rows, seconds: seconds)
    spent += cost
    if isProbe { probed += cost }
  }

  /// Notes what came of a sequence's guesses.
  ///
  /// - Parameters:
  ///   - confidences: The draft model's probability of each guess that was checked.
  ///   - hits: How many came true.
  ///   - isMissed: Whether the next one did not.
  ///   - isSampled: Whether the sequence is sampled.
  ///   - isProbe: Whether they were not expected to pay.
  mutating func didCheck(
    _ confidences: [Double],
    hits: Int,
    isMissed: Bool,
    isSampled: Bool,
    isProbe: Bool
  ) {
    for (index, confidence) in confidences.prefix(hits + (isMissed ? 1 : 0)).enumerated() {
      let isHit = index < hits
      let source = DraftAcceptance.Source.model(confidence: confidence)
      if isSampled {
        sampled.note(source, hits: isHit ? 1 : 0, isMissed: !isHit)
      } else {
        greedy.note(source, hits: isHit ? 1 : 0, isMissed: !isHit)
      }
    }
    if isProbe { probed += target.further * Double(confidences.count) }
  }

  /// Notes what a round brought a sequence and took.
  mutating func didFinish(accepted: Int, checked: Int, passes: Int, rows: Int, isSampled: Bool) {
    if isSampled {
      sampledYield.note(accepted: accepted, checked: checked, passes: passes, rows: rows)
    } else {
      greedyYield.note(accepted: accepted, checked: checked, passes: passes, rows: rows)
    }
  }

  // MARK: - Costs

  private func acceptance(_ isSampled: Bool) -> DraftAcceptance { isSampled ? sampled : greedy }

  private func tokenWorth(rows: Int, sequences: Int) -> Double {
    target.seconds(rows: max(1, rows)) / Double(max(1, sequences))
  }

  /// What a sequence gains by a round, the part of the draft's passes that does not depend on it left out.
  private func surplus(_ offer: Offer, _ worth: Double) -> Double {
    let rounds = max(1, Double(offer.remaining) / (1 + offer.yield.accepted))
    let catchingUp = draftFurther * Double(max(0, offer.pending - Self.smallCatchUp)) / rounds
    return offer.yield.accepted * worth - offer.yield.checked * target.further
      - offer.yield.rows * draftFurther - catchingUp
  }

  private var isMeasured: Bool { target.isKnown && draft.isKnown }
  private var draftFirst: Double { isMeasured ? draft.first : ratio * target.first }
  private var draftFurther: Double { isMeasured ? draft.further : PassCost.rowCost * draftFirst }
  /// What a pass of the draft model costs beside its rows.
  private var sharedDraftCost: Double { max(0, draftFirst - draftFurther) }
  private func draftSeconds(rows: Int) -> Double { sharedDraftCost + draftFurther * Double(rows) }
}
