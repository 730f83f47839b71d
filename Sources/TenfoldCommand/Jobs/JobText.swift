// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs

/// Jobs as text for people.
enum JobText {
  static func line(_ job: JobSnapshot) -> String {
    let columns = [
      "\(job.id)", "\(job.state)", job.queue.rawValue, job.name.rawValue, "\(job.attempts) runs",
    ]
    let progress = job.fraction.map { " \(percent($0))" } ?? ""
    let last = job.errors.last.map { "  " + clip($0, 60) } ?? ""
    return columns.joined(separator: "  ") + progress + last
  }

  static func description(_ job: JobSnapshot) -> String {
    var lines = [
      "id        \(job.id)", "name      \(job.name)", "queue     \(job.queue)",
      "tenant    \(job.tenant.rawValue.isEmpty ? "-" : job.tenant.rawValue)", "state     \(job.state)",
      "runs      \(job.attempts), lost leases \(job.crashCount), fence \(job.fence)",
    ]
    if job.fraction != nil || job.message != nil {
      let fraction = job.fraction.map(percent) ?? ""
      lines.append("progress  \(fraction) \(job.message ?? "")")
    }
    if !job.payload.isEmpty { lines.append("payload   \(bytes(job.payload))") }
    if let result = job.result { lines.append("result    \(bytes(result))") }
    for (index, error) in job.errors.enumerated() { lines.append("error \(index + 1)   \(error)") }
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

  /// Text as it is; what a terminal could take for a command is left out.
  private static func bytes(_ bytes: [UInt8]) -> String {
    let text = String(decoding: bytes.prefix(2000), as: UTF8.self)
    let printable = String(
      text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }.map(Character.init)
    )
    return bytes.count > 2000 ? "\(printable)… (\(bytes.count) bytes)" : printable
  }

  private static func clip(_ text: String, _ count: Int) -> String {
    let line = String(text.unicodeScalars.map { $0.value < 0x20 ? " " : Character($0) })
    return line.count > count ? line.prefix(count) + "…" : line
  }
}
