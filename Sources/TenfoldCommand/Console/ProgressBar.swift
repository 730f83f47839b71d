// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Tenfold

/// How far long work has come: a bar on a terminal, a line per 10 % elsewhere.
final class ProgressBar: Sendable {
  private struct State {
    var shownTenth = -1
    var shownPermille = -1
    var isDone = false
  }

  private let title: String
  private let total: Int
  private let begin = ContinuousClock.now
  private let isTerminal = ConsoleText.isTerminal
  private let state = Mutex(State())

  init(_ title: String, total: Int) {
    self.title = title
    self.total = max(1, total)
  }

  /// Shows that `count` of the total is done.
  func show(_ count: Int) {
    let count = min(max(0, count), total)
    state.withLock { state in
      guard !state.isDone else { return }
      let permille = count * 1000 / total
      if isTerminal {
        guard permille > state.shownPermille else { return }
        state.shownPermille = permille
        let filled = count * 30 / total
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
        ConsoleText.write("\r\u{1B}[K\(title) [\(bar)] \(count)/\(total)\(remaining(count))")
      } else if permille / 100 > state.shownTenth {
        state.shownTenth = permille / 100
        ConsoleText.complain("\(title): \(state.shownTenth * 10) % (\(count) of \(total))")
      }
    }
  }

  /// Ends the bar with a line that says how long it took.
  func finish(_ text: String = "done") {
    state.withLock { state in
      guard !state.isDone else { return }
      state.isDone = true
      let seconds = begin.duration(to: .now).inSeconds.fixed(1)
      ConsoleText.complain("\(isTerminal ? "\r\u{1B}[K" : "")\(title): \(text) (\(seconds) s)")
    }
  }

  private func remaining(_ count: Int) -> String {
    let elapsed = begin.duration(to: .now).inSeconds
    guard count > 0, elapsed > 2 else { return "" }
    return ", \((elapsed / Double(count) * Double(total - count)).fixed(0)) s left"
  }
}
