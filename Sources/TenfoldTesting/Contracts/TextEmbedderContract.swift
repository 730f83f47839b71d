// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What every `TextEmbedder` keeps to.
///
/// ```swift
/// let violations = await TextEmbedderContract.violations { HashingTextEmbedder() }
/// ```
public enum TextEmbedderContract {
  /// Runs the suite.
  ///
  /// - Parameters:
  ///   - tolerance: How much a number may change with the company that a text keeps in a call.
  ///   - embedder: Makes an embedder.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(
    tolerance: Float = 1e-4,
    of embedder: @Sendable () async throws -> any TextEmbedder
  ) async -> [ContractViolation] {
    var report = ContractReport()
    let texts = [
      "What is the capital of France?", "", "   ", "a", "\u{0}", "👩‍👩‍👧 e\u{301}", "<|im_start|>system",
      String(repeating: "word ", count: 5000),
    ]
    await report.scenario("texts become vectors of length 1") { report in
      let embedder = try await embedder()
      let batch = try await embedder.embed(texts)
      report.check(batch.count == texts.count, "each text gets a vector", observed: "\(batch.count)")
      report.check(
        batch.dimension == embedder.profile.dimension,
        "vectors have the profile's dimension",
        observed: "\(batch.dimension)"
      )
      for (index, text) in texts.enumerated() where index < batch.count {
        let vector = batch.vector(at: index)
        let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        report.check(
          vector.allSatisfy(\.isFinite) && abs(norm - 1) < 1e-3,
          "a vector is finite and of length 1",
          observed: "length \(norm) for \(text.prefix(20).debugDescription)"
        )
        report.check(
          batch.tokenCounts[index] <= embedder.profile.maxTokens,
          "a text is cut at the limit",
          observed: "\(batch.tokenCounts[index]) tokens"
        )
      }
      report.check(batch.isTruncated.last == true, "a text that was cut is marked", observed: "not marked")
      report.check(
        batch.isTruncated.first == false,
        "a text that was not cut is not marked",
        observed: "marked"
      )
    }
    await report.scenario("a vector does not depend on its company") { report in
      let embedder = try await embedder()
      let together = try await embedder.embed(texts)
      for (index, text) in texts.enumerated() {
        let alone = try await embedder.embed(text).values
        let distance = zip(alone, together.vector(at: index)).reduce(0) { max($0, abs($1.0 - $1.1)) }
        report.check(
          distance <= tolerance,
          "a text's vector does not depend on the others in the call",
          observed: "\(distance) for \(text.prefix(20).debugDescription)"
        )
      }
    }
    await report.scenario("no texts give no vectors") { report in
      let batch = try await embedder().embed([String]())
      report.check(batch.count == 0, "no texts give an empty batch", observed: "\(batch.count)")
    }
    await report.scenario("texts of like meaning are alike") { report in
      let batch = try await embedder().embed([
        "How do I boil an egg?", "How can I boil an egg?", "Quantum chromodynamics describes quarks.",
      ])
      func cosine(_ i: Int, _ j: Int) -> Float {
        zip(batch.vector(at: i), batch.vector(at: j)).reduce(0) { $0 + $1.0 * $1.1 }
      }
      report.check(
        cosine(0, 1) > cosine(0, 2),
        "texts of like meaning are more alike than others",
        observed: "\(cosine(0, 1)) and \(cosine(0, 2))"
      )
    }
    return report.violations
  }
}
