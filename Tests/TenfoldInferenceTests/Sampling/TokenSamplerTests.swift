// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import Foundation
import TenfoldCore
import TenfoldKernels
import Testing

@testable import TenfoldInference

@Suite("Choosing a token")
struct TokenSamplerTests {
  private func choose(_ sampler: inout TokenSampler, _ logits: [Float]) throws -> TokenSampler.Choice {
    var logits = logits
    var weights = [Float](repeating: 0, count: logits.count)
    let choice = try unsafe logits.withUnsafeMutableBufferPointer { logits in
      try unsafe weights.withUnsafeMutableBufferPointer { weights in
        try unsafe sampler.next(
          logits,
          weights: weights,
          kernels: tenfold_elementwise_named(InstructionSet.current.name)
        )
      }
    }
    sampler.take(choice.token)
    return choice
  }

  private func sampler(
    _ options: GenerationOptions,
    endTokens: Set<Int32> = [],
    prompt: [Int32] = []
  ) -> TokenSampler {
    TokenSampler(options: options, seed: 1, endTokens: endTokens, prompt: prompt)
  }

  /// How often each token is drawn in 4,000 tries.
  private func counts(_ options: GenerationOptions, _ logits: [Float]) throws -> [Int] {
    var sampler = sampler(options)
    var counts = [Int](repeating: 0, count: logits.count)
    for _ in 0..<4_000 { counts[Int(try choose(&sampler, logits).token)] += 1 }
    return counts
  }

  @Test(
    "takes the largest logit, the lower id of equals, at temperature 0",
    arguments: [1, 15, 16, 33, 1_100, 5_000]
  )
  func greedy(count: Int) throws {
    var logits = (0..<count).map { Float(sin(Double($0))) }
    logits[count / 2] = 7
    logits[count - 1] = 7
    var sampler = sampler(.standard)
    let choice = try choose(&sampler, logits)
    #expect(choice.token == Int32(count / 2))
    let total = logits.reduce(0.0) { $0 + exp(Double($1)) }
    #expect(abs(choice.logProbability - log(exp(7) / total)) < 1e-5)
  }

  @Test("refuses logits that are not numbers", arguments: [Float.nan, .infinity, -.infinity])
  func notNumbers(value: Float) throws {
    var sampler = sampler(.standard)
    #expect(throws: ModelError.self) { try choose(&sampler, Array(repeating: value, count: 40)) }
    if !(value < 0) { #expect(throws: ModelError.self) { try choose(&sampler, [0, value, 1]) } }
  }

  @Test("refuses logits that the options make infinite")
  func madeInfinite() throws {
    for options in [
      try GenerationOptions(temperature: 1, topP: 0.9, repetitionPenalty: 0.01),
      try GenerationOptions(temperature: 1, topK: 1, repetitionPenalty: 0.01),
      try GenerationOptions(repetitionPenalty: 0.01),
    ] {
      var sampler = sampler(options, prompt: [0])
      let error = #expect(throws: ModelError.self) { try choose(&sampler, [1e37, 0]) }
      #expect(error?.code == .invalidTensor)
    }
  }

  @Test("draws in proportion at temperature 1")
  func proportional() throws {
    let counts = try counts(GenerationOptions(temperature: 1, seed: 3), [log(1), log(2), log(5)])
    #expect(abs(counts[0] - 500) < 100 && abs(counts[1] - 1_000) < 120 && abs(counts[2] - 2_500) < 150)
  }

  @Test("sharpens below temperature 1 and flattens above")
  func temperature() throws {
    let logits: [Float] = [0, 1]
    let cold = try counts(GenerationOptions(temperature: 0.25, seed: 3), logits)
    let hot = try counts(GenerationOptions(temperature: 4, seed: 3), logits)
    #expect(cold[0] < 150 && hot[0] > 1_500)
    let frozen = try counts(GenerationOptions(temperature: 1e-30, seed: 3), logits)
    #expect(frozen == [0, 4_000])
  }

  @Test("draws from the top k only", arguments: [1, 2, 3])
  func topK(k: Int) throws {
    let counts = try counts(GenerationOptions(temperature: 1, topK: k, seed: 5), [0, 3, 1, 2, -1])
    #expect(counts.filter { $0 > 0 }.count == k)
    #expect(counts[1] > 0)
  }

  @Test("draws from the smallest nucleus that holds p")
  func topP() throws {
    let logits: [Float] = [log(0.5), log(0.3), log(0.15), log(0.05)]
    #expect(
      try counts(GenerationOptions(temperature: 1, topP: 0.45, seed: 5), logits)[1...].allSatisfy { $0 == 0 }
    )
    let two = try counts(GenerationOptions(temperature: 1, topP: 0.7, seed: 5), logits)
    #expect(two[1] > 0 && two[2] == 0 && two[3] == 0)
    let three = try counts(GenerationOptions(temperature: 1, topP: 0.9, seed: 5), logits)
    #expect(three[2] > 0 && three[3] == 0)
  }

