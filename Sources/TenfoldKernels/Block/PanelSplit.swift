// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Cuts the slices of a layer into pieces of work for a number of threads.
///
/// Several pieces a thread, so that a thread which is held up does not hold up the rest; each a multiple of the panels
/// that a tile takes, unless there are too few.
public struct PanelSplit: Sendable {
  /// The number of pieces.
  public let count: Int
  private let panelCount: Int
  private let size: Int

  /// Creates the pieces.
  ///
  /// - Parameters:
  ///   - panelCount: The slices of the layer.
  ///   - threads: The threads that share them; 1 gives one piece.
  public init(panelCount: Int, threads: Int) {
    self.panelCount = panelCount
    let pieces = threads <= 1 ? 1 : threads * 4
    var size = max(1, (panelCount + pieces - 1) / pieces)
    if size > 6 { size = (size + 5) / 6 * 6 }
    self.size = size
    self.count = (panelCount + size - 1) / size
  }

  /// The slices of one piece.
  public subscript(index: Int) -> Range<Int> { (index * size)..<min(panelCount, (index + 1) * size) }
}
