// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldJobs

/// What producers and workers saw, and whether it can be true of a store that keeps its promises.
final class JobHistory: Sendable {
  private struct State {
    var accepted: Set<RawJobID> = []
    var fences: [RawJobID: Int64] = [:]
    var ended: [RawJobID: JobState] = [:]
    var running: [String: Set<RawJobID>] = [:]
    /// The fences of runs that were not given back yet, and the ends of their leases.
    var held: [RawJobID: (fence: Int64, until: Int64)] = [:]
    var violations: [String] = []

    mutating func leave(_ id: RawJobID) {
      held[id] = nil
      for key in running.keys { running[key]?.remove(id) }
    }
  }

  private let state = Mutex(State())

  var acceptedIDs: [RawJobID] { state.withLock { Array($0.accepted) } }
  var startCount: Int { state.withLock { $0.fences.count } }
  var endCount: Int { state.withLock { $0.ended.count } }
  var violations: [String] { state.withLock { $0.violations } }

  /// A producer was told that the store has the job.
  func accepted(_ id: RawJobID) { state.withLock { _ = $0.accepted.insert(id) } }

  /// A worker was given a run; jobs with its key may run `limit` at a time.
  ///
  /// With `until`, the end of its lease, nobody else may get the job before it has left.
  func started(_ reference: JobLease.Reference, key: String? = nil, limit: Int = 1, until: Int64? = nil) {
    state.withLock { state in
      let (id, fence) = (reference.id, reference.fence)
      if let until {
        if let other = state.held[id] {
          state.violations.append("job \(id): run \(fence) while run \(other.fence) has it")
        }
        state.held[id] = (fence, until)
      }
      if let key {
        state.running[key, default: []].insert(id)
        let count = state.running[key, default: []].count
        if count > limit { state.violations.append("\(count) jobs of key \(key) ran at once") }
      }
      if fence <= state.fences[id, default: 0] {
        state.violations.append("job \(id): fence \(fence) after \(state.fences[id, default: 0])")
      }
      if state.ended[id] != nil { state.violations.append("job \(id) ran again after its end") }
      state.fences[id] = fence
    }
  }

  /// A worker was told that its settlement stands, and that the job has ended by it.
  func ended(_ reference: JobLease.Reference, _ end: JobState) {
    state.withLock { state in
      if let known = state.ended[reference.id] {
        state.violations.append("job \(reference.id) ended as \(end) after \(known)")
      }
      if reference.fence != state.fences[reference.id] {
        state.violations.append("job \(reference.id) ended by fence \(reference.fence), not its newest")
      }
      state.ended[reference.id] = end
      state.leave(reference.id)
    }
  }

  /// A run's lease goes on.
  func extended(_ reference: JobLease.Reference, until: Int64) {
    state.withLock { $0.held[reference.id] = (reference.fence, until) }
  }

  /// A run is over, but perhaps not its job.
  func left(_ id: RawJobID) { state.withLock { $0.leave(id) } }

  /// The jobs whose lease ran out and that nobody has taken back.
  func overdue(now: Int64) -> [RawJobID] {
    state.withLock { state in state.held.filter { $0.value.until <= now }.map(\.key) }
  }

  /// The fence of the run that has a job.
  func holder(of id: RawJobID) -> Int64? { state.withLock { $0.held[id]?.fence } }

  func violated(_ what: String) { state.withLock { $0.violations.append(what) } }

  /// The leases of all runs were declared over.
  func voided() { state.withLock { $0.running = [:] } }

  /// Compares with what the store says in the end; gives everything that was wrong.
  func judge(_ dump: [JobSnapshot]) -> [String] {
    state.withLock { state in
      let jobs = Dictionary(dump.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
      var violations = state.violations
      if jobs.count != dump.count { violations.append("a job is there twice") }
      for id in state.accepted where jobs[id] == nil {
        violations.append("job \(id) was accepted and is gone")
      }
      for (id, end) in state.ended where jobs[id] != nil && jobs[id]?.state != end {
        violations.append("job \(id) ended as \(end) and is \(String(describing: jobs[id]?.state))")
      }
      for (id, fence) in state.fences {
        if let job = jobs[id], job.fence < fence, state.ended[id] != nil {
          violations.append("job \(id): fence \(job.fence) in the store, \(fence) was seen to end it")
        }
      }
      return violations
    }
  }
}