  @Test("leaves out what is less likely than min-p of the likeliest")
  func minP() throws {
    let logits: [Float] = [log(0.5), log(0.3), log(0.15), log(0.05)]
    let counts = try counts(GenerationOptions(temperature: 1, minP: 0.2, seed: 5), logits)
    #expect(counts[2] > 0 && counts[3] == 0)
  }

  @Test("penalises what was seen, in the prompt and in the answer")
  func penalty() throws {
    var sampler = sampler(try GenerationOptions(repetitionPenalty: 2), prompt: [1])
    let logits: [Float] = [3, 4, 2.5, -1]
    let first = try choose(&sampler, logits)
    #expect(first.token == 0)
    // The model's own log probability, whatever the penalty.
    let total = logits.reduce(0.0) { $0 + exp(Double($1)) }
    #expect(abs(first.logProbability - log(exp(3.0) / total)) < 1e-5)
    #expect(try choose(&sampler, logits).token == 2)
    // All of 0, 1, 2 are seen now: 1.5, 2, 1.25.
    #expect(try choose(&sampler, logits).token == 1)
  }

  @Test("penalises what the answer has, by count and by presence, and not what the prompt has")
  func answerPenalties() throws {
    let logits: [Float] = [3, 2.5, 1, 4]
    var counted = sampler(try GenerationOptions(frequencyPenalty: 0.8), prompt: [3, 3, 3])
    // 4, 3.2, 2.4 of the last one; 3, 2.2 of the first.
    #expect(try (0..<5).map { _ in try choose(&counted, logits).token } == [3, 3, 0, 1, 3])
    var present = sampler(try GenerationOptions(presencePenalty: 1.4), prompt: [3])
    #expect(try (0..<5).map { _ in try choose(&present, logits).token } == [3, 0, 3, 3, 3])
    var wanted = sampler(try GenerationOptions(presencePenalty: -2))
    var changing = logits
    #expect(try choose(&wanted, changing).token == 3)
    changing[0] = 5.9
    #expect(try choose(&wanted, changing).token == 3)
    changing[0] = 6.1
    let last = try choose(&wanted, changing)
    let total = changing.reduce(0.0) { $0 + exp(Double($1)) }
    #expect(last.token == 0 && abs(last.logProbability - log(exp(6.1) / total)) < 1e-5)
  }

  @Test("chooses as worked out from the definitions, with the model's own probabilities", arguments: 0..<60)
  func adjusted(seed: UInt64) throws {
    var random = SamplerRandom(seed: seed)
    func number(_ low: Float, _ high: Float) -> Float { low + Float(random.unit()) * (high - low) }
    let count = Int.random(in: 4...50, using: &random)
    func token() -> Int32 { Int32.random(in: 0..<Int32(count), using: &random) }
    let prompt = (0..<5).map { _ in token() }
    let ends = Set((0..<2).map { _ in token() })
    var bias: [Int32: Float] = [:]
    for _ in 0..<4 { bias[token()] = number(-5, 5) }
    // Beyond the vocabulary it is nothing.
    bias[Int32(count) + 7] = 90
    let options = try GenerationOptions(
      repetitionPenalty: seed % 2 == 0 ? 1 : number(0.5, 2),
      frequencyPenalty: number(-1, 2),
      presencePenalty: number(-2, 2),
      logitBias: seed % 3 == 0 ? [:] : bias,
      minTokens: 8,
      logProbabilities: 2
    )
    var sampler = sampler(options, endTokens: ends, prompt: prompt)
    var answer: [Int32] = []
    for place in 0..<16 {
      let logits = (0..<count).map { _ in number(-6, 6) }
      var expected = logits
      for index in logits.indices {
        let token = Int32(index)
        if prompt.contains(token) || answer.contains(token) {
          expected[index] =
            logits[index] * (logits[index] > 0 ? 1 / options.repetitionPenalty : options.repetitionPenalty)
        }
        expected[index] += options.logitBias[token] ?? 0
        let said = answer.count { $0 == token }
        expected[index] -= Float(said) * options.frequencyPenalty + (said > 0 ? options.presencePenalty : 0)
        if place < 8, ends.contains(token) { expected[index] = -.infinity }
      }
      let choice = try choose(&sampler, logits)
      answer.append(choice.token)
      let best = try #require(expected.max())
      // Rounding may exchange what is nearly equal.
      #expect(expected[Int(choice.token)] >= best - 1e-4, "seed \(seed), place \(place)")
      let total = logits.reduce(0.0) { $0 + exp(Double($1)) }
      let own = log(exp(Double(logits[Int(choice.token)])) / total)
      #expect(abs(choice.logProbability - own) < 1e-4, "seed \(seed), place \(place)")
      let likeliest = try #require(choice.place?.likeliest.first)
      #expect(Int(likeliest.token) == logits.indices.max { logits[$0] < logits[$1] }, "seed \(seed)")
    }
  }

