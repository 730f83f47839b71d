// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// A line of the side-by-side table, on the terminal and in the report.
struct ComparisonRow {
  var name: String
  var naive: String
  var tenfold: String
  var ratio: String

  static func rows(_ report: DemoReport) -> [ComparisonRow] {
    let (a, b) = (report.naive, report.tenfold)
    var rows: [ComparisonRow] = []
    func add(_ name: String, _ value: (SystemFigures) -> Double, _ digits: Int, higherIsBetter: Bool) {
      let (x, y) = (value(a), value(b))
      let better = higherIsBetter ? (y, x) : (x, y)
      rows.append(
        ComparisonRow(
          name: name,
          naive: x.fixed(digits),
          tenfold: y.fixed(digits),
          ratio: better.1 > 0 ? "\((better.0 / better.1).fixed(1))×" : "–"
        )
      )
    }
    func compare(_ name: String, _ value: (SystemFigures) -> String) {
      rows.append(ComparisonRow(name: name, naive: value(a), tenfold: value(b), ratio: ""))
    }
    add("answers per second", \.answersPerSecond, 2, higherIsBetter: true)
    add("latency, median (ms)", \.latencyMedianMilliseconds, 1, higherIsBetter: false)
    add("latency, p99 (ms)", \.latencyP99Milliseconds, 1, higherIsBetter: false)
    add("first token, median (ms)", \.firstTokenMedianMilliseconds, 1, higherIsBetter: false)
    add("CPU-seconds per 1,000 answers", \.cpuSecondsPerThousand, 1, higherIsBetter: false)
    add("US dollars per 1,000 answers", \.dollarsPerThousand, 4, higherIsBetter: false)
    for tier in Set(a.tiers.keys).union(b.tiers.keys).sorted() {
      compare("\(tier) model: calls / tokens") { figures in
        let tier = figures.tiers[tier]
        return "\(tier?.calls ?? 0) / \((tier?.promptTokens ?? 0) + (tier?.completionTokens ?? 0))"
      }
    }
    for source in ["exact cache", "semantic cache", "coalesced"] {
      compare("answered by \(source)") { "\($0.sources[source] ?? 0) of \($0.answers)" }
    }
    compare("retrieval nDCG@10 (new claims)") { $0.nDCG10.fixed(3) }
    compare("claims answered as labelled") {
      "\(($0.labelAgreement * 100).fixed(1)) % of \($0.labelledCount)"
    }
    compare("lookups answered right") { "\(($0.lookupAccuracy * 100).fixed(1)) % of \($0.lookupCount)" }
    compare("failures") { "\($0.failures)" }
    return rows
  }

  /// The rows as an aligned table.
  static func table(_ rows: [ComparisonRow]) -> String {
    let head = ComparisonRow(name: "", naive: "naive", tenfold: "Tenfold", ratio: "gain")
    let all = [head] + rows
    func width(_ value: (ComparisonRow) -> String) -> Int { all.map { value($0).count }.max() ?? 0 }
    let widths = (width(\.name), width(\.naive), width(\.tenfold), width(\.ratio))
    let lines = all.map { row in
      row.name.padded(widths.0) + "  " + row.naive.padded(widths.1, left: true) + "  "
        + row.tenfold.padded(widths.2, left: true) + "  " + row.ratio.padded(widths.3, left: true)
    }
    let rule = String(repeating: "─", count: lines[0].count)
    return ([lines[0], rule] + lines.dropFirst()).joined(separator: "\n")
  }
}

extension String {
  /// This text with blanks up to a width.
  func padded(_ width: Int, left: Bool = false) -> String {
    let blanks = String(repeating: " ", count: max(0, width - count))
    return left ? blanks + self : self + blanks
  }
}

extension Double {
  /// This number with a fixed number of decimals and thousands separated.
  func fixed(_ digits: Int) -> String {
    guard isFinite, magnitude < 1e15 else { return "–" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = (magnitude * scale).rounded()
    let whole = Int(scaled / scale)
    let fraction = Int(scaled - Double(whole) * scale)
    var text = ""
    for (index, digit) in String(whole).reversed().enumerated() {
      if index > 0, index % 3 == 0 { text = "," + text }
      text = String(digit) + text
    }
    if digits > 0 {
      let decimals = String(fraction)
      text += "." + String(repeating: "0", count: max(0, digits - decimals.count)) + decimals
    }
    return (self < 0 && scaled > 0 ? "-" : "") + text
  }
}
