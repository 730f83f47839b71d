// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("The line of waiting sequences")
struct WaitingLineTests {
  @Test("is in order however sequences come and go", arguments: 0..<30)
  func property(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    var line = WaitingLine()
    var shares = FairShares()
    let tenants: [TenantID] = ["a", "b", "c"]
    for tenant in tenants {
      shares.enter(tenant)
      shares.charge(tenant, Double(Int.random(in: 0...2, using: &random)))
    }
    let start = ContinuousClock.now
    var waiting: [Int: ScheduledSequence] = [:]
    func id() -> Int { Int.random(in: -40...40, using: &random) }
    for step in 0..<400 {
      let id = id()
      if let sequence = waiting.removeValue(forKey: id) {
        #expect(line.remove(id)?.order == sequence.order, "seed \(seed), step \(step)")
        #expect(line.remove(id) == nil, "seed \(seed), step \(step)")
      } else {
        var sequence = ScheduledSequence(
          id: id,
          priority: Int.random(in: 0...2, using: &random),
          order: UInt64.random(in: 0...20, using: &random),
          due: Bool.random(using: &random) ? start + .seconds(Int.random(in: 0...3, using: &random)) : nil,
          group: nil,
          tokens: [1],
          tenant: tenants.randomElement(using: &random) ?? "a",
          scope: BlockAllocator.Scope(tenant: "a"),
          sharesPrefix: false,
          promptCount: 1,
          replaceable: 0
        )
        sequence.charged = Int.random(in: 0...5, using: &random) == 0 ? 1 : 0
        waiting[id] = sequence
        line.insert(sequence)
      }
      #expect(line.count == waiting.count && line.isEmpty == waiting.isEmpty)
      #expect(line.highestPriority == waiting.values.map(\.priority).max())
      let first = line.first(by: shares)
      #expect((first == nil) == waiting.isEmpty, "seed \(seed), step \(step)")
      guard let first else { continue }
      for other in waiting.values {
        #expect(!other.isBefore(first, by: shares), "seed \(seed), step \(step)")
      }
    }
  }
}
