// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// An amount of money in billionths of a US dollar; sums saturate instead of overflowing.
public struct Money: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
  /// The amount in billionths of a US dollar.
  public var nanodollars: Int64

  /// Creates an amount from billionths of a US dollar.
  public init(nanodollars: Int64) { self.nanodollars = nanodollars }

  /// Creates an amount from US dollars, rounded to the nearest billionth; NaN counts as zero.
  public init(dollars: Double) {
    let value = (dollars * 1e9).rounded()
    self.nanodollars =
      value.isNaN ? 0 : value >= 9.2e18 ? .max : value <= -9.2e18 ? .min : Int64(value)
  }

  /// No money.
  public static let zero = Self(nanodollars: 0)

  /// The amount in US dollars.
  public var dollars: Double { Double(nanodollars) * 1e-9 }

  /// Adds two amounts.
  public static func + (lhs: Self, rhs: Self) -> Self {
    let (sum, overflow) = lhs.nanodollars.addingReportingOverflow(rhs.nanodollars)
    return Self(nanodollars: overflow ? (lhs.nanodollars > 0 ? .max : .min) : sum)
  }

  /// Adds an amount to another in place.
  public static func += (lhs: inout Self, rhs: Self) { lhs = lhs + rhs }

  /// Orders amounts.
  public static func < (lhs: Self, rhs: Self) -> Bool { lhs.nanodollars < rhs.nanodollars }

  /// The amount in dollars with six decimals.
  public var description: String {
    let micro = Int64((Double(nanodollars) / 1000).rounded()).magnitude
    let digits = String(micro % 1_000_000)
    let sign = nanodollars < 0 && micro > 0 ? "-" : ""
    return "\(sign)$\(micro / 1_000_000).\(String(repeating: "0", count: 6 - digits.count))\(digits)"
  }
}
