// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

extension SearchIndex {
  /// What became of documents that were added.
  public struct AddReport: Hashable, Sendable {
    /// How many documents are on disk and can be found now.
    public var documentCount = 0
    /// Documents whose vector held NaN or infinity or had no length; they are found by their words only.
    public var withoutVector: [DocumentID] = []

    /// Creates an empty report.
    public init() {}
  }
}
