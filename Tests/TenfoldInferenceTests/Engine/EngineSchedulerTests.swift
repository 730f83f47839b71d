// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("The scheduler")
struct EngineSchedulerTests {
  private func scheduler(
    blocks: Int = 100,
    _ change: (inout EngineScheduler.Limits) -> Void = { _ in }
  )
    -> EngineScheduler
  {
    var limits = EngineScheduler.Limits()
    change(&limits)
    return EngineScheduler(limits: limits, blockCount: blocks)
  }

  private func add(
    _ scheduler: inout EngineScheduler,
    _ id: Int,
    _ count: Int,
    priority: Int = 10,
    tenant: TenantID = "a",
    shares: Bool = false,
    first: Int32 = 0
  ) {
    let tokens = (0..<Int32(count)).map { $0 + first }
    scheduler.add(id: id, tokens: tokens, priority: priority, tenant: tenant, sharesPrefix: shares)
  }

  /// Computes a plan and generates a token for whoever is due.
  private func step(_ scheduler: inout EngineScheduler) -> [EngineScheduler.Work] {
    let plan = scheduler.plan()
    for work in plan {
      scheduler.didCompute(work)
      if work.isLast { scheduler.append(7, to: work.id) }
    }
    return plan
  }

  @Test("cuts a prompt into pieces and then decodes")
  func chunks() {
    var scheduler = scheduler { $0.lonePromptRows = 100 }
    add(&scheduler, 1, 250)
    #expect(step(&scheduler).map(\.count) == [100])
    #expect(step(&scheduler).map(\.start) == [100])
    let last = step(&scheduler)
    #expect(last.map(\.count) == [50] && last[0].isLast)
    let decode = step(&scheduler)
    #expect(decode.map(\.count) == [1] && decode.map(\.start) == [250])
  }

  @Test("puts decoding sequences first and gives prompts the rest of the budget")
  func budget() {
    var scheduler = scheduler { $0.sharedPromptRows = 64 }
    add(&scheduler, 1, 10)
    _ = step(&scheduler)
    add(&scheduler, 2, 200)
    add(&scheduler, 3, 200)
    let plan = step(&scheduler)
    #expect(plan.map(\.id) == [1, 2] && plan.map(\.count) == [1, 64])
  }

  @Test("gives prompts as many rows as fit into the time that others may wait")
  func timePerToken() {
    var scheduler = scheduler { $0.timePerToken = .milliseconds(100) }
    for rows in 1...100 { scheduler.didTake(.milliseconds(10 + rows), rows: rows) }
    add(&scheduler, 1, 300)
    // Alone, four times that.
    #expect(step(&scheduler).map(\.count) == [300])
    add(&scheduler, 2, 200)
    let plan = step(&scheduler)
    #expect(plan.map(\.id) == [1, 2] && plan.map(\.count) == [1, 64])
    // However slow the machine has become, prompts go on.
    for rows in 1...100 { scheduler.didTake(.seconds(rows), rows: rows) }
    #expect(step(&scheduler).map(\.count) == [1, 32])
    scheduler.remove(1)
    #expect(step(&scheduler).map(\.count) == [32])
  }

  @Test("gives no place to a prompt that can't be read in time, unless there is nothing else to do")
  func hopeless() {
    var scheduler = scheduler { $0.maximumSequences = 8 }
    for rows in 1...100 { scheduler.didTake(.milliseconds(10 * rows), rows: rows) }
    let left: [Int: Duration] = [1: .milliseconds(1), 2: .milliseconds(900), 3: .milliseconds(1_100)]
    func plan() -> [Int] {
      let plan = scheduler.plan { left[$0] }
      for work in plan {
        scheduler.didCompute(work)
        if work.isLast { scheduler.append(7, to: work.id) }
      }
      return plan.map(\.id)
    }
    // Alone it is tried, as passes may have become faster.
    add(&scheduler, 1, 100, first: 100)
    #expect(plan() == [1] && scheduler.hopeless == [])
    for id in 2...4 { add(&scheduler, id, 100, first: Int32(id) * 1_000) }
    #expect(plan() == [1, 3, 4] && scheduler.hopeless == [2])
    #expect(scheduler.waitingCount == 0 && scheduler.runningCount == 3)
    #expect(plan() == [1, 3, 4] && scheduler.hopeless == [])
    for id in [1, 3, 4] { scheduler.remove(id) }
    #expect(scheduler.isIdle && scheduler.usedBlocks == 0)
  }

