// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
@testable import TenfoldKernels
import Testing

@Suite("Worker pool")
struct WorkerPoolTests {
  @Test("runs each piece once", arguments: [1, 2, 3, 8])
  func once(threads: Int) {
    let pool = WorkerPool(threads: threads)
    for count in [0, 1, 2, 7, 64, 1_000, 70_000] {
      let hits = (0..<count).map { _ in Counter() }
      pool.run(count) { hits[$0].value.add(1, ordering: .relaxed) }
      #expect(hits.allSatisfy { $0.value.load(ordering: .relaxed) == 1 })
    }
  }

  @Test("shares very many pieces, too")
  func many() {
    let pool = WorkerPool(threads: 2)
    let (first, others) = (Counter(), Counter())
    let (shared, deadline) = (Counter(), ContinuousClock.now + .seconds(60))
    // The first piece ends once another thread has done one, or that is given up.
    pool.run(70_000) { index in
      guard index == 0 else {
        others.value.add(1, ordering: .relaxed)
        return
      }
      while others.value.load(ordering: .relaxed) == 0, ContinuousClock.now < deadline {}
      if others.value.load(ordering: .relaxed) > 0 { shared.value.add(1, ordering: .relaxed) }
      first.value.add(1, ordering: .relaxed)
    }
    #expect(shared.value.load(ordering: .relaxed) == 1)
    #expect(first.value.load(ordering: .relaxed) == 1 && others.value.load(ordering: .relaxed) == 69_999)
  }

  @Test("runs nested regions on their caller")
  func nested() {
    let pool = WorkerPool(threads: 3)
    let total = Counter()
    pool.run(5) { _ in pool.run(4) { _ in total.value.add(1, ordering: .relaxed) } }
    #expect(total.value.load(ordering: .relaxed) == 20)
  }

  @Test("serves many callers at once")
  func callers() async {
    let pool = WorkerPool(threads: 2)
    let total = Counter()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask { for _ in 0..<100 { pool.run(6) { _ in total.value.add(1, ordering: .relaxed) } } }
      }
    }
    #expect(total.value.load(ordering: .relaxed) == 8 * 100 * 6)
  }

  @Test("reads quotas and CPU lists")
  func budget() {
    #expect(CPUBudget.parse("max 100000\n") == nil)
    #expect(CPUBudget.parse("150000 100000\n") == 1.5)
    #expect(CPUBudget.parse("") == nil)
    #expect(CPUBudget.parse("-1 0") == nil)
    #expect(CPUBudget.countCPUs(in: "\t0-3,8") == 5)
    #expect(CPUBudget.countCPUs(in: "x") == 0)
    #expect(CPUBudget(cpus: 8, quota: 1.5).threads == 2)
    #expect(CPUBudget(cpus: 1, quota: 4).threads == 1)
    #expect(CPUBudget(cpus: 4, quota: nil).threads == 4)
    #expect(WorkerPool.defaultThreadCount >= 1)
  }
}

private final class Counter: Sendable {
  let value = Atomic<Int>(0)
}
