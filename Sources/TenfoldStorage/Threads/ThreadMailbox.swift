// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import DequeModule
import Dispatch
import Synchronization

/// Hands values from any number of callers to one or more waiting threads.
///
/// A thread that takes gets everything that has gathered meanwhile: this is what makes group commit work without
/// a timer. Nothing wakes while the mailbox is empty.
package final class ThreadMailbox<Element: Sendable>: Sendable {
  private struct State {
    var elements: Deque<Element> = []
    var waiting = 0
    var isClosed = false
  }

  private let state = Mutex(State())
  private let semaphore = DispatchSemaphore(value: 0)

  /// Creates an empty, open mailbox.
  package init() {}

  /// How many values wait to be taken.
  package var count: Int { state.withLock { $0.elements.count } }

  /// Adds a value and wakes one waiting thread; `false` when the mailbox is closed.
  package func send(_ element: Element) -> Bool {
    let (accepted, wake) = state.withLock { state -> (Bool, Bool) in
      guard !state.isClosed else { return (false, false) }
      state.elements.append(element)
      guard state.waiting > 0 else { return (true, false) }
      state.waiting -= 1
      return (true, true)
    }
    if wake { semaphore.signal() }
    return accepted
  }

  /// Refuses further values and wakes every waiting thread; what is inside can still be taken.
  package func close() {
    let waiting = state.withLock { state -> Int in
      state.isClosed = true
      defer { state.waiting = 0 }
      return state.waiting
    }
    for _ in 0..<waiting { semaphore.signal() }
  }

  /// Waits for values and takes all of them; `nil` once the mailbox is closed and empty.
  package func takeAll() -> [Element]? {
    while true {
      let taken = state.withLock { state -> Deque<Element>? in
        if !state.elements.isEmpty {
          var all: Deque<Element> = []
          swap(&all, &state.elements)
          return all
        }
        if state.isClosed { return [] }
        state.waiting += 1
        return nil
      }
      if let taken { return taken.isEmpty ? nil : Array(taken) }
      semaphore.wait()
    }
  }

  /// Waits for a value and takes the oldest; `nil` once the mailbox is closed and empty.
  package func takeOne() -> Element? {
    while true {
      let (element, isDone) = state.withLock { state -> (Element?, Bool) in
        if !state.elements.isEmpty { return (state.elements.removeFirst(), true) }
        if state.isClosed { return (nil, true) }
        state.waiting += 1
        return (nil, false)
      }
      if isDone { return element }
      semaphore.wait()
    }
  }
}
