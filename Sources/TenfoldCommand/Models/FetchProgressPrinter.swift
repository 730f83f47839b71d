// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldInference

/// Shows how a download goes: a bar on a terminal, a line per 10 % elsewhere.
struct FetchProgressPrinter {
  private static let width: UInt64 = 30

  let model: String
  private let isTerminal = ConsoleText.isTerminal
  private var hasBar = false
  private var shownTenth: [String: UInt64] = [:]

  init(model: String) { self.model = model }

  /// Shows an event.
  mutating func show(_ event: ModelFetchEvent) {
    switch event {
    case .source(let file, let source): line("\(model)/\(file): from \(source)")
    case .progress(let file, let bytes, let total): bar(file, bytes, total)
    case .retrying(let file, let reason): line("\(model)/\(file): \(reason); trying again")
    case .skipped(let file, let source, let reason): line("\(model)/\(file): skipped \(source): \(reason)")
    case .waitingForLock(let file): line("\(model)/\(file): another process is downloading it; waiting")
    case .verified(let file, let path): line("\(model)/\(file): verified, \(path)")
    case .finished: line("\(model): ready")
    }
  }

  private mutating func bar(_ file: String, _ bytes: UInt64, _ total: UInt64?) {
    guard let total, total > 0 else {
      if isTerminal { draw("  \(file)  \(ConsoleText.size(bytes))") }
      return
    }
    let part = min(bytes, total)
    if isTerminal {
      let filled = Int(part * Self.width / total)
      let blocks =
        String(repeating: "#", count: filled) + String(repeating: ".", count: Int(Self.width) - filled)
      draw("  [\(blocks)] \(part * 100 / total) %  \(ConsoleText.size(part)) of \(ConsoleText.size(total))")
      return
    }
    let tenth = part * 10 / total
    if let last = shownTenth[file], last >= tenth { return }
    shownTenth[file] = tenth
    ConsoleText.complain("\(model)/\(file): \(tenth * 10) % of \(ConsoleText.size(total))")
  }

  private mutating func draw(_ text: String) {
    ConsoleText.write("\r\u{1B}[K\(text)")
    hasBar = true
  }

  private mutating func line(_ text: String) {
    if hasBar { ConsoleText.write("\r\u{1B}[K") }
    hasBar = false
    ConsoleText.complain(text)
  }
}
