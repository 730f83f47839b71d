// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What became of the same requests without one technique.
struct Ablation: Sendable, Codable {
  /// What was switched off.
  var technique: String
  /// What the rest of the system did.
  var figures: SystemFigures

  /// How many times the answers a second the technique gives; below 1 it costs more than it saves.
  func gain(with whole: SystemFigures) -> Double {
    figures.answersPerSecond > 0 ? whole.answersPerSecond / figures.answersPerSecond : 0
  }

  /// The heads of the columns, and a row for the whole system and for each technique.
  static func rows(_ ablations: [Ablation], with whole: SystemFigures) -> [[String]] {
    func row(_ name: String, _ figures: SystemFigures, _ gain: String) -> [String] {
      [
        name, figures.answersPerSecond.fixed(2), gain, figures.cpuSecondsPerThousand.fixed(1),
        figures.latencyMedianMilliseconds.fixed(1), figures.latencyP99Milliseconds.fixed(1),
      ]
    }
    let heads = ["without", "answers/s", "its gain", "CPU-s per 1,000", "median (ms)", "p99 (ms)"]
    return [heads, row("nothing", whole, "")]
      + ablations.map { row($0.technique, $0.figures, "\($0.gain(with: whole).fixed(2))×") }
  }

  /// The rows as an aligned table.
  static func table(_ ablations: [Ablation], with whole: SystemFigures) -> String {
    let rows = rows(ablations, with: whole)
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let lines = rows.map { row in
      row.indices.map { row[$0].padded(widths[$0], left: $0 > 0) }.joined(separator: "  ")
    }
    let rule = String(repeating: "─", count: lines[0].count)
    return ([lines[0], rule] + lines.dropFirst()).joined(separator: "\n")
  }
}
