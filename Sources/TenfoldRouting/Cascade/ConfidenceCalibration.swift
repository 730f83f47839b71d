// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Turns a raw score into the probability of being right.
///
/// A model's own certainty is over-confident; a calibration is fitted to pairs of a score and whether the answer was
/// right. With few pairs use Platt's two-parameter curve; with some hundreds the isotonic one, which only assumes that a
/// higher score is not worse.
///
/// ```swift
/// let calibration = ConfidenceCalibration.platt(fitting: pairs)
/// let probability = calibration.probability(of: margin)
/// ```
public enum ConfidenceCalibration: Hashable, Sendable, Codable {
  /// The score is the probability already, cut to 0...1.
  case identity
  /// 1 ÷ (1 + e^−(slope × score + offset)).
  case logistic(slope: Double, offset: Double)
  /// Steps: from each score on, up to the next, the probability beside it; scores rise.
  case steps(scores: [Double], probabilities: [Double])

  /// A score and whether the answer was right.
  public struct Sample: Hashable, Sendable {
    /// The raw score.
    public var score: Double
    /// Whether the answer was right.
    public var isRight: Bool

    /// Creates a sample.
    public init(score: Double, isRight: Bool) {
      self.score = score
      self.isRight = isRight
    }
  }

  /// The calibrated probability.
  ///
  /// - Parameter score: The raw score.
  /// - Returns: A value in 0...1; 0 for a score that is not a number.
  public func probability(of score: Double) -> Double {
    guard !score.isNaN else { return 0 }
    let value: Double
    switch self {
    case .identity: value = score
    case .logistic(let slope, let offset): value = Self.logistic(slope * score + offset)
    case .steps(let scores, let probabilities):
      let position = scores.lastIndex { $0 <= score } ?? 0
      value = position < probabilities.count ? probabilities[position] : 0
    }
    return value.isNaN ? 0 : min(max(value, 0), 1)
  }

  /// Fits Platt's curve by Newton's method, with his smoothed targets (Platt 1999; Lin, Lin and Weng 2007).
  ///
  /// - Parameter samples: The pairs; those whose score is not finite are left out.
  /// - Returns: The curve; without any pairs, one that says 0.5 to everything.
  public static func platt(fitting samples: [Sample]) -> Self {
    let samples = samples.filter(\.score.isFinite)
    let right = Double(samples.count(where: \.isRight))
    let wrong = Double(samples.count) - right
    let high = (right + 1) / (right + 2)
    let low = 1 / (wrong + 2)
    guard !samples.isEmpty else { return .logistic(slope: 0, offset: 0) }
    // Scores are brought to mean 0 and deviation 1, so that one damping fits all.
    let mean = samples.reduce(0) { $0 + $1.score } / Double(samples.count)
    let variance = samples.reduce(0) { $0 + ($1.score - mean) * ($1.score - mean) } / Double(samples.count)
    let scale = variance > 0 ? variance.squareRoot() : 1
    func loss(_ slope: Double, _ offset: Double) -> Double {
      samples.reduce(0) { sum, sample in
        let odds = slope * (sample.score - mean) / scale + offset
        let target = sample.isRight ? high : low
        // ln(1 + e^odds) − target × odds, written so that it does not overflow.
        return sum + max(odds, 0) + (1 + (-abs(odds)).exponential).naturalLogarithm - target * odds
      }
    }
    var slope = 0.0
    var offset = ((right + 1) / (wrong + 1)).naturalLogarithm
    var best = loss(slope, offset)
    for _ in 0..<100 {
      var (g0, g1, h00, h01, h11) = (0.0, 0.0, 1e-9, 0.0, 1e-9)
      for sample in samples {
        let x = (sample.score - mean) / scale
        let p = logistic(slope * x + offset)
        let difference = p - (sample.isRight ? high : low)
        let curvature = p * (1 - p)
        g0 += difference * x
        g1 += difference
        h00 += curvature * x * x
        h01 += curvature * x
        h11 += curvature
      }
      let determinant = h00 * h11 - h01 * h01
      guard abs(g0) + abs(g1) > 1e-9, determinant > 1e-18 else { break }
      let step0 = (h11 * g0 - h01 * g1) / determinant
      let step1 = (h00 * g1 - h01 * g0) / determinant
      var length = 1.0
      var improved = false
      while length > 1e-6, !improved {
        let next = loss(slope - length * step0, offset - length * step1)
        if next < best {
          slope -= length * step0
          offset -= length * step1
          best = next
          improved = true
        }
        length /= 2
      }
      if !improved { break }
    }
    return .logistic(slope: slope / scale, offset: offset - slope * mean / scale)
  }

  /// Fits rising steps by pooling adjacent violators.
  ///
  /// - Parameter samples: The pairs; those whose score is not finite are left out.
  /// - Returns: The steps; without any pairs, one that says 0.5 to everything.
  /// - Complexity: O(*n* log *n*).
  public static func isotonic(fitting samples: [Sample]) -> Self {
    let sorted = samples.filter(\.score.isFinite).sorted { $0.score < $1.score }
    guard !sorted.isEmpty else { return .steps(scores: [0], probabilities: [0.5]) }
    var blocks: [(score: Double, right: Double, count: Double)] = []
    for sample in sorted {
      if let last = blocks.last, last.score == sample.score {
        blocks[blocks.count - 1].right += sample.isRight ? 1 : 0
        blocks[blocks.count - 1].count += 1
      } else {
        blocks.append((sample.score, sample.isRight ? 1 : 0, 1))
      }
    }
    var pooled: [(score: Double, right: Double, count: Double)] = []
    for block in blocks {
      pooled.append(block)
      while pooled.count > 1 {
        let last = pooled[pooled.count - 1]
        let before = pooled[pooled.count - 2]
        guard before.right / before.count >= last.right / last.count else { break }
        pooled.removeLast()
        pooled[pooled.count - 1] = (before.score, before.right + last.right, before.count + last.count)
      }
    }
    return .steps(scores: pooled.map { $0.score }, probabilities: pooled.map { $0.right / $0.count })
  }

  static func logistic(_ odds: Double) -> Double {
    odds >= 0 ? 1 / (1 + (-odds).exponential) : odds.exponential / (1 + odds.exponential)
  }
}
