// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldKernels

/// What every ``LinearLayer`` must do, ours or a host's own backend.
///
/// ```swift
/// let violations = LinearLayerContract.violations(of: layer, weights: dequantized)
/// #expect(violations.isEmpty)
/// ```
public enum LinearLayerContract {
  /// Judges a layer against the floats that its weights stand for.
  ///
  /// - Parameters:
  ///   - layer: The layer.
  ///   - weights: `[outputWidth × inputWidth]`, row-major: the exact values of the stored weights.
  ///   - instructionSet: The kernels that quantise activations; `nil` for those of this process.
  /// - Returns: What is broken; empty for a good layer.
  public static func violations(
    of layer: any LinearLayer,
    weights: [Float],
    instructionSet: InstructionSet? = nil
  ) -> [ContractViolation] {
    var report = ContractReport()
    let width = layer.outputWidth
    report.check(
      layer.panelCount * layer.panelWidth >= width
        && (layer.panelCount - 1) * layer.panelWidth < max(width, 1),
      "the panels cover the output columns",
      observed: "\(layer.panelCount) panels of \(layer.panelWidth) for \(width) columns"
    )
    guard width > 0, layer.inputWidth > 0, weights.count == width * layer.inputWidth else {
      return report.violations
    }
    do {
      let run = try Run(layer: layer, rows: 9, instructionSet: instructionSet)
      let all = try run.output(rows: 9)
      report.check(
        all.guardsIntact,
        "nothing is written outside the result",
        observed: "guard values changed"
      )
      checkValues(run, all.values, weights, &report)
      try checkBatch(run, all.values, &report)
      try checkPanels(run, all.values, &report)
      try checkEpilogue(run, all.values, &report)
      try checkNaN(layer, instructionSet, &report)
      let none = try run.output(rows: 0)
      report.check(none.guardsIntact, "zero rows write nothing", observed: "guard values changed")
    } catch {
      report.check(false, "valid shapes are accepted", observed: "threw \(error)")
    }
    return report.violations
  }

  private static func checkValues(
    _ run: Run,
    _ values: [Float],
    _ weights: [Float],
    _ report: inout ContractReport
  ) {
    let (inputs, outputs) = (run.layer.inputWidth, run.layer.outputWidth)
    // Rounding to int8 errs by up to 1/254 of the largest value of a block or row; products err by their norm times that.
    let bound = run.layer.activationFormat == .float32 ? 2e-5 : 0.05
    var worst = 0.0
    for row in 0..<9 {
      for column in 0..<outputs {
        var (sum, squares) = (0.0, 1e-30)
        for k in 0..<inputs {
          let term = Double(run.input[row * inputs + k]) * Double(weights[column * inputs + k])
          sum += term
          squares += term * term
        }
        let error = abs(Double(values[row * outputs + column]) - sum) / squares.squareRoot()
        worst = error.isNaN ? .infinity : max(worst, error)
      }
    }
    report.check(
      worst <= bound,
      "results are the product with the weights",
      observed: "relative error \(worst)"
    )
  }

  private static func checkBatch(_ run: Run, _ all: [Float], _ report: inout ContractReport) throws {
    for rows in [1, 2, 3, 4, 5, 7, 8] {
      let some = try run.output(rows: rows)
      report.check(
        some.values == Array(all.prefix(rows * run.layer.outputWidth)) && some.guardsIntact,
        "a row's result does not depend on the number of rows",
        observed: "\(rows) rows differ from 9"
      )
    }
  }

  private static func checkPanels(_ run: Run, _ all: [Float], _ report: inout ContractReport) throws {
    for rows in [1, 9] {
      let single = try run.output(rows: rows, panelsPerCall: 1)
      report.check(
        single.values == Array(all.prefix(rows * run.layer.outputWidth)),
        "panels one by one give the whole",
        observed: "\(rows) rows differ"
      )
    }
  }

