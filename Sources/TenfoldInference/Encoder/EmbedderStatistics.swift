// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What an embedder has done since it was loaded.
public struct EmbedderStatistics: Hashable, Sendable {
  /// Steps computed.
  public var steps = 0
  /// Texts embedded.
  public var texts = 0
  /// Tokens embedded.
  public var tokens = 0
  /// Texts embedded by their beginning only, as they were longer than the limit; `PassageSplitter` cuts such texts.
  public var truncatedTexts = 0
  /// Calls that were cancelled while they waited or ran.
  public var cancelledCalls = 0
  /// Calls refused because too much waited.
  public var refusedCalls = 0
  /// Tokens waiting now.
  public var waitingTokens = 0

  /// Creates zeros.
  public init() {}
}
