// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

extension BERTEncoder {
  /// Sees the rows that go into a projection.
  typealias InputObserver = (
    _ layer: Int, _ place: EncoderMagnitudes.Place, _ rows: UnsafePointer<Float>, _ count: Int, _ stride: Int
  ) -> Void
  /// Sees the hidden states `[tokens × width]` after the embeddings (0) and after each layer.
  typealias StateObserver = (_ layer: Int, _ states: UnsafePointer<Float>) -> Void

  /// Computes one step.
  ///
  /// - Parameters:
  ///   - texts: Checked sequences; together no longer than the workspace's capacity.
  ///   - workspace: The calling thread's buffers.
  ///   - inputs: Sees what goes into each projection.
  ///   - states: Sees the hidden states.
  /// - Returns: `[texts × width]`, row-major.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTensor`` or ``ModelError/Code/storageFull``.
  func run(
    _ texts: [[Int32]],
    in workspace: EncoderWorkspace,
    inputs: InputObserver? = nil,
    states: StateObserver? = nil
  ) throws(ModelError) -> [Float] {
    let (vectors, unsound) = try unsafe runEach(texts, in: workspace, inputs: inputs, states: states)
    guard unsound.isEmpty else { throw Self.unsoundVector() }
    return vectors
  }

  /// What is said of a text whose vector is of no use.
  static func unsoundVector() -> ModelError {
    ModelError(
      .invalidTensor,
      """
      A vector is zero or not finite: the encoder's weights are damaged, or overflow for this text; verify the \
      model's file.
      """
    )
  }

  /// Computes one step as ``run(_:in:inputs:states:)`` does, and says which vectors are of no use.
  ///
  /// - Returns: `[texts × width]`, row-major, and the texts whose vectors are zero or not finite; no other text's vector
  ///   depends on them.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/storageFull``.
  func runEach(
    _ texts: [[Int32]],
    in workspace: EncoderWorkspace,
    inputs: InputObserver? = nil,
    states: StateObserver? = nil
  ) throws(ModelError) -> (vectors: [Float], unsound: [Int]) {
    var offsets = [0]
    for text in texts { offsets.append(offsets[offsets.count - 1] + text.count) }
    let tokens = offsets[texts.count]
    precondition(tokens <= workspace.capacity, "a step is longer than its workspace")
    guard tokens > 0 else { return ([], []) }
    let width = configuration.width
    let hidden = unsafe workspace.hidden.base
    embedTokens(texts, offsets: offsets, in: workspace)
    unsafe states?(0, hidden)
    for (index, layer) in layers.enumerated() {
      try unsafe project(layer.attention, tokens, from: hidden, width, to: workspace.wide.base, workspace) {
        rows in
        unsafe inputs?(index, .attention, rows, tokens, width)
      }
      attend(offsets: offsets, in: workspace)
      let mixed = unsafe workspace.mixed.base
      try unsafe project(
        layer.attentionOutput,
        tokens,
        from: mixed,
        width,
        to: hidden,
        workspace,
        residual: hidden
      ) { rows in
        unsafe inputs?(index, .attentionOutput, rows, tokens, width)
      }
      unsafe normalize(hidden, tokens, layer.attentionNorm, workspace)
      try unsafe project(
        layer.intermediate,
        tokens,
        from: hidden,
        width,
        to: workspace.wide.base,
        workspace,
        activation: .gelu
      ) { rows in
        unsafe inputs?(index, .intermediate, rows, tokens, width)
      }
      try unsafe project(
        layer.output,
        tokens,
        from: workspace.wide.base,
        workspace.wideStride,
        to: hidden,
        workspace,
        residual: hidden
      ) { rows in
        unsafe inputs?(index, .output, rows, tokens, workspace.wideStride)
      }
      unsafe normalize(hidden, tokens, layer.outputNorm, workspace)
      unsafe states?(index + 1, hidden)
    }
    return pool(offsets, in: workspace)
  }

  private func embedTokens(_ texts: [[Int32]], offsets: [Int], in workspace: EncoderWorkspace) {
    let width = configuration.width
    for (index, text) in texts.enumerated() {
      for (position, token) in text.enumerated() {
        // Ids and positions were checked against the tables.
        unsafe withNorm(embeddingNorm) { gain, bias in
          unsafe kernels.normalize(
            words.base + Int(token) * width,
            positions.base + position * width,
            width,
            gain,
            bias,
            layerNormEpsilon,
            workspace.hidden.base + (offsets[index] + position) * width
          )
        }
      }
    }
  }

