// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Jobs that come by themselves, as their store accepts them.
extension JobWorker {
  private var place: IdleWorkers? { (store as? any HintingJobStore)?.waiting }

  /// Lets the store hand jobs over as they are enqueued.
  func wait(for count: Int) {
    guard let place else { return }
    let ticket = place.wait(request(count)) { [self] leases, begin in receive(leases, since: begin) }
    state.withLock { $0.ticket = ticket }
  }

  /// Takes jobs on the thread that accepted them.
  private func receive(_ leases: [JobLease], since begin: ContinuousClock.Instant) {
    guard let first = leases.first else { return }
    // The commit that hands them out may have waited for its disk.
    guard ContinuousClock.now - begin <= options.lease / 2 else {
      _ = accept(leases, since: begin)
      return
    }
    heartbeat.add(leases, since: begin)
    let standby = state.withLock { state -> CheckedContinuation<JobLease?, Never>? in
      guard let standby = state.standby, !state.isDraining, state.alone == nil, !first.isLastChance,
        state.active < options.concurrency
      else {
        state.arrived += leases
        return nil
      }
      state.standby = nil
      state.hasStandby = false
      state.active += 1
      state.arrived += leases.dropFirst()
      return standby
    }
    // First, as everything else here may wake a thread too.
    standby?.resume(returning: first)
    signal.yield()
    heartbeat.arm(since: begin)
  }

  /// Has a task wait for the first job that arrives: it begins one change of threads sooner than one that the loop starts.
  func standBy(_ jobs: inout DiscardingTaskGroup) {
    guard place != nil else { return }
    let isNew = state.withLock { state in
      defer { state.hasStandby = true }
      return !state.hasStandby
    }
    guard isNew else { return }
    jobs.addTask { [self] in
      let lease = await withCheckedContinuation { continuation in
        let mayWait = state.withLock { state in
          if !state.isDraining { state.standby = continuation }
          return !state.isDraining
        }
        if !mayWait { continuation.resume(returning: nil) }
      }
      if let lease { await execute(lease) }
    }
  }

  func takeArrived() -> [JobLease] {
    let ticket = state.withLock { state in
      defer { state.ticket = nil }
      return state.ticket
    }
    if let ticket { place?.leave(ticket) }
    return state.withLock { state in
      defer { state.arrived = [] }
      return state.arrived
    }
  }

  /// What has come, also from a commit that is under way.
  func takeLastArrived() async -> [JobLease] {
    let arrived = takeArrived()
    guard place != nil else { return arrived }
    // The store is done with earlier commits when this returns, whether it fails or not.
    _ = try? await store.settleAndClaim([], request(0))
    return arrived + takeArrived()
  }
}
