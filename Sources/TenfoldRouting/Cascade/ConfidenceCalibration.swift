// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Turns a raw score into a probability: a logistic curve fitted to answers known to be right or wrong.
///
/// Platt scaling (Platt 1999) with the smoothed targets and Newton's method of Lin, Lin and Weng (2007).
public struct ConfidenceCalibration: Hashable, Sendable, Codable {
  /// How steep the curve is.
  public var slope: Double
  /// The curve's value at score 0, as log-odds.
  public var intercept: Double

  /// Creates a curve from known parameters.
  public init(slope: Double, intercept: Double) {
    self.slope = slope
    self.intercept = intercept
  }

  /// The probability that an answer with this score is right.
  ///
  /// - Parameter score: The raw score; NaN gives 0.
  /// - Returns: A probability in 0...1.
  public func probability(_ score: Double) -> Double {
    guard !score.isNaN else { return 0 }
    let z = slope * score + intercept
    return z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z))
  }

  /// Fits a curve.
  ///
  /// - Parameter samples: Scores and whether the answer was right; at least one of each kind, scores finite.
  /// - Returns: The curve of the largest likelihood.
  /// - Throws: ``RoutingError`` with code ``RoutingError/Code/unfittable``.
  /// - Complexity: O(samples) for each of at most 100 steps.
  public static func fit(_ samples: [(score: Double, isRight: Bool)]) throws(RoutingError) -> Self {
    let right = samples.count { $0.isRight }
    let wrong = samples.count - right
    guard right > 0, wrong > 0, samples.allSatisfy({ $0.score.isFinite }) else {
      throw RoutingError(
        .unfittable,
        "A calibration needs right and wrong answers with finite scores; there are \(right) right and \(wrong) wrong ones."
      )
    }
    let high = (Double(right) + 1) / (Double(right) + 2)
    let low = 1 / (Double(wrong) + 2)
    var curve = Self(slope: 0, intercept: log((Double(right) + 1) / (Double(wrong) + 1)))

    func loss(_ curve: Self) -> Double {
      samples.reduce(0) { sum, sample in
        let z = curve.slope * sample.score + curve.intercept
        let target = sample.isRight ? high : low
        // log(1 + e^z) - target · z, written so that it can't overflow.
        return sum + (z >= 0 ? z + log1p(exp(-z)) : log1p(exp(z))) - target * z
      }
    }

    var current = loss(curve)
    for _ in 0..<100 {
      // The Hessian is kept positive by a small ridge.
      var (hss, hsi, hii) = (1e-12, 0.0, 1e-12)
      var (gs, gi) = (0.0, 0.0)
      for sample in samples {
        let p = curve.probability(sample.score)
        let error = p - (sample.isRight ? high : low)
        let weight = p * (1 - p)
        gs += sample.score * error
        gi += error
        hss += sample.score * sample.score * weight
        hsi += sample.score * weight
        hii += weight
      }
      if abs(gs) < 1e-7, abs(gi) < 1e-7 { break }
      let determinant = hss * hii - hsi * hsi
      guard determinant > 0 else { break }
      let (ds, di) = (-(hii * gs - hsi * gi) / determinant, -(hss * gi - hsi * gs) / determinant)
      var step = 1.0
      while step >= 1e-10 {
        let next = Self(slope: curve.slope + step * ds, intercept: curve.intercept + step * di)
        let value = loss(next)
        if value < current + 1e-4 * step * (gs * ds + gi * di) {
          curve = next
          current = value
          break
        }
        step /= 2
      }
      if step < 1e-10 { break }
    }
    return curve
  }
}
