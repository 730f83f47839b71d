// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What one pass through the model computes: rows of several sequences, each with its own pages.
struct DecoderStep: Sendable {
  /// Consecutive positions of one sequence.
  struct Span: Sendable {
    /// Its rows in the step.
    var rows: Range<Int>
    /// The position of its first row.
    var firstPosition: Int
    /// The pages of the sequence, first to last.
    var pages: [UInt32]
  }

  /// The token of each row.
  var tokens: [Int32] = []
  var spans: [Span] = []
  /// Rows whose logits are wanted, ascending.
  var logitRows: [Int] = []

  /// Adds rows of a sequence.
  ///
  /// - Parameters:
  ///   - new: The tokens.
  ///   - position: The position of the first.
  ///   - pages: The sequence's pages.
  ///   - logits: How many of the last rows' logits are wanted.
  mutating func add(_ new: some Collection<Int32>, at position: Int, pages: [UInt32], logits: Int) {
    let start = tokens.count
    tokens += new
    spans.append(Span(rows: start..<tokens.count, firstPosition: position, pages: pages))
    logitRows += tokens.count - logits..<tokens.count
  }
}
