// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldKernels

/// The weights of a decoder, packed for this CPU; immutable, so that any number of engines and sessions share them.
///
/// ```swift
/// let model = try DecoderModel(GGUFFile(path: "/models/model.gguf"))
/// print(model.configuration.architecture, model.vocabularySize)
/// ```
public final class DecoderModel: Sendable {
  /// The model's shape.
  public let configuration: DecoderConfiguration
  /// How many logits a position has.
  public let vocabularySize: Int
  /// The kernels that the weights are packed for.
  public let instructionSet: InstructionSet
  /// The bytes of packed weights that a step streams through memory.
  public let streamedByteCount: Int
  /// Whether the weights were packed at this start or read as they were packed before.
  public let packedWeightsOrigin: PackedWeightsOrigin
  let blocks: [DecoderBlock]
  let outputNorm: AlignedBuffer<Float>
  let head: DecoderProjection
  let rotationFactors: [Float]
  private let embedding: GGUFTensor
  private let embeddingFormat: WeightFormat

  /// Checks and packs the weights of a model file.
  ///
  /// It works on the calling thread and on `threads` − 1 others for up to some seconds; a caller on the cooperative
  /// pool should use ``LocalLanguageModel/load(gguf:options:progress:)``. The file's pages are given back once packed.
  ///
  /// - Parameters:
  ///   - file: The model file.
  ///   - threads: How many threads pack; `nil` for all that this process may use.
  ///   - instructionSet: The kernels; `nil` for those of this process.
  ///   - packedWeights: Where packed weights are kept for the next start.
  ///   - layerProvider: A back end of the host's own; what it doesn't take is packed.
  ///   - progress: Receives the share that is done, 0 to 1, on any of the threads.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/unsupported``, ``ModelError/Code/missing``,
  ///   ``ModelError/Code/invalidHeader``, ``ModelError/Code/invalidTensor`` or ``ModelError/Code/storageFull``; the
  ///   message names the tensor.
  public init(
    _ file: GGUFFile,
    threads: Int? = nil,
    instructionSet: InstructionSet? = nil,
    packedWeights: PackedWeightsCache = .off,
    layerProvider: (any LinearLayerProvider)? = nil,
    progress: (@Sendable (Double) -> Void)? = nil
  ) throws(ModelError) {
    let set = try ModelError.wrapping("Choosing kernels") { () throws(KernelError) in
      if let instructionSet { return instructionSet }
      return try InstructionSet.selected()
    }
    let configuration = try DecoderArchitectures.configuration(of: file)
    var plan = try DecoderLoadPlan(file, configuration)
    let pool = WorkerPool(threads: threads)
    packedWeightsOrigin = try plan.pack(
      on: pool,
      instructionSet: set,
      cache: packedWeights,
      provider: layerProvider,
      progress: progress
    )
    self.configuration = configuration
    self.instructionSet = set
    self.embedding = plan.embedding
    self.embeddingFormat = plan.embeddingFormat
    self.vocabularySize = plan.vocabularySize
    self.rotationFactors = plan.rotationFactors
    self.outputNorm = try plan.vector("output_norm.weight", count: configuration.width)
    self.head = try plan.head()
    self.blocks = try plan.blocks()
    streamedByteCount =
      head.layer.byteCount + blocks.reduce(0) { $0 + $1.projections.reduce(0) { $0 + $1.layer.byteCount } }
  }

  /// Writes the embedding of a token below ``vocabularySize``.
  func embed(_ token: Int32, into output: UnsafeMutablePointer<Float>) throws(ModelError) {
    let width = configuration.width
    guard token >= 0, Int(token) < vocabularySize, let rowBytes = embeddingFormat.byteCount(elements: width)
    else {
      throw ModelError(.invalidOption, "Token \(token) is not in the vocabulary of \(vocabularySize).")
    }
    try ModelError.wrapping("Tensor \(embedding.name)") { () throws(KernelError) in
      try unsafe embedding.withUnsafeBytes { (bytes) throws(KernelError) in
        // The tensor has `vocabularySize` rows of `rowBytes`, checked when it was loaded.
        let start = Int(token) * rowBytes
        try unsafe dequantize(
          format: embeddingFormat,
          bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<start + rowBytes]),
          into: UnsafeMutableBufferPointer(start: output, count: width)
        )
      }
    }
  }
}