  @Test("never says a token with a bias of -100, and none but those with 100, at any temperature")
  func absoluteBias() throws {
    let logits: [Float] = [9, 1, 2, 3, -40, -40]
    for temperature in [Float(0.5), 1, 100] {
      let banned = try counts(
        GenerationOptions(temperature: temperature, logitBias: [0: -100, 3: -100], seed: 3),
        logits
      )
      #expect(banned[0] == 0 && banned[3] == 0 && banned[2] > 0, "\(temperature)")
      let forced = try counts(
        GenerationOptions(
          temperature: temperature,
          frequencyPenalty: 2,
          logitBias: [4: 100, 5: 100],
          seed: 3
        ),
        logits
      )
      #expect(forced[4] + forced[5] == 4_000 && forced[4] > 0 && forced[5] > 0, "\(temperature)")
    }
    // In between it is only added.
    let added = try counts(GenerationOptions(temperature: 1, logitBias: [1: 8], seed: 3), logits)
    #expect(added[0] > 1_500 && added[1] > 1_500)
  }

  @Test("says no end before the answer is long enough", arguments: [Float(0), 1])
  func minTokens(temperature: Float) throws {
    let logits: [Float] = [1, 2, 30, 29, 0]
    let options = try GenerationOptions(temperature: temperature, minTokens: 5, seed: 2)
    var sampler = sampler(options, endTokens: [2, 3, 99])
    let tokens = try (0..<6).map { _ in try choose(&sampler, logits).token }
    #expect(tokens.prefix(5).allSatisfy { [0, 1, 4].contains($0) } && [2, 3].contains(tokens[5]))
  }

  @Test("tells the likeliest tokens, the entropy and the margin of a place", arguments: [0, 3, 20])
  func place(count: Int) throws {
    let logits = (0..<2_500).map { Float(sin(Double($0 * $0))) * 6 }
    for temperature in [Float(0), 0.9] {
      var sampler = sampler(try GenerationOptions(temperature: temperature, logProbabilities: count))
      let place = try #require(try choose(&sampler, logits).place)
      let total = logits.reduce(0.0) { $0 + exp(Double($1)) }
      let probabilities = logits.map { exp(Double($0)) / total }
      let entropy = probabilities.reduce(0.0) { $0 - $1 * log($1) }
      let order = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
      #expect(abs(place.entropy - entropy) < 1e-4)
      #expect(abs(place.margin - (probabilities[order[0]] - probabilities[order[1]])) < 1e-6)
      #expect(place.likeliest.map(\.token) == order.prefix(count).map { Int32($0) })
      for candidate in place.likeliest {
        #expect(abs(candidate.logProbability - log(probabilities[Int(candidate.token)])) < 1e-4)
      }
    }
  }

  @Test("draws other numbers for another of several answers")
  func alternatives() throws {
    let logits = (0..<300).map { Float(cos(Double($0) * 1.7)) }
    let options = try GenerationOptions(temperature: 1, seed: 4)
    let answers = try (0..<4).map { alternative in
      var sampler = TokenSampler(options: options, seed: 1, alternative: alternative, prompt: [])
      return try (0..<12).map { _ in try choose(&sampler, logits).token }
    }
    #expect(Set(answers).count == 4)
  }

  @Test("repeats itself for a seed and differs between seeds")
  func seeds() throws {
    let logits = (0..<300).map { Float(cos(Double($0) * 1.7)) * 3 }
    func run(_ seed: UInt64) throws -> [Int32] {
      var sampler = sampler(try GenerationOptions(temperature: 1, topK: 50, topP: 0.9, seed: seed))
      return try (0..<30).map { _ in try choose(&sampler, logits).token }
    }
    #expect(try run(1) == run(1))
    #expect(try run(1) != run(2))
  }

  @Test("never draws outside the limits", arguments: 0..<40)
  func property(seed: UInt64) throws {
    var random = SamplerRandom(seed: seed)
    let logits = (0..<Int.random(in: 1...3_000, using: &random)).map { _ in Float(random.unit() * 20 - 10) }
    let k = Int.random(in: 0...logits.count, using: &random)
    let p = Float(max(0.05, random.unit()))
    let options = try GenerationOptions(
      temperature: Float(random.unit() * 2 + 0.05),
      topK: k,
      topP: p,
      seed: seed
    )
    var sampler = sampler(options)
    let token = Int(try choose(&sampler, logits).token)
    let better = logits.filter { $0 > logits[token] }
    #expect(k == 0 || better.count < k, "seed \(seed)")
    let largest = logits.max() ?? 0
    let weight = { (logit: Float) in exp(Double(logit - largest) / Double(options.temperature)) }
    let kept = k == 0 ? logits : Array(logits.sorted(by: >).prefix(k))
    let total = kept.reduce(0.0) { $0 + weight($1) }
    #expect(better.reduce(0.0) { $0 + weight($1) } <= Double(p) * total * 1.0001, "seed \(seed)")
  }
}
