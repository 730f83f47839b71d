// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldKernels
import Testing

@testable import TenfoldInference

@Suite("A decoder's pass")
struct DecoderRunnerTests {
  private static let prompt: [Int32] = (0..<150).map { Int32(($0 * 37 + 11) % 127) }

  private func logits(
    of tokens: [Int32],
    _ model: DecoderModel,
    step: Int = 512,
    threads: Int = 1,
    precision: DecoderPrecision = .standard
  ) throws -> [[Float]] {
    let session = try DecoderSession(
      model,
      contextLength: 512,
      threads: threads,
      stepLength: step,
      precision: precision
    )
    var rows: [[Float]] = []
    try session.evaluateAll(tokens) { _, logits in rows.append(logits.indices.map { logits[$0] }) }
    return rows
  }

  @Test(
    "agrees with a plain computation in double precision",
    arguments: ["llama", "qwen2", "qwen3"],
    [true, false]
  )
  func oracle(architecture: String, isQuantised: Bool) throws {
    var synthetic = SyntheticModel(architecture: architecture)
    synthetic.weights = isQuantised ? .q8_0 : .f32
    // As in the small models of that family, whose heads are wider together than the rows they are made from.
    if architecture == "qwen3" { synthetic.headLength = 32 }
    let model = try synthetic.load()
    let tokens = Array(Self.prompt.prefix(70))
    let expected = DecoderOracle(synthetic).logits(tokens)
    // Activations of quantised layers have 8 bits once or twice, keys and values half precision.
    for (precision, bound) in [(DecoderPrecision.standard, 0.06), (.high, 0.03)] {
      let actual = try logits(of: tokens, model, precision: precision)
      var (error, size) = (0.0, 0.0)
      for (a, b) in zip(actual, expected) {
        for (x, y) in zip(a, b) {
          error += (Double(x) - y) * (Double(x) - y)
          size += y * y
        }
      }
      #expect(actual.count == tokens.count)
      #expect((error / size).squareRoot() < (isQuantised ? bound : 0.002), "\(precision)")
    }
  }

  @Test("scales positions as the file says", arguments: ["linear", "yarn"])
  func scaling(type: String) throws {
    var synthetic = SyntheticModel()
    synthetic.weights = .f32
    synthetic.scaling = (type, [("factor", 4)])
    let tokens = Array(Self.prompt.prefix(70))
    // The file doesn't say what the model was trained on, so its context of 512 counts.
    let actual = try logits(of: tokens, synthetic.load())
    var oracle = DecoderOracle(synthetic)
    if type == "linear" {
      oracle.frequencies = (0..<8).map { pow(10_000, -Double($0) / 8) / 4 }
    } else {
      // By `_compute_yarn_parameters` of transformers 5.2 for heads of 16 and 512 positions.
      oracle.frequencies = [
        1, 0.25693506, 0.0625, 0.0138349654, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-05,
      ]
      oracle.magnitude = 1.138629436111989
    }
    func distance(_ expected: [[Double]]) -> Double {
      var (error, size) = (0.0, 0.0)
      for (x, y) in zip(actual.joined(), expected.joined()) {
        error += (Double(x) - y) * (Double(x) - y)
        size += y * y
      }
      return (error / size).squareRoot()
    }
    #expect(distance(oracle.logits(tokens)) < 0.002)
    #expect(distance(DecoderOracle(synthetic).logits(tokens)) > 0.02)
  }

  @Test("divides the frequencies of the rotation by the factors of the file")
  func rotationFactors() throws {
    var synthetic = SyntheticModel()
    synthetic.weights = .f32
    // As Llama 3.1: fast frequencies stay, slow ones are slowed down.
    synthetic.rotationFactors = [1, 1, 1, 1.5, 2.25, 4, 8, 8]
    let tokens = Array(Self.prompt.prefix(70))
    let actual = try logits(of: tokens, synthetic.load())
    let expected = DecoderOracle(synthetic).logits(tokens)
    let plain = try logits(of: tokens, SyntheticModel(weights: .f32).load())
    func distance(_ rows: [[Float]]) -> Double {
      var (error, size) = (0.0, 0.0)
      for (x, y) in zip(rows.joined(), expected.joined()) {
        error += (Double(x) - y) * (Double(x) - y)
        size += y * y
      }
      return (error / size).squareRoot()
    }
    #expect(distance(actual) < 0.002)
    #expect(distance(plain) > 0.02)
  }

  @Test("gives a token after a long context the same bits on any number of threads")
  func longContext() throws {
    let model = try SyntheticModel().load()
    let tokens: [Int32] = (0..<330).map { index in Int32((index * 37 + index / 9) % 128) }
    let whole = try logits(of: tokens, model)
    for (step, threads) in [(1, 1), (1, 2), (7, 3), (400, 2)] {
      let rows = try logits(of: tokens, model, step: step, threads: threads)
      #expect(rows == whole, "\(step) rows, \(threads) threads")
    }
  }

