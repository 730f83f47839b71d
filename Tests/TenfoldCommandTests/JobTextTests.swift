// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldCommand

@Suite("JobText")
struct JobTextTests {
  @Test(
    "any fraction can be shown",
    arguments: [
      (0.567, "56 %"), (1e300, "100 %"), (.infinity, "100 %"), (-.infinity, "0 %"), (-3, "0 %"), (.nan, "?"),
    ] as [(Double, String)]
  )
  func fractions(fraction: Double, text: String) {
    #expect(JobText.percent(fraction) == text)
  }
}
