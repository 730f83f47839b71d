// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// When blobs move to a colder tier and when they are deleted: pure, given the time.
///
/// Rules are written from hot to cold, and the last one that fits decides. A rule never moves a blob to a hotter tier.
///
/// ```swift
/// let policy = LifecyclePolicy([
///   .move(to: "warm", unreadFor: .seconds(86_400)),
///   .move(to: "cold", unreadFor: .seconds(30 * 86_400), minimumSizeInBytes: 4096),
///   .delete(storedFor: .seconds(365 * 86_400)),
/// ])
/// ```
public struct LifecyclePolicy: Hashable, Sendable {
  /// One condition and what follows from it.
  public struct Rule: Hashable, Sendable {
    /// The tier to move to; `nil` to delete.
    public var tier: String?
    /// How long ago the contents were put, at least.
    public var storedFor: Duration
    /// How long nobody read them, at least.
    public var unreadFor: Duration
    /// The smallest blobs that it is for.
    public var minimumSizeInBytes: Int
    /// Only this tenant's blobs; `nil` for everybody's.
    public var tenant: TenantID?

    /// A rule that moves blobs.
    ///
    /// - Parameters:
    ///   - tier: Where to.
    ///   - storedFor: How long ago the contents were put, at least.
    ///   - unreadFor: How long nobody read them, at least.
    ///   - minimumSizeInBytes: The smallest blobs that it is for.
    ///   - tenant: Only this tenant's blobs.
    /// - Returns: The rule.
    public static func move(
      to tier: String,
      storedFor: Duration = .zero,
      unreadFor: Duration = .zero,
      minimumSizeInBytes: Int = 0,
      tenant: TenantID? = nil
    ) -> Self {
      Self(
        tier: tier,
        storedFor: storedFor,
        unreadFor: unreadFor,
        minimumSizeInBytes: minimumSizeInBytes,
        tenant: tenant
      )
    }

    /// A rule that deletes blobs: the retention.
    ///
    /// - Parameters:
    ///   - storedFor: How long ago the contents were put, at least.
    ///   - unreadFor: How long nobody read them, at least.
    ///   - tenant: Only this tenant's blobs.
    /// - Returns: The rule.
    public static func delete(
      storedFor: Duration = .zero,
      unreadFor: Duration = .zero,
      tenant: TenantID? = nil
    ) -> Self {
      Self(tier: nil, storedFor: storedFor, unreadFor: unreadFor, minimumSizeInBytes: 0, tenant: tenant)
    }

    func fits(_ blob: BlobRecord, now: Int64) -> Bool {
      blob.sizeInBytes >= minimumSizeInBytes && (tenant ?? blob.tenant) == blob.tenant
        && Self.age(blob.storedAt, now) >= storedFor && Self.age(blob.readAt, now) >= unreadFor
    }

    /// A wall clock that was set back makes nothing older.
    private static func age(_ since: Int64, _ now: Int64) -> Duration {
      let (difference, overflow) = now.subtractingReportingOverflow(since)
      return .nanoseconds(overflow ? 0 : max(0, difference))
    }
  }

  /// What shall become of a blob.
  public enum Decision: Hashable, Sendable {
    /// It stays.
    case keep
    /// It moves to a tier.
    case move(to: String)
    /// It is deleted.
    case delete
  }

  /// The rules, from hot to cold.
  public var rules: [Rule]

  /// Creates a policy.
  ///
  /// - Parameter rules: The rules, from hot to cold.
  public init(_ rules: [Rule]) { self.rules = rules }

  /// Decides about a blob.
  ///
  /// - Parameters:
  ///   - blob: What is known of it.
  ///   - now: Nanoseconds since 1970.
  ///   - tiers: The tiers' names, the hottest first.
  /// - Returns: What shall become of it.
  public func decision(for blob: BlobRecord, now: Int64, tiers: [String]) -> Decision {
    for rule in rules.reversed() where rule.fits(blob, now: now) {
      guard let target = rule.tier else { return .delete }
      guard let to = tiers.firstIndex(of: target) else { continue }
      let from = tiers.firstIndex(of: blob.tier) ?? 0
      return to > from ? .move(to: target) : .keep
    }
    return .keep
  }
}
