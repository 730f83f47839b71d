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
    var violations: [String] = []
  }

  private let state = Mutex(State())

  var acceptedIDs: [RawJobID] { state.withLock { Array($0.accepted) } }
  var startCount: Int { state.withLock { $0.fences.count } }
  var endCount: Int { state.withLock { $0.ended.count } }
  var violations: [String] { state.withLock { $0.violations } }

  /// A producer was told that the store has the job.
  func accepted(_ id: RawJobID) { state.withLock { _ = $0.accepted.insert(id) } }

  /// A worker was given a run; jobs with its key may run `limit` at a time.
  func started(_ reference: JobLease.Reference, key: String? = nil, limit: Int = 1) {
    state.withLock { state in
      let (id, fence) = (reference.id, reference.fence)
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
      for key in state.running.keys { state.running[key]?.remove(reference.id) }
    }
  }

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
