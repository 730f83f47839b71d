// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

extension ModelError: RequestFault {
  /// Whether a replica of the model would fail alike: a prompt too long, an option out of range, or something that the
  /// model can't do.
  public var isRequestsFault: Bool { [.promptTooLong, .invalidOption, .unsupported].contains(code) }
}
