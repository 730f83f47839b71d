// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Cuts the slices of a layer into pieces of work for a number of threads.
///
/// Several pieces a thread, so that a thread which is held up does not hold up the rest. Where there is much to do, the last
/// quarter is cut four times as fine, so that the threads end together. Pieces begin at multiples of the panels that a kernel
/// takes at once: three in the widest tiles, four where few rows read panels side by side.
public struct PanelSplit: Sendable {
  /// The number of pieces.
  public let count: Int
  private let panelCount: Int
  private let groups: Int
  private let threads: Int
  private let group: Int

  /// Up to so many rows panels are read side by side.
  private static let fewRows = 4

  /// Creates the pieces.
  ///
  /// - Parameters:
  ///   - panelCount: The slices of the layer.
  ///   - rows: The rows of activations that meet them; the pieces of a few rows begin elsewhere than those of many.
  ///   - threads: The threads that share them; 1 gives one piece.
  public init(panelCount: Int, rows: Int, threads: Int) {
    self.panelCount = panelCount
    self.threads = threads
    group = rows <= Self.fewRows ? 4 : 3
    groups = (panelCount + group - 1) / group
    if threads <= 1 {
      count = min(groups, 1)
    } else {
      count = groups < 16 * threads ? min(groups, 4 * threads) : 7 * threads
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
