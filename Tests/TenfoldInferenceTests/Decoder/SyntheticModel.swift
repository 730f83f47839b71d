// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldKernels

@testable import TenfoldInference

/// A tiny decoder with random weights, written as a GGUF file, so that the engine's tests need no download.
struct SyntheticModel {
  enum Weights { case f32, q8_0 }

  var architecture = "llama"
  var weights = Weights.q8_0
  var blockCount = 2
  var width = 64
  var heads = 4
  var keyValueHeads = 2
  /// The elements of a head, where they aren't the width's share.
  var headLength: Int?
  var feedForward = 96
  var vocabulary = 128
  var contextLength = 512
  var seed: UInt64 = 1
  /// Whether what follows a token depends on that token alone, so that answers soon repeat themselves.
  var isForgetful = false
  /// What each of a head's frequencies is divided by; half as many as a head has elements.
  var rotationFactors: [Float] = []
  /// How positions are scaled, under `rope.scaling.`.
  var scaling: (type: String, numbers: [(String, Float)])?

  /// Every tensor's floats, as the file holds them after rounding.
  final class Contents {
    var tensors: [String: [Float]] = [:]
  }

  let contents = Contents()

  /// Writes the file where it stays.
  func write(to path: String) throws {
    try build(omitting: [], metadata: [:], shape: [:]).write(to: URL(fileURLWithPath: path))
  }

  /// Writes the file, changed by `edit`, and opens it.
  func open(
    omitting: Set<String> = [],
    metadata: [String: UInt32] = [:],
    shape: [String: [Int]] = [:]
  ) throws -> GGUFFile {
    let folder = FileManager.default.temporaryDirectory
    let url = folder.appending(path: "tenfold-synthetic-\(UUID().uuidString).gguf")
    try build(omitting: omitting, metadata: metadata, shape: shape).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    return try GGUFFile(path: url.path)
  }

  func load(threads: Int = 1) throws -> DecoderModel { try DecoderModel(open(), threads: threads) }

  private func build(omitting: Set<String>, metadata: [String: UInt32], shape: [String: [Int]]) -> Data {
    var random = SamplerRandom(seed: seed)
    let head = headLength ?? width / heads
    var list: [(name: String, dimensions: [Int], isMatrix: Bool)] = [
      ("token_embd.weight", [width, vocabulary], true), ("output_norm.weight", [width], false),
    ]
    if architecture == "qwen2" { list.append(("output.weight", [width, vocabulary], true)) }
    for block in 0..<blockCount {
      let prefix = "blk.\(block)."
      list += [
        (prefix + "attn_norm.weight", [width], false), (prefix + "ffn_norm.weight", [width], false),
        (prefix + "attn_q.weight", [width, heads * head], true),
        (prefix + "attn_k.weight", [width, keyValueHeads * head], true),
        (prefix + "attn_v.weight", [width, keyValueHeads * head], true),
        (prefix + "attn_output.weight", [heads * head, width], true),
        (prefix + "ffn_gate.weight", [width, feedForward], true),
        (prefix + "ffn_up.weight", [width, feedForward], true),
        (prefix + "ffn_down.weight", [feedForward, width], true),
      ]
      if architecture == "qwen2" {
        list += [
          (prefix + "attn_q.bias", [heads * head], false),
          (prefix + "attn_k.bias", [keyValueHeads * head], false),
          (prefix + "attn_v.bias", [keyValueHeads * head], false),
        ]
      }
      if architecture == "qwen3" {
        list += [
          (prefix + "attn_q_norm.weight", [head], false), (prefix + "attn_k_norm.weight", [head], false),
        ]
      }
    }
    if !rotationFactors.isEmpty { list.append(("rope_freqs.weight", [rotationFactors.count], false)) }
    list.removeAll { omitting.contains($0.name) }
    for index in list.indices { list[index].dimensions = shape[list[index].name] ?? list[index].dimensions }

    var header = Data()
    func put<T: FixedWidthInteger>(_ value: T) {
      header.append(littleEndian: value)
    }
    func put(_ text: String) {
      put(UInt64(text.utf8.count))
      header.append(contentsOf: text.utf8)
    }
    var numbers: [(String, UInt32)] = [
      ("block_count", UInt32(blockCount)), ("embedding_length", UInt32(width)),
      ("feed_forward_length", UInt32(feedForward)), ("attention.head_count", UInt32(heads)),
      ("attention.head_count_kv", UInt32(keyValueHeads)), ("context_length", UInt32(contextLength)),
    ]
    if let headLength {
      numbers += [
        ("attention.key_length", UInt32(headLength)), ("attention.value_length", UInt32(headLength)),
      ]
    }
    for index in numbers.indices { numbers[index].1 = metadata[numbers[index].0] ?? numbers[index].1 }
    for (key, value) in metadata where !numbers.contains(where: { $0.0 == key }) {
      numbers.append((key, value))
    }
    put(UInt32(0x4655_4747))
    put(UInt32(3))
    put(UInt64(list.count))
    put(UInt64(numbers.count + 3 + (scaling.map { 1 + $0.numbers.count } ?? 0)))
    put("general.architecture")
    put(UInt32(8))
    put(architecture)
    for (key, value) in numbers {
      put("\(architecture).\(key)")
      put(UInt32(4))
      put(value)
    }
    if let scaling {
      put("\(architecture).rope.scaling.type")
      put(UInt32(8))
      put(scaling.type)
    }
    let scales = scaling?.numbers.map { ("rope.scaling." + $0.0, $0.1) } ?? []
    for (key, value) in [
      ("attention.layer_norm_rms_epsilon", Float(1e-5)), ("rope.freq_base", Float(10_000)),
    ] + scales {
      put("\(architecture).\(key)")
      put(UInt32(6))
      put(value.bitPattern)
    }
    var data = Data()
    for (name, dimensions, isMatrix) in list {
      put(name)
      put(UInt32(dimensions.count))
      for dimension in dimensions { put(UInt64(dimension)) }
      let isQuantised = isMatrix && weights == .q8_0
      put(UInt32(isQuantised ? 8 : 0))
      put(UInt64(data.count))
      let count = dimensions.reduce(1, *)
      let spread = isMatrix ? (3 / Float(dimensions[0])).squareRoot() * 2 : 0.5
      let center: Float = name.hasSuffix("norm.weight") ? 1 : 0
      var floats = (0..<count).map { _ in center + (Float(random.unit()) * 2 - 1) * spread }
      if name == "rope_freqs.weight" { floats = rotationFactors }
      if isForgetful, name.hasSuffix("attn_output.weight") { floats = floats.map { _ in 0 } }
      if isQuantised {
        for start in stride(from: 0, to: count, by: 32) {
          let scale = Float16(spread / 127)
          data.append(littleEndian: scale.bitPattern)
          for index in start..<start + 32 {
            let code = Int8(max(-127, min(127, (floats[index] / Float(scale)).rounded())))
            data.append(UInt8(bitPattern: code))
            floats[index] = Float(code) * Float(scale)
          }
        }
      } else {
        for value in floats { data.append(littleEndian: value.bitPattern) }
      }
      contents.tensors[name] = floats
      while data.count % 32 != 0 { data.append(0) }
    }
    while header.count % 32 != 0 { header.append(0) }
    return header + data
  }
}

