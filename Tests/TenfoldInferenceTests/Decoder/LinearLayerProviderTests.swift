// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TenfoldCore
import TenfoldKernels
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldInference

/// A layer as a host could write it: plain loops over floats, with nothing of the package but what is public.
private struct ForeignLayer: LinearLayer {
  let weights: [Float]
  let inputWidth: Int
  let outputWidth: Int
  let activationFormat: ActivationFormat
  var panelWidth = 24
  var format: WeightFormat { .f32 }
  var byteCount: Int { weights.count * 4 }
  var panelCount: Int { panelWidth > 0 ? (outputWidth + panelWidth - 1) / panelWidth : 0 }

  func multiply(
    _ activations: Activations,
    panels: Range<Int>,
    into output: UnsafeMutablePointer<Float>,
    outputStride: Int,
    epilogue: Epilogue
  ) {
    for row in 0..<activations.rows {
      var input = [Float](repeating: 0, count: inputWidth)
      if activationFormat == .float32 {
        activations.withFloats(row: row) { floats in for k in floats.indices { input[k] = floats[k] } }
      } else {
        activations.withCodes(row: row) { codes, scales in
          for k in codes.indices { input[k] = Float(codes[k]) * scales[k / 32] }
        }
      }
      for column in panels.lowerBound * panelWidth..<min(outputWidth, panels.upperBound * panelWidth) {
        var sum: Float = 0
        for k in 0..<inputWidth { sum += input[k] * weights[column * inputWidth + k] }
        if let bias = unsafe epilogue.bias { sum += unsafe bias[column] }
        switch epilogue.activation {
        case .none: break
        case .gelu: sum *= 0.5 * (1 + erff(sum * Float(0.5).squareRoot()))
        case .silu: sum /= 1 + expf(-sum)
        }
        if let multiplier = unsafe epilogue.multiplier {
          sum *= unsafe multiplier[row * epilogue.multiplierStride + column]
        }
        if let residual = unsafe epilogue.residual {
          sum += unsafe residual[row * epilogue.residualStride + column]
        }
        unsafe output[row * outputStride + column - epilogue.firstColumn] = sum
      }
    }
  }
}

/// Takes some of the matrices of a file of floats.
private final class ForeignBackend: LinearLayerProvider {
  enum Fault: Error { case broken }
  let name = "foreign"
  private let format: @Sendable (String) -> ActivationFormat
  private let takes: @Sendable (String) -> Bool
  private let change: @Sendable (ForeignLayer) throws -> ForeignLayer
  private let seen = Mutex<Set<String>>([])

  convenience init(
    _ format: ActivationFormat = .float32,
    change: @escaping @Sendable (ForeignLayer) throws -> ForeignLayer = { $0 },
    takes: @escaping @Sendable (String) -> Bool = { _ in true }
  ) {
    self.init(change: change, takes: takes, format: { _ in format })
  }

  init(
    change: @escaping @Sendable (ForeignLayer) throws -> ForeignLayer = { $0 },
    takes: @escaping @Sendable (String) -> Bool = { _ in true },
    format: @escaping @Sendable (String) -> ActivationFormat
  ) {
    self.format = format
    self.takes = takes
    self.change = change
  }

  var taken: Set<String> { seen.withLock(\.self) }

  func layer(for matrix: borrowing ModelMatrix) throws -> (any LinearLayer)? {
    guard takes(matrix.name), matrix.format == .f32 else { return nil }
    let name = matrix.name
    seen.withLock { _ = $0.insert(name) }
    let weights = unsafe Array(matrix.bytes.bindMemory(to: Float.self))
    return try change(
      ForeignLayer(
        weights: weights,
        inputWidth: matrix.columns,
        outputWidth: matrix.rows,
        activationFormat: format(name)
      )
    )
  }
}

@Suite("A host's own back end")
struct LinearLayerProviderTests {
  private let prompt: [Int32] = [1, 2, 3, 50, 7]

  /// A model of floats whose rows are whole blocks of 32, or of 256.
  private func model(_ provider: (any LinearLayerProvider)?, block: Int = 32) throws -> DecoderModel {
    var synthetic = SyntheticModel()
    synthetic.weights = .f32
    if block == 256 { (synthetic.width, synthetic.feedForward) = (256, 512) }
    return try DecoderModel(synthetic.open(), threads: 2, layerProvider: provider)
  }

  /// The logits after the prompt, in steps of so many tokens.
  private func logits(
    _ provider: (any LinearLayerProvider)?,
    block: Int = 32,
    precision: DecoderPrecision = .standard,
    step: Int = 5
  ) throws -> [Float] {
    let session = try DecoderSession(
      model(provider, block: block),
      contextLength: 16,
      threads: 2,
      precision: precision
    )
    var last: [Float] = []
    for start in stride(from: 0, to: prompt.count, by: step) {
      last = try session.evaluate(Array(prompt[start..<min(prompt.count, start + step)])) { logits in
        logits.indices.map { logits[$0] }
      }
    }
    return last
  }

