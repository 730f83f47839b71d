// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension Completion {
  /// Whether it is an answer at all that a judge could be sure of: with text, and not cut where another model might go on.
  ///
  /// A deadline or a full context cut it short of what was asked for. The request's own limit of tokens doesn't: another
  /// model's answer would end there too.
  var isJudgeable: Bool {
    text.contains { !$0.isWhitespace } && summary.reason != .deadline && summary.reason != .contextFull
  }
}
