// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Whether a model's next tokens are guessed and several guesses checked in one pass.
///
/// A pass over several rows costs little more than one over a single row, because the weights are read once. So where
/// an answer repeats its prompt or itself (summaries, edits, extraction, code), or where a much smaller model knows what
/// comes, checking guesses is faster than making token after token. Answers are the same bit for bit with and without
/// it, at any temperature: each token is chosen from the logits it would have had alone, and a guess only decides
/// whether those logits are there already.
///
/// ```swift
/// let options = LocalLanguageModel.Options(speculation: .promptLookup(maximumDraftTokens: 12))
/// ```
public struct DecoderSpeculation: Hashable, Sendable, CustomStringConvertible {
  /// The most tokens guessed at once for one sequence; 0 guesses nothing.
  public let maximumDraftTokens: Int
  /// Whether guesses are taken from where the latest tokens stood before.
  public let usesPromptLookup: Bool
  /// The model that guesses where nothing can be looked up; `nil` for none.
  public let draftModel: DraftModel?

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

  /// Guesses what a smaller model of the same vocabulary says, where nothing can be looked up.
  ///
  /// The draft model runs on the engine's threads, between the model's passes. It guesses only while that is measured to
  /// pay: while its passes are cheap beside the model's, its guesses come true, and few sequences share a pass; where it
  /// doesn't, 1 % of the time is spent on finding out whether that has changed. The smaller the draft beside the model, the
  /// sooner it pays: with Qwen2.5 Coder 0.5B for 1.5B on two threads with AVX2 no gain beyond the noise was measured. The
  /// method is speculative decoding (Leviathan et al., 2023) with the draft's likeliest token, which keeps every answer as
  /// it would be.
  ///
  /// Keys and values of the draft model have pages of their own, as many as the model's, and take memory as they are used,
  /// beside ``LocalLanguageModel/Options/keyValueCacheBytes``. Prompts that begin alike share them too.
  ///
  /// - Parameters:
  ///   - draft: The smaller model; a model with another vocabulary refuses to load with it.
  ///   - maximumDraftTokens: The most tokens guessed at once, in 0...31; a model refuses others.
  ///   - promptLookup: Whether guesses are looked up first, which costs nothing.
  /// - Returns: The setting.
  public static func draftModel(
    _ draft: DraftModel,
    maximumDraftTokens: Int = 8,
    promptLookup: Bool = true
  ) -> Self {
    Self(maximumDraftTokens: maximumDraftTokens, usesPromptLookup: promptLookup, draftModel: draft)
  }

  private init(maximumDraftTokens: Int, usesPromptLookup: Bool = true, draftModel: DraftModel? = nil) {
    self.maximumDraftTokens = maximumDraftTokens
    self.usesPromptLookup = usesPromptLookup && maximumDraftTokens != 0
    self.draftModel = draftModel
  }

  /// The setting in words.
  public var description: String {
    guard maximumDraftTokens != 0 else { return "off" }
    var ways: [String] = []
    if usesPromptLookup { ways.append("prompt lookup") }
    if let draftModel { ways.append("the draft model \(draftModel.name)") }
    return ways.joined(separator: " and ") + " of up to \(maximumDraftTokens) tokens"
  }
}
