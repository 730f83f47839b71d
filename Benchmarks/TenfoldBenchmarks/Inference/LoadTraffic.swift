// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// Requests as people send them, the same each time: a Poisson process; prompts of 20 to 600 words, most of them few;
/// answers of 8 to 64 tokens; three tenants.
struct LoadTraffic: Sequence, IteratorProtocol {
  struct Arrival: Sendable {
    var number: Int
    /// Since the arrival before.
    var wait: Duration
    var words: Int
    var tokens: Int
  }

  private static let words = ["stone", "cloud", "paper", "glass", "field", "light", "metal", "voice"]

  /// Requests a second.
  private let rate: Double
  private var number = 0
  private var state: UInt64 = 0x2545_F491_4F6C_DD1D

  init(rate: Double) { self.rate = rate }

  mutating func next() -> Arrival? {
    let gap = -log(1 - unit()) / rate
    let skew = unit()
    defer { number += 1 }
    return Arrival(
      number: number,
      wait: .seconds(number == 0 ? 0 : gap),
      words: 20 + Int(580 * skew * skew * skew),
      tokens: 8 + Int(56 * unit())
    )
  }

  private mutating func unit() -> Double {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Double(state >> 11) * 0x1p-53
  }

  /// The request of an arrival.
  static func request(_ arrival: Arrival) throws -> InferenceRequest {
    let text = (0..<arrival.words)
      .map { words[($0 * 5 + arrival.number &* 11 + $0 / 7) & 7] }
      .joined(separator: " ")
    return InferenceRequest(
      prompt: .text("\(arrival.number): \(text)"),
      options: try GenerationOptions(maxTokens: arrival.tokens, temperature: 1, seed: 7),
      context: RequestContext(tenant: TenantID("tenant-\(abs(arrival.number % 3))"))
    )
  }

  /// Sends an arrival's request and reads the answer.
  static func answer(_ model: LocalLanguageModel, _ arrival: Arrival) async throws -> TokenUsage {
    try await model.respond(to: request(arrival)).summary.usage
  }
}
