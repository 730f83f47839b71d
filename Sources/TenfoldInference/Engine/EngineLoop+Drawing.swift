// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

extension EngineLoop {
  /// Draws the tokens of a step's answers on all threads, before each is taken in its turn.
  ///
  /// A draw goes several times through a row of logits, and one after the other they would leave all threads but one idle
  /// for a tenth of a step of many answers. Each draws by itself, so that nothing else changes. Answers in a format draw in
  /// their turn.
  func drawTogether(_ plan: [EngineScheduler.Work]) {
    var drawing: [(id: Int, logits: Int)] = []
    var first = 0
    for work in plan where work.isLast {
      if sequences[work.id]?.drawsFreely == true { drawing.append((work.id, first)) }
      first += 1 + work.draft.count
    }
    let pieces = min(threads, drawing.count)
    guard pieces > 1 else { return }
    // Taken out, so that their lists are not copied when they change.
    var drawn = drawing.compactMap { sequences.removeValue(forKey: $0.id) }
    let size = runner.model.vocabularySize
    unsafe weights.withUnsafeMutableBufferPointer { weights in
      unsafe drawn.withUnsafeMutableBufferPointer { drawn in
        runner.pool.run(pieces) { piece in
          // Each piece has its sequences, their logits, and a stretch of the weights to itself.
          let room = unsafe UnsafeMutableBufferPointer(rebasing: weights[piece * size..<(piece + 1) * size])
          for index in stride(from: piece, to: drawn.count, by: pieces) {
            unsafe drawn[index].draw(
              runner.logits(drawing[index].logits),
              weights: room,
              kernels: runner.elementwise
            )
          }
        }
      }
    }
    for (place, sequence) in zip(drawing, drawn) { sequences[place.id] = sequence }
  }
}