  @Test("doesn't take what single rows cost for what a prompt's do")
  func hopelessUnknown() {
    var scheduler = scheduler { $0.maximumSequences = 8 }
    for rows in 1...100 { scheduler.didTake(.milliseconds(100), rows: 1 + rows % 3) }
    add(&scheduler, 1, 10)
    _ = step(&scheduler)
    add(&scheduler, 2, 100)
    #expect(scheduler.plan { _ in .milliseconds(500) }.map(\.id) == [1, 2] && scheduler.hopeless == [])
  }

  @Test("never gives up an answer whose request has others, though they have ended")
  func hopelessFork() {
    var scheduler = scheduler { $0.maximumSequences = 2 }
    for rows in 1...100 { scheduler.didTake(.milliseconds(10 * rows), rows: rows) }
    let prompt = (0..<100).map { Int32($0) }
    func fork(_ id: Int) {
      scheduler.add(id: id, tokens: prompt, priority: 10, tenant: "a", sharesPrefix: false, group: 7)
    }
    fork(7)
    add(&scheduler, 1, 10, tenant: "b", first: 500)
    _ = step(&scheduler)
    fork(-1)
    scheduler.remove(7)
    let plan = scheduler.plan { $0 == -1 ? .milliseconds(1) : nil }
    #expect(plan.contains(id: -1) && scheduler.hopeless == [])
  }

  @Test("counts what is there of a prompt before it is given up")
  func hopelessWithoutPrefix() {
    var scheduler = scheduler { $0.maximumSequences = 8 }
    for rows in 1...100 { scheduler.didTake(.milliseconds(10 * rows), rows: rows) }
    add(&scheduler, 1, 161, shares: true)
    _ = step(&scheduler)
    add(&scheduler, 2, 161, shares: true)
    let plan = scheduler.plan { _ in .milliseconds(500) }
    #expect(plan.map(\.id) == [1, 2] && plan.last?.reused == 160)
  }

  @Test("takes a decoding sequence out of the step when its pages go to a more important one")
  func evictedInMidStep() {
    var scheduler = scheduler(blocks: 4)
    add(&scheduler, 1, 31, priority: 0)
    _ = step(&scheduler)
    add(&scheduler, 2, 100)
    let plan = step(&scheduler)
    #expect(plan.map(\.id) == [2] && scheduler.preemptions == 1)
    scheduler.remove(2)
    let again = step(&scheduler)
    #expect(again.map(\.id) == [1] && again.map(\.start) == [0] && again.map(\.count) == [32])
  }

  @Test("serves higher priorities first, equal ones in order of arrival")
  func order() {
    var scheduler = scheduler { $0.maximumSequences = 1 }
    add(&scheduler, 1, 5, priority: 0)
    add(&scheduler, 2, 5)
    add(&scheduler, 3, 5)
    add(&scheduler, 4, 5, priority: 20)
    var served: [Int] = []
    while let id = scheduler.plan().first?.id {
      served.append(id)
      scheduler.remove(id)
    }
    #expect(served == [4, 2, 3, 1] && scheduler.isIdle && scheduler.usedBlocks == 0)
  }

  @Test("takes no pages from the less important where that would not let the more important one in")
  func evictionForNothing() {
    var scheduler = scheduler(blocks: 8)
    add(&scheduler, 1, 70, priority: 0)
    add(&scheduler, 2, 70, first: 200)
    _ = step(&scheduler)
    // Two pages are free and three could be had; seven are asked for.
    add(&scheduler, 3, 200, first: 400)
    #expect(Set(step(&scheduler).map(\.id)) == [1, 2] && scheduler.preemptions == 0)
    scheduler.remove(3)
    add(&scheduler, 4, 100, first: 400)
    #expect(Set(step(&scheduler).map(\.id)) == [2, 4] && scheduler.preemptions == 1)
  }

  @Test("does not count on pages that others hold as well")
  func evictionOfSharedPages() {
    var scheduler = scheduler(blocks: 8)
    add(&scheduler, 1, 100, shares: true)
    _ = step(&scheduler)
    add(&scheduler, 2, 100, priority: 0, shares: true)
    _ = step(&scheduler)
    #expect(scheduler.usedBlocks == 5)
    // The second has one page of its own: with the three that are free just too few.
    add(&scheduler, 3, 100, first: 400)
    #expect(Set(step(&scheduler).map(\.id)) == [1, 2] && scheduler.preemptions == 0)
    scheduler.remove(3)
    add(&scheduler, 4, 96, first: 400)
    #expect(Set(step(&scheduler).map(\.id)) == [1, 4] && scheduler.preemptions == 1)
  }

