// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Cuts the slices of a layer into pieces of work for a number of threads.
///
/// Several pieces a thread, so that a thread which is held up does not hold up the rest. Where there is much to do, the last
/// quarter is cut four times as fine, so that the threads end together; where there is little, a piece is worth being handed
/// over. Pieces begin at multiples of the panels that a layer computes at once.
public struct PanelSplit: Sendable {
  /// The number of pieces.
  public let count: Int
  private let panelCount: Int
  private let groups: Int
  private let threads: Int
  private let group: Int

  /// Bytes of weights, read from memory in some microseconds, below which a piece for a few rows is not cut further.
  private static let smallest = 48 << 10

  /// Creates the pieces.
  ///
  /// - Parameters:
  ///   - layer: The layer; its slices and its ``LinearLayer/panelGroup(rows:)`` count.
  ///   - rows: The rows of activations that meet it.
  ///   - threads: The threads that share the pieces; 1 gives one piece.
  public init(_ layer: some LinearLayer, rows: Int, threads: Int) {
    panelCount = layer.panelCount
    self.threads = threads
    group = max(1, min(panelCount, layer.panelGroup(rows: rows)))
    groups = (panelCount + group - 1) / group
    if threads <= 1 {
      count = min(groups, 1)
    } else {
      // Two rows still wait for memory; more of them for the products.
      let worth = rows < 32 ? layer.byteCount / (Self.smallest / max(1, rows / 2)) : groups
      count = groups < 16 * threads ? min(groups, threads * max(1, min(4, worth / threads))) : 7 * threads
    }
  }

  /// The slices of one piece.
  public subscript(index: Int) -> Range<Int> { bound(index)..<bound(index + 1) }

  /// Where a piece begins, and the one before it ends.
  private func bound(_ index: Int) -> Int {
    guard count == 7 * threads else {
      return min(panelCount, (groups * index + count - 1) / count * group)
    }
    // Three quarters in 3 pieces a thread, the last one in 4.
    let sixteenths = 4 * min(index, 3 * threads) + max(0, index - 3 * threads)
    return min(panelCount, groups * sixteenths / (16 * threads) * group)
  }
}