  /// `target = activation(source * Wᵀ + bias) + residual` for all tokens.
  private func project(
    _ projection: EncoderProjection,
    _ tokens: Int,
    from source: UnsafePointer<Float>,
    _ stride: Int,
    to target: UnsafeMutablePointer<Float>,
    _ workspace: EncoderWorkspace,
    activation: Epilogue.Activation = .none,
    residual: UnsafeMutablePointer<Float>? = nil,
    observe: (UnsafePointer<Float>) -> Void
  ) throws(ModelError) {
    unsafe observe(source)
    try projection.prepare(workspace.activations, rows: tokens)
    workspace.split(tokens) { _, rows in
      unsafe projection.fill(
        workspace.activations,
        rows: rows,
        from: source,
        stride: stride,
        correcting: residual,
        kernels: kernels
      )
    }
    let outputStride = unsafe target == workspace.wide.base ? workspace.wideStride : configuration.width
    let epilogue = unsafe Epilogue(
      bias: projection.bias.base,
      activation: activation,
      residual: residual.map { unsafe UnsafePointer($0) },
      residualStride: residual == nil ? 0 : configuration.width
    )
    unsafe projection.layer.multiply(
      workspace.activations,
      into: target,
      outputStride: outputStride,
      epilogue: epilogue,
      pool: workspace.pool
    )
  }

  /// Attention of each text to itself, one head at a time, from `wide` to `mixed`.
  private func attend(offsets: [Int], in workspace: EncoderWorkspace) {
    let width = configuration.width
    let headWidth = configuration.headWidth
    let headCount = configuration.headCount
    let scale = 1 / Float(headWidth).squareRoot()
    workspace.split((offsets.count - 1) * headCount) { piece, range in
      // Each piece has scratch of its own; the rows lie inside the buffers by construction of the offsets.
      let scratch = unsafe workspace.scratch.base + piece * workspace.scratchBytes
      for index in range {
        let (text, head) = index.quotientAndRemainder(dividingBy: headCount)
        let first = offsets[text]
        let query = unsafe workspace.wide.base + (first * workspace.wideStride + head * headWidth)
        unsafe attention.attend(
          query,
          query + width,
          query + 2 * width,
          workspace.wideStride,
          offsets[text + 1] - first,
          headWidth,
          scale,
          workspace.mixed.base + (first * width + head * headWidth),
          width,
          scratch
        )
      }
    }
  }

  private func normalize(
    _ rows: UnsafeMutablePointer<Float>,
    _ tokens: Int,
    _ norm: LayerNorm,
    _ workspace: EncoderWorkspace
  ) {
    let width = configuration.width
    workspace.split(tokens) { _, range in
      unsafe withNorm(norm) { gain, bias in
        for row in range {
          let start = unsafe rows + row * width
          unsafe kernels.normalize(start, nil, width, gain, bias, layerNormEpsilon, start)
        }
      }
    }
  }

  private func withNorm(_ norm: LayerNorm, _ body: (UnsafePointer<Float>, UnsafePointer<Float>) -> Void) {
    unsafe norm.gain.withUnsafeBufferPointer { gain in
      unsafe norm.bias.withUnsafeBufferPointer { bias in
        guard let gain = gain.baseAddress, let bias = bias.baseAddress else { return }
        unsafe body(gain, bias)
      }
    }
  }

  private func pool(_ offsets: [Int], in workspace: EncoderWorkspace) -> (vectors: [Float], unsound: [Int]) {
    let width = configuration.width
    var vectors = [Float](repeating: 0, count: (offsets.count - 1) * width)
    var unsound: [Int] = []
    unsafe vectors.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      for text in 0..<offsets.count - 1 {
        let length = unsafe kernels.pool(
          workspace.hidden.base + offsets[text] * width,
          width,
          // The mean of the first row alone is that row.
          options.pooling == .cls ? 1 : offsets[text + 1] - offsets[text],
          width,
          base + text * width
        )
        if !(length > 0 && length < .infinity) { unsound.append(text) }
      }
    }
    return (vectors, unsound)
  }
}