  @Test("takes a place from the least important for a more important one, and from nobody for an equal one")
  func places() {
    var scheduler = scheduler { $0.maximumSequences = 2 }
    add(&scheduler, 1, 10, priority: 0)
    add(&scheduler, 2, 10, priority: 0)
    _ = step(&scheduler)
    add(&scheduler, 3, 10, priority: 20)
    #expect(Set(step(&scheduler).map(\.id)) == [1, 3] && scheduler.preemptions == 1)
    add(&scheduler, 4, 10, priority: 20)
    add(&scheduler, 5, 10, priority: 20)
    add(&scheduler, 6, 10)
    for _ in 0..<5 { #expect(Set(step(&scheduler).map(\.id)) == [3, 4]) }
    #expect(scheduler.preemptions == 2 && scheduler.waitingCount == 4)
    // Those that gave way come after all of higher priorities, in their old order, and are computed again.
    var served: [Int] = []
    while let first = step(&scheduler).first {
      served.append(first.id)
      scheduler.remove(first.id)
    }
    #expect(served == [3, 4, 5, 6, 1, 2] && scheduler.preemptions == 2 && scheduler.usedBlocks == 0)
  }

  @Test("keeps its places for the highest priorities, and brings all to their end", arguments: 0..<40)
  func placesByPriority(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    var scheduler = scheduler(blocks: 64) {
      $0.maximumSequences = 3
      $0.sharedPromptRows = 4_096
      $0.lonePromptRows = 4_096
    }
    // By id: the priority, and how many tokens are still to come.
    var alive: [Int: (priority: Int, left: Int)] = [:]
    var steps = 0
    for id in 0..<400 {
      if id < 60, Bool.random(using: &random) {
        let priority = Int.random(in: 0...3, using: &random)
        let count = Int.random(in: 1...40, using: &random)
        add(&scheduler, id, count, priority: priority)
        alive[id] = (priority, Int.random(in: 1...12, using: &random))
      }
      guard !alive.isEmpty else { continue }
      steps += 1
      let (plan, before) = (scheduler.plan(), scheduler.preemptions)
      #expect(plan.count == min(3, alive.count), "seed \(seed)")
      // There are pages for all, so that priorities alone decide.
      let least = plan.compactMap { alive[$0.id]?.priority }.min() ?? 0
      let waiting = alive.filter { !plan.contains(id: $0.key) }.values.map { $0.priority }.max() ?? 0
      #expect(waiting <= least, "seed \(seed): \(waiting) waits for \(least)")
      let again = scheduler.plan()
      #expect(
        Set(again.map(\.id)) == Set(plan.map(\.id)) && scheduler.preemptions == before,
        "seed \(seed): a plan changes by itself"
      )
      for work in again {
        scheduler.didCompute(work)
        scheduler.append(7, to: work.id)
        alive[work.id]?.left -= 1
        guard alive[work.id]?.left == 0 else { continue }
        scheduler.remove(work.id)
        alive[work.id] = nil
      }
    }
    #expect(alive.isEmpty && scheduler.isIdle && scheduler.usedBlocks == 0, "seed \(seed), \(steps) steps")
  }

  @Test(
    "takes pages back from the least important when a decoding sequence needs one, and computes that one again"
  )
  func preemption() {
    // Four pages: two prompts of 31 tokens, with a page in reserve for each.
    var scheduler = scheduler(blocks: 4)
    add(&scheduler, 1, 31)
    add(&scheduler, 2, 31)
    _ = step(&scheduler)
    for _ in 0..<66 { _ = step(&scheduler) }
    #expect(scheduler.preemptions > 0)
    #expect(scheduler.runningCount == 1 && scheduler.waitingCount == 1)
    scheduler.remove(1)
    let plan = scheduler.plan()
    #expect(plan.map(\.id) == [2] && plan[0].start == 0 && plan[0].count > 31)
  }

  @Test("gives pages back however a sequence ends")
  func release() {
    var scheduler = scheduler(blocks: 10)
    for id in 1...5 { add(&scheduler, id, 40) }
    _ = step(&scheduler)
    for id in 1...5 { scheduler.remove(id) }
    scheduler.remove(99)
    #expect(scheduler.usedBlocks == 0 && scheduler.isIdle)
  }

