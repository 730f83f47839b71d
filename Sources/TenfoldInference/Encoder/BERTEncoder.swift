// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

/// A BERT encoder: token ids in, vectors of length 1 out.
///
/// Texts of a step are laid end to end without padding; each attends to itself alone, so that its vector has the same bits
/// whatever texts it is computed with. The encoder holds weights only and can be shared by any number of threads.
///
/// ```swift
/// let encoder = try BERTEncoder(weights: file, options: .init(precision: .float32))
/// let vectors = try encoder.embed([[101, 7592, 102]])
/// ```
@safe public final class BERTEncoder: Sendable {
  /// What can be chosen when loading.
  public struct Options: Hashable, Sendable {
    /// The number format of the matrices.
    public var precision: EncoderPrecision
    /// How many heads share a hidden state, which the tensors' shapes don't tell; `nil` for 12.
    public var headCount: Int?
    /// What layer norms add to the variance; `nil` for 10⁻¹².
    public var layerNormEpsilon: Float?
    /// How the states of a text's tokens become one vector; `nil` for the mean.
    public var pooling: EncoderPooling?

    /// Creates options; what is `nil` is as in MiniLM-L6, or as a model's folder says where it is loaded from one.
    public init(
      precision: EncoderPrecision = .int8,
      headCount: Int? = nil,
      layerNormEpsilon: Float? = nil,
      pooling: EncoderPooling? = nil
    ) {
      self.precision = precision
      self.headCount = headCount
      self.layerNormEpsilon = layerNormEpsilon
      self.pooling = pooling
    }
  }

  /// One layer.
  struct Layer: Sendable {
    var attention: EncoderProjection
    var attentionOutput: EncoderProjection
    var attentionNorm: LayerNorm
    var intermediate: EncoderProjection
    var output: EncoderProjection
    var outputNorm: LayerNorm
  }

  /// The sizes.
  public let configuration: BERTConfiguration
  /// What was chosen when loading.
  public let options: Options
  let layerNormEpsilon: Float
  let words: AlignedBuffer<Float>
  /// Position and first token type, added up.
  let positions: AlignedBuffer<Float>
  let embeddingNorm: LayerNorm
  let layers: [Layer]
  /// 16 hexadecimal digits that differ between models.
  public let fingerprint: String
  // Pointers to functions of one instruction set; nothing changes them after `init`.
  nonisolated(unsafe) let kernels: tenfold_encoder_kernels
  let attention: tenfold_encoder_attention

  /// Reads, checks and packs the weights.
  ///
  /// - Parameters:
  ///   - weights: The tensors; not needed afterwards.
  ///   - options: The number format and what shapes don't tell.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing`` or ``ModelError/Code/invalidTensor``, naming the
  ///   tensor, ``ModelError/Code/invalidOption``, ``ModelError/Code/unsupported`` or ``ModelError/Code/storageFull``.
  public convenience init(weights: some EncoderWeights, options: Options = Options()) throws(ModelError) {
    let epsilon = options.layerNormEpsilon ?? 1e-12
    guard epsilon > 0, epsilon < 1 else {
      throw ModelError(.invalidOption, "layerNormEpsilon is \(epsilon); it must be above 0 and below 1.")
    }
    let parts = try EncoderParts(weights: weights, headCount: options.headCount ?? 12)
    var reference = options
    reference.precision = .float32
    let float = try BERTEncoder(parts, options: reference, magnitudes: nil)
    if options.precision == .float32 {
      try self.init(float, layers: float.layers, options: options)
    } else {
      let magnitudes = try EncoderCalibration.magnitudes(of: float)
      let quantized = try BERTEncoder(parts, options: options, magnitudes: magnitudes)
      try self.init(float, layers: quantized.layers, options: options)
    }
  }

  private init(_ other: BERTEncoder, layers: [Layer], options: Options) throws(ModelError) {
    configuration = other.configuration
    self.options = options
    layerNormEpsilon = options.layerNormEpsilon ?? 1e-12
    words = other.words
    positions = other.positions
    embeddingNorm = other.embeddingNorm
    fingerprint = other.fingerprint
    self.layers = layers
    unsafe kernels = other.kernels
    unsafe attention = Self.attention(of: kernels, options.precision)
  }

