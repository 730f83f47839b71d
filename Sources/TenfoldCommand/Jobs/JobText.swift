// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs

/// Jobs as text for people; what is stored in them comes from anybody, so none of it reaches the terminal as it is.
enum JobText {
  static func line(_ job: JobSnapshot) -> String {
    let columns = [
      "\(job.id)", "\(job.state)", text(job.queue.rawValue), text(job.name.rawValue),
      "\(job.attempts) runs",
    ]
    let progress = job.fraction.map { " \(percent($0))" } ?? ""
    let last = job.errors.last.map { "  " + clip($0, 60) } ?? ""
    return columns.joined(separator: "  ") + progress + last
  }

  static func description(_ job: JobSnapshot) -> String {
    var lines = [
      "id        \(job.id)", "name      \(text(job.name.rawValue))", "queue     \(text(job.queue.rawValue))",
      "tenant    \(job.tenant.rawValue.isEmpty ? "-" : text(job.tenant.rawValue))", "state     \(job.state)",
      "runs      \(job.attempts), lost leases \(job.crashCount), fence \(job.fence)",
    ]
    if job.fraction != nil || job.message != nil {
      let fraction = job.fraction.map(percent) ?? ""
      lines.append("progress  \(fraction) \(text(job.message ?? ""))")
    }
    if !job.payload.isEmpty { lines.append("payload   \(bytes(job.payload))") }
    if let result = job.result { lines.append("result    \(bytes(result))") }
    for (index, error) in job.errors.enumerated() { lines.append("error \(index + 1)   \(text(error))") }
    return lines.joined(separator: "\n")
  }

  static func duration(_ duration: Duration) -> String {
    let seconds = duration / .seconds(1)
    switch seconds {
    case ..<1: return "\(Int(seconds * 1000)) ms"
    case ..<120: return "\(Int(seconds)) s"
    case ..<7200: return "\(Int(seconds / 60)) min"
    default: return "\(Int(seconds / 3600)) h"
    }
  }

  /// A fraction that any store may have given, so perhaps none at all.
  static func percent(_ fraction: Double) -> String {
    fraction.isNaN ? "?" : "\(Int(min(1, max(0, fraction)) * 100)) %"
  }

  private static func text(_ text: String) -> String { ConsoleText.printable(text) }

  private static func bytes(_ bytes: [UInt8]) -> String {
    let beginning = text(String(decoding: bytes.prefix(2000), as: UTF8.self))
    return bytes.count > 2000 ? "\(beginning)… (\(bytes.count) bytes)" : beginning
  }

  private static func clip(_ text: String, _ count: Int) -> String {
    let line = ConsoleText.printable(text)
    return line.count > count ? line.prefix(count) + "…" : line
  }
}
