// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Where retrievers get documents from, once an index has found their numbers.
public protocol DocumentSource: Sendable {
  /// The numbers of documents.
  ///
  /// - Parameter ids: The documents; unknown ones are left out.
  /// - Returns: Their numbers.
  /// - Throws: The source's own error when it can't be read.
  func numbers(of ids: Set<DocumentID>) async throws -> Set<UInt64>

  /// Documents by number.
  ///
  /// - Parameter numbers: The numbers; unknown ones are left out.
  /// - Returns: The documents.
  /// - Throws: The source's own error when it can't be read.
  func documents(_ numbers: [UInt64]) async throws -> [UInt64: IndexedDocument]
}
