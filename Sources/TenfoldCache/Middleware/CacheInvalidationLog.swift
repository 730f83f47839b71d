// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// What was invalidated of late, so that an answer that was begun before is not stored after it; bounded, pure.
struct CacheInvalidationLog: Sendable {
  enum Subject: Sendable {
    case documents(Set<DocumentID>)
    case tenant(TenantID)

    fileprivate var names: Int {
      if case .documents(let documents) = self { max(1, documents.count) } else { 1 }
    }

    fileprivate func concerns(_ tenant: TenantID, _ documents: [DocumentID]) -> Bool {
      switch self {
      case .documents(let changed): documents.contains(where: changed.contains)
      case .tenant(let erased): tenant == erased
      }
    }
  }

  private struct Entry: Sendable {
    var generation: UInt64
    var subject: Subject
  }

  /// How many documents and tenants are remembered.
  let capacity: Int
  /// How many invalidations there were; an answer is judged by those after the one at which its request came.
  private(set) var generation: UInt64 = 0
  private var entries: [Entry] = []
  private var names = 0
  /// The last invalidation that is forgotten.
  private var horizon: UInt64 = 0

  init(capacity: Int) { self.capacity = capacity }

  mutating func note(_ subject: Subject) {
    generation += 1
    entries.append(Entry(generation: generation, subject: subject))
    names += subject.names
    while names > capacity, !entries.isEmpty {
      let oldest = entries.removeFirst()
      names -= oldest.subject.names
      horizon = oldest.generation
    }
  }

  /// Whether an answer may hold what was invalidated since its request came; what came before all that is remembered may.
  func isOutdated(since start: UInt64, tenant: TenantID, documents: [DocumentID]) -> Bool {
    guard start >= horizon else { return true }
    return entries.reversed().prefix { $0.generation > start }
      .contains { $0.subject.concerns(tenant, documents) }
  }
}

extension CacheInvalidationLog {
  func isOutdated(_ fill: CacheFillBuffer.Fill) -> Bool {
    isOutdated(since: fill.generation, tenant: fill.key.namespace.tenant, documents: fill.answer.documents)
  }
}