  @Test("reuses the pages of a common beginning, within a tenant only")
  func prefix() {
    var scheduler = scheduler()
    add(&scheduler, 1, 100, shares: true)
    _ = step(&scheduler)
    add(&scheduler, 2, 100, shares: true)
    add(&scheduler, 3, 100, tenant: "b", shares: true)
    add(&scheduler, 4, 100, shares: true, first: 1)
    let plan = step(&scheduler)
    #expect(plan.first { $0.id == 2 }?.start == 96)
    #expect(plan.first { $0.id == 3 }?.start == 0)
    #expect(plan.first { $0.id == 4 }?.start == 0)
    // Also after all have gone, and never the whole prompt: its last token's logits are needed.
    for id in 1...4 { scheduler.remove(id) }
    #expect(scheduler.usedBlocks == 0)
    add(&scheduler, 5, 96, shares: true)
    #expect(scheduler.plan().first?.start == 64)
  }

  @Test("takes tenants whose names are the same characters in other bytes for two")
  func tenantBytes() {
    var scheduler = scheduler()
    add(&scheduler, 1, 100, tenant: "\u{e9}", shares: true)
    _ = step(&scheduler)
    add(&scheduler, 2, 100, tenant: "e\u{301}", shares: true)
    #expect(step(&scheduler).first { $0.id == 2 }?.start == 0)
    var shares = FairShares(weights: ["\u{e9}": 2, "e\u{301}": 4])
    shares.enter("\u{e9}")
    shares.enter("e\u{301}")
    shares.charge("\u{e9}", 8)
    #expect(shares.used(by: "\u{e9}") == 4 && shares.used(by: "e\u{301}") == 0)
  }

  @Test("charges other tokens in the place of some again")
  func replacedTokens() throws {
    var scheduler = scheduler()
    scheduler.add(
      id: 1,
      tokens: Array(0..<10),
      priority: 10,
      tenant: "a",
      sharesPrefix: false,
      replaceable: 6
    )
    _ = step(&scheduler)
    for path in [[20, 21, 22], [20, 30], [20, 40, 41]] as [[Int32]] {
      let (before, start) = (scheduler.shares.used(by: "a"), path == [20, 21, 22] ? 10 : 11)
      scheduler.replaceTokens(of: 1, from: start, with: path.dropFirst(start - 10))
      let plan = step(&scheduler)
      #expect(plan.first?.start == start && plan.first?.count == 10 + path.count - start)
      let work = FairShares.tokenWork * Double(10 + path.count - start)
      #expect(scheduler.shares.used(by: "a") - before == work, "\(path)")
    }
  }

  @Test("shares a request's pages among its own answers only, whatever other tenants are called")
  func groupScope() {
    var scheduler = scheduler()
    func add(_ id: Int, tenant: TenantID, group: Int?) {
      scheduler.add(
        id: id,
        tokens: Array(0..<100),
        priority: 10,
        tenant: tenant,
        sharesPrefix: group == nil,
        group: group
      )
    }
    add(1, tenant: "a", group: 5)
    _ = step(&scheduler)
    add(2, tenant: "a#5", group: nil)
    add(3, tenant: "a", group: nil)
    add(4, tenant: "a", group: 5)
    let plan = step(&scheduler)
    #expect(plan.first { $0.id == 2 }?.start == 0)
    #expect(plan.first { $0.id == 4 }?.start == 96)
    // The tenant's other requests compute the beginning for themselves, too.
    let again = step(&scheduler)
    #expect((plan + again).first { $0.id == 3 }?.start == 0)
  }

  @Test("forgets kept pages, the oldest first, when it needs them")
  func eviction() {
    var scheduler = scheduler(blocks: 4)
    add(&scheduler, 1, 64, shares: true)
    _ = step(&scheduler)
    scheduler.remove(1)
    add(&scheduler, 2, 64, shares: true, first: 500)
    _ = step(&scheduler)
    scheduler.remove(2)
    add(&scheduler, 3, 64, shares: true, first: 900)
    _ = step(&scheduler)
    scheduler.remove(3)
    add(&scheduler, 4, 64, shares: true)
    #expect(scheduler.plan().first?.start == 0)
    scheduler.remove(4)
    add(&scheduler, 5, 64, shares: true, first: 900)
    #expect(scheduler.plan().first?.start == 32)
  }

