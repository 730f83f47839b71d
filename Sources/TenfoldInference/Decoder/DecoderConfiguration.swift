// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The shape of a decoder: what its architecture makes of the model file's metadata.
///
/// ```swift
/// print(model.configuration.blockCount, model.configuration.contextLength)
/// ```
public struct DecoderConfiguration: Hashable, Sendable {
  /// Which elements of a head are rotated together.
  public enum RotationStyle: Hashable, Sendable {
    /// Elements 2 *i* and 2 *i* + 1.
    case pairs
    /// Elements *i* and *i* + half the rotated length.
    case halves
  }

  /// The architecture's name in model files.
  public var architecture: String
  /// Transformer blocks.
  public var blockCount: Int
  /// Elements of a hidden row.
  public var width: Int
  /// Elements between the two halves of a feed-forward block.
  public var feedForwardWidth: Int
  /// Query heads.
  public var headCount: Int
  /// Key and value heads; each serves an equal share of the query heads.
  public var keyValueHeadCount: Int
  /// Elements of a head.
  public var headLength: Int
  /// Leading elements of a head that are rotated by position.
  public var rotatedLength: Int
  /// The base of the rotation's wavelengths.
  public var rotationBase: Double
  /// Which elements are rotated together.
  public var rotationStyle: RotationStyle
  /// How positions beyond those of the training are told apart.
  public var positionScaling: PositionScaling
  /// What is added to the mean square before its root is taken.
  public var normEpsilon: Float
  /// The most tokens the model was made for.
  public var contextLength: Int
  /// Whether query, key and value have an addend per column.
  public var hasAttentionBias: Bool
  /// Whether each head of query and key is divided by its root mean square, and weighted, before it is rotated.
  public var normalisesHeads: Bool

  /// Elements of all query heads of a row.
  var queryWidth: Int { headCount * headLength }
  /// Elements of all keys, or of all values, of a row.
  var keyValueWidth: Int { keyValueHeadCount * headLength }

  /// Reads the metadata that all supported architectures share, under the architecture's own prefix.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing``, ``ModelError/Code/invalidHeader`` or
  ///   ``ModelError/Code/unsupported``.
  init(
    _ metadata: GGUFMetadata,
    architecture: String,
    rotationStyle: RotationStyle,
    hasAttentionBias: Bool,
    normalisesHeads: Bool = false
  ) throws(ModelError) {
    func integer(
      _ key: String,
      in range: ClosedRange<Int>,
      default value: Int? = nil
    ) throws(ModelError) -> Int {
      let key = "\(architecture).\(key)"
      if let value, metadata[key] == nil { return value }
      return try metadata.integer(for: key, in: range)
    }
    func float(_ key: String, default value: Double? = nil) throws(ModelError) -> Double {
      let key = "\(architecture).\(key)"
      if let value, metadata[key] == nil { return value }
      return try metadata.float(for: key)
    }
    self.architecture = architecture
    self.rotationStyle = rotationStyle
    self.hasAttentionBias = hasAttentionBias
    self.normalisesHeads = normalisesHeads
    blockCount = try integer("block_count", in: 1...1_024)
    width = try integer("embedding_length", in: 32...65_536)
    feedForwardWidth = try integer("feed_forward_length", in: 32...1_048_576)
    headCount = try integer("attention.head_count", in: 1...1_024)
    keyValueHeadCount = try integer("attention.head_count_kv", in: 1...1_024, default: headCount)
    contextLength = try integer("context_length", in: 1...16_777_216)
    guard headCount.isMultiple(of: keyValueHeadCount) else {
      throw ModelError(
        .invalidHeader,
        "\(headCount) query heads can't share \(keyValueHeadCount) key-value heads evenly; fetch the file again."
      )
    }
    guard width.isMultiple(of: headCount) || metadata["\(architecture).attention.key_length"] != nil else {
      throw ModelError(.invalidHeader, "A width of \(width) can't be cut into \(headCount) heads.")
    }
    headLength = try integer("attention.key_length", in: 2...256, default: width / headCount)
    guard (2...256).contains(headLength), headLength.isMultiple(of: 2) else {
      throw ModelError(
        .unsupported,
        "Heads of \(headLength) elements are not supported: even lengths of 2...256 are."
      )
    }
    guard try integer("attention.value_length", in: 2...256, default: headLength) == headLength else {
      throw ModelError(.unsupported, "Values of another length than keys are not supported.")
    }
    rotatedLength = try integer("rope.dimension_count", in: 2...headLength, default: headLength)
    guard rotatedLength.isMultiple(of: 2) else {
      throw ModelError(
        .invalidHeader,
        "\(architecture).rope.dimension_count is \(rotatedLength); it must be even."
      )
    }
    rotationBase = try float("rope.freq_base", default: 10_000)
    guard rotationBase > 1 else {
      throw ModelError(
        .invalidHeader,
        "\(architecture).rope.freq_base is \(rotationBase); it must be above 1."
      )
    }
    let epsilon = try float("attention.layer_norm_rms_epsilon")
    guard epsilon > 0, epsilon < 1 else {
      throw ModelError(.invalidHeader, "\(architecture).attention.layer_norm_rms_epsilon is \(epsilon).")
    }
    normEpsilon = Float(epsilon)
    positionScaling = try PositionScaling(metadata, architecture: architecture, contextLength: contextLength)
    if let experts = metadata["\(architecture).expert_count"]?.int, experts > 0 {
      throw ModelError(.unsupported, "Mixtures of experts are not supported; use a dense model.")
    }
  }
}
