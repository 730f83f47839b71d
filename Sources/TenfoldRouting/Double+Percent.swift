// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension Double {
  /// This share in whole percent for a message, brought into 0...100; 0 where it is not a number.
  var wholePercent: Int { isNaN ? 0 : Int((Swift.min(Swift.max(self, 0), 1) * 100).rounded()) }
}
