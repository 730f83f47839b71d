// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How the hidden states of a text's tokens become one vector.
public struct EncoderPooling: Hashable, Sendable, CustomStringConvertible {
  /// The name, as it stands in an embedder's revision.
  public let description: String

  private init(_ description: String) { self.description = description }

  /// The mean over all tokens, as MiniLM and E5 have it.
  public static let mean = Self("mean")
  /// The state of the first token, `[CLS]`, as BGE has it.
  public static let cls = Self("cls")
}
