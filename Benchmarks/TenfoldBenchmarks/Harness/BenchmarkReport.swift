// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// Collects figures, prints a table for people and writes JSON lines for machines.
struct BenchmarkReport {
  private struct Line: Encodable {
    var suite: String
    var `case`: String
    var metric: String
    var unit: String
    var value: Double
    var p50: Double
    var p99: Double
    var n: Int
    var isa: String
    var threads: Int
    var parameters: [String: String]
  }

  let suite: String
  let options: BenchmarkOptions
  private let environment: BenchmarkEnvironment
  private var lines: [Line] = []

  init(suite: String, options: BenchmarkOptions) {
    self.suite = suite
    self.options = options
    environment = BenchmarkEnvironment()
    if options.json != "-" { Self.show(environment.description + "\n") }
  }

  /// Adds one figure and prints its row, with whether the median meets the target.
  mutating func add(
    _ name: String,
    _ metric: String,
    _ unit: String,
    _ sample: BenchmarkSample,
    parameters: [String: String] = [:],
    target: BenchmarkTarget? = nil
  ) {
    var parameters = parameters
    if let target {
      parameters["target"] = target.description
      parameters["verdict"] = target.verdict(on: sample.median)
    }
    if let others = sample.othersCPUs { parameters["others_cpu"] = Self.short(others) }
    lines.append(
      Line(
        suite: suite,
        case: name,
        metric: metric,
        unit: unit,
        value: sample.median,
        p50: sample.median,
        p99: sample.quantile(0.99),
        n: sample.values.count,
        isa: InstructionSet.current.name,
        threads: options.threads,
        parameters: parameters
      )
    )
    guard options.json != "-" else { return }
    if lines.count == 1 {
      Self.show(Self.row(["case", "metric", "median", "p99", "unit", "n", "others' CPUs", "target"]))
    }
    Self.show(
      Self.row([
        name, metric, Self.short(sample.median), Self.short(sample.quantile(0.99)), unit,
        "\(sample.values.count)",
        parameters["others_cpu"] ?? "?", target.map { "\($0): \($0.verdict(on: sample.median))" } ?? "",
      ])
    )
  }

  /// Writes the JSON lines, where they were asked for.
  func finish() throws {
    guard let path = options.json else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var text = try String(decoding: encoder.encode(environment), as: UTF8.self) + "\n"
    for line in lines { text += try String(decoding: encoder.encode(line), as: UTF8.self) + "\n" }
    if path == "-" {
      print(text, terminator: "")
    } else {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
    }
  }

  /// Writes a line at once, so that a run that is cut short has shown what it had.
  private static func show(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
  }

  /// Four significant digits.
  static func short(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    let digits = value == 0 ? 3 : max(0, min(6, 3 - Int(log10(abs(value)).rounded(.down))))
    return String(format: "%.\(digits)f", value)
  }

  private static func row(_ cells: [String]) -> String {
    let widths = [26, 16, 10, 10, 8, 5, 14, 0]
    return zip(cells, widths)
      .map { cell, width in
        cell + String(repeating: " ", count: max(1, width - cell.count))
      }
      .joined()
  }
}
