// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Who has spent what, on which stage and model.
///
/// Booking is safe from any thread and takes constant time. The book holds one line for each combination of tenant
/// and stage, up to a limit; beyond it new tenants share a line called `other`.
public final class CostBook: Sendable {
  /// The name a line goes by.
  public struct Key: Hashable, Sendable {
    /// Whose money.
    public var tenant: TenantID
    /// The stage, or the model's id for model calls.
    public var item: String

    /// Creates a key.
    public init(tenant: TenantID, item: String) {
      self.tenant = tenant
      self.item = item
    }
  }

  /// What has been booked under a key.
  public struct Line: Hashable, Sendable {
    /// How often.
    public var count = 0
    /// How much money.
    public var cost = Money.zero
    /// How much CPU time.
    public var cpuTime = Duration.zero
    /// How many tokens were read.
    public var promptTokens = 0
    /// How many tokens were generated.
    public var completionTokens = 0

    /// Creates an empty line.
    public init() {}
  }

  private let lines = Mutex<[Key: Line]>([:])
  private let maximumLines: Int

  /// Creates an empty book.
  ///
  /// - Parameter maximumLines: How many lines it keeps before further tenants share one.
  public init(maximumLines: Int = 10_000) { self.maximumLines = max(1, maximumLines) }

  /// Books a model call.
  public func book(_ call: ModelCall, tenant: TenantID) {
    book(tenant: tenant, item: call.model) { line in
      line.cost += call.cost
      line.cpuTime += call.usage.cpuTime
      line.promptTokens = line.promptTokens.addingClamped(call.usage.promptTokens)
      line.completionTokens = line.completionTokens.addingClamped(call.usage.completionTokens)
    }
  }

  /// Books a stage other than a model call.
  public func book(_ stage: StageRecord, tenant: TenantID) {
    book(tenant: tenant, item: stage.stage) { line in
      line.cost += stage.cost
      line.cpuTime += stage.cpuTime
    }
  }

  private func book(tenant: TenantID, item: String, _ change: (inout Line) -> Void) {
    lines.withLock { lines in
      var key = Key(tenant: tenant, item: item)
      if lines[key] == nil, lines.count >= maximumLines { key.tenant = "other" }
      var line = lines[key] ?? Line()
      line.count += 1
      change(&line)
      lines[key] = line
    }
  }

  /// Everything booked so far.
  public var snapshot: [Key: Line] { lines.withLock { $0 } }

  /// What a tenant has spent.
  public func total(of tenant: TenantID) -> Money {
    lines.withLock { lines in
      lines.reduce(.zero) { sum, entry in entry.key.tenant == tenant ? sum + entry.value.cost : sum }
    }
  }

  /// What all have spent.
  public var total: Money {
    lines.withLock { $0.values.reduce(.zero) { $0 + $1.cost } }
  }
}
