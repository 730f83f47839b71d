// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Whether a model guesses what it will say next and checks several guesses in one pass.
///
/// A pass over several rows costs little more than one over a single row, because the weights are read once. So where
/// an answer repeats its prompt or itself (summaries, edits, extraction, code), checking guesses is faster than making
/// token after token. Answers are the same bit for bit with and without it, at any temperature: each token is chosen
/// from the logits it would have had alone, and a guess only decides whether those logits are there already.
///
/// ```swift
/// let options = LocalLanguageModel.Options(speculation: .promptLookup(maximumDraftTokens: 12))
/// ```
public struct DecoderSpeculation: Hashable, Sendable, CustomStringConvertible {
  /// The most tokens guessed at once for one sequence; 0 guesses nothing.
  public let maximumDraftTokens: Int

  /// Guesses nothing.
  public static let off = Self(maximumDraftTokens: 0)
  /// Guesses up to 8 tokens from earlier ones.
  public static let promptLookup = Self(maximumDraftTokens: 8)

  /// Guesses that what followed the latest tokens earlier, in the prompt or the answer, follows again.
  ///
  /// Guessing turns itself down, sequence by sequence, where guesses don't come true, and as passes fill up with other
  /// sequences. The method is prompt lookup decoding (A. Saxena, 2023) with the longest match of up to 16 tokens;
  /// guessing costs constant time per token and about 20 bytes for each token of the sequence.
  ///
  /// - Parameter maximumDraftTokens: The most tokens guessed at once, in 0...31; a model refuses others.
  /// - Returns: The setting.
  public static func promptLookup(maximumDraftTokens: Int) -> Self {
    Self(maximumDraftTokens: maximumDraftTokens)
  }

  private init(maximumDraftTokens: Int) { self.maximumDraftTokens = maximumDraftTokens }

  /// The setting in words.
  public var description: String {
    maximumDraftTokens == 0 ? "off" : "prompt lookup of up to \(maximumDraftTokens) tokens"
  }
}
