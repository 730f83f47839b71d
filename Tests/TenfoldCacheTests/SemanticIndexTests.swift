// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldTesting
import TenfoldVectors
import Testing

@testable import TenfoldCache

@Suite("The index of stored questions")
struct SemanticIndexTests {
  private let index = SemanticIndex(
    profile: TableEmbedder().profile,
    entriesPerNamespace: 10,
    namespaceLimit: 10,
    maximumBytes: 1 << 20
  )

  private func entry(_ question: String, _ values: [Float]) -> EmbeddedEntry {
    EmbeddedEntry(
      key: makeKey(question),
      question: question,
      embedding: TextEmbedding(values: values, embedder: TableEmbedder().profile)
    )
  }

  @Test(
    "names the question that was near, not one that came in its place during the search",
    arguments: [false, true]
  )
  func replacedDuringSearch(isReplaced: Bool) async throws {
    let namespace = makeKey("").namespace
    #expect(index.add(entry("near", [1, 0])))
    let found = try await index.neighbours(in: namespace) { vectors in
      let matches = try await vectors.search([1, 0], limit: 1)
      if isReplaced {
        index.removeAll(of: namespace.tenant)
        #expect(index.add(entry("far", [0, 1])))
      } else {
        #expect(index.add(entry("other", [0, 1])))
      }
      return matches
    }
    #expect(found.map(\.question) == (isReplaced ? [] : ["near"]))
    let after = try await index.neighbours(of: [0, 1], in: namespace, limit: 1)
    #expect(after.map(\.question) == [isReplaced ? "far" : "other"])
  }
}
