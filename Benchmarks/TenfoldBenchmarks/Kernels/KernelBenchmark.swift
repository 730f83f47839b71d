// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Tenfold

/// One product of one shape and format.
struct KernelBenchmark {
  /// Weights that no cache holds.
  static let streamedBytes = 160 << 20

  let shape: KernelShape
  let mode: KernelMode
  private let formatName: String
  /// Several copies where the weights are to come from memory.
  private let layers: [any LinearLayer]
  private let input: [Float]

  init(_ shape: KernelShape, _ format: WeightFormat, range: Int8Range, mode: KernelMode) throws {
    self.shape = shape
    self.mode = mode
    formatName = format == .int8 && range == .reduced ? "int8-reduced" : format.name
    let first = try Self.layer(format, shape, range)
    var layers = [first]
    if mode == .stream {
      while layers.reduce(0, { $0 + $1.byteCount }) < Self.streamedBytes {
        layers.append(try Self.layer(format, shape, range))
      }
    }
    self.layers = layers
    input = (0..<shape.rows * shape.inputs).map { Float($0 * 7_919 % 2_001) / 1_000 - 1 }
  }

  var name: String { "\(mode.rawValue)-\(formatName)-\(shape)" }

  func explanation(_ pool: WorkerPool) -> String {
    let pieces = PanelSplit(layers[0], rows: shape.rows, threads: pool.threadCount).count
    return layers[0].explanation + "; \(pieces) pieces for \(pool.threadCount) threads"
      + (mode == .stream ? "; \(layers.count) copies of the weights" : "")
  }

  func run(pool: WorkerPool, reps: Int, peaks: HardwarePeaks?, into report: inout BenchmarkReport) throws {
    let activations = try Activations(capacity: shape.rows, width: shape.inputs)
    let output = try AlignedBuffer<Float>(count: shape.rows * shape.outputs)
    // Many products a repetition, so that the clock's grain does not show.
    let count = max(layers.count, Int(1e9 / shape.operations))
    let format = layers[0].activationFormat
    let sample = try BenchmarkSample.take(reps) {
      try BenchmarkSample.seconds {
        for index in 0..<count {
          try activations.quantize(input.span, rows: shape.rows, width: shape.inputs, as: format, pool: pool)
          try layers[index % layers.count].apply(activations, into: output, pool: pool)
        }
      } / Double(count)
    }
    let quantising = try BenchmarkSample.take(reps) {
      try BenchmarkSample.seconds {
        for _ in 0..<count {
          try activations.quantize(input.span, rows: shape.rows, width: shape.inputs, as: format, pool: pool)
        }
      } / Double(count)
    }
    let parameters = [
      "shape": "\(shape)", "format": formatName, "mode": mode.rawValue,
      "bytes": "\(layers[0].byteCount)", "copies": "\(layers.count)",
    ]
    func add(_ metric: String, _ unit: String, _ sample: BenchmarkSample) {
      report.add(name, metric, unit, sample, parameters: parameters)
    }
    add("throughput", "GOP/s", sample.map { shape.operations / $0 / 1e9 })
    if layers[0].activationFormat != .float32 {
      add("quantising", "%", sample.map { quantising.median / $0 * 100 })
    }
    let bytesPerSecond = { Double(layers[0].byteCount) / $0 }
    if mode == .stream { add("weights read", "GB/s", sample.map { bytesPerSecond($0) / 1e9 }) }
    guard let peaks else { return }
    let peak =
      layers[0].activationFormat == .float32
      ? peaks.float32OperationsPerSecond : peaks.int8OperationsPerSecond
    if mode == .stream {
      add("of memory's peak", "%", sample.map { bytesPerSecond($0) / peaks.memoryReadBytesPerSecond * 100 })
    } else if let peak {
      add("of the peak", "%", sample.map { shape.operations / $0 / peak * 100 })
    }
  }

  /// A layer of pseudo-random weights; for block formats, of pseudo-random bytes with small scales.
  private static func layer(
    _ format: WeightFormat,
    _ shape: KernelShape,
    _ range: Int8Range
  ) throws -> any LinearLayer {
    let (rows, columns) = (shape.outputs, shape.inputs)
    if format == .int8 || format == .f32 {
      let weights = (0..<rows * columns).map { Float($0 * 104_729 % 2_003) / 1_001 - 1 }
      if format == .int8 {
        return try LinearLayerFactory.makeInt8(
          weights: weights.span,
          rows: rows,
          columns: columns,
          range: range
        )
      }
      // The array lives for the call.
      return try unsafe weights.withUnsafeBytes {
        try unsafe LinearLayerFactory.make(format: format, bytes: $0, rows: rows, columns: columns)
      }
    }
    guard let rowBytes = format.byteCount(elements: columns) else {
      throw ValidationError("Rows of \(columns) are not whole \(format.name) blocks.")
    }
    // Bytes below 60 make every half-precision scale small and finite.
    let bytes = (0..<rowBytes * rows).map { UInt8($0 * 31 % 60) }
    return try unsafe bytes.withUnsafeBytes {
      try unsafe LinearLayerFactory.make(format: format, bytes: $0, rows: rows, columns: columns)
    }
  }
}
