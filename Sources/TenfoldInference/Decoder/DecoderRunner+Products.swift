// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

extension DecoderRunner {
  /// A product whose input was quantised last.
  ///
  /// It holds no counted reference, as all threads read it, and even one that isn't owned is counted while it is used, but for
  /// this call of the standard library's. The model keeps the projection.
  @safe
  struct Product {
    private let unmanaged: Unmanaged<DecoderProjection>
    let output: UnsafeMutablePointer<Float>
    let stride: Int
    let residual: UnsafeMutablePointer<Float>?
    let precision: DecoderPrecision
    /// Where its sums lie among those of products that are computed at the same time.
    var pairOffset = 0

    /// Creates a product; whoever calls keeps the projection for as long as it is used.
    init(
      _ projection: DecoderProjection,
      _ output: UnsafeMutablePointer<Float>,
      _ stride: Int,
      residual: UnsafeMutablePointer<Float>? = nil,
      precision: DecoderPrecision
    ) {
      unsafe unmanaged = .passUnretained(projection)
      unsafe self.output = output
      self.stride = stride
      unsafe self.residual = residual
      self.precision = precision
    }

    /// Calls `body` with the projection without counting a reference to it.
    func withProjection<Result>(_ body: (DecoderProjection) -> Result) -> Result {
      unsafe unmanaged._withUnsafeGuaranteedRef(body)
    }
  }

  /// Computes several products of the same rows in one parallel region.
  func multiply(_ products: [Product]) {
    var products = products
    for index in products.indices.dropFirst() {
      // Whole cache lines, so that threads don't write to the same ones.
      let width = products[index - 1].withProjection { ($0.layer.outputWidth + 15) / 16 * 16 }
      products[index].pairOffset = products[index - 1].pairOffset + width
    }
    let layers = products.map { $0.withProjection(\.layer) }
    unsafe products.withUnsafeBufferPointer { products in
      forPanels(of: layers) { number, panels in
        let product = unsafe products[number]
        let epilogue = unsafe Epilogue(
          bias: product.withProjection { unsafe $0.bias?.base },
          residual: product.residual.map { unsafe UnsafePointer($0) },
          residualStride: product.stride
        )
        apply(product, panels, epilogue)
      }
    }
  }

  /// Computes some columns of a product.
  ///
  /// The product of what rounding left over follows while the weights are still in the caches; so the epilogue must be a
  /// sum, unless the precision is standard.
  func apply(_ product: Product, _ panels: Range<Int>, _ epilogue: Epilogue) {
    product.withProjection { apply($0, product, panels, epilogue) }
  }

  private func apply(
    _ projection: DecoderProjection,
    _ product: Product,
    _ panels: Range<Int>,
    _ epilogue: Epilogue
  ) {
    let hasRemainder = product.precision == .high && projection.form != .float32
    // Not one call for all, here and below, whose choice would be counted as a reference by all threads.
    if hasRemainder, isPaired {
      if projection.form == .int8PerBlock256 {
        multiplyPair(longBlockRows.pair, projection, product, panels, epilogue)
      } else {
        multiplyPair(blockRows.pair, projection, product, panels, epilogue)
      }
      return
    }
    switch projection.form {
    case .float32: multiply(floatActivations, projection, product, panels, epilogue)
    case .int8PerBlock256: multiply(longBlockRows.rows, projection, product, panels, epilogue)
    default: multiply(blockRows.rows, projection, product, panels, epilogue)
    }
    guard hasRemainder else { return }
    let sum = unsafe Epilogue(residual: product.output, residualStride: product.stride)
    if projection.form == .int8PerBlock256 {
      multiply(longBlockRows.remainders, projection, product, panels, sum)
    } else {
      multiply(blockRows.remainders, projection, product, panels, sum)
    }
  }

  @inline(__always)
  private func multiply(
    _ rows: Activations,
    _ projection: DecoderProjection,
    _ product: Product,
    _ panels: Range<Int>,
    _ epilogue: Epilogue
  ) {
    unsafe projection.layer.multiply(
      rows,
      panels: panels,
      into: product.output,
      outputStride: product.stride,
      epilogue: epilogue
    )
  }

  /// The products of a single row, and of what rounding left of it, at once.
  @inline(__always)
  private func multiplyPair(
    _ pair: Activations,
    _ projection: DecoderProjection,
    _ product: Product,
    _ panels: Range<Int>,
    _ epilogue: Epilogue
  ) {
    unsafe projection.layer.multiply(
      pair,
      panels: panels,
      into: pairSums.base + product.pairOffset,
      outputStride: pairStride,
      epilogue: .none
    )
    let first = panels.lowerBound * projection.layer.panelWidth
    let sums = unsafe pairSums.base + product.pairOffset + first
    // The additions of the way for several rows, in the same order.
    unsafe elementwise.pointee.add_rows(
      sums,
      sums + pairStride,
      epilogue.bias.map { unsafe $0 + first },
      epilogue.residual.map { unsafe $0 + first },
      product.output + first,
      min(projection.layer.outputWidth, panels.upperBound * projection.layer.panelWidth) - first
    )
  }

  /// Calls `body` with the number of a layer and some of its slices: as many as follow each other for a few rows, which read
  /// weights once, else few enough to stay in the second-level cache for a second pass.
  func forPanels(of layers: [any LinearLayer], _ body: (Int, Range<Int>) -> Void) {
    let splits = layers.map {
      PanelSplit($0, rows: roundedRows, threads: pool.threadCount)
    }
    let readsOnce = isPaired || (precision == .standard && roundedRows <= 48)
    pool.run(splits.reduce(0) { $0 + $1.count }) { piece in
      var (number, index) = (0, piece)
      while index >= splits[number].count {
        index -= splits[number].count
        number += 1
      }
      let all = splits[number][index]
      // A multiple of the slices that a tile takes on any instruction set.
      let step = readsOnce ? max(1, all.count) : 24
      for start in stride(from: all.lowerBound, to: all.upperBound, by: step) {
        body(number, start..<min(all.upperBound, start + step))
      }
    }
  }
}
