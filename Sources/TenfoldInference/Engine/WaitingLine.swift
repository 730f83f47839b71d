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
  private var lines: [Name: [ScheduledSequence]] = [:]
  /// In which line each sequence stands.
  private var names: [Int: Name] = [:]
  /// How many lines there are of each priority.
  private var priorities: [Int: Int] = [:]

  var count: Int { names.count }
  var isEmpty: Bool { names.isEmpty }

  /// The priority of the sequence to be admitted next.
  ///
  /// - Complexity: Linear in the number of priorities that wait.
  var highestPriority: Int? { priorities.keys.max() }

  /// All sequences, in no particular order.
  var all: some Sequence<ScheduledSequence> { lines.values.joined() }

  /// The sequence to be admitted next.
  ///
  /// - Complexity: Linear in the number of tenants that wait.
  func first(by shares: FairShares) -> ScheduledSequence? {
    lines.values.compactMap(\.first).min { $0.isBefore($1, by: shares) }
  }

  /// Puts a sequence in its place.
  ///
  /// - Complexity: Logarithmic comparisons, and linear moves, in the number of sequences of its tenant.
  mutating func insert(_ sequence: ScheduledSequence) {
    let name = Name(priority: sequence.priority, tenant: sequence.tenant)
    var line = lines.removeValue(forKey: name) ?? []
    if line.isEmpty { priorities[name.priority, default: 0] += 1 }
    var (low, high) = (0, line.count)
    while low < high {
      let middle = (low + high) / 2
      if sequence.isDueBefore(line[middle]) { high = middle } else { low = middle + 1 }
    }
    line.insert(sequence, at: low)
    lines[name] = line
    names[sequence.id] = name
  }

  /// Takes a sequence out.
  ///
  /// - Returns: The sequence; `nil` if it does not wait.
  /// - Complexity: Linear in the number of sequences of its tenant.
  @discardableResult
  mutating func remove(_ id: Int) -> ScheduledSequence? {
    guard let name = names.removeValue(forKey: id),
      let index = lines[name]?.firstIndex(where: { $0.id == id })
    else { return nil }
    let sequence = lines[name]?.remove(at: index)
    guard lines[name]?.isEmpty ?? true else { return sequence }
    lines[name] = nil
    let left = (priorities[name.priority] ?? 1) - 1
    priorities[name.priority] = left > 0 ? left : nil
    return sequence
  }
}
