// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
public import TenfoldVectors

/// What every `VectorIndex` must do, as clauses that return violations.
public enum VectorIndexContract {
  /// Runs every clause against fresh indexes.
  ///
  /// - Parameters:
  ///   - tolerance: How far a score may be from the exact cosine: 0.0001 for exact rows, more for quantised ones.
  ///   - makeIndex: Makes an empty index for a profile.
  /// - Returns: The violations; none if the contract is kept.
  public static func violations(
    tolerance: Float = 1e-4,
    of makeIndex: (EmbedderProfile) throws -> any VectorIndex
  ) async -> [ContractViolation] {
    var report = ContractReport()
    let profile = EmbedderProfile(id: "contract", dimension: 3, maxTokens: 16)
    let axes = [
      IdentifiedVector(id: 3, values: [2, 0, 0]), IdentifiedVector(id: 1, values: [0, 0.5, 0]),
      IdentifiedVector(id: 2, values: [3, 3, 0]),
    ]

    await report.scenario("an empty index finds nothing") { report in
      let index = try makeIndex(profile)
      let found = try await index.search([1, 0, 0], limit: 5)
      report.check(found.isEmpty && index.count == 0, "an empty index finds nothing", observed: "\(found)")
      report.check(index.profile == profile, "the index keeps its profile", observed: "\(index.profile)")
    }
    await report.scenario("scores are cosines, best first") { report in
      let index = try makeIndex(profile)
      let inserted = try index.add(axes)
      report.check(inserted.added == 3 && index.count == 3, "what is added counts", observed: "\(inserted)")
      let found = try await index.search([1, 0, 0], limit: 10)
      report.check(
        found.map(\.id) == [3, 2, 1],
        "matches come best first, all of them",
        observed: "\(found)"
      )
      for (match, expected) in zip(found, [1, Float(0.5).squareRoot(), 0]) {
        report.check(abs(match.score - expected) <= tolerance, "scores are cosines", observed: "\(found)")
      }
      let few = try await index.search([1, 0, 0], limit: 1)
      report.check(few.map(\.id) == [3], "there are at most as many matches as asked for", observed: "\(few)")
    }
    await report.scenario("equals come by lower id") { report in
      let index = try makeIndex(profile)
      try index.add([9, 4, 7, 1].map { IdentifiedVector(id: $0, values: [0, 1, 0]) })
      let found = try await index.search([0, 1, 0], limit: 3).map(\.id)
      report.check(found == [1, 4, 7], "equals come by lower id", observed: "\(found)")
    }
    await report.scenario("a batch is like its queries one by one") { report in
      let index = try makeIndex(profile)
      try index.add(axes)
      let queries: [[Float]] = [[1, 0, 0], [0, 1, 0], [1, 2, 3]]
      let together = try await index.search(queries, limit: 2, filter: .all).matches
      for (number, query) in queries.enumerated() {
        let alone = try await index.search(query, limit: 2)
        report.check(
          together.count == queries.count && together[number].map(\.id) == alone.map(\.id),
          "a batch is like its queries one by one",
          observed: "\(together) and \(alone)"
        )
      }
      let none = try await index.search([], limit: 2, filter: .all).matches
      report.check(none.isEmpty, "no queries have no matches", observed: "\(none)")
    }
    await report.scenario("adding a known id replaces, removing forgets, and both move the epoch") { report in
      let index = try makeIndex(profile)
      try index.add(axes)
      var epoch = index.epoch
      let replaced = try index.add([IdentifiedVector(id: 3, values: [0, 0, 1])])
      report.check(
        replaced.replaced == 1 && index.count == 3,
        "adding a known id replaces",
        observed: "\(replaced), \(index.count) vectors"
      )
      report.check(index.epoch > epoch, "replacing moves the epoch", observed: "\(index.epoch)")
      epoch = index.epoch
      let removed = index.remove([1, 99])
      report.check(
        removed == 1 && index.count == 2,
        "removing forgets",
        observed: "\(removed), \(index.count) left"
      )
      report.check(index.epoch > epoch, "removing moves the epoch", observed: "\(index.epoch)")
      let found = try await index.search([0, 1, 1], limit: 5).map(\.id)
      report.check(Set(found) == [2, 3], "what is removed is not found", observed: "\(found)")
    }
    await report.scenario("filters") { report in
      let index = try makeIndex(profile)
      try index.add((0..<100).map { IdentifiedVector(id: $0, values: [1, Float($0), 0]) })
      for (name, filter) in [
        ("only", VectorFilter.only([5, 50, 1000])), ("matching", .matching { $0 == 5 || $0 == 50 }),
      ] {
        let found = try await index.search([0, 1, 0], limit: 10, filter: filter).map(\.id)
        report.check(found == [50, 5], "filter \(name) admits just its ids", observed: "\(found)")
      }
      let none = try await index.search([0, 1, 0], limit: 10, filter: .only([]))
      report.check(none.isEmpty, "an empty filter finds nothing", observed: "\(none)")
    }
    await checkBadInput(&report, profile, makeIndex)
    return report.violations
  }

