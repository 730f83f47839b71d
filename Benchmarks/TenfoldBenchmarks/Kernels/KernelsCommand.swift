// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Tenfold

struct KernelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "Measures matrix products in the weight formats.",
    discussion: """
      A figure is that of a whole product: activations are quantised, weights were packed before. With one row that is a \
      matrix-vector product, as in decoding one sequence.
      gemm: the shapes' rows. gemv: one row in place of them. stream: as many copies of the weights as fill 160 MB, one \
      after the other, so that they come from memory, as in decoding.
      """
  )

  @Option(
    parsing: .singleValue,
    help: "Rows x output columns x input columns, as in 128x1536x384; repeat for several."
  )
  var shape: [KernelShape] = [KernelShape(rows: 128, outputs: 1_536, inputs: 384)]

  @Option(
    parsing: .singleValue,
    help: "A weight format: int8, f32, q8_0, q4_0, q4_1, q4_k, …; repeat for several."
  )
  var format: [String] = ["int8", "f32"]

  @Flag(help: "Quantise int8 weights to 7 bits, which is faster on AVX2.")
  var reduced = false

  @Option(help: "gemm, gemv or stream.")
  var mode = KernelMode.gemm

  @Flag(help: "Measure this machine's peaks first, and give each figure as a share of them.")
  var roofline = false

  @Flag(help: "Say which backend, tile and blocking each product gets.")
  var explain = false

  @OptionGroup var options: BenchmarkOptions

  func validate() throws {
    guard !shape.isEmpty, !format.isEmpty else { throw ValidationError("Name a shape and a format.") }
  }

  func run() throws {
    var report = BenchmarkReport(suite: "kernels", options: options)
    var peaks: HardwarePeaks?
    if roofline {
      let measured = try HardwarePeaks.measure(threads: options.threads)
      show(measured, in: &report)
      peaks = measured
    }
    let pool = WorkerPool(threads: options.threads)
    for shape in shape {
      for name in format {
        guard let format = WeightFormat.all.first(where: { $0.name == name }) else {
          throw ValidationError(
            "Unknown format \(name); there are \(WeightFormat.all.map(\.name).joined(separator: ", "))."
          )
        }
        let benchmark = try KernelBenchmark(
          mode.applied(to: shape),
          format,
          range: reduced ? .reduced : .full,
          mode: mode
        )
        if explain, options.json != "-" { print("\(benchmark.name): \(benchmark.explanation(pool))") }
        try benchmark.run(pool: pool, reps: options.reps, peaks: peaks, into: &report)
      }
    }
    try report.finish()
  }

  private func show(_ peaks: HardwarePeaks, in report: inout BenchmarkReport) {
    func add(_ name: String, _ value: Double?, _ unit: String, _ parameters: [String: String] = [:]) {
      guard let value else { return }
      let sample = BenchmarkSample(values: [value / 1e9], othersCPUs: nil)
      report.add(name, "peak", unit, sample, parameters: parameters)
    }
    add("int8 in registers", peaks.int8OperationsPerSecond, "GOP/s", ["instructions": peaks.int8Instructions])
    add("float32 in registers", peaks.float32OperationsPerSecond, "GOP/s")
    add("reading memory", peaks.memoryReadBytesPerSecond, "GB/s")
  }
}

/// What is repeated.
enum KernelMode: String, ExpressibleByArgument, CaseIterable {
  case gemm, gemv, stream

  /// The shape that this mode makes of another: one row for `gemv`.
  func applied(to shape: KernelShape) -> KernelShape {
    var shape = shape
    if self == .gemv { shape.rows = 1 }
    return shape
  }
}

/// The sizes of a product `[rows × inputs] · [outputs × inputs]ᵀ`.
struct KernelShape: ExpressibleByArgument, CustomStringConvertible, Hashable {
  var rows: Int
  var outputs: Int
  var inputs: Int

  init(rows: Int, outputs: Int, inputs: Int) {
    self.rows = rows
    self.outputs = outputs
    self.inputs = inputs
  }

  init?(argument: String) {
    let sizes = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard sizes.count == 3, let rows = sizes[0], let outputs = sizes[1], let inputs = sizes[2],
      [rows, outputs, inputs].allSatisfy({ (1...1 << 20).contains($0) }),
      outputs * inputs <= 1 << 30, rows * max(outputs, inputs) <= 1 << 30
    else { return nil }
    self.init(rows: rows, outputs: outputs, inputs: inputs)
  }

  var description: String { "\(rows)x\(outputs)x\(inputs)" }

  /// A multiplication and an addition are two.
  var operations: Double { 2 * Double(rows) * Double(outputs) * Double(inputs) }
}