  private static func checkEpilogue(_ run: Run, _ all: [Float], _ report: inout ContractReport) throws {
    let width = run.layer.outputWidth
    let extra = (0..<9 * width).map { Float($0 % 13) * 0.25 - 1.5 }
    for activation in [Epilogue.Activation.none, .gelu, .silu] {
      let scale = all.reduce(Float(1e-30)) { max($0, $1.magnitude) }
      let got = try run.output(rows: 9, activation: activation, extra: extra)
      var worst: Float = 0
      for index in all.indices {
        let s = all[index] + extra[index % width]
        let expected =
          LinearLayerContract.activate(Double(s), activation) * Double(extra[index]) + Double(extra[index])
        worst = max(worst, Float((Double(got.values[index]) - expected).magnitude))
      }
      report.check(
        worst <= 1e-5 * (scale + 4) && got.guardsIntact,
        "the epilogue is activation(s + bias) * multiplier + residual",
        observed: "\(activation) errs by \(worst)"
      )
    }
  }

  private static func checkNaN(
    _ layer: any LinearLayer,
    _ instructionSet: InstructionSet?,
    _ report: inout ContractReport
  ) throws {
    for bad in [Float.nan, .infinity] {
      var run = try Run(layer: layer, rows: 9, instructionSet: instructionSet)
      let clean = try run.output(rows: 3).values
      run.input[layer.inputWidth] = bad
      let values = try run.output(rows: 3).values
      let width = layer.outputWidth
      report.check(
        values[..<width] == clean[..<width] && values[(2 * width)...] == clean[(2 * width)...],
        "a row with \(bad) leaves the others alone",
        observed: "other rows changed"
      )
      report.check(
        values[width..<2 * width].allSatisfy { !$0.isFinite },
        "a row with \(bad) has no finite result",
        observed: "some are finite"
      )
    }
  }

  /// The exact functions, in double precision.
  static func activate(_ s: Double, _ activation: Epilogue.Activation) -> Double {
    switch activation {
    case .none: s
    case .gelu: 0.5 * s * (1 + ExactFunctions.erf(s / 2.0.squareRoot()))
    case .silu: s / (1 + ExactFunctions.exp(-s))
    }
  }

  /// One layer with inputs, and how it is called: with guards around the result.
  private struct Run {
    struct Result {
      var values: [Float]
      var guardsIntact: Bool
    }

    let layer: any LinearLayer
    var input: [Float]
    let activations: Activations

    init(layer: any LinearLayer, rows: Int, instructionSet: InstructionSet?) throws {
      self.layer = layer
      activations = try Activations(capacity: rows, width: layer.inputWidth, instructionSet: instructionSet)
      var state: UInt64 = 0x9E37_79B9_7F4A_7C15
      input = (0..<rows * layer.inputWidth).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Float(state >> 40) / Float(1 << 23) - 1
      }
    }

    func output(
      rows: Int,
      panelsPerCall: Int? = nil,
      activation: Epilogue.Activation = .none,
      extra: [Float] = []
    ) throws -> Result {
      let width = layer.outputWidth
      let stride = width + 3
      let sentinel: Float = -12_345.5
      var buffer = [Float](repeating: sentinel, count: 9 * stride + 8)
      try activations.quantize(input.span, rows: rows, width: layer.inputWidth, as: layer.activationFormat)
      unsafe extra.withUnsafeBufferPointer { extra in
        let epilogue = unsafe Epilogue(
          bias: extra.baseAddress,
          activation: activation,
          multiplier: extra.baseAddress,
          multiplierStride: width,
          residual: extra.baseAddress,
          residualStride: width
        )
        unsafe buffer.withUnsafeMutableBufferPointer { output in
          guard let base = output.baseAddress else { return }
          let step = panelsPerCall ?? layer.panelCount
          for first in Swift.stride(from: 0, to: layer.panelCount, by: step) {
            // Every other call names the column that its output starts with.
            var part = extra.isEmpty ? .none : epilogue
            part.firstColumn = first / step % 2 == 1 ? first * layer.panelWidth : 0
            unsafe layer.multiply(
              activations,
              panels: first..<min(layer.panelCount, first + step),
              into: base + (4 + part.firstColumn),
              outputStride: stride,
              epilogue: part
            )
          }
        }
      }
      var values: [Float] = []
      var intact = buffer[..<4].allSatisfy { $0 == sentinel }
      for row in 0..<rows {
        let start = 4 + row * stride
        values += buffer[start..<start + width]
        intact = intact && buffer[(start + width)..<(start + stride)].allSatisfy { $0 == sentinel }
      }
      intact = intact && buffer[(4 + rows * stride)...].allSatisfy { $0 == sentinel }
      return Result(values: values, guardsIntact: intact)
    }
  }
}
