// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Decides which priority levels the next picks go to: smooth weighted round robin over 8 : 4 : 2 : 1.
struct PriorityPicker: Sendable {
  private var credit = [0, 0, 0, 0]

  /// How many of `count` picks each level gets if it has that many jobs.
  mutating func quotas(for count: Int) -> [Int] {
    let total = JobPriority.weights.reduce(0, +)
    // Whole rounds give exactly the weights and leave the credit as it is.
    var quotas = JobPriority.weights.map { $0 * (count / total) }
    for _ in 0..<(count % total) {
      for level in 0..<4 { credit[level] += JobPriority.weights[level] }
      var best = 0
      for level in 1..<4 where credit[level] > credit[best] { best = level }
      credit[best] -= total
      quotas[best] += 1
    }
    return quotas
  }
}
