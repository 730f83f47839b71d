// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// All of an encoder's tensors, checked, before packing.
struct EncoderParts {
  struct Layer {
    var attention: ProjectionWeights
    var attentionOutput: ProjectionWeights
    var attentionNorm: LayerNorm
    var intermediate: ProjectionWeights
    var output: ProjectionWeights
    var outputNorm: LayerNorm
  }

  let configuration: BERTConfiguration
  let words: [Float]
  /// Position and first token type, added up.
  let positions: [Float]
  let embeddingNorm: LayerNorm
  let layers: [Layer]

  init(weights: some EncoderWeights, headCount: Int) throws(ModelError) {
    configuration = try BERTConfiguration(weights: weights, headCount: headCount)
    let width = configuration.width
    let reader = EncoderTensorReader(weights: weights)
    words = try reader.read(BERTTensor.words, [configuration.vocabularySize, width])
    guard let types = weights.shape(of: BERTTensor.types), types.count == 2, (1...64).contains(types[0])
    else {
      throw ModelError(.invalidTensor, "The tensor \(BERTTensor.types) is missing or not a small matrix.")
    }
    let firstType = try reader.read(BERTTensor.types, [types[0], width])
    var positions = try reader.read(BERTTensor.positions, [configuration.positionCount, width])
    for index in positions.indices { positions[index] += firstType[index % width] }
    self.positions = positions
    embeddingNorm = try reader.norm(BERTTensor.embeddingNorm, width: width)
    var layers: [Layer] = []
    for index in 0..<configuration.layerCount {
      var parts: [ProjectionWeights] = []
      for part in ["query", "key", "value"] {
        parts.append(try reader.projection(BERTTensor.attention(index, part), rows: width, columns: width))
      }
      let feedForward = configuration.feedForwardWidth
      layers.append(
        Layer(
          attention: .joined(parts),
          attentionOutput: try reader.projection(
            BERTTensor.attentionOutput(index),
            rows: width,
            columns: width
          ),
          attentionNorm: try reader.norm(BERTTensor.attentionNorm(index), width: width),
          intermediate: try reader.projection(
            BERTTensor.intermediate(index),
            rows: feedForward,
            columns: width
          ),
          output: try reader.projection(BERTTensor.output(index), rows: width, columns: feedForward),
          outputNorm: try reader.norm(BERTTensor.outputNorm(index), width: width)
        )
      )
    }
    self.layers = layers
  }

  /// A hash of the embeddings' sums and of all biases: cheap, and another one for a model trained any further.
  var fingerprint: String {
    var fingerprint = Fingerprint()
    func add(_ values: [Float]) { fingerprint.add(values.lazy.map(\.bitPattern)) }
    add(positions)
    add(embeddingNorm.gain)
    for layer in layers {
      for part in [layer.attention, layer.attentionOutput, layer.intermediate, layer.output] {
        add(part.bias)
        add(Array(part.matrix.prefix(1_024)))
      }
    }
    return fingerprint.description
  }
}
