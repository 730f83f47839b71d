// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldKernels

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The tensors a decoder needs, checked first, then packed by several threads.
struct DecoderLoadPlan {
  private struct Matrix: Sendable {
    let tensor: GGUFTensor
    let format: WeightFormat
  }

  private let file: GGUFFile
  private let configuration: DecoderConfiguration
  private var matrices: [Matrix] = []
  private var layers: [String: any LinearLayer] = [:]
  private let headName: String
  let embedding: GGUFTensor
  let embeddingFormat: WeightFormat
  let vocabularySize: Int
  private(set) var rotationFactors: [Float] = []

  /// Finds all tensors and checks their shapes; reads none of the large ones.
  init(_ file: GGUFFile, _ configuration: DecoderConfiguration) throws(ModelError) {
    self.file = file
    self.configuration = configuration
    let c = configuration
    embedding = try file.tensor(named: "token_embd.weight")
    vocabularySize = embedding.rows
    embeddingFormat = try Self.format(of: embedding)
    guard embedding.columns == c.width, (1...1 << 24).contains(vocabularySize) else {
      throw Self.wrongShape(embedding, "rows of \(c.width)")
    }
    headName = file.hasTensor(named: "output.weight") ? "output.weight" : "token_embd.weight"
    try add(headName, rows: vocabularySize, columns: c.width)
    for block in 0..<c.blockCount {
      let prefix = "blk.\(block)."
      try add(prefix + "attn_q.weight", rows: c.queryWidth, columns: c.width)
      try add(prefix + "attn_k.weight", rows: c.keyValueWidth, columns: c.width)
      try add(prefix + "attn_v.weight", rows: c.keyValueWidth, columns: c.width)
      try add(prefix + "attn_output.weight", rows: c.width, columns: c.queryWidth)
      try add(prefix + "ffn_gate.weight", rows: c.feedForwardWidth, columns: c.width)
      try add(prefix + "ffn_up.weight", rows: c.feedForwardWidth, columns: c.width)
      try add(prefix + "ffn_down.weight", rows: c.width, columns: c.feedForwardWidth)
    }
    if file.hasTensor(named: "rope_freqs.weight") {
      let factors = try vector("rope_freqs.weight", count: c.rotatedLength / 2)
      rotationFactors = factors.withSpan { span in span.indices.map { span[$0] } }
      guard rotationFactors.allSatisfy({ $0.isFinite && $0 > 0 }) else {
        throw ModelError(.invalidTensor, "Tensor rope_freqs.weight holds a number that is not positive.")
      }
    }
  }

  /// Packs every matrix, or reads what was packed before, and gives the file's pages back.
  ///
  /// All matrices lie side by side in one piece of memory, as huge pages are larger than many a matrix.
  mutating func pack(
    on pool: WorkerPool,
    instructionSet: InstructionSet,
    cache: PackedWeightsCache,
    provider: (any LinearLayerProvider)?,
    progress: (@Sendable (Double) -> Void)?
  ) throws(ModelError) -> PackedWeightsOrigin {
    if let provider { try take(from: provider, on: pool) }
    let source = cache.path == nil ? nil : PackedWeightsLayout.Source(of: file)
    var layout = PackedWeightsLayout(instructionSet: instructionSet, source: source)
    for matrix in matrices { try layout.add(matrix.tensor, as: matrix.format) }
    let memory = try ModelError.wrapping("Packed weights") { () throws(KernelError) in
      try AlignedBuffer<UInt8>(count: layout.byteCount)
    }
    let kept = cache.path.flatMap { PackedWeightsFile(in: $0, for: layout) }
    var problem: ModelError?
    do throws(ModelError) {
      if let kept, try kept.read(into: memory, on: pool, progress: progress) {
        try make(layout, memory, on: pool, instructionSet: instructionSet, isPacked: true, progress: nil)
        return PackedWeightsOrigin(isCached: true, problem: nil)
      }
    } catch {
      problem = error
    }
    try make(layout, memory, on: pool, instructionSet: instructionSet, isPacked: false, progress: progress)
    do throws(ModelError) { try kept?.write(memory, on: pool) } catch { problem = error }
    return PackedWeightsOrigin(isCached: false, problem: problem)
  }

  /// Takes the layers that a host's back end makes; their matrices are not packed.
  private mutating func take(from provider: any LinearLayerProvider, on pool: WorkerPool) throws(ModelError) {
    let matrices = matrices
    let state = Mutex<(layers: [String: any LinearLayer], error: ModelError?)>(([:], nil))
    pool.run(matrices.count) { index in
      guard state.withLock({ $0.error == nil }) else { return }
      let matrix = matrices[index]
      let result = Result { () throws(ModelError) in try Self.provided(matrix, by: provider) }
      state.withLock { state in
        switch result {
        case .success(let layer): state.layers[matrix.tensor.name] = layer
        case .failure(let error): state.error = state.error ?? error
        }
      }
    }
    let (provided, error) = state.withLock { ($0.layers, $0.error) }
    if let error { throw error }
    layers = provided
    self.matrices.removeAll { provided[$0.tensor.name] != nil }
  }

