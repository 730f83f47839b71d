// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Text for the person at the terminal.
enum ConsoleText {
  /// Whether standard error is a terminal.
  static var isTerminal: Bool { isatty(2) == 1 }

  /// Writes a line to standard error.
  static func complain(_ line: String) { write(line + "\n") }

  /// Writes text to standard error at once.
  static func write(_ text: String) {
    let bytes = Array(text.utf8)
    // Losing a progress line is no failure.
    #if canImport(Glibc)
    _ = unsafe Glibc.write(2, bytes, bytes.count)
    #elseif canImport(Musl)
    _ = unsafe Musl.write(2, bytes, bytes.count)
    #else
    _ = unsafe Darwin.write(2, bytes, bytes.count)
    #endif
  }

  /// A number of bytes, to three digits.
  static func size(_ bytes: UInt64) -> String {
    switch bytes {
    case 0..<10_000: return "\(bytes) B"
    case 10_000..<1_000_000: return "\(bytes / 1_000) kB"
    case 1_000_000..<10_000_000_000: return "\(bytes / 1_000_000) MB"
    default: return "\(bytes / 1_000_000_000) GB"
    }
  }
}

extension ConsoleText {
  /// Writes text to standard output at once, so that it keeps its place among lines on standard error.
  static func output(_ text: String, terminator: String = "") {
    print(text, terminator: terminator)
    fflush(nil)
  }

  /// Writes a line to standard output at once.
  static func say(_ line: String) { output(line, terminator: "\n") }

  /// Stored or received text for a terminal: what that could take for a command, all control characters of C0 and C1, is
  /// a space.
  static func printable(_ text: some StringProtocol) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }
      )
    )
  }
}