  @Test("keeps no more pages for later than its budget allows, the latest")
  func keptPages() {
    var scheduler = scheduler { $0.keptPages = 2 }
    add(&scheduler, 1, 130, shares: true)
    _ = step(&scheduler)
    scheduler.remove(1)
    #expect(scheduler.keptBlocks == 2 && scheduler.usedBlocks == 0)
    add(&scheduler, 2, 130, shares: true)
    #expect(scheduler.plan().map(\.start) == [64])
  }

  @Test("shares nothing where nothing may be kept")
  func nothingKept() {
    var scheduler = scheduler { $0.keptPages = 0 }
    add(&scheduler, 1, 100, shares: true)
    _ = step(&scheduler)
    add(&scheduler, 2, 100, shares: true)
    #expect(step(&scheduler).first { $0.id == 2 }?.start == 0)
    scheduler.remove(1)
    scheduler.remove(2)
    #expect(scheduler.keptBlocks == 0 && scheduler.usedBlocks == 0)
  }

  @Test("computes a beginning once for prompts that arrive together")
  func together() {
    var scheduler = scheduler { $0.sharedPromptRows = 512 }
    for id in 1...3 { add(&scheduler, id, 100, shares: true) }
    let first = step(&scheduler)
    #expect(first.map(\.id) == [1] && first.map(\.count) == [100])
    let second = step(&scheduler)
    #expect(second.filter { $0.id > 1 }.map(\.start) == [96, 96])
    #expect(second.filter { $0.id > 1 }.map(\.reused) == [96, 96])
    // Three pages in common, and one each.
    #expect(scheduler.usedBlocks == 6)
  }

  @Test("holds one page for equal contents, however they came about")
  func duplicates() {
    // The second prompt is cut elsewhere, so that it fills the same page on its own.
    var scheduler = scheduler { $0.sharedPromptRows = 48 }
    add(&scheduler, 1, 20, first: 900)
    _ = step(&scheduler)
    add(&scheduler, 2, 70, shares: true)
    add(&scheduler, 3, 70, shares: true)
    for _ in 0..<8 { _ = step(&scheduler) }
    #expect(scheduler.holders.values.filter { $0 == 2 }.count == 2)
    for id in 1...3 { scheduler.remove(id) }
    #expect(scheduler.usedBlocks == 0 && scheduler.holders.isEmpty)
  }

  @Test("does not count as saved what it had computed for a sequence that lost its pages")
  func reusedAfterPreemption() {
    var scheduler = scheduler(blocks: 4)
    add(&scheduler, 1, 31, shares: true)
    add(&scheduler, 2, 31, shares: true, first: 500)
    var plans: [EngineScheduler.Work] = []
    for _ in 0..<40 { plans += step(&scheduler) }
    #expect(scheduler.preemptions > 0)
    #expect(plans.allSatisfy { $0.reused == 0 })
  }

  @Test("checks guesses on pages that nobody else needs, and goes on after those that came true")
  func drafts() {
    var scheduler = scheduler(blocks: 3)
    add(&scheduler, 1, 30)
    _ = step(&scheduler)
    #expect(scheduler.decoding.map(\.id) == [1] && scheduler.decoding.map(\.position) == [30])
    scheduler.propose([8, 8, 9, 9], for: 1)
    // Token 31 and its guesses up to 35 take a second page; one is left in reserve.
    let plan = scheduler.plan()
    #expect(plan.map(\.draft) == [[8, 8, 9, 9]] && plan.map(\.rowCount) == [5] && plan.map(\.count) == [1])
    #expect(plan[0].pages.count == 2 && plan[0].isLast)
    scheduler.didCompute(plan[0])
    for token in [8, 8] as [Int32] {
      scheduler.append(token, to: 1)
      scheduler.acceptDraft(of: 1)
    }
    scheduler.append(5, to: 1)
    // A guess is good for one step.
    let next = scheduler.plan()
    #expect(next.map(\.start) == [33] && next.map(\.draft) == [[]])
    scheduler.remove(1)
    #expect(scheduler.usedBlocks == 0)
  }

  @Test("drops guesses rather than take the last pages")
  func draftsWithoutPages() {
    var scheduler = scheduler(blocks: 1)
    add(&scheduler, 3, 30)
    _ = step(&scheduler)
    scheduler.propose([1, 2, 3, 4], for: 3)
    #expect(scheduler.plan().map(\.draft) == [[1]])
    scheduler.propose([1], for: 99)
    #expect(scheduler.preemptions == 0)
  }

