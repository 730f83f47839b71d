// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@Suite("TenantID")
struct TenantIDTests {
  @Test("tenants are told apart by bytes, as databases do")
  func bytes() {
    let (composed, decomposed) = (TenantID("caf\u{e9}"), TenantID("cafe\u{301}"))
    #expect(composed.rawValue == decomposed.rawValue && composed != decomposed)
    #expect(composed == TenantID("caf\u{e9}") && Set([composed, decomposed, composed]).count == 2)
    // Of the same length.
    #expect(TenantID("\u{212B}") != TenantID("A\u{30A}"))
  }
}
