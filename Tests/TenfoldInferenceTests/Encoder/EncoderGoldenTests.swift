// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

// Kernels in C are not optimised in debug builds, so the whole model is judged in the release pass.
#if !DEBUG
import Foundation
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Golden: MiniLM", .enabled(if: ModelFiles.canTest(ModelFiles.miniLM)))
struct EncoderGoldenTests {
  private struct Sentence: Decodable {
    var text: String
    var n_tokens: Int
  }

  private struct Trace: Decodable {
    var ids: [Int32]
    var hidden: [[[Float]]]
  }

  private func data(_ name: String) throws -> Data {
    try Data(contentsOf: GoldenData.folder.appendingPathComponent(name))
  }

  /// Cosines to the reference of all golden sentences.
  private func cosines(_ precision: EncoderPrecision) async throws -> [Double] {
    let sentences = try GoldenData.lines("minilm_sentences.jsonl", as: Sentence.self)
    let bytes = try data("minilm_embeddings.f32")
    try #require(!sentences.isEmpty && bytes.count == sentences.count * 384 * 4)
    // Any bits are a float; the file has little-endian ones.
    let reference = unsafe bytes.withUnsafeBytes { unsafe Array($0.bindMemory(to: Float.self)) }
    let embedder = try await MiniLMEmbedder.load(
      weightsPath: ModelFiles.path(ModelFiles.miniLM),
      vocabularyPath: ModelFiles.path(ModelFiles.miniLMVocabulary),
      options: .init(encoder: .init(precision: precision), threads: 2)
    )
    let batch = try await embedder.embed(sentences.map(\.text))
    await embedder.shutdown()
    #expect(batch.tokenCounts == sentences.map(\.n_tokens))
    return sentences.indices.map { index in
      (0..<384).reduce(0) {
        $0 + Double(batch.values[index * 384 + $1]) * Double(reference[index * 384 + $1])
      }
    }
  }

  @Test("the float encoder gives the reference's vectors")
  func float() async throws {
    let cosines = try await cosines(.float32)
    let least = try #require(cosines.min())
    print("MiniLM float32: cosine mean \(cosines.reduce(0, +) / Double(cosines.count)), min \(least)")
    #expect(least >= 0.99999)
  }

  @Test(
    "the int8 encoder stays near the reference's vectors",
    arguments: [(EncoderPrecision.int8, 0.9995, 0.998), (.int8Reduced, 0.999, 0.996)]
  )
  func int8(precision: EncoderPrecision, wantedMean: Double, wantedLeast: Double) async throws {
    let cosines = try await cosines(precision)
    let least = try #require(cosines.min())
    let mean = cosines.reduce(0, +) / Double(cosines.count)
    print("MiniLM \(precision): cosine mean \(mean), min \(least)")
    #expect(mean >= wantedMean)
    #expect(least >= wantedLeast)
  }

  @Test("hidden states after each layer are the reference's")
  func trace() throws {
    let trace = try JSONDecoder().decode(Trace.self, from: data("minilm_trace.json"))
    let encoder = try BERTEncoder(
      weights: SafetensorsFile(path: ModelFiles.path(ModelFiles.miniLM)),
      options: .init(precision: .float32)
    )
    let workspace = try EncoderWorkspace(encoder, capacity: trace.ids.count, threads: 1)
    var largest: [Float] = []
    let observe: BERTEncoder.StateObserver = { layer, states in
      var difference: Float = 0
      for (token, row) in trace.hidden[layer].enumerated() {
        for (column, value) in row.enumerated() {
          difference = unsafe max(difference, abs(states[token * 384 + column] - value))
        }
      }
      largest.append(difference)
    }
    _ = try unsafe encoder.run([trace.ids], in: workspace, states: observe)
    #expect(largest.count == trace.hidden.count)
    // The file holds five decimals.
    #expect(largest.allSatisfy { $0 < 1e-4 }, "\(largest)")
  }
}
#endif
