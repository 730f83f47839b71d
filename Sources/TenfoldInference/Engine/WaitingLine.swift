// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The sequences that wait for admission.
///
/// A higher priority goes first; within a priority the tenant that has used least; within a tenant the sequence that is
/// due first, and of those the one that came first.
struct WaitingLine: Sendable {
  private struct Name: Hashable {
    var priority: Int
    var tenant: String
  }

  /// Each in its order; none is empty.
  private var lines: [Name: [ScheduledSequence]] = [:]
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

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
    var (low, high) = (0, line.count)
    while low < high {
      let middle = (low + high) / 2
      if sequence.isDueBefore(line[middle]) { high = middle } else { low = middle + 1 }
    }
    line.insert(sequence, at: low)
    lines[name] = line
    count += 1
  }

  /// Takes a sequence out.
  ///
  /// - Returns: The sequence; `nil` if it does not wait.
  @discardableResult
  mutating func remove(_ id: Int) -> ScheduledSequence? {
    for (name, line) in lines {
      guard let index = line.firstIndex(where: { $0.id == id }) else { continue }
      count -= 1
      if line.count == 1 {
        lines[name] = nil
      } else {
        lines[name]?.remove(at: index)
      }
      return line[index]
    }
    return nil
  }
}
