// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldRouting
import TenfoldTesting
import Testing

/// A model that shares `capacity` answers' worth of work a second among those it works on, and its ever asking clients.
private struct SimulatedBackend: Sendable, CustomTestStringConvertible {
  var name: String
  var clients: Int
  var capacity: Double
  /// How many it works on at once; the others wait in it, and with a number here it says how long.
  var slots: Int?
  var saysQueueTime = false
  var initialLimit: Int
  /// Seconds that an answer takes alone, by its number.
  var work: @Sendable (Int, inout SeededGenerator) -> Double
  /// The limits that the second half of the run must keep to.
  var mean: ClosedRange<Double>
  var least = 1

  var testDescription: String { name }

  private struct Work {
    var left: Double
    var admitted: Double
    var started: Double?
  }

  /// The limits after each answer of the second half.
  func run(answers: Int, seed: UInt64) -> [Int] {
    var generator = SeededGenerator(seed: seed)
    var machine = ConcurrencyLimitStateMachine(options: .init(initial: initialLimit))
    let start = ContinuousClock.now
    var (now, running, limits) = (0.0, [Work](), [Int]())
    for answer in 0..<answers {
      while running.count < min(clients, machine.limit) {
        running.append(Work(left: work(answer, &generator), admitted: now))
      }
      let served = min(slots ?? .max, running.count)
      for place in 0..<served where running[place].started == nil { running[place].started = now }
      guard let first = (0..<served).min(by: { running[$0].left < running[$1].left }) else { break }
      let share = min(1, capacity / Double(served))
      let done = running[first].left
      for place in 0..<served { running[place].left -= done }
      now += done / share
      let work = running.remove(at: first)
      let waited = (work.started ?? now) - work.admitted
      let sample = ConcurrencyLimitStateMachine.Sample(
        latency: .seconds(now - work.admitted),
        queueTime: saysQueueTime ? .seconds(waited) : nil,
        admitted: start.advanced(by: .seconds(work.admitted))
      )
      machine.observe(sample, inFlight: running.count + 1, now: start.advanced(by: .seconds(now)))
      if answer >= answers / 2 { limits.append(machine.limit) }
    }
    return limits
  }
}

private func around(_ seconds: Double, _ generator: inout SeededGenerator) -> Double {
  seconds * Double.random(in: 0.5...1.5, using: &generator)
}

private let backends: [SimulatedBackend] = [
  .init(
    name: "room for all",
    clients: 32,
    capacity: 64,
    initialLimit: 16,
    work: { around(1, &$1) },
    mean: 32...64,
    least: 28
  ),
  .init(
    name: "one short answer in ten",
    clients: 32,
    capacity: 64,
    initialLimit: 16,
    work: { $0 % 10 == 0 ? 0.05 : around(1, &$1) },
    mean: 32...64,
    least: 16
  ),
  .init(
    name: "half of the answers short, in any order",
    clients: 32,
    capacity: 64,
    initialLimit: 16,
    work: { Bool.random(using: &$1) ? 0.05 : around(1, &$1) },
    mean: 24...64,
    least: 12
  ),
  .init(
    name: "half of the answers from a cache inside",
    clients: 32,
    capacity: 64,
    initialLimit: 16,
    work: { Bool.random(using: &$1) ? 0.0003 : around(1, &$1) },
    mean: 24...64,
    least: 8
  ),
  .init(
    name: "short answers, then long ones",
    clients: 32,
    capacity: 64,
    initialLimit: 16,
    work: { $0 < 2500 ? 0.05 : around(1, &$1) },
    mean: 28...64,
    least: 14
  ),
  .init(
    name: "overloaded, slower for all",
    clients: 200,
    capacity: 8,
    initialLimit: 100,
    work: { around(1, &$1) },
    mean: 4...40
  ),
  .init(
    name: "overloaded, with a queue that it doesn't tell of",
    clients: 200,
    capacity: 8,
    slots: 8,
    initialLimit: 100,
    work: { around(1, &$1) },
    mean: 4...40
  ),
  .init(
    name: "overloaded, with a queue that it tells of, mixed",
    clients: 200,
    capacity: 8,
    slots: 8,
    saysQueueTime: true,
    initialLimit: 100,
    work: { Bool.random(using: &$1) ? 0.05 : around(1, &$1) },
    mean: 4...40
  ),
  .init(
    name: "one at a time, with a queue that it tells of",
    clients: 200,
    capacity: 1,
    slots: 1,
    saysQueueTime: true,
    initialLimit: 16,
    work: { around(1, &$1) },
    mean: 1...6
  ),
  .init(
    name: "one at a time",
    clients: 200,
    capacity: 1,
    slots: 1,
    initialLimit: 16,
    work: { around(1, &$1) },
    mean: 1...12
  ),
  .init(
    name: "found from below",
    clients: 200,
    capacity: 20,
    initialLimit: 2,
    work: { around(0.1, &$1) },
    mean: 15...70
  ),
]

@Suite("The concurrency limit")
struct ConcurrencyLimitTests {
  @Test("doesn't take long answers for late ones, and finds what a model can do", arguments: backends, 0..<8)
  private func simulated(backend: SimulatedBackend, seed: Int) {
    let limits = backend.run(answers: 10_000, seed: UInt64(seed))
    let mean = Double(limits.reduce(0, +)) / Double(max(1, limits.count))
    #expect(backend.mean.contains(mean), "seed \(seed): mean \(mean)")
    #expect((limits.min() ?? 0) >= backend.least, "seed \(seed): least \(limits.min() ?? 0)")
  }

  @Test("shrinks when there is no room, never below its minimum")
  func shrinks() {
    var machine = ConcurrencyLimitStateMachine(options: .init(initial: 100, minimum: 3))
    var now = ContinuousClock.now
    for _ in 0..<200 {
      now = now.advanced(by: .seconds(61))
      machine.observeOverload(now: now)
    }
    #expect(machine.limit == 3)
  }

  @Test("a burst of refusals counts once in a round")
  func burst() {
    var machine = ConcurrencyLimitStateMachine(options: .init(initial: 100))
    let now = ContinuousClock.now
    for index in 0..<1000 { machine.observeOverload(now: now.advanced(by: .microseconds(index))) }
    #expect(machine.limit == 90)
  }

  @Test("tells when a first word is late, from the answers it has seen")
  func lateness() {
    var machine = ConcurrencyLimitStateMachine(options: .init(initial: 10, tolerance: 4))
    #expect(machine.lateAfter > .milliseconds(199) && machine.lateAfter < .milliseconds(201))
    let now = ContinuousClock.now
    for _ in 0..<100 {
      machine.observe(.init(latency: .milliseconds(10), admitted: now), inFlight: 1, now: now)
    }
    #expect(machine.lateAfter > .milliseconds(39) && machine.lateAfter < .milliseconds(41))
  }

  @Test("does not move while it is not used")
  func unused() {
    var machine = ConcurrencyLimitStateMachine(options: .init(initial: 10))
    let now = ContinuousClock.now
    for _ in 0..<10_000 {
      machine.observe(.init(latency: .milliseconds(1), admitted: now), inFlight: 1, now: now)
    }
    #expect(machine.limit == 10)
  }
}
