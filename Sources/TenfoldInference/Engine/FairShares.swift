// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// How much of the engine each tenant has had; pure state.
///
/// The method is the virtual token counter of Y. Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024):
/// a tenant's counter grows by the work done for it, divided by its weight, and who has the least is served next. As long
/// as two tenants have requests waiting, their counters stay within what one engine full of requests can take. Who comes
/// back after a pause starts no lower than the least of those present, so that idleness is not saved up.
struct FairShares: Sendable {
  /// The work of computing a prompt token, or of checking a guess.
  static let promptWork = 1.0
  /// The work of generating a token, which shares its pass with fewer others.
  static let tokenWork = 2.0
  /// Tenants that are remembered while they have no requests.
  private static let remembered = 1_024

  private struct Account {
    var used: Double
    var requests = 0
  }

  private let weights: [TenantID: Double]
  private var accounts: [TenantID: Account] = [:]
  /// How many of them have requests.
  private var present = 0
  /// What the tenant that left last had used: the level of an engine with nothing to do.
  private var level = 0.0

  /// - Parameter weights: Positive weights of tenants; others have 1.
  init(weights: [TenantID: Double] = [:]) { self.weights = weights }

  /// Notes that a sequence of the tenant has come.
  mutating func enter(_ tenant: TenantID) {
    var account = accounts[tenant] ?? Account(used: 0)
    if account.requests == 0 { account.used = max(account.used, least ?? level) }
    if account.requests == 0 { present += 1 }
    account.requests += 1
    accounts[tenant] = account
  }

  /// Notes that a sequence of the tenant has gone.
  mutating func leave(_ tenant: TenantID) {
    guard var account = accounts[tenant], account.requests > 0 else { return }
    account.requests -= 1
    accounts[tenant] = account
    guard account.requests == 0 else { return }
    present -= 1
    level = account.used
    // Half of them go at once, so that each is looked at once or twice only.
    if accounts.count - present > Self.remembered { forget() }
  }

  /// Charges work.
  mutating func charge(_ tenant: TenantID, _ work: Double) {
    accounts[tenant]?.used += work / (weights[tenant] ?? 1)
  }

  /// The work done for a tenant so far, divided by its weight.
  func used(by tenant: TenantID) -> Double { accounts[tenant]?.used ?? 0 }

  /// How many tenants are known.
  var count: Int { accounts.count }

  /// The least that a tenant with requests has used.
  private var least: Double? {
    accounts.values.lazy.filter { $0.requests > 0 }.map(\.used).min()
  }

  /// Forgets the absent tenants that have used least, so that what is remembered stays bounded.
  private mutating func forget() {
    let floor = least ?? level
    accounts = accounts.filter { $0.value.requests > 0 || $0.value.used > floor }
    let absent = accounts.filter { $0.value.requests == 0 }.sorted { $0.value.used < $1.value.used }
    for (tenant, _) in absent.dropLast(Self.remembered / 2) { accounts[tenant] = nil }
  }
}
