// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The largest outputs, as in choosing a token: a few columns at a time, so that no matrix of all outputs is written.
extension LinearLayer {
  /// The `k` largest outputs of each row, best first; equal ones rank by lower column.
  ///
  /// The scores have the bits that ``LinearLayer/multiply(_:panels:into:outputStride:epilogue:)`` would store. NaN never
  /// ranks, so a row whose activations are not finite has no hits.
  ///
  /// - Parameters:
  ///   - k: The number of hits a row; 0 or less gives none.
  ///   - activations: Rows in the form ``LinearLayer/activationFormat``, ``LinearLayer/inputWidth`` long.
  ///   - epilogue: What happens to the sums before they are compared.
  ///   - pool: The threads; the result is the same for any number.
  /// - Returns: For each row at most `k` hits, whose index is the column.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``.
  /// - Complexity: O(*n* + *m* log *k*) a row beside the product, where *m* of *n* outputs enter the selection.
  public func topK(
    _ k: Int,
    of activations: Activations,
    epilogue: Epilogue = .none,
    pool: WorkerPool
  ) throws(KernelError) -> [[TopK.Hit]] {
    guard activations.format == activationFormat, activations.width == inputWidth else {
      throw KernelError(
        .invalidShape,
        "activations of rows of \(activations.width) (\(activations.format)) do not fit a layer of \(inputWidth) "
          + "(\(activationFormat))"
      )
    }
    let empty = [TopK](repeating: TopK(capacity: min(k, outputWidth)), count: activations.rows)
    guard k > 0, !empty.isEmpty else { return empty.map { $0.sorted() } }
    let merged = Mutex(empty)
    let pieces = PanelSplit(self, rows: activations.rows, threads: pool.threadCount)
    pool.run(pieces.count) { index in
      let best = selected(pieces[index], from: empty, activations, epilogue)
      // The ranking is total, so the order in which pieces arrive does not show.
      merged.withLock { merged in
        for row in merged.indices {
          for hit in best[row].sorted() { merged[row].offer(hit.score, index: hit.index) }
        }
      }
    }
    return merged.withLock { $0.map { $0.sorted() } }
  }

  /// The largest output of each row and its column, the lowest of equal ones; `nil` where all are NaN.
  ///
  /// - Parameters:
  ///   - activations: Rows in the form ``LinearLayer/activationFormat``, ``LinearLayer/inputWidth`` long.
  ///   - epilogue: What happens to the sums before they are compared.
  ///   - pool: The threads; the result is the same for any number.
  /// - Returns: One entry a row.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``.
  public func argmax(
    of activations: Activations,
    epilogue: Epilogue = .none,
    pool: WorkerPool
  ) throws(KernelError) -> [TopK.Hit?] {
    try topK(1, of: activations, epilogue: epilogue, pool: pool).map(\.first)
  }

  /// What the columns of some panels add to empty selections.
  private func selected(
    _ panels: Range<Int>,
    from empty: [TopK],
    _ activations: Activations,
    _ epilogue: Epilogue
  ) -> [TopK] {
    var best = empty
    let group = max(1, 128 / panelWidth)
    let width = group * panelWidth
    unsafe withUnsafeTemporaryAllocation(byteCount: empty.count * width * 4, alignment: 64) { scratch in
      guard let base = scratch.baseAddress else { return }
      let scores = unsafe base.bindMemory(to: Float.self, capacity: empty.count * width)
      for start in stride(from: panels.lowerBound, to: panels.upperBound, by: group) {
        let end = min(panels.upperBound, start + group)
        var part = epilogue
        part.firstColumn = start * panelWidth
        unsafe multiply(activations, panels: start..<end, into: scores, outputStride: width, epilogue: part)
        let columns = min(outputWidth, end * panelWidth) - part.firstColumn
        for row in best.indices {
          let span = unsafe Span(_unsafeStart: scores + row * width, count: columns)
          best[row].offer(span, firstIndex: part.firstColumn)
        }
      }
    }
    return best
  }
}