  @Test(
    "is judged by the contract of a layer",
    arguments: [ActivationFormat.float32, .int8PerBlock32, .int8PerBlock256]
  )
  func contract(format: ActivationFormat) {
    var random = SamplerRandom(seed: 3)
    let width = 2 * (format.blockLength ?? 32)
    let weights = (0..<37 * width).map { _ in Float(random.unit()) - 0.5 }
    let layer = ForeignLayer(weights: weights, inputWidth: width, outputWidth: 37, activationFormat: format)
    #expect(LinearLayerContract.violations(of: layer, weights: weights).isEmpty)
  }

  @Test("computes all products of a model, or those that it takes, and the model answers alike")
  func answers() throws {
    let forms = [(ActivationFormat.float32, Float(1e-4)), (.int8PerBlock32, 0.05), (.int8PerBlock256, 0.1)]
    for (format, bound) in forms {
      let block = format.blockLength ?? 32
      let expected = try logits(nil, block: block)
      let scale = expected.map(\.magnitude).max() ?? 0
      for takes in [{ _ in true }, { $0.contains("ffn_") }, { $0.contains("attn_k") }]
        as [@Sendable (String) -> Bool]
      {
        let backend = ForeignBackend(format, takes: takes)
        let found = try logits(backend, block: block)
        let worst = zip(expected, found).map { ($0 - $1).magnitude }.max() ?? .infinity
        #expect(worst <= bound * scale, "\(format): \(worst) of \(scale)")
        #expect(!backend.taken.isEmpty && backend.taken.allSatisfy(takes))
      }
    }
  }

  /// Rows that several layers take become whatever each of these wants.
  @Test(
    "may take the same rows in several forms, in either precision and in steps of any length",
    arguments: [(DecoderPrecision.standard, Float(0.1)), (.high, 0.03)]
  )
  func mixedForms(precision: DecoderPrecision, bound: Float) throws {
    // In the high precision what attention gives is rounded once all the same.
    let expected = try logits(nil, block: 256)
    let scale = expected.map(\.magnitude).max() ?? 0
    let backend = ForeignBackend { name in
      if name.contains("attn_k") || name.contains("ffn_up") { return .int8PerBlock32 }
      return name.contains("attn_v") ? .float32 : .int8PerBlock256
    }
    let found = try logits(backend, block: 256, precision: precision)
    let worst = zip(expected, found).map { ($0 - $1).magnitude }.max() ?? .infinity
    #expect(worst <= bound * scale, "\(worst) of \(scale)")
    for step in [1, 2] {
      #expect(try logits(backend, block: 256, precision: precision, step: step) == found, "steps of \(step)")
    }
  }

  @Test("keeps its matrices out of the packed weights, which are made anew when it comes or goes")
  func packed() throws {
    let folder = try TemporaryDirectory()
    var synthetic = SyntheticModel()
    synthetic.weights = .f32
    try synthetic.write(to: folder.file("model.gguf"))
    let file = try GGUFFile(path: folder.file("model.gguf"))
    let half = ForeignBackend(takes: { $0.contains("ffn_") })
    let cache = PackedWeightsCache.folder(folder.file("packed"))
    _ = try DecoderModel(file, threads: 1, packedWeights: cache)
    let mixed = try DecoderModel(file, threads: 1, packedWeights: cache, layerProvider: half)
    #expect(!mixed.packedWeightsOrigin.isCached)
    let again = try DecoderModel(file, threads: 1, packedWeights: cache, layerProvider: half)
    #expect(again.packedWeightsOrigin.isCached)
    let whole = try DecoderModel(file, threads: 1, packedWeights: cache, layerProvider: ForeignBackend())
    #expect(whole.streamedByteCount > 0)
  }

  @Test("that fails, or makes layers that don't fit, keeps the model from loading with a reason")
  func refused() throws {
    let changes: [@Sendable (ForeignLayer) throws -> ForeignLayer] = [
      { _ in throw ForeignBackend.Fault.broken },
      {
        ForeignLayer(
          weights: $0.weights,
          inputWidth: $0.outputWidth + 1,
          outputWidth: $0.outputWidth,
          activationFormat: .float32
        )
      },
      {
        ForeignLayer(
          weights: $0.weights,
          inputWidth: $0.inputWidth,
          outputWidth: $0.outputWidth,
          activationFormat: .int8PerRow
        )
      },
      {
        var layer = $0
        layer.panelWidth = 0
        return layer
      },
      // Rows of no whole blocks.
      {
        ForeignLayer(
          weights: Array($0.weights.prefix($0.outputWidth * 64)),
          inputWidth: 64,
          outputWidth: $0.outputWidth,
          activationFormat: .int8PerBlock256
        )
      },
    ]
    for change in changes.indices {
      let error = #expect(throws: ModelError.self) {
        _ = try model(ForeignBackend(change: changes[change], takes: { $0 == "blk.1.ffn_up.weight" }))
      }
      #expect(error?.code == .invalidOption && error?.message.contains("blk.1.ffn_up") == true)
    }
  }
}
