// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@Suite("Cache policy")
struct CachePolicyTests {
  @Test(
    "survives being written down",
    arguments: [CachePolicy.standard, .bypass, .refresh, .init(allowsStale: true)]
  )
  func roundTrip(policy: CachePolicy) throws {
    let data = try JSONEncoder().encode(policy)
    #expect(try JSONDecoder().decode(CachePolicy.self, from: data) == policy)
  }

  @Test("one that was written down before prefixes could be refused allows them")
  func earlier() throws {
    let text = #"{"allowsExactHit":false,"allowsSemanticHit":true,"allowsStale":true,"allowsStore":false}"#
    let policy = try JSONDecoder().decode(CachePolicy.self, from: Data(text.utf8))
    #expect(policy == CachePolicy(allowsExactHit: false, allowsStale: true, allowsStore: false))
    #expect(policy.allowsPrefixReuse)
  }
}
