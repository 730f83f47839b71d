// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore

@testable import TenfoldInference

/// Collects the tokens that an engine generates.
private final class Tokens: Sendable {
  private let list = Mutex<[Int32]>([])
  var values: [Int32] { list.withLock { $0 } }
  func append(_ token: Int32) { list.withLock { $0.append(token) } }
}

extension LocalLanguageModel {
  /// Answers a raw prompt; gives the tokens with the answer.
  func run(
    _ text: String,
    _ options: GenerationOptions,
    priority: RequestPriority = .normal
  ) async throws -> (ids: [Int32], completion: Completion) {
    let tokens = Tokens()
    let stream = try start(.raw(text, options, priority: priority)) { tokens.append($0) }
    let completion = try await stream.collect()
    return (tokens.values, completion)
  }
}