  private static func checkBadInput(
    _ report: inout ContractReport,
    _ profile: EmbedderProfile,
    _ makeIndex: (EmbedderProfile) throws -> any VectorIndex
  ) async {
    await report.scenario("unusable vectors are rejected and reported") { report in
      let index = try makeIndex(profile)
      let inserted = try index.add([
        IdentifiedVector(id: 1, values: [.nan, 0, 0]), IdentifiedVector(id: 2, values: [0, .infinity, 0]),
        IdentifiedVector(id: 3, values: [0, 0, 0]), IdentifiedVector(id: 4, values: [1e-30, 0, 0]),
        IdentifiedVector(id: 5, values: [1e38, 1e38, 0]),
      ])
      report.check(
        inserted.rejected == [1, 2, 3] && inserted.added == 2 && index.count == 2,
        "unusable vectors are rejected and reported, very long and short ones are not",
        observed: "\(inserted)"
      )
      let found = try await index.search([1, 1, 1], limit: 5)
      report.check(
        found.count == 2 && found.allSatisfy { $0.score.isFinite },
        "no score is NaN",
        observed: "\(found)"
      )
    }
    let bad: [(name: String, code: VectorIndexError.Code, query: [Float], limit: Int)] = [
      ("a NaN in a query", .invalidVector, [.nan, 0, 0], 1),
      ("a query of no length", .invalidVector, [0, 0, 0], 1),
      ("a query of another dimension", .dimensionMismatch, [1, 0], 1),
      ("a limit of 0", .invalidOption, [1, 0, 0], 0),
      ("a limit below 0", .invalidOption, [1, 0, 0], -1),
    ]
    for (name, code, query, limit) in bad {
      await report.scenario("\(name) is refused") { report in
        let index = try makeIndex(profile)
        try index.add([IdentifiedVector(id: 1, values: [1, 0, 0])])
        do {
          let found = try await index.search(query, limit: limit)
          report.check(false, "\(name) is refused", observed: "found \(found)")
        } catch let error as VectorIndexError {
          report.check(error.code == code, "\(name) is refused with \(code)", observed: "\(error)")
        }
      }
    }
    await report.scenario("a vector of another dimension adds nothing") { report in
      let index = try makeIndex(profile)
      do {
        try index.add([IdentifiedVector(id: 1, values: [1, 0, 0]), IdentifiedVector(id: 2, values: [1, 0])])
        report.check(false, "a vector of another dimension is refused", observed: "it was added")
      } catch let error as VectorIndexError {
        report.check(
          error.code == .dimensionMismatch && index.count == 0,
          "a vector of another dimension adds nothing",
          observed: "\(error), \(index.count) vectors"
        )
      }
    }
  }
}
