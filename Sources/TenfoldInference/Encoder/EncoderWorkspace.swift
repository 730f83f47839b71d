// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

/// The buffers of one thread's forward passes.
final class EncoderWorkspace {
  /// The most tokens of a pass.
  let capacity: Int
  let pool: WorkerPool
  let activations: Activations
  /// The hidden states `[capacity × width]`, and what a block adds to them.
  let hidden: AlignedBuffer<Float>
  let mixed: AlignedBuffer<Float>
  /// Queries, keys and values `[capacity × 3 width]`; then the feed-forward layer `[capacity × feedForwardWidth]`.
  let wide: AlignedBuffer<Float>
  let wideStride: Int
  /// For each piece of attention that runs at once.
  let scratch: AlignedBuffer<UInt8>
  let scratchBytes: Int

  init(_ encoder: BERTEncoder, capacity: Int, threads: Int?) throws(ModelError) {
    let configuration = encoder.configuration
    self.capacity = capacity
    pool = WorkerPool(threads: threads)
    wideStride = max(3 * configuration.width, configuration.feedForwardWidth)
    let longest = min(capacity, configuration.positionCount)
    scratchBytes = (encoder.attention.scratch(longest, configuration.headWidth) + 63) & ~63
    let slots = pool.threadCount * Self.piecesPerThread
    do {
      activations = try Activations(capacity: capacity, width: encoder.widestInput)
      hidden = try AlignedBuffer(count: capacity * configuration.width)
      mixed = try AlignedBuffer(count: capacity * configuration.width)
      wide = try AlignedBuffer(count: capacity * wideStride)
      scratch = try AlignedBuffer(count: slots * scratchBytes)
    } catch {
      throw ModelError(
        .storageFull,
        "No memory for steps of \(capacity) tokens: \(error.message)",
        underlying: error
      )
    }
  }

  /// Pieces into which a parallel region is cut, so that a thread that is held up does not hold up the rest.
  static let piecesPerThread = 4

  /// Calls `body` for ranges that together cover `count`, on all threads.
  func split(_ count: Int, _ body: (_ piece: Int, _ range: Range<Int>) -> Void) {
    let pieces = pool.threadCount == 1 ? 1 : min(count, pool.threadCount * Self.piecesPerThread)
    pool.run(pieces) { piece in body(piece, count * piece / pieces..<count * (piece + 1) / pieces) }
  }
}
