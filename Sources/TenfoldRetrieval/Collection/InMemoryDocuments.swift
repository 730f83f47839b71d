// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// Documents in memory, numbered from 1 as they come.
///
/// ```swift
/// let documents = InMemoryDocuments()
/// let numbers = documents.add([IndexedDocument(id: "a", text: "Aspirin lowers fever.")])
/// ```
public final class InMemoryDocuments: DocumentSource {
  private struct State {
    var numbers: [DocumentID: UInt64] = [:]
    var documents: [UInt64: IndexedDocument] = [:]
    var next: UInt64 = 1
  }

  private let state = Mutex(State())

  /// Creates an empty collection.
  public init() {}

  /// Adds documents; one whose id is there keeps its number.
  ///
  /// - Parameter documents: The documents.
  /// - Returns: Their numbers, in order.
  @discardableResult
  public func add(_ documents: [IndexedDocument]) -> [UInt64] {
    state.withLock { state in
      documents.map { document in
        let number = state.numbers[document.id] ?? state.next
        if number == state.next { state.next += 1 }
        state.numbers[document.id] = number
        state.documents[number] = document
        return number
      }
    }
  }

  /// The numbers of documents.
  ///
  /// - Parameter ids: The documents; unknown ones are left out.
  /// - Returns: Their numbers.
  /// - Throws: Never.
  public func numbers(of ids: Set<DocumentID>) async throws -> Set<UInt64> {
    state.withLock { state in Set(ids.compactMap { state.numbers[$0] }) }
  }

  /// Documents by number.
  ///
  /// - Parameter numbers: The numbers; unknown ones are left out.
  /// - Returns: The documents.
  /// - Throws: Never.
  public func documents(_ numbers: [UInt64]) async throws -> [UInt64: IndexedDocument] {
    state.withLock { state in
      var found: [UInt64: IndexedDocument] = [:]
      for number in numbers { found[number] = state.documents[number] }
      return found
    }
  }
}
