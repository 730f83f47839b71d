// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@testable import TenfoldInference

/// Requests that come at once and in any order, each twice, of which some readers leave after the first piece.
///
/// What a model answers to each alone, a crowd that guesses must answer, too.
struct RandomArrivals {
  /// The seeds that are run; `TENFOLD_ARRIVALS` asks for another number, where each takes long.
  static let seeds: Range<UInt64> = {
    let wanted = ProcessInfo.processInfo.environment["TENFOLD_ARRIVALS"].flatMap { UInt64($0) }
    return 0..<(wanted ?? 10)
  }()

  let seed: UInt64
  let prompts: [String]
  let options: [GenerationOptions]
  /// The arrivals whose readers leave.
  private let leaving: Set<Int>

  init(seed: UInt64, using random: inout SamplerRandom) throws {
    self.seed = seed
    prompts = (0..<10).map { number in
      SpeculationTests.text.prefix(Int.random(in: 2...150, using: &random)) + "question \(number % 7)"
    }
    options = try prompts.indices.map { number in
      let maxTokens = Int.random(in: 1...60, using: &random)
      return try GenerationOptions(
        maxTokens: maxTokens,
        temperature: number % 3 == 0 ? 0.7 : 0,
        repetitionPenalty: number % 2 == 0 ? 0.3 : 1,
        frequencyPenalty: number % 4 == 1 ? 0.3 : 0,
        presencePenalty: number % 5 == 1 ? -0.5 : 0,
        logitBias: number % 4 == 3 ? [32: 3, 101: -100] : [:],
        minTokens: number % 3 == 1 ? maxTokens / 2 : 0,
        seed: UInt64(number)
      )
    }
    leaving = Set((0..<20).filter { _ in Int.random(in: 0..<5, using: &random) == 0 })
  }

  /// The tokens of each answer, asked for one after the other.
  func answers(of model: LocalLanguageModel) async throws -> [[Int32]] {
    var answers: [[Int32]] = []
    for (prompt, options) in zip(prompts, options) {
      answers.append(try await model.run(prompt, options).ids)
    }
    return answers
  }

  /// Asks for all at once, and expects the given tokens where the reader stays.
  func ask(_ crowd: LocalLanguageModel, expecting answers: [[Int32]]) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for position in 0..<20 {
        let number = position % 10
        group.addTask {
          guard leaving.contains(position) else {
            let ids = try await crowd.run(prompts[number], options[number]).ids
            #expect(ids == answers[number], "seed \(seed), prompt \(number)")
            return
          }
          for try await _ in try crowd.start(.raw(prompts[number], options[number]), onToken: nil) { break }
        }
      }
      try await group.waitForAll()
    }
  }
}