  private init(_ parts: EncoderParts, options: Options, magnitudes: EncoderMagnitudes?) throws(ModelError) {
    configuration = parts.configuration
    self.options = options
    layerNormEpsilon = options.layerNormEpsilon ?? 1e-12
    words = try EncoderProjection.buffer(parts.words)
    positions = try EncoderProjection.buffer(parts.positions)
    embeddingNorm = parts.embeddingNorm
    fingerprint = parts.fingerprint
    let set = try ModelError.wrapping { () throws(KernelError) in try InstructionSet.selected() }
    unsafe kernels = tenfold_encoder_kernels_named(set.name).pointee
    unsafe attention = Self.attention(of: kernels, options.precision)
    var layers: [Layer] = []
    for (index, part) in parts.layers.enumerated() {
      func packed(
        _ weights: ProjectionWeights,
        _ place: EncoderMagnitudes.Place
      ) throws(ModelError) -> EncoderProjection {
        guard let magnitudes else { return try EncoderProjection(weights) }
        return try EncoderProjection(
          weights,
          magnitudes: magnitudes[index, place],
          place: place,
          range: options.precision.weightRange ?? .full,
          instructionSet: set
        )
      }
      layers.append(
        Layer(
          attention: try packed(part.attention, .attention),
          attentionOutput: try packed(part.attentionOutput, .attentionOutput),
          attentionNorm: part.attentionNorm,
          intermediate: try packed(part.intermediate, .intermediate),
          output: try packed(part.output, .output),
          outputNorm: part.outputNorm
        )
      )
    }
    self.layers = layers
  }

  /// How heads attend: where matrices are int8, with rounded factors if the processor has a faster product for them.
  private static func attention(
    of kernels: tenfold_encoder_kernels,
    _ precision: EncoderPrecision
  ) -> tenfold_encoder_attention {
    guard precision.weightRange != nil, let rounded = unsafe tenfold_encoder_bf16_attention(kernels.name)
    else {
      return unsafe kernels.attention
    }
    return unsafe rounded.pointee
  }

  /// The longest row of activations.
  var widestInput: Int {
    layers.reduce(0) {
      max(
        $0,
        $1.attention.inputWidth,
        $1.attentionOutput.inputWidth,
        $1.intermediate.inputWidth,
        $1.output.inputWidth
      )
    }
  }

  /// The bytes of the packed matrices and tables.
  public var byteCount: Int {
    layers.reduce(words.byteCount + positions.byteCount) {
      $0 + $1.attention.layer.byteCount + $1.attentionOutput.layer.byteCount + $1.intermediate.layer.byteCount
        + $1.output.layer.byteCount
    }
  }

  /// Embeds token sequences on the calling thread.
  ///
  /// - Parameters:
  ///   - texts: The ids of each text, with the tokens that start and end it.
  ///   - threads: How many threads compute, the caller included; `nil` for all that this process may use.
  /// - Returns: `[texts × width]`, row-major, each of length 1.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/promptTooLong``, ``ModelError/Code/invalidOption`` for an empty
  ///   sequence or an unknown id, ``ModelError/Code/invalidTensor`` when the weights give a NaN, or
  ///   ``ModelError/Code/storageFull``.
  public func embed(_ texts: [[Int32]], threads: Int? = nil) throws(ModelError) -> [Float] {
    let longest = texts.reduce(1) { max($0, $1.count) }
    for text in texts { try check(text) }
    return try EncoderRunner(self, stepTokens: max(longest, 512), threads: threads).embed(texts)
  }

  /// Refuses sequences that can't be computed.
  func check(_ text: [Int32]) throws(ModelError) {
    guard !text.isEmpty, text.allSatisfy({ $0 >= 0 && Int($0) < configuration.vocabularySize }) else {
      throw ModelError(
        .invalidOption,
        "A sequence is empty or holds an id not below \(configuration.vocabularySize)."
      )
    }
    guard text.count <= configuration.positionCount else {
      throw ModelError(
        .promptTooLong,
        "A text has \(text.count) tokens; the encoder takes \(configuration.positionCount)."
      )
    }
  }
}
