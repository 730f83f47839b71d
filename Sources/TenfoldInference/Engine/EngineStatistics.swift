// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a ``LocalLanguageModel`` is doing and has done.
///
/// ```swift
/// let now = model.statistics
/// print(now.running, now.waiting, now.generatedTokens)
/// ```
public struct EngineStatistics: Hashable, Sendable {
  /// Requests being computed.
  public var running = 0
  /// Requests that wait for their turn.
  public var waiting = 0
  /// Key-value pages of 32 tokens held by running requests.
  public var usedPages = 0
  /// Pages that no request holds, kept for prompts that begin as an earlier one did.
  public var keptPages = 0
  /// All key-value pages.
  public var totalPages = 0
  /// Passes through the model so far.
  public var steps = 0
  /// Prompt tokens of the requests whose first token was made.
  public var promptTokens = 0
  /// The share of them that was not computed, because an earlier prompt had left its pages.
  public var cachedPromptTokens = 0
  /// Rows computed so far: prompt tokens that were not cached, generated ones, and guesses.
  public var computedRows = 0
  /// Tokens generated so far.
  public var generatedTokens = 0
  /// Tokens guessed so far, and checked in the same pass as the token before them.
  public var draftedTokens = 0
  /// The share of them that was what the model would have said anyway.
  public var acceptedTokens = 0
  /// The share of ``draftedTokens`` that a draft model guessed.
  public var modelDraftedTokens = 0
  /// The share of ``acceptedTokens`` that a draft model guessed.
  public var modelAcceptedTokens = 0
  /// Passes through the draft model so far.
  public var draftPasses = 0
  /// Key-value pages of the draft model held by running requests.
  public var usedDraftPages = 0
  /// How often a request had to give up its pages and be computed again.
  public var preemptions = 0

  /// Creates empty statistics.
  public init() {}
}
