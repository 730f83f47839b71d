// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The sequences that wait for admission.
///
/// A higher priority goes first; within a priority a sequence that lost its pages, as it has been paid for; then the tenant
/// that has used least; within a tenant the sequence that is due first, and of those the one that came first.
struct WaitingLine: Sendable {
  private struct Name: Hashable {
    var priority: Int
    var tenant: TenantID
  }

  /// Each in its order; none is empty.
  ///
  /// What is moved to make or close a gap is small, so that thousands can wait.
  private var lines: [Name: [ScheduledSequence.Rank]] = [:]
  private var sequences: [Int: ScheduledSequence] = [:]
  /// How many lines there are of each priority.
  private var priorities: [Int: Int] = [:]

  var count: Int { sequences.count }
  var isEmpty: Bool { sequences.isEmpty }

  /// The priority of the sequence to be admitted next.
  ///
  /// - Complexity: Linear in the number of priorities that wait.
  var highestPriority: Int? { priorities.keys.max() }

  /// The sequence to be admitted next.
  ///
  /// - Complexity: Linear in the number of tenants that wait.
  func first(by shares: FairShares) -> ScheduledSequence? {
    lines.values.lazy.compactMap { $0.first.flatMap { sequences[$0.id] } }.min { $0.isBefore($1, by: shares) }
  }

  /// Puts a sequence in its place.
  ///
  /// - Complexity: Logarithmic comparisons, and linear moves, in the number of sequences of its tenant.
  mutating func insert(_ sequence: ScheduledSequence) {
    let name = Name(priority: sequence.priority, tenant: sequence.tenant)
    var line = lines.removeValue(forKey: name) ?? []
    if line.isEmpty { priorities[name.priority, default: 0] += 1 }
    line.insert(sequence.rank, at: Self.place(of: sequence.rank, in: line))
    lines[name] = line
    sequences[sequence.id] = sequence
  }

  /// Takes a sequence out.
  ///
  /// - Returns: The sequence; `nil` if it does not wait.
  /// - Complexity: As ``insert(_:)``.
  @discardableResult
  mutating func remove(_ id: Int) -> ScheduledSequence? {
    guard let sequence = sequences.removeValue(forKey: id) else { return nil }
    let name = Name(priority: sequence.priority, tenant: sequence.tenant)
    guard var line = lines.removeValue(forKey: name) else { return sequence }
    line.remove(at: Self.place(of: sequence.rank, in: line))
    if line.isEmpty {
      let left = (priorities[name.priority] ?? 1) - 1
      priorities[name.priority] = left > 0 ? left : nil
    } else {
      lines[name] = line
    }
    return sequence
  }

  /// Where the first stands that does not go before `rank`.
  private static func place(of rank: ScheduledSequence.Rank, in line: [ScheduledSequence.Rank]) -> Int {
    var (low, high) = (0, line.count)
    while low < high {
      let middle = (low + high) / 2
      if line[middle] < rank { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
