// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The sizes of a BERT encoder, read off its tensors.
public struct BERTConfiguration: Hashable, Sendable {
  /// How many layers there are.
  public let layerCount: Int
  /// The length of a hidden state and of an embedding.
  public let width: Int
  /// How many attention heads share a hidden state.
  public let headCount: Int
  /// The length of the feed-forward layer.
  public let feedForwardWidth: Int
  /// How many tokens are known.
  public let vocabularySize: Int
  /// The longest text in tokens.
  public let positionCount: Int

  /// The length of one head.
  public var headWidth: Int { width / headCount }

  /// Reads the sizes off the tensors' shapes.
  ///
  /// - Parameters:
  ///   - weights: The tensors.
  ///   - headCount: How many heads share a hidden state; shapes don't tell.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing``, ``ModelError/Code/invalidTensor`` or
  ///   ``ModelError/Code/invalidOption``.
  public init(weights: some EncoderWeights, headCount: Int) throws(ModelError) {
    func matrix(_ name: String) throws(ModelError) -> (rows: Int, columns: Int) {
      guard let shape = weights.shape(of: name) else {
        throw ModelError(.missing, "The tensor \(name) is missing: this is not a BERT encoder's file.")
      }
      guard shape.count == 2, shape.allSatisfy({ (1...1 << 20).contains($0) }) else {
        throw ModelError(.invalidTensor, "The tensor \(name) has the shape \(shape); it must be a matrix.")
      }
      return (shape[0], shape[1])
    }
    let words = try matrix(BERTTensor.words)
    let feedForward = try matrix(BERTTensor.intermediate(0) + ".weight")
    guard words.columns <= 8_192, feedForward.rows <= 32_768 else {
      throw ModelError(
        .unsupported,
        "Hidden states of \(words.columns) and \(feedForward.rows) are too long (limits 8192 and 32768)."
      )
    }
    guard headCount > 0, words.columns.isMultiple(of: headCount) else {
      throw ModelError(
        .invalidOption,
        "headCount is \(headCount); it must divide the hidden state's length \(words.columns)."
      )
    }
    var layers = 1
    while layers < 256, weights.shape(of: BERTTensor.intermediate(layers) + ".weight") != nil { layers += 1 }
    layerCount = layers
    width = words.columns
    self.headCount = headCount
    feedForwardWidth = feedForward.rows
    vocabularySize = words.rows
    positionCount = try matrix(BERTTensor.positions).rows
  }
}

/// The names that BERT's tensors have in a safetensors file.
enum BERTTensor {
  static let words = "embeddings.word_embeddings.weight"
  static let positions = "embeddings.position_embeddings.weight"
  static let types = "embeddings.token_type_embeddings.weight"
  static let embeddingNorm = "embeddings.LayerNorm"

  static func attention(_ layer: Int, _ part: String) -> String {
    "encoder.layer.\(layer).attention.self.\(part)"
  }
  static func attentionOutput(_ layer: Int) -> String { "encoder.layer.\(layer).attention.output.dense" }
  static func attentionNorm(_ layer: Int) -> String { "encoder.layer.\(layer).attention.output.LayerNorm" }
  static func intermediate(_ layer: Int) -> String { "encoder.layer.\(layer).intermediate.dense" }
  static func output(_ layer: Int) -> String { "encoder.layer.\(layer).output.dense" }
  static func outputNorm(_ layer: Int) -> String { "encoder.layer.\(layer).output.LayerNorm" }

  /// Tensors whose names may all begin with `bert.`, as in files of models with a head.
  struct Prefixed<Weights: EncoderWeights>: EncoderWeights {
    private let weights: Weights
    private let prefix: String

    init(_ weights: Weights) {
      self.weights = weights
      prefix =
        weights.shape(of: BERTTensor.words) == nil && weights.shape(of: "bert." + BERTTensor.words) != nil
        ? "bert." : ""
    }

    func shape(of name: String) -> [Int]? { weights.shape(of: prefix + name) }

    func floats(of name: String) throws(ModelError) -> [Float] { try weights.floats(of: prefix + name) }
  }
}
