// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Figures that a process which a benchmark starts tells on its standard output, a line each: a name, a space, a number.
enum ChildFigures {
  static func read(_ output: String) -> [String: Double] {
    var figures: [String: Double] = [:]
    for line in output.split(separator: "\n") {
      let parts = line.split(separator: " ")
      if parts.count == 2, let value = Double(parts[1]) { figures[String(parts[0])] = value }
    }
    return figures
  }

  static func tell(_ name: String, _ value: Double) { print("\(name) \(value)") }

  /// Tells the process's resident memory, and the most it had, in MB as `rss` and `peak`, where the system says.
  static func tellMemory() {
    for (name, key) in [("rss", "VmRSS"), ("peak", "VmHWM")] {
      let value = SystemFile.value(key, in: "/proc/self/status")?.split(separator: " ").first
      guard let kilobytes = value.flatMap({ Double($0) }) else { continue }
      tell(name, kilobytes * 1_024 / 1e6)
    }
  }
}