  private static func provided(
    _ matrix: Matrix,
    by provider: any LinearLayerProvider
  ) throws(ModelError) -> (any LinearLayer)? {
    let tensor = matrix.tensor
    let layer: (any LinearLayer)?
    do {
      layer = try unsafe tensor.withUnsafeBytes { bytes in
        let made = try unsafe provider.layer(
          for: ModelMatrix(
            name: tensor.name,
            format: matrix.format,
            rows: tensor.rows,
            columns: tensor.columns,
            bytes: bytes
          )
        )
        if made != nil { unsafe giveBack(bytes) }
        return made
      }
    } catch {
      throw ModelError(
        .invalidOption,
        "The back end \(provider.name) can't take tensor \(tensor.name): \(error)"
      )
    }
    guard let layer else { return nil }
    let isTaken = layer.activationFormat == .float32 || layer.activationFormat.blockLength != nil
    guard layer.inputWidth == tensor.columns, layer.outputWidth == tensor.rows, layer.panelWidth > 0,
      layer.panelCount == (tensor.rows + layer.panelWidth - 1) / layer.panelWidth, isTaken,
      tensor.columns.isMultiple(of: layer.activationFormat.blockLength ?? 1)
    else {
      throw ModelError(
        .invalidOption,
        """
        The back end \(provider.name) made a layer of \(layer.inputWidth) to \(layer.outputWidth) columns in \
        \(layer.panelCount) panels of \(layer.panelWidth), for \(layer.activationFormat) activations, of tensor \
        \(tensor.name), which is \(tensor.columns) to \(tensor.rows); it must take float32, int8PerBlock32 or int8PerBlock256, whose blocks \
        make up its rows.
        """
      )
    }
    return layer
  }

  /// Makes the layers, each in its part of the memory, and packs them if they are not packed yet.
  private mutating func make(
    _ layout: PackedWeightsLayout,
    _ memory: AlignedBuffer<UInt8>,
    on pool: WorkerPool,
    instructionSet: InstructionSet,
    isPacked: Bool,
    progress: (@Sendable (Double) -> Void)?
  ) throws(ModelError) {
    // The largest first, so that no thread is left with it at the end.
    let work = zip(matrices, layout.matrices).sorted { $0.1.count > $1.1.count }
    let total = Double(layout.byteCount)
    let state = Mutex<(done: Int, layers: [String: any LinearLayer], error: ModelError?)>((0, [:], nil))
    pool.run(work.count) { index in
      guard state.withLock({ $0.error == nil }) else { return }
      let (matrix, place) = work[index]
      let part = AlignedBuffer<UInt8>(partOf: memory, at: place.offset, count: place.count)
      let result = Result { () throws(ModelError) in
        try Self.make(matrix, in: part, isPacked: isPacked, instructionSet: instructionSet)
      }
      let done = state.withLock { state in
        switch result {
        case .success(let layer): state.layers[matrix.tensor.name] = layer
        case .failure(let error): state.error = error
        }
        state.done += place.count
        return state.done
      }
      progress?(Double(done) / total)
    }
    let (made, error) = state.withLock { ($0.layers, $0.error) }
    if let error { throw error }
    layers.merge(made) { _, packed in packed }
  }

  /// The output matrix: its own, or the embedding's where the model ties them.
  func head() throws(ModelError) -> DecoderProjection { DecoderProjection(layer: try layer(headName)) }

  func blocks() throws(ModelError) -> [DecoderBlock] {
    let c = configuration
    var blocks: [DecoderBlock] = []
    for index in 0..<c.blockCount {
      let prefix = "blk.\(index)."
      blocks.append(
        DecoderBlock(
          attentionNorm: try vector(prefix + "attn_norm.weight", count: c.width),
          query: try projection(prefix + "attn_q", bias: c.hasAttentionBias),
          key: try projection(prefix + "attn_k", bias: c.hasAttentionBias),
          value: try projection(prefix + "attn_v", bias: c.hasAttentionBias),
          queryNorm: try headNorm(prefix + "attn_q_norm.weight"),
          keyNorm: try headNorm(prefix + "attn_k_norm.weight"),
          attentionOutput: try projection(prefix + "attn_output", bias: false),
          feedForwardNorm: try vector(prefix + "ffn_norm.weight", count: c.width),
          gate: try projection(prefix + "ffn_gate", bias: false),
          up: try projection(prefix + "ffn_up", bias: false),
          down: try projection(prefix + "ffn_down", bias: false)
        )
      )
    }
    return blocks
  }