  @Test("keeps books of bounded length while the same prompt comes again and again")
  func repeatedPrompt() throws {
    var allocator = BlockAllocator(count: 8)
    let prefix = BlockAllocator.Prefix(scope: .init(tenant: "a"), parent: 0, tokens: Array(0..<32))
    let taken = allocator.allocate()
    let page = try #require(taken)
    _ = allocator.publish(page, as: prefix)
    allocator.release(page)
    for _ in 0..<20_000 {
      let again = allocator.reuse(prefix)
      #expect(again?.block == page)
      allocator.release(page)
    }
    #expect(allocator.idleEntryCount < 2_000 && allocator.idleCount == 1 && allocator.freeCount == 8)
    // Taken again in the order of their release.
    let pages = (0..<8).compactMap { _ in allocator.allocate() }
    let (more, forgotten) = (allocator.allocate(), allocator.reuse(prefix))
    #expect(Set(pages).count == 8 && more == nil && forgotten == nil)
  }

  @Test("keeps its books right over random events", arguments: 0..<60)
  func property(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    let blocks = Int.random(in: 4...20, using: &random)
    var scheduler = scheduler(blocks: blocks) {
      $0.maximumSequences = 4
      $0.sharedPromptRows = 48
      $0.lonePromptRows = 80
      $0.keptPages = seed % 3 == 0 ? nil : Int(seed % 7)
    }
    var alive: [Int: Int] = [:]
    for id in 0..<120 {
      if Int.random(in: 0..<3, using: &random) == 0 {
        let count = Int.random(in: 1...(blocks * 32 - 1), using: &random)
        let priority = Int.random(in: 0...2, using: &random)
        add(
          &scheduler,
          id,
          count,
          priority: priority,
          shares: Bool.random(using: &random),
          first: Int32(id % 2)
        )
        alive[id] = count
      }
      if Int.random(in: 0..<6, using: &random) == 0, let gone = alive.keys.min() {
        scheduler.remove(gone)
        alive[gone] = nil
      }
      for (id, _) in scheduler.decoding where Bool.random(using: &random) {
        let room = blocks * 32 - 1 - (alive[id] ?? 0)
        let draft = Int.random(in: 0...9, using: &random)
        scheduler.propose(Array(repeating: Int32(id), count: max(0, min(room, draft))), for: id)
      }
      let plan = scheduler.plan()
      #expect(alive.isEmpty || !plan.isEmpty, "seed \(seed): nothing is planned")
      #expect(Set(plan.map(\.id)).count == plan.count, "seed \(seed)")
      var slots: Set<Int> = []
      for work in plan {
        #expect(work.pages.count * 32 >= work.start + work.rowCount, "seed \(seed): a row has no page")
        for position in work.start..<min(work.start + work.rowCount, work.pages.count * 32) {
          let slot = Int(work.pages[position / 32]) * 32 + position % 32
          #expect(slots.insert(slot).inserted, "seed \(seed): two rows are stored in one place")
        }
        scheduler.didCompute(work)
        guard work.isLast, let count = alive[work.id] else { continue }
        if count + 1 >= blocks * 32 {
          scheduler.remove(work.id)
          alive[work.id] = nil
        } else {
          var hits = 0
          scheduler.append(Int32(work.id), to: work.id)
          while hits < work.draft.count, Bool.random(using: &random) {
            scheduler.acceptDraft(of: work.id)
            scheduler.append(Int32(work.id), to: work.id)
            hits += 1
          }
          alive[work.id] = count + 1 + hits
        }
      }
      // Every page's references are the sequences that hold it, and no page is lost.
      let holders = scheduler.holders
      #expect(scheduler.usedBlocks == holders.count, "seed \(seed): pages leak")
      for page in 0..<UInt32(blocks) {
        #expect(scheduler.references(to: page) == holders[page] ?? 0, "seed \(seed), page \(page)")
      }
      #expect(scheduler.usedBlocks + scheduler.keptBlocks <= blocks, "seed \(seed)")
      #expect(scheduler.keptBlocks <= (seed % 3 == 0 ? blocks : Int(seed % 7)), "seed \(seed)")
    }
    for id in alive.keys { scheduler.remove(id) }
    #expect(scheduler.usedBlocks == 0 && scheduler.isIdle, "seed \(seed)")
  }
}