/// One token per ASCII character; the last one ends an answer.
struct ASCIIVocabulary: DecoderVocabulary {
  struct Detokenizer: TokenDetokenizer {
    mutating func take(_ token: Int32) -> String { String(UnicodeScalar(UInt8(truncatingIfNeeded: token))) }
    mutating func flush() -> String { "" }
  }

  var endTokens: Set<Int32> = [127]
  var turnEnd: Int32? { endTokens.min() }

  var count: Int { 128 }
  var longestToken: Int? { 1 }

  func bytes(of token: Int32) -> [UInt8] { (0..<127).contains(token) ? [UInt8(token)] : [] }

  func encode(_ text: String) throws(ModelError) -> [Int32] { text.utf8.map { Int32($0 & 0x7F) } }

  func encode(_ messages: [ChatMessage]) throws(ModelError) -> [Int32] {
    try encode(messages.map { "\($0.role): \($0.content)\n" }.joined())
  }

  func makeDetokenizer() -> any TokenDetokenizer { Detokenizer() }
}

extension LocalLanguageModel {
  /// An engine over a tiny model.
  static func synthetic(
    _ synthetic: SyntheticModel = SyntheticModel(),
    endTokens: Set<Int32> = [127],
    options: Options = Options(threads: 1)
  ) throws -> LocalLanguageModel {
    try LocalLanguageModel(
      model: synthetic.load(),
      vocabulary: ASCIIVocabulary(endTokens: endTokens),
      options: options,
      name: "synthetic"
    )
  }
}

extension InferenceRequest {
  /// A raw prompt for the tests' models.
  static func raw(
    _ text: String,
    _ options: GenerationOptions,
    priority: RequestPriority = .normal,
    deadline: ContinuousClock.Instant? = nil
  ) -> InferenceRequest {
    InferenceRequest(
      prompt: .text(text),
      options: options,
      context: RequestContext(tenant: "test", priority: priority, deadline: deadline)
    )
  }
}

extension Data {
  fileprivate mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
    for shift in stride(from: 0, to: T.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
  }
}
