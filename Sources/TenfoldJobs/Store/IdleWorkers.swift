// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Workers that have room and found nothing: a job that comes goes to one of them in the commit that accepts it.
///
/// That saves the worker's own claim, with its transaction and two changes of threads. An entry serves once; if the commit
/// fails it is gone and nothing was handed out, and the worker finds what comes next by its hint as ever.
final class IdleWorkers: Sendable {
  /// Takes leases, with the time before they were handed out, on the thread that commits.
  typealias Receiver = @Sendable (_ leases: [JobLease], _ begin: ContinuousClock.Instant) -> Void

  struct Entry: Sendable {
    var request: ClaimRequest
    var receive: Receiver
  }

  private let entries = Mutex<(next: Int, waiting: [Int: Entry])>((0, [:]))

  var count: Int { entries.withLock { $0.waiting.count } }

  /// Has a worker wait; gives what to call ``leave(_:)`` with.
  func wait(_ request: ClaimRequest, _ receive: @escaping Receiver) -> Int {
    entries.withLock { entries in
      entries.next += 1
      entries.waiting[entries.next] = Entry(request: request, receive: receive)
      return entries.next
    }
  }

  /// Ends a worker's waiting; leases of a commit that is under way may still come.
  func leave(_ ticket: Int) {
    _ = entries.withLock { $0.waiting.removeValue(forKey: ticket) }
  }

  /// Takes out the worker that has waited longest among those that serve the queue of one of these jobs.
  func take(for jobs: [NewJob]) -> Entry? {
    entries.withLock { entries in
      guard !entries.waiting.isEmpty else { return nil }
      let queues = Set(jobs.lazy.filter { $0.options.delay <= .zero }.map(\.options.queue))
      let first = entries.waiting.filter { !queues.isDisjoint(with: $0.value.request.queues) }.keys.min()
      return first.flatMap { entries.waiting.removeValue(forKey: $0) }
    }
  }
}