  @Test(
    "gives the same bits however a sequence is cut into steps",
    arguments: [1, 2, 7, 31, 32, 33, 64, 149]
  )
  func chunking(step: Int) throws {
    let model = try SyntheticModel().load()
    let whole = try logits(of: Self.prompt, model)
    #expect(try logits(of: Self.prompt, model, step: step) == whole)
  }

  @Test(
    "gives the same bits to a row alone and among the rows that check guesses",
    arguments: InstructionSet.available.map(\.name),
    [DecoderPrecision.high, .standard]
  )
  func guesses(set: String, precision: DecoderPrecision) throws {
    for weights in [SyntheticModel.Weights.q8_0, .f32] {
      var synthetic = SyntheticModel(architecture: weights == .q8_0 ? "qwen2" : "qwen3")
      synthetic.weights = weights
      let instructionSet = InstructionSet.available.first { $0.name == set }
      let model = try DecoderModel(synthetic.open(), threads: 1, instructionSet: instructionSet)
      func rows(_ step: Int) throws -> [[Float]] {
        let session = try DecoderSession(
          model,
          contextLength: 64,
          threads: 1,
          stepLength: step,
          precision: precision
        )
        var rows: [[Float]] = []
        try session.evaluateAll(Array(Self.prompt.prefix(48))) { _, logits in
          rows.append(logits.indices.map { logits[$0] })
        }
        return rows
      }
      let alone = try rows(1)
      for step in [2, 3, 4, 5, 8, 9, 17, 32] { #expect(try rows(step) == alone, "\(weights), \(step) rows") }
    }
  }

  @Test(
    "keeps keys and values in 8 bits with the same bits however a sequence is cut",
    arguments: ["llama", "qwen2", "qwen3"]
  )
  func int8(architecture: String) throws {
    let synthetic = SyntheticModel(architecture: architecture)
    let model = try synthetic.load()
    let tokens = Array(Self.prompt.prefix(90))
    func rows(_ step: Int, _ precision: KeyValuePrecision) throws -> [[Float]] {
      let session = try DecoderSession(
        model,
        contextLength: 128,
        threads: 1,
        stepLength: step,
        keyValuePrecision: precision
      )
      var rows: [[Float]] = []
      try session.evaluateAll(tokens) { _, logits in rows.append(logits.indices.map { logits[$0] }) }
      return rows
    }
    let whole = try rows(128, .int8)
    for step in [1, 2, 5, 32, 33] { #expect(try rows(step, .int8) == whole, "\(step) rows") }
    let halves = try rows(128, .float16)
    var (error, size) = (0.0, 0.0)
    for (a, b) in zip(whole.joined(), halves.joined()) {
      error += Double((a - b) * (a - b))
      size += Double(b * b)
    }
    // Random weights, as these are, amplify errors.
    #expect(error > 0 && (error / size).squareRoot() < 0.1)
    let bytes = [KeyValuePrecision.int8, .float16].map {
      KeyValueMemory.bytesPerPage(model.configuration, $0)
    }
    let memory = try KeyValueMemory(model.configuration, pageCount: 3, precision: .int8)
    #expect(memory.pageByteCount == bytes[0] && bytes[0] < bytes[1])
  }

  @Test("gives the same bits on any number of threads", arguments: [2, 3, 5])
  func threads(count: Int) throws {
    let model = try SyntheticModel(architecture: "qwen2").load()
    let alone = try logits(of: Self.prompt, model)
    #expect(try logits(of: Self.prompt, model, threads: count) == alone)
    for _ in 0..<3 { #expect(try logits(of: Self.prompt, model, step: 1, threads: count) == alone) }
  }

  @Test("gives the same bits beside other sequences and on scattered pages")
  func batching() throws {
    let model = try SyntheticModel().load()
    let alone = try logits(of: Self.prompt, model)
    let memory = try KeyValueMemory(model.configuration, pageCount: 16)
    let runner = try DecoderRunner(
      model: model,
      memory: memory,
      positions: 256,
      maximumRows: 256,
      maximumLogitRows: 8,
      pool: WorkerPool(threads: 1)
    )
    var step = DecoderStep()
    step.add(Self.prompt.prefix(90), at: 0, pages: [9, 3, 14], logits: 1)
    step.add(Self.prompt.reversed().prefix(40), at: 0, pages: [0, 15], logits: 1)
    #expect(try runner.run(step))
    #expect(values(runner, 0) == alone[89])
    step = DecoderStep()
    step.add(Self.prompt.reversed()[40...40], at: 40, pages: [0, 15], logits: 1)
    step.add(Self.prompt[90..<100], at: 90, pages: [9, 3, 14, 1], logits: 3)
    #expect(try runner.run(step))
    #expect(values(runner, 1) == alone[97])
    #expect(values(runner, 3) == alone[99])
  }

  private func values(_ runner: DecoderRunner, _ index: Int) -> [Float] { unsafe Array(runner.logits(index)) }

  @Test("stops between blocks when its sequences are gone")
  func abandoned() throws {
    let model = try SyntheticModel().load()
    let runner = try DecoderRunner(
      model: model,
      memory: KeyValueMemory(model.configuration, pageCount: 1),
      positions: 32,
      maximumRows: 32,
      maximumLogitRows: 1,
      pool: WorkerPool(threads: 1)
    )
    var step = DecoderStep()
    step.add([1, 2, 3], at: 0, pages: [0], logits: 1)
    var asked = 0
    let isDone = try runner.run(step) {
      asked += 1
      return asked == 2
    }
    #expect(!isDone && asked == 2)
  }

  @Test("leaves a bounded amount behind where it spreads attention over threads")
  func partials() throws {
    let model = try SyntheticModel().load()
    let runner = try DecoderRunner(
      model: model,
      memory: KeyValueMemory(model.configuration, pageCount: 1),
      positions: 512,
      maximumRows: 512,
      maximumLogitRows: 1,
      pool: WorkerPool(threads: 16)
    )
    func pieces(rows: Int, at position: Int) -> Int {
      var step = DecoderStep()
      step.add(Array(repeating: 1, count: rows)[...], at: position, pages: [], logits: 1)
      runner.prepareAttention(step)
      return runner.pieces.count
    }
    #expect(pieces(rows: 1, at: 32_000) > 100)
    let few = runner.partials.count
    #expect(few > 0)
    #expect(pieces(rows: 512, at: 48_000) == 0)
    #expect(runner.partials.count == few)
  }

  @Test("refuses tokens outside the vocabulary and too many of them")
  func badTokens() throws {
    let session = try DecoderSession(SyntheticModel().load(), contextLength: 32, threads: 1)
    #expect(throws: ModelError.self) { try session.evaluate([128]) { _ in } }
    #expect(throws: ModelError.self) { try session.evaluate([-1]) { _ in } }
    #expect(throws: ModelError.self) { try session.evaluate([]) { _ in } }
    let error = #expect(throws: ModelError.self) {
      try session.evaluate(Array(repeating: 1, count: 33)) { _ in }
    }
    #expect(error?.code == .promptTooLong)
  }
}

@Suite("Loading a decoder")
struct DecoderLoadTests {
  @Test(
    "names a missing tensor",
    arguments: [
      "token_embd.weight", "blk.1.ffn_up.weight", "blk.0.attn_norm.weight", "blk.1.attn_k_norm.weight",
    ]
  )
  func missing(name: String) throws {
    let file = try SyntheticModel(architecture: "qwen3").open(omitting: [name])
    let error = #expect(throws: ModelError.self) { try DecoderModel(file, threads: 1) }
    #expect(error?.code == .missing && error?.message.contains(name) == true)
  }

  @Test("names a tensor of another shape", arguments: ["token_embd.weight", "blk.1.attn_k.weight"])
  func misshapen(name: String) throws {
    let file = try SyntheticModel().open(shape: [name: [96, 32]])
    let error = #expect(throws: ModelError.self) { try DecoderModel(file, threads: 1) }
    #expect(error?.code == .invalidTensor && error?.message.contains(name) == true)
  }

  @Test(
    "refuses factors of the rotation that are no positive numbers or too few",
    arguments: [
      [1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1, 1, -1], [1, 1, 1, 1, 1, 1, 1, .nan],
      [1, 1, 1, 1, 1, 1, 1, .infinity], [1, 1, 1],
    ] as [[Float]]
  )
  func badFactors(factors: [Float]) throws {
    let file = try SyntheticModel(rotationFactors: factors).open()
    let error = #expect(throws: ModelError.self) { try DecoderModel(file, threads: 1) }
    #expect(error?.code == .invalidTensor && error?.message.contains("rope_freqs") == true)
  }

  @Test("lists the architectures it runs")
  func architecture() throws {
    let file = try SyntheticModel(architecture: "mamba").open()
    let error = #expect(throws: ModelError.self) { try DecoderModel(file, threads: 1) }
    #expect(error?.code == .unsupported && error?.message.contains("llama, qwen2, qwen3") == true)
  }

  @Test(
    "refuses impossible sizes",
    arguments: [
      ("attention.head_count", UInt32(0)), ("attention.head_count", 3), ("attention.head_count_kv", 3),
      ("block_count", 0), ("block_count", .max), ("embedding_length", .max), ("feed_forward_length", 1),
      ("context_length", 0),
    ]
  )
  func sizes(key: String, value: UInt32) throws {
    let file = try SyntheticModel().open(metadata: [key: value])
    #expect(throws: ModelError.self) { try DecoderModel(file, threads: 1) }
  }
}