  private func headNorm(_ name: String) throws(ModelError) -> AlignedBuffer<Float>? {
    configuration.normalisesHeads ? try vector(name, count: configuration.headLength) : nil
  }

  /// A vector of floats, whatever it is stored as.
  func vector(_ name: String, count: Int) throws(ModelError) -> AlignedBuffer<Float> {
    let tensor = try file.tensor(named: name)
    guard tensor.elementCount == count else { throw Self.wrongShape(tensor, "\(count) elements") }
    let format = try Self.format(of: tensor)
    return try ModelError.wrapping("Tensor \(name)") { () throws(KernelError) in
      let buffer = try AlignedBuffer<Float>(count: count)
      try unsafe tensor.withUnsafeBytes { (bytes) throws(KernelError) in
        try unsafe dequantize(
          format: format,
          bytes: bytes,
          into: UnsafeMutableBufferPointer(start: buffer.base, count: count)
        )
      }
      return buffer
    }
  }

  // MARK: - Parts

  private mutating func add(_ name: String, rows: Int, columns: Int) throws(ModelError) {
    let tensor = try file.tensor(named: name)
    guard tensor.columns == columns, tensor.rows == rows else {
      throw Self.wrongShape(tensor, "\(rows) rows of \(columns)")
    }
    let format = try Self.format(of: tensor)
    let block = format.activationFormat.blockLength ?? 1
    guard columns.isMultiple(of: block) else {
      throw Self.wrongShape(tensor, "rows of whole blocks of \(block)")
    }
    matrices.append(Matrix(tensor: tensor, format: format))
  }

  private func layer(_ name: String) throws(ModelError) -> any LinearLayer {
    guard let layer = layers[name] else { throw ModelError(.missing, "Tensor \(name) was not packed.") }
    return layer
  }

  private func projection(_ name: String, bias: Bool) throws(ModelError) -> DecoderProjection {
    let layer = try layer(name + ".weight")
    // Some conversions of llama-like models carry addends although their family has none.
    guard bias || file.hasTensor(named: name + ".bias") else { return DecoderProjection(layer: layer) }
    return DecoderProjection(layer: layer, bias: try vector(name + ".bias", count: layer.outputWidth))
  }

  private static func make(
    _ matrix: Matrix,
    in memory: AlignedBuffer<UInt8>,
    isPacked: Bool,
    instructionSet: InstructionSet
  ) throws(ModelError) -> any LinearLayer {
    let tensor = matrix.tensor
    return try ModelError.wrapping("Tensor \(tensor.name)") { () throws(KernelError) in
      guard !isPacked else {
        return try LinearLayerFactory.adopt(
          packed: memory,
          format: matrix.format,
          rows: tensor.rows,
          columns: tensor.columns,
          instructionSet: instructionSet
        )
      }
      return try unsafe tensor.withUnsafeBytes { (bytes) throws(KernelError) in
        let layer = try unsafe LinearLayerFactory.make(
          format: matrix.format,
          bytes: bytes,
          rows: tensor.rows,
          columns: tensor.columns,
          in: memory,
          instructionSet: instructionSet
        )
        unsafe giveBack(bytes)
        return layer
      }
    }
  }

  /// Tells the system that the pages wholly inside `bytes` are not needed; a later read fetches them again.
  private static func giveBack(_ bytes: UnsafeRawBufferPointer) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    guard let base = bytes.baseAddress, page > 0 else { return }
    let start = unsafe base.alignedUp(toMultipleOf: page)
    let end = unsafe (base + bytes.count).alignedDown(toMultipleOf: page)
    guard unsafe start < end else { return }
    // The mapping is private and read-only, so dropping its pages loses nothing.
    _ = unsafe madvise(UnsafeMutableRawPointer(mutating: start), end - start, MADV_DONTNEED)
  }

  private static func format(of tensor: GGUFTensor) throws(ModelError) -> WeightFormat {
    guard let format = WeightFormat(ggufTypeID: tensor.type.rawValue) else {
      let names = WeightFormat.all.filter { $0.ggufTypeID != nil }.map(\.name).joined(separator: ", ")
      throw ModelError(
        .unsupported,
        "Tensor \(tensor.name) is stored as \(tensor.type), which is not supported; supported are \(names)."
      )
    }
    return format
  }

  private static func wrongShape(_ tensor: GGUFTensor, _ expected: String) -> ModelError {
    ModelError(
      .invalidTensor,
      "Tensor \(tensor.name) has the shape \(tensor.dimensions), but \(expected) are needed; fetch the file again."
    )
  }
}
