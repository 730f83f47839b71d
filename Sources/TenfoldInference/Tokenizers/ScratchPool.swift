// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Working memory kept between calls, as much as a few threads need at once.
final class ScratchPool<Scratch: Sendable>: Sendable {
  private let kept = Mutex<[Scratch]>([])
  private let make: @Sendable () -> Scratch
  /// More threads than this at once make memory of their own, and drop it afterwards.
  private static var keptCount: Int { 4 }

  init(_ make: @escaping @Sendable () -> Scratch) { self.make = make }

  /// Lends memory for the time of `body`.
  func withScratch(_ body: (inout Scratch) -> Void) {
    var scratch = kept.withLock { $0.popLast() } ?? make()
    body(&scratch)
    kept.withLock { if $0.count < Self.keptCount { $0.append(scratch) } }
  }
}
