// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldKernels
import Testing

@testable import TenfoldInference

@Suite("Speculation: a draft model's guesses")
struct ModelDrafterTests {
  /// A draft model whose passes cost next to nothing, so that it guesses whenever it may.
  static func free(
    _ synthetic: SyntheticModel,
    vocabulary: any DecoderVocabulary = ASCIIVocabulary(endTokens: [])
  )
    throws -> DraftModel
  {
    var draft = try DraftModel(name: "draft", model: synthetic.load(), vocabulary: vocabulary)
    draft.costs = (PassCost(first: 1, further: 1e-9), PassCost(first: 1e-9, further: 1e-12))
    return draft
  }

  private static func drafter(_ synthetic: SyntheticModel, pages: Int, limit: Int) throws -> ModelDrafter {
    let target = try SyntheticModel(seed: 9).load()
    var limits = EngineScheduler.Limits()
    limits.maximumSequences = 4
    limits.lonePromptRows = 40
    limits.sharedPromptRows = 20
    let runner = try DecoderRunner(
      model: target,
      memory: KeyValueMemory(target.configuration, pageCount: pages),
      positions: 200,
      maximumRows: 1,
      maximumLogitRows: 1,
      pool: WorkerPool(threads: 1)
    )
    return try ModelDrafter(
      free(synthetic),
      limit: limit,
      target: runner,
      limits: limits,
      contextLength: 200
    )
  }

  private static func request(
    _ id: Int,
    _ tokens: [Int32],
    room: Int,
    scope: BlockAllocator.Scope?
  ) -> ModelDrafter.Request {
    ModelDrafter.Request(
      id: id,
      tokens: tokens,
      room: room,
      generated: 1,
      left: 1_000,
      scope: scope,
      isSampled: false
    )
  }

  private static func around(
    _ count: Int,
    room: Int = 32,
    forbidding token: Int32? = nil,
    isAbandoned: Bool = false
  ) -> ModelDrafter.Surroundings {
    ModelDrafter.Surroundings(
      rows: count,
      sequences: count,
      room: room,
      isPlausible: { _, guesses in guesses.last != token },
      isAbandoned: { isAbandoned }
    )
  }

  @Test(
    "are what the draft model itself would say, whatever came true before and whose pages were taken",
    .timeLimit(.minutes(10)),
    arguments: 0..<12
  )
  func exact(seed: UInt64) throws {
    var random = SamplerRandom(seed: seed)
    let synthetic = SyntheticModel(seed: 3, isForgetful: seed % 3 == 0)
    let pages = Int.random(in: 8...20, using: &random)
    let limit = Int.random(in: 1...6, using: &random)
    let drafter = try Self.drafter(synthetic, pages: pages, limit: limit)
    let reference = try DecoderSession(synthetic.load(), contextLength: 300, threads: 1)
    let beginning = (0..<70).map { _ in Int32.random(in: 0..<128, using: &random) }
    var living: [Int: [Int32]] = [:]
    var (nextID, guessed) = (0, 0)
    for _ in 0..<60 {
      while living.count < 4 {
        let length = Int.random(in: 1...90, using: &random)
        living[nextID] = Array(beginning.prefix(length)) + [Int32.random(in: 0..<128, using: &random)]
        nextID += 1
      }
      let asked = living.keys.sorted().filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
      drafter.dropGuesses()
      let guesses = try drafter.propose(
        for: asked.map { id in
          let scope = id % 4 == 0 ? nil : BlockAllocator.Scope(tenant: TenantID("tenant \(id % 2)"))
          return Self.request(id, living[id] ?? [], room: Int.random(in: 1...8, using: &random), scope: scope)
        },
        Self.around(
          max(1, asked.count),
          forbidding: 5,
          isAbandoned: Int.random(in: 0..<10, using: &random) == 0
        )
      )
      for (id, guesses) in guesses {
        let tokens = living[id] ?? []
        #expect(guesses.count <= limit && !guesses.contains(5), "seed \(seed)")
        reference.rewind()
        var next = tokens
        for guess in guesses {
          let likeliest = try reference.evaluate(next) { logits in
            logits.indices.max { (logits[$0], -$0) < (logits[$1], -$1) }
          }
          #expect(
            likeliest.map { Int32($0) } == guess,
            "seed \(seed), sequence \(id) of \(tokens.count) tokens"
          )
          next = [guess]
          guessed += 1
        }
        let hits = Int.random(in: 0...guesses.count, using: &random)
        living[id]? += guesses.prefix(hits)
        drafter.didCheck(id, checked: guesses.count, hits: hits, isMissed: hits < guesses.count)
      }
      for id in living.keys.sorted() {
        living[id]?.append(Int32.random(in: 0..<128, using: &random))
        guard living[id]?.count ?? 0 > 180 || Int.random(in: 0..<12, using: &random) == 0 else { continue }
        living[id] = nil
        drafter.remove(id, generated: 10)
      }
      #expect(drafter.usedPages <= pages, "seed \(seed)")
    }
    #expect(guessed > 0, "seed \(seed)")
    for id in living.keys { drafter.remove(id, generated: 10) }
    #expect(drafter.usedPages == 0, "seed \(seed)")
  }

  @Test("are for no sequence past the draft model's positions, and no more than there is room for")
  func bounds() throws {
    let drafter = try Self.drafter(
      SyntheticModel(contextLength: 64, seed: 3, isForgetful: true),
      pages: 20,
      limit: 8
    )
    func count(_ length: Int, room: Int, all: Int = 32) throws -> Int {
      drafter.dropGuesses()
      defer { drafter.remove(1, generated: 0) }
      let request = Self.request(1, Array(repeating: 7, count: length), room: room, scope: nil)
      // More than a pass takes in is taken in by several.
      for _ in 0..<3 {
        let guesses = try drafter.propose(for: [request], Self.around(1, room: all))
        if let first = guesses.first { return first.guesses.count }
      }
      return 0
    }
    #expect(try count(10, room: 8) == 8)
    #expect(try count(10, room: 3) == 3)
    #expect(try count(10, room: 8, all: 2) == 2)
    #expect(try count(63, room: 8) == 2)
    #expect(try count(64, room: 8) == 1)
    #expect(try count(65, room: 8) == 0)
    #expect(try count(10, room: 0) == 0)
  }

  @Test("take in a long prompt in pieces")
  func pieces() throws {
    let drafter = try Self.drafter(SyntheticModel(seed: 3), pages: 20, limit: 2)
    let request = Self.request(1, (0..<100).map { $0 % 90 + 10 }, room: 2, scope: nil)
    for pass in 1...2 {
      drafter.dropGuesses()
      #expect(try drafter.propose(for: [request], Self.around(1)).isEmpty)
      #expect(drafter.passes == pass && (drafter.rows[1] ?? 0) == 41)
    }
    drafter.dropGuesses()
    _ = try drafter.propose(for: [request], Self.around(1))
    #expect(drafter.passes >= 3 && (18...19).contains(drafter.rows[1] ?? 0))
  }
}
