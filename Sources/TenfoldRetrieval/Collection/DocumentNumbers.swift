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

  // The filters of a few users at work, and the candidates of rerankers; each set's ids stay in memory.
  private static let capacity = 8

  /// What was asked for last comes last.
  private let recent = Mutex<[Resolution]>([])

  /// Forgets all sets; what is being resolved is not given to those who ask from here on.
  func invalidate() { recent.withLock { $0 = [] } }

  func numbers(
    of ids: Set<DocumentID>,
    resolve: () async throws -> Set<UInt64>
  ) async throws -> Set<UInt64> {
    guard !ids.isEmpty else { return [] }
    // Compared under the lock by their hashes only, however many they are.
    let hash = ids.hashValue
    let (resolution, isNew) = recent.withLock { recent in
      if let place = recent.lastIndex(where: { $0.hash == hash && $0.ids.count == ids.count }) {
        let known = recent.remove(at: place)
        recent.append(known)
        return (known, false)
      }
      let new = Resolution(ids, hash: hash)
      recent.append(new)
      if recent.count > Self.capacity { recent.removeFirst() }
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
      recent.withLock { recent in recent.removeAll { $0 === resolution } }
      resolution.finish(nil)
      throw error
    }
  }
}
