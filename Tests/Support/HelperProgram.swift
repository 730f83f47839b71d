// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// A program of this build that a test runs in order to kill it.
package struct HelperProgram: Sendable {
  private struct NotBuilt: Error, CustomStringConvertible {
    let description: String
  }

  private let file: URL

  /// Finds a program: products of one build lie side by side, so it is beside the test bundle.
  package init(_ name: String) throws {
    let candidates =
      [Bundle.main.bundlePath, Bundle.main.executablePath ?? ""] + ProcessInfo.processInfo.arguments
    for candidate in candidates {
      var folder = URL(fileURLWithPath: candidate)
      for _ in 0..<4 {
        let file = folder.appendingPathComponent(name)
        if FileManager.default.isExecutableFile(atPath: file.path) {
          self.file = file
          return
        }
        folder.deleteLastPathComponent()
      }
    }
    throw NotBuilt(description: "\(name) was not built")
  }

  /// A process of the program that isn't running yet and whose output goes to a file.
  package func process(_ arguments: [String], log: String) -> Process {
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    let process = Process()
    process.executableURL = file
    process.arguments = arguments
    process.standardOutput = FileHandle(forWritingAtPath: log)
    return process
  }

  /// The whole lines of a file: a last line without its end was cut by a kill.
  package static func lines(_ log: String) throws -> [Substring] {
    try String(contentsOfFile: log, encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: false).dropLast()
  }
}
