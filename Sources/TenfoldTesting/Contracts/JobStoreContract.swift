// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldJobs

/// What every ``TenfoldJobs/JobStore`` must do, to be run against any implementation.
///
/// ```swift
/// @Test func keepsTheContract() async {
///   let violations = await JobStoreContract.violations { clock in InMemoryJobStore(clock: clock) }
///   #expect(violations.isEmpty)
/// }
/// ```
public enum JobStoreContract {
  /// Runs the suite; each scenario gets a new, empty store.
  ///
  /// - Parameter makeStore: Makes a store that reads its time from the given clock.
  /// - Returns: The clauses that were broken; empty when the store keeps the contract.
  public static func violations(
    _ makeStore: @Sendable (JobStoreClock) async throws -> any JobStore
  ) async -> [ContractViolation] {
    await violations(of: runs + expiries + limits + orders + erasures, makeStore)
  }

  /// Runs the suite about dead letters that are not kept for ever.
  ///
  /// - Parameters:
  ///   - deadRetention: How long the stores keep dead letters, at least 2 seconds.
  ///   - makeStore: Makes a store that reads its time from the given clock.
  /// - Returns: The clauses that were broken.
  public static func violations(
    deadRetention: Duration,
    _ makeStore: @Sendable (JobStoreClock) async throws -> any JobStore
  ) async -> [ContractViolation] {
    await violations(of: retentions(deadRetention), makeStore)
  }

  private static func violations(
    of scenarios: [(String, Scenario)],
    _ makeStore: @Sendable (JobStoreClock) async throws -> any JobStore
  ) async -> [ContractViolation] {
    var report = ContractReport()
    for (clause, scenario) in scenarios {
      await report.scenario(clause) { report in
        let clock = ManualStoreClock()
        let store = try await makeStore(clock.clock)
        try await scenario(Bench(store: store, clock: clock, clause: clause), &report)
      }
    }
    return report.violations
  }

  struct Bench {
    let store: any JobStore
    let clock: ManualStoreClock
    let clause: String

    func put(_ count: Int = 1, _ options: JobOptions = JobOptions()) async throws -> [RawJobID] {
      let jobs = (0..<count).map { NewJob(name: "contract", payload: [UInt8($0 & 0xFF)], options: options) }
      _ = try await store.enqueue(jobs)
      return jobs.map(\.id)
    }

    func claim(_ maximum: Int = 1, _ queues: [QueueName] = [.standard]) async throws -> [JobLease] {
      try await store.claim(
        ClaimRequest(queues: queues, maximum: maximum, leaseFor: .seconds(10), workerID: "contract")
      )
    }

    func settle(
      _ reference: JobLease.Reference,
      _ outcome: JobSettlement.Outcome
    ) async throws -> SettleOutcome? {
      try await store.settle([JobSettlement(reference, outcome)]).first
    }

    /// Why a batch is refused; `nil` if it isn't.
    func refusal(_ jobs: [NewJob]) async throws -> JobError.Code? {
      do { _ = try await store.enqueue(jobs) } catch let error as JobError { return error.code }
      return nil
    }

    /// Claims a job, saves something and lets the lease expire; the crashes it had before, or `nil` without a job.
    func lose(_ update: JobUpdate) async throws -> Int? {
      guard let lease = try await claim().first else { return nil }
      _ = try await store.extend([lease.reference], by: .seconds(10), updates: [update])
      clock.advance(by: .seconds(11))
      _ = try await store.reap(limit: 10)
      return lease.crashCount
    }

    func state(_ id: RawJobID) async throws -> JobState? {
      try await store.observe(.init(jobs: [id])).jobs.first?.state
    }
  }

  typealias Scenario = @Sendable (Bench, inout ContractReport) async throws -> Void
}
