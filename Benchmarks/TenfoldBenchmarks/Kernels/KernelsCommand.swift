// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Tenfold

struct KernelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "Measures matrix products in the weight formats."
  )

  enum Mode: String, ExpressibleByArgument {
    case gemm, gemv
  }

  @Option(help: "Rows x output columns x input columns, as in 128x1536x384; gemv takes one row.")
  var shape = "128x1536x384"

  @Option(help: "Weight formats: int8, f32, q8_0, q4_0, q4_1, q4_k, …; repeat for several.")
  var format: [String] = ["int8", "f32"]

  @Option(help: "gemm or gemv.")
  var mode = Mode.gemm

  @OptionGroup var options: BenchmarkOptions

  func run() throws {
    let sizes = shape.split(separator: "x").compactMap { Int($0) }
    guard sizes.count == 3, sizes.allSatisfy({ (1...1 << 20).contains($0) }), sizes[1] * sizes[2] <= 1 << 30
    else {
      throw ValidationError("--shape must be MxNxK, as in 128x1536x384.")
    }
    let rows = mode == .gemv ? 1 : sizes[0]
    var report = BenchmarkReport(suite: "kernels", options: options)
    let pool = WorkerPool(threads: options.threads)
    for name in format {
      guard let format = WeightFormat.all.first(where: { $0.name == name }) else {
        throw ValidationError(
          "Unknown format \(name); there are \(WeightFormat.all.map(\.name).joined(separator: ", "))."
        )
      }
      let layer = try Self.layer(format, rows: sizes[1], columns: sizes[2])
      let input = (0..<rows * sizes[2]).map { Float($0 * 7_919 % 2_001) / 1_000 - 1 }
      var output = [Float](repeating: 0, count: rows * sizes[1])
      let work = 2 * Double(rows) * Double(sizes[1]) * Double(sizes[2])
      let sample = try BenchmarkSample.take(options.reps) {
        // Many products a repetition, so that the clock's grain does not show.
        let count = max(1, Int(2e9 / work))
        let seconds = try BenchmarkSample.seconds {
          for _ in 0..<count {
            var span = output.mutableSpan
            try layer.apply(input.span, rows: rows, into: &span, pool: pool)
          }
        }
        return work * Double(count) / seconds / 1e9
      }
      report.add(
        "\(mode.rawValue)-\(name)",
        "throughput",
        "GOP/s",
        sample,
        parameters: ["shape": "\(rows)x\(sizes[1])x\(sizes[2])", "bytes": "\(layer.byteCount)"]
      )
    }
    try report.finish()
  }

  /// A layer of pseudo-random weights; for block formats, of pseudo-random bytes with small scales.
  private static func layer(_ format: WeightFormat, rows: Int, columns: Int) throws -> any LinearLayer {
    if format == .int8 || format == .f32 {
      let weights = (0..<rows * columns).map { Float($0 * 104_729 % 2_003) / 1_001 - 1 }
      if format == .int8 {
        return try LinearLayerFactory.makeInt8(weights: weights.span, rows: rows, columns: columns)
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
