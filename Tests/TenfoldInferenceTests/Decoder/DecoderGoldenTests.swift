// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

// Kernels in C are not optimised in debug builds, so whole models are judged in the release pass.
#if !DEBUG
import Foundation
import TenfoldInference
import Testing

/// Models and golden files of the decoder suites.
enum DecoderGolden {
  static let smol = model("SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf")
  static let qwenHalf = model("Qwen2.5-Coder-0.5B-Instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")
  static let qwenLarge = model("Qwen2.5-Coder-1.5B-Instruct/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf")

  static var requiresModels: Bool { ProcessInfo.processInfo.environment["TENFOLD_REQUIRE_MODELS"] == "1" }

  static func isThere(_ path: String?, isOptional: Bool = false) -> Bool {
    path != nil || (requiresModels && !isOptional)
  }

  static func session(
    _ path: String?,
    contextLength: Int = 2048,
    threads: Int = 1,
    precision: DecoderPrecision
  ) throws -> DecoderSession {
    let path = try #require(path, "The model is missing: set TENFOLD_MODELS to a model store.")
    return try DecoderSession(
      DecoderModel(GGUFFile(path: path)),
      contextLength: contextLength,
      threads: threads,
      precision: precision
    )
  }

  static func data(_ name: String) throws -> Data {
    try Data(contentsOf: GoldenData.folder.appendingPathComponent(name))
  }

  static func lines<Row: Decodable>(_ name: String, as type: Row.Type) throws -> [Row] {
    try data(name).split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(Row.self, from: $0) }
  }

  private static func model(_ name: String) -> String? {
    guard let root = ProcessInfo.processInfo.environment["TENFOLD_MODELS"] else { return nil }
    let path = root + "/files/" + name
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }
}

@Suite("Golden: perplexity", .serialized)
struct PerplexityGoldenTests {
  private struct Reference: Decodable {
    struct Run: Decodable {
      var ppl: Double
      var nll: [Double]
    }
    var ids: [Int32]
    var llama_cpp: Run
    var fp32_dequantised: Run
  }

  @Test(
    "SmolLM2 stays within 0.5 % of the fp32 perplexity",
    .enabled(if: DecoderGolden.isThere(DecoderGolden.smol)),
    arguments: [DecoderPrecision.standard, .high]
  )
  func perplexity(precision: DecoderPrecision) throws {
    let reference = try JSONDecoder().decode(Reference.self, from: DecoderGolden.data("smollm2_ppl.json"))
    let session = try DecoderGolden.session(DecoderGolden.smol, precision: precision)
    let losses = try session.negativeLogLikelihoods(of: reference.ids)
    try #require(losses.count == reference.fp32_dequantised.nll.count)
    let perplexity = exp(losses.reduce(0, +) / Double(losses.count))
    let excess = perplexity / reference.fp32_dequantised.ppl - 1
    print(
      "\(precision): perplexity \(perplexity), fp32 \(reference.fp32_dequantised.ppl), excess \(excess * 100) %,",
      "llama.cpp's \((reference.llama_cpp.ppl / reference.fp32_dequantised.ppl - 1) * 100) %"
    )
    #expect(abs(excess) <= 0.005)
    // Deviations of single tokens cancel in the mean; they must be no larger than llama.cpp's either.
    func deviation(_ values: [Double]) -> Double {
      let squares = zip(values, reference.fp32_dequantised.nll).reduce(0) {
        $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
      }
      return (squares / Double(values.count)).squareRoot()
    }
    print(
      "deviation of a token's loss: \(deviation(losses)), llama.cpp's \(deviation(reference.llama_cpp.nll))"
    )
    #expect(deviation(losses) <= deviation(reference.llama_cpp.nll) * 1.1)
    // Judged where activations are rounded finely, so that the one doesn't hide the other.
    guard precision == .high else { return }
    // Keys and values in 8 bits: over some 500 tokens the mean moves by less than 1 % at random.
    let eight = try DecoderSession(
      session.model,
      contextLength: 2_048,
      threads: 1,
      precision: precision,
      keyValuePrecision: .int8
    )
    let others = try eight.negativeLogLikelihoods(of: reference.ids)
    let change = exp((others.reduce(0, +) - losses.reduce(0, +)) / Double(losses.count)) - 1
    print(
      "8-bit keys and values change the perplexity by \(change * 100) %, a token's loss by \(deviation(others))"
    )
    #expect(abs(change) <= 0.01 && deviation(others) <= deviation(reference.llama_cpp.nll))
  }
}

