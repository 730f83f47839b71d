// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldCore
import TenfoldKernels

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The step loop: takes mail, asks the scheduler for a step, computes it, hands out tokens.
///
/// It is confined to one thread.
final class EngineLoop {
  private let mailbox: EngineMailbox
  private let runner: DecoderRunner
  private let vocabulary: any DecoderVocabulary
  private let profile: ModelProfile
  private let contextLength: Int
  private let threads: Int
  private var scheduler: EngineScheduler
  private var sequences: [Int: EngineSequence] = [:]
  private var tokens: [Int: [Int32]] = [:]
  private var weights: [Float]
  private var statistics = EngineStatistics()
  private var ended = 0

  init(
    mailbox: EngineMailbox,
    runner: DecoderRunner,
    vocabulary: any DecoderVocabulary,
    profile: ModelProfile,
    limits: EngineScheduler.Limits,
    threads: Int
  ) {
    self.mailbox = mailbox
    self.runner = runner
    self.vocabulary = vocabulary
    self.profile = profile
    self.contextLength = profile.contextLength
    self.threads = threads
    self.scheduler = EngineScheduler(limits: limits, blockCount: runner.memory.pageCount)
    self.weights = Array(repeating: 0, count: runner.model.vocabularySize)
  }

  /// Works until the mailbox says stop.
  func run() {
    defer { mailbox.end() }
    while true {
      let mail = mailbox.collect(waiting: scheduler.isIdle)
      for request in mail.requests { accept(request) }
      for id in mail.cancelled { drop(id) { $0.abandon(profile: $1) } }
      if mail.isStopped {
        let error = ModelError(
          .engineStopped,
          "The model \(profile.id) was shut down before the answer was complete."
        )
        for id in sequences.keys.sorted() { drop(id) { $0.fail(error, profile: $1) } }
        publish()
        return
      }
      for (id, sequence) in sequences where sequence.isLate {
        drop(id) { $0.finish(.deadline, profile: $1) }
      }
      step()
      publish()
    }
  }

  // MARK: - Requests

  private func accept(_ request: EngineRequest) {
    sequences[request.id] = EngineSequence(request, vocabulary: vocabulary)
    tokens[request.id] = request.prompt
    scheduler.add(
      id: request.id,
      tokens: request.prompt,
      priority: request.context.priority.rawValue,
      tenant: request.context.tenant.rawValue,
      sharesPrefix: true,
      replaceable: request.choices?.longestPath ?? 0
    )
  }

  /// Ends a sequence in the way `end` says and frees its pages.
  private func drop(_ id: Int, _ end: (inout EngineSequence, ModelProfile) -> Void) {
    guard var sequence = sequences.removeValue(forKey: id) else { return }
    tokens[id] = nil
    scheduler.remove(id)
    ended += 1
    // The statistics show the freed pages before the reader sees the end.
    publish()
    end(&sequence, profile)
  }

  private func publish() {
    statistics.running = scheduler.runningCount
    statistics.waiting = scheduler.waitingCount
    statistics.usedPages = scheduler.usedBlocks
    statistics.preemptions = scheduler.preemptions
    mailbox.publish(statistics, ended: ended)
    ended = 0
  }

  // MARK: - Steps

  private func step() {
    let plan = scheduler.plan()
    guard !plan.isEmpty else { return }
    var step = DecoderStep()
    for work in plan {
      sequences[work.id]?.start(cached: work.start)
      let known = tokens[work.id] ?? []
      step.add(
        known[work.start..<work.start + work.count],
        at: work.start,
        pages: work.pages,
        logits: work.isLast ? 1 : 0
      )
    }
    let ids = plan.map(\.id)
    let before = Self.threadTime()
    do throws(ModelError) {
      guard try runner.run(step, isAbandoned: { mailbox.abandons(ids) }) else { return }
    } catch {
      for id in ids { drop(id) { $0.fail(error, profile: $1) } }
      return
    }
    charge(plan, cpuTime: (Self.threadTime() - before) * threads)
    statistics.steps += 1
    statistics.computedRows += step.tokens.count
    var logits = 0
    for work in plan {
      scheduler.didCompute(work)
      guard work.isLast else { continue }
      advance(work.id, logits: logits)
      logits += 1
    }
  }

  /// Goes on with a sequence whose last token's logits are there.
  private func advance(_ id: Int, logits index: Int) {
    guard var sequence = sequences[id] else { return }
    let logits = unsafe runner.logits(index)
    if sequence.choices != nil {
      unsafe decide(id, &sequence, logits)
      return
    }
    let choice: TokenSampler.Choice
    do throws(ModelError) {
      choice = try unsafe weights.withUnsafeMutableBufferPointer { (weights) throws(ModelError) in
        try unsafe sequence.sampler.next(logits, weights: weights, kernels: runner.elementwise)
      }
    } catch {
      drop(id) { $0.fail(error, profile: $1) }
      return
    }
    statistics.generatedTokens += 1
    let reason = sequence.take(choice, endTokens: vocabulary.endTokens, contextLength: contextLength)
    sequences[id] = sequence
    if let reason {
      drop(id) { $0.finish(reason, profile: $1) }
    } else {
      scheduler.append(choice.token, to: id)
      tokens[id]?.append(choice.token)
    }
  }

  /// Accounts for a fork of the given answers and goes to the next one.
  private func decide(
    _ id: Int,
    _ sequence: inout EngineSequence,
    _ logits: UnsafeMutableBufferPointer<Float>
  ) {
    guard let fork = sequence.choices?.forks.first else { return }
    let wanted = fork.tokens.map { unsafe logits[Int($0)] }
    guard wanted.allSatisfy(\.isFinite) else {
      drop(id) { $0.fail(TokenSampler.notNumbers(), profile: $1) }
      return
    }
    sequence.choices?.resolve(wanted)
    guard let trie = sequence.choices else { return }
    sequences[id] = sequence
    guard let next = trie.forks.first else {
      statistics.generatedTokens += 1
      drop(id) { $0.finishWithChoice(trie, profile: $1) }
      return
    }
    let prompt = sequence.request.prompt
    scheduler.replaceTokens(of: id, from: prompt.count, with: next.path)
    tokens[id] = prompt + next.path
  }

  private func charge(_ plan: [EngineScheduler.Work], cpuTime: Duration) {
    let rows = plan.reduce(0) { $0 + $1.count }
    for work in plan {
      let share = Double(work.count) / Double(rows)
      sequences[work.id]?.charge(
        cpuTime: cpuTime * share,
        memoryBytes: Double(runner.model.streamedByteCount) * share
      )
    }
  }

  /// CPU time of this thread.
  ///
  /// The workers of a step's parallel regions are busy as long as this thread is, so a step's
  /// CPU time is this times their number.
  private static func threadTime() -> Duration {
    var time = timespec()
    guard unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 else { return .zero }
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }
}
