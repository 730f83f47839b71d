// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldKernels

extension WorkerPool {
  /// Does two things, at once where there are two threads.
  ///
  /// - Parameters:
  ///   - first: One of them.
  ///   - second: The other.
  /// - Returns: What both return.
  func sideBySide<First: Sendable, Second: Sendable>(
    _ first: () -> First,
    and second: () -> Second
  ) -> (First, Second) {
    let firstResult = Mutex<First?>(nil)
    let secondResult = Mutex<Second?>(nil)
    run(2) { number in
      if number == 0 {
        let result = first()
        firstResult.withLock { $0 = result }
      } else {
        let result = second()
        secondResult.withLock { $0 = result }
      }
    }
    guard let first = firstResult.withLock({ $0 }), let second = secondResult.withLock({ $0 }) else {
      preconditionFailure("A pool returned before its work was done.")
    }
    return (first, second)
  }
}