@Suite("Golden: rows of a pass", .serialized)
struct RowsGoldenTests {
  @Test(
    "have the same bits alone and beside others",
    arguments: [DecoderGolden.smol, DecoderGolden.qwenHalf].compactMap(\.self),
    [KeyValuePrecision.float16, .int8]
  )
  func invariance(path: String, keyValuePrecision: KeyValuePrecision) throws {
    let model = try DecoderModel(GGUFFile(path: path))
    let tokens = (0..<48).map { Int32(100 + ($0 * 7_919) % 40_000) }
    func sums(_ step: Int, _ precision: DecoderPrecision) throws -> [UInt64] {
      let session = try DecoderSession(
        model,
        contextLength: 64,
        threads: 2,
        stepLength: step,
        precision: precision,
        keyValuePrecision: keyValuePrecision
      )
      var sums: [UInt64] = []
      try session.evaluateAll(tokens) { _, logits in
        // A digest of all bits, as the rows are long.
        sums.append(logits.indices.reduce(0) { ($0 &* 31) &+ UInt64(logits[$1].bitPattern) })
      }
      return sums
    }
    for precision in [DecoderPrecision.high, .standard] {
      let alone = try sums(1, precision)
      for step in [2, 3, 5, 9, 16, 33] {
        #expect(try sums(step, precision) == alone, "\(precision), \(step) rows")
      }
    }
  }
}

@Suite("Golden: greedy tokens", .serialized)
struct GreedyGoldenTests {
  private struct Row: Decodable {
    var prompt_ids: [Int32]
    var ids: [Int32]
    var gaps: [Double]
  }

  @Test(
    "SmolLM2 follows the reference",
    .enabled(if: DecoderGolden.isThere(DecoderGolden.smol)),
    arguments: [DecoderPrecision.standard, .high]
  )
  func smol(precision: DecoderPrecision) throws {
    try follow(DecoderGolden.smol, "smollm2_greedy.jsonl", precision)
  }

  @Test(
    "Qwen2.5 0.5B follows the reference",
    .enabled(if: DecoderGolden.isThere(DecoderGolden.qwenHalf)),
    arguments: [DecoderPrecision.standard, .high]
  )
  func qwenHalf(precision: DecoderPrecision) throws {
    try follow(DecoderGolden.qwenHalf, "qwen05_greedy.jsonl", precision)
  }

  @Test(
    "Qwen2.5 1.5B follows the reference",
    .enabled(if: DecoderGolden.isThere(DecoderGolden.qwenLarge, isOptional: true))
  )
  func qwenLarge() throws { try follow(DecoderGolden.qwenLarge, "qwen_greedy.jsonl", .standard) }

  /// Feeds the reference's own tokens, so that a permitted difference does not spoil the steps after it.
  private func follow(_ path: String?, _ file: String, _ precision: DecoderPrecision) throws {
    let rows = try DecoderGolden.lines(file, as: Row.self)
    let session = try DecoderGolden.session(path, precision: precision)
    var (steps, differences) = (0, 0)
    for (number, row) in rows.enumerated() {
      session.rewind()
      var input = row.prompt_ids
      for (index, token) in row.ids.enumerated() {
        let best = try session.evaluate(input) { logits in
          var best = 0
          for id in 0..<logits.count where logits[id] > logits[best] { best = id }
          return Int32(best)
        }
        steps += 1
        if best != token {
          differences += 1
          #expect(row.gaps[index] <= 1, "row \(number), step \(index): \(best) for \(token)")
        }
        input = [token]
      }
    }
    print("\(file), \(precision): \(differences) of \(steps) steps differ, all where the gap is small")
    #expect(steps > 0)
  }
}
#endif
