// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What the machine's time costs, so that local and hosted work can be compared in money.
public struct PriceList: Hashable, Sendable, Codable {
  /// US dollars for an hour of one processor core.
  public var dollarsPerCoreHour: Double

  /// Creates a price list.
  ///
  /// - Parameter dollarsPerCoreHour: By default 0.045, about what the large clouds ask for an on-demand core of a
  ///   current x86 server with 2 to 4 GB of memory, late 2025.
  public init(dollarsPerCoreHour: Double = 0.045) { self.dollarsPerCoreHour = dollarsPerCoreHour }

  /// The price of a local model's work.
  public var localModel: ModelPrice { ModelPrice(dollarsPerCPUSecond: dollarsPerCoreHour / 3600) }

  /// What CPU time costs.
  ///
  /// - Parameter time: Seconds of one core.
  /// - Returns: The amount.
  public func cost(ofCPUTime time: Duration) -> Money {
    Money(dollars: time.inSeconds * dollarsPerCoreHour / 3600)
  }
}
