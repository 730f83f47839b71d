// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore

/// The numbers of the sets of documents that were asked for last.
///
/// A filter takes one look-up for each of its documents. Both halves of a hybrid search ask for the same one at the same
/// time, and one user's requests for the same one again and again, so it is resolved once until a document changes.
final class DocumentNumbers: Sendable {
  /// A set that is being resolved, or is; waiters get `nil` when that fails.
  private final class Resolution: Sendable {
    private enum State {
      case pending([CheckedContinuation<Set<UInt64>?, Never>])
      case done(Set<UInt64>?)
    }

    let ids: Set<DocumentID>
    let hash: Int
    private let state = Mutex(State.pending([]))

    init(_ ids: Set<DocumentID>, hash: Int) {
      self.ids = ids
      self.hash = hash
    }

    func finish(_ numbers: Set<UInt64>?) {
      let waiters = state.withLock { state in
        guard case .pending(let waiters) = state else { return [CheckedContinuation<Set<UInt64>?, Never>]() }
        state = .done(numbers)
        return waiters
      }
      for waiter in waiters { waiter.resume(returning: numbers) }
    }

    /// Waits for the one who resolves it; like a read of the database, that ends soon and isn't ended by cancellation.
    func numbers() async -> Set<UInt64>? {
      await withCheckedContinuation { continuation in
        let known = state.withLock { state -> Set<UInt64>?? in
          switch state {
          case .done(let numbers): return .some(numbers)
          case .pending(let waiters):
            state = .pending(waiters + [continuation])
            return nil
          }
        }
        if let known { continuation.resume(returning: known) }
      }
    }
  }

  /// Sets that are kept, with their ids: of the filters of a few users at work, and of the candidates of rerankers.
  private static let capacity = 8
  /// Sets of more ids are filters, which those of candidates don't drive out.
  private static let smallest = 1_024
  /// The ids of all filters that are kept; a larger one is resolved each time.
  private static let mostIDs = 200_000

  private struct Recent {
    /// What was asked for last comes last.
    var small: [Resolution] = []
    var large: [Resolution] = []
    var largeIDs: Int { large.reduce(0) { $0 + $1.ids.count } }

    mutating func take(_ hash: Int, _ count: Int) -> Resolution? {
      func take(from sets: inout [Resolution]) -> Resolution? {
        sets.lastIndex { $0.hash == hash && $0.ids.count == count }.map { sets.remove(at: $0) }
      }
      return count > smallest ? take(from: &large) : take(from: &small)
    }

    mutating func keep(_ set: Resolution) {
      guard set.ids.count > smallest else {
        small.append(set)
        if small.count > capacity { small.removeFirst() }
        return
      }
      large.append(set)
      while large.count > capacity || largeIDs > mostIDs { large.removeFirst() }
    }

    mutating func remove(_ set: Resolution) {
      small.removeAll { $0 === set }
      large.removeAll { $0 === set }
    }
  }

  private let recent = Mutex(Recent())

  /// Forgets all sets; what is being resolved is not given to those who ask from here on.
  func invalidate() { recent.withLock { $0 = Recent() } }

  func numbers(
    of ids: Set<DocumentID>,
    resolve: () async throws -> Set<UInt64>
  ) async throws -> Set<UInt64> {
    guard !ids.isEmpty else { return [] }
    guard ids.count <= Self.mostIDs else { return try await resolve() }
    // Compared under the lock by their hashes only, however many they are.
    let hash = ids.hashValue
    let (resolution, isNew) = recent.withLock { recent in
      if let known = recent.take(hash, ids.count) {
        recent.keep(known)
        return (known, false)
      }
      let new = Resolution(ids, hash: hash)
      recent.keep(new)
      return (new, true)
    }
    guard isNew else {
      if resolution.ids == ids, let numbers = await resolution.numbers() { return numbers }
      return try await resolve()
    }
    do {
      let numbers = try await resolve()
      resolution.finish(numbers)
      return numbers
    } catch {
      recent.withLock { $0.remove(resolution) }
      resolution.finish(nil)
      throw error
    }
  }
}
